package relight

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/relight-dev/relight/guest-sdk/go/internal/host"
)

// What a component consists of. Everything is registered while packages are initialised: in func init, or as the value of a
// variable. (main does not run in a component.)

// ServicePart is a handler or an option, for Service, Object and Workflow.
type ServicePart interface{ applyTo(service *service) }

// Option says something about a service or handler, or about an effect.
type Option func(*definition)

type definition struct {
	documentation *string
	options       host.Options
	timeout       *uint64
	metadata      []host.Pair
}

// Doc describes a service, handler or effect.
func Doc(text string) Option { return func(d *definition) { d.documentation = &text } }

// Private makes handlers unreachable through the doors: only other handlers call them.
func Private() Option {
	return func(d *definition) { d.options.Public = new(bool) }
}

// Public makes handlers of a private service reachable through the doors.
func Public() Option {
	public := true
	return func(d *definition) { d.options.Public = &public }
}

// Retry is the retry policy of handlers or an effect.
func Retry(policy RetryPolicy) Option {
	return func(d *definition) { d.options.Retry = policy.toHost() }
}

// Timeout bounds one attempt of an effect.
func Timeout(timeout time.Duration) Option {
	return func(d *definition) { d.timeout = optionalMillis(timeout) }
}

// InactivityTimeout is how long a handler that waits keeps its instance; after that it goes on in another one, by replay.
func InactivityTimeout(timeout time.Duration) Option {
	return func(d *definition) { d.options.InactivityTimeout = optionalMillis(timeout) }
}

// AbortTimeout bounds how long a handler runs without waiting; after that its attempt fails.
func AbortTimeout(timeout time.Duration) Option {
	return func(d *definition) { d.options.AbortTimeout = optionalMillis(timeout) }
}

// IdempotencyRetention is how long the result of a call with an idempotency key is kept.
func IdempotencyRetention(retention time.Duration) Option {
	return func(d *definition) { d.options.IdempotencyRetention = optionalMillis(retention) }
}

// JournalRetention is how long the journal of a completed invocation is kept.
func JournalRetention(retention time.Duration) Option {
	return func(d *definition) { d.options.JournalRetention = optionalMillis(retention) }
}

// Metadata adds a fact for tools.
func Metadata(name, value string) Option {
	return func(d *definition) { d.metadata = append(d.metadata, host.Pair{Name: name, Value: value}) }
}

func define(options []Option) definition {
	var d definition
	for _, option := range options {
		option(&d)
	}
	return d
}

func (o Option) applyTo(s *service) { o(&s.definition) }

type service struct {
	name       string
	kind       host.ServiceKind
	definition definition
	handlers   []*HandlerDefinition
}

// HandlerDefinition is a handler to be registered with its service.
type HandlerDefinition struct {
	name string
	kind host.ServiceKind
	mode host.HandlerMode
	// Made for the manifest only: every attempt registers anew.
	input, output func() host.PayloadDef
	definition    definition
	invoke        func(ctx *handlerContext, input []byte) ([]byte, error)
}

func (h *HandlerDefinition) applyTo(s *service) {
	switch {
	case h.kind != s.kind:
		problem("`%s/%s` is a handler of a %s, not of a %s", s.name, h.name, kinds[h.kind], kinds[s.kind])
	case slices.ContainsFunc(s.handlers, func(other *HandlerDefinition) bool { return other.name == h.name }):
		problem("`%s/%s` is registered twice", s.name, h.name)
	}
	s.handlers = append(s.handlers, h)
}

var kinds = map[host.ServiceKind]string{
	host.KindService: "service", host.KindObject: "virtual object", host.KindWorkflow: "workflow",
}

// Handler is a handler of a service.
func Handler[In, Out any](name string, handler func(Context, In) (Out, error), options ...Option) *HandlerDefinition {
	return newHandler(name, host.KindService, host.ModeExclusive, asContext, handler, options)
}

// Exclusive is a handler of a virtual object that holds the lock of its key.
func Exclusive[In, Out any](name string, handler func(ObjectContext, In) (Out, error), options ...Option) *HandlerDefinition {
	return newHandler(name, host.KindObject, host.ModeExclusive, asObject, handler, options)
}

// Shared is a handler of a virtual object that takes no lock, and reads only.
func Shared[In, Out any](
	name string, handler func(SharedObjectContext, In) (Out, error), options ...Option,
) *HandlerDefinition {
	return newHandler(name, host.KindObject, host.ModeShared, asShared, handler, options)
}

// WorkflowRun is the handler of a workflow that runs once per key.
func WorkflowRun[In, Out any](
	name string, handler func(WorkflowContext, In) (Out, error), options ...Option,
) *HandlerDefinition {
	return newHandler(name, host.KindWorkflow, host.ModeWorkflow, asWorkflow, handler, options)
}

// WorkflowHandler is a handler of a workflow beside its run.
func WorkflowHandler[In, Out any](
	name string, handler func(SharedWorkflowContext, In) (Out, error), options ...Option,
) *HandlerDefinition {
	return newHandler(name, host.KindWorkflow, host.ModeShared, asSharedWorkflow, handler, options)
}

func asContext(ctx *handlerContext) Context                      { return ctx }
func asObject(ctx *handlerContext) ObjectContext                 { return ctx }
func asShared(ctx *handlerContext) SharedObjectContext           { return ctx }
func asWorkflow(ctx *handlerContext) WorkflowContext             { return ctx }
func asSharedWorkflow(ctx *handlerContext) SharedWorkflowContext { return ctx }

func newHandler[C, In, Out any](
	name string, kind host.ServiceKind, mode host.HandlerMode,
	as func(*handlerContext) C, handler func(C, In) (Out, error), options []Option,
) *HandlerDefinition {
	return &HandlerDefinition{
		name: name, kind: kind, mode: mode, definition: define(options), input: inputDef[In], output: outputDef[Out],
		invoke: func(ctx *handlerContext, payload []byte) ([]byte, error) {
			if text := string(bytes.TrimSpace(payload)); !takesNull[In]() && (text == "" || text == "null") {
				return nil, Fail(400, "cannot read the input: it is null")
			}
			input, err := decodeInput[In](payload)
			if err != nil {
				return nil, Fail(400, "cannot read the input: %v", err)
			}
			output, err := handler(as(ctx), input)
			if err != nil {
				return nil, err
			}
			return encode(output), nil
		},
	}
}

// Service registers a service: handlers without a key and without state.
func Service(name string, parts ...ServicePart) { register(name, host.KindService, parts) }

// Object registers a virtual object: handlers with the state of a key.
func Object(name string, parts ...ServicePart) { register(name, host.KindObject, parts) }

// Workflow registers a workflow: a run, once per key, and handlers beside it.
func Workflow(name string, parts ...ServicePart) { register(name, host.KindWorkflow, parts) }

var (
	services []*service
	effects  []*effect
	// problems of what is registered; a deployment fails with them.
	problems []string
)

func problem(format string, arguments ...any) {
	problems = append(problems, fmt.Sprintf(format, arguments...))
}

func register(name string, kind host.ServiceKind, parts []ServicePart) {
	if findService(name) != nil {
		problem("the service `%s` is registered twice", name)
	}
	s := &service{name: name, kind: kind}
	for _, part := range parts {
		part.applyTo(s)
	}
	services = append(services, s)
}

func findService(name string) *service {
	index := slices.IndexFunc(services, func(s *service) bool { return s.name == name })
	if index < 0 {
		return nil
	}
	return services[index]
}

func findHandler(service, handler string) *HandlerDefinition {
	s := findService(service)
	if s == nil {
		return nil
	}
	index := slices.IndexFunc(s.handlers, func(h *HandlerDefinition) bool { return h.name == handler })
	if index < 0 {
		return nil
	}
	return s.handlers[index]
}

// manifest is what the component says about itself. It panics when that makes no sense: the deployment fails with the message.
func manifest() host.Manifest {
	if len(services) == 0 && len(effects) == 0 {
		problem("no service is registered: call relight.Service in func init, for main does not run in a component")
	}
	if len(problems) > 0 {
		panic(fmt.Sprint(problems))
	}
	m := host.Manifest{SDK: "relight-go/" + Version}
	for _, s := range services {
		definition := host.ServiceDef{
			Name: s.name, Kind: s.kind, Documentation: s.definition.documentation,
			Options: s.definition.options, Metadata: s.definition.metadata,
		}
		for _, h := range s.handlers {
			definition.Handlers = append(definition.Handlers, host.HandlerDef{
				Name: h.name, Mode: h.mode, Input: h.input(), Output: h.output(), Documentation: h.definition.documentation,
				Options: h.definition.options, Metadata: h.definition.metadata,
			})
		}
		m.Services = append(m.Services, definition)
	}
	for _, e := range effects {
		m.Effects = append(m.Effects, host.EffectDef{
			Name: e.name, Documentation: e.definition.documentation,
			Retry: e.definition.options.Retry, Timeout: e.definition.timeout,
		})
	}
	return m
}
