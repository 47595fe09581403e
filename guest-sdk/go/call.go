package relight

import (
	"time"

	"github.com/relight-dev/relight/guest-sdk/go/internal/host"
)

// Target says which handler is invoked, and for which key. Services have none.
type Target struct {
	Service string
	// Key of a virtual object or workflow. Keyed tells an empty key from none.
	Key     string
	Keyed   bool
	Handler string
}

// ServiceTarget is a handler of a service.
func ServiceTarget(service, handler string) Target {
	return Target{Service: service, Handler: handler}
}

// KeyedTarget is a handler of a virtual object or workflow.
func KeyedTarget(service, key, handler string) Target {
	return Target{Service: service, Key: key, Keyed: true, Handler: handler}
}

func (t Target) toHost() host.Target {
	target := host.Target{Service: t.Service, Handler: t.Handler}
	if t.Keyed {
		target.Key = &t.Key
	}
	return target
}

func targetOf(target host.Target) Target {
	converted := ServiceTarget(target.Service, target.Handler)
	if target.Key != nil {
		converted.Key, converted.Keyed = *target.Key, true
	}
	return converted
}

// Client calls one handler, with the types of its input and output:
//
//	var reserve = relight.Client[relight.Void, bool]{Service: "Ticket", Handler: "reserve"}
//
//	reserved, err := reserve.Key("A1").Call(ctx, relight.Void{})
type Client[In, Out any] struct{ Service, Handler string }

// Callee is a handler with the key it is to be called with.
type Callee[In, Out any] struct{ target Target }

// Key of the virtual object or workflow to be called.
func (c Client[In, Out]) Key(key string) Callee[In, Out] {
	return Callee[In, Out]{KeyedTarget(c.Service, key, c.Handler)}
}

// Call calls a handler of a service, and waits for the result.
func (c Client[In, Out]) Call(ctx Context, input In, options ...CallOption) (Out, error) {
	return Call[Out](ctx, ServiceTarget(c.Service, c.Handler), input, options...)
}

// Start calls a handler of a service, and goes on at once.
func (c Client[In, Out]) Start(ctx Context, input In, options ...CallOption) *Operation[Out] {
	return Start[Out](ctx, ServiceTarget(c.Service, c.Handler), input, options...)
}

// Send calls a handler of a service without waiting for the result, now or later.
func (c Client[In, Out]) Send(ctx Context, input In, options ...CallOption) InvocationID {
	return Send(ctx, ServiceTarget(c.Service, c.Handler), input, options...)
}

// Call calls the handler, and waits for the result.
func (c Callee[In, Out]) Call(ctx Context, input In, options ...CallOption) (Out, error) {
	return Call[Out](ctx, c.target, input, options...)
}

// Start calls the handler, and goes on at once.
func (c Callee[In, Out]) Start(ctx Context, input In, options ...CallOption) *Operation[Out] {
	return Start[Out](ctx, c.target, input, options...)
}

// Send calls the handler without waiting for the result, now or later.
func (c Callee[In, Out]) Send(ctx Context, input In, options ...CallOption) InvocationID {
	return Send(ctx, c.target, input, options...)
}

// CallOption changes how a handler is called.
type CallOption func(*callOptions)

type callOptions struct {
	due     host.Due
	options host.CallOptions
	any     bool
}

// IdempotencyKey makes it one invocation for everyone who calls this handler with the same key.
func IdempotencyKey(key string) CallOption {
	return func(o *callOptions) { o.options.IdempotencyKey, o.any = &key, true }
}

// CallHeader adds a header for the callee.
func CallHeader(name, value string) CallOption {
	return func(o *callOptions) {
		o.options.Headers, o.any = append(o.options.Headers, host.Pair{Name: name, Value: value}), true
	}
}

// Named shows this name in the journal.
func Named(name string) CallOption {
	return func(o *callOptions) { o.options.Name, o.any = &name, true }
}

// After delays a send. The delay counts from the moment at which the host records it.
func After(delay time.Duration) CallOption {
	return func(o *callOptions) { o.due = host.Due{Kind: host.DueAfter, Millis: toMillis(delay)} }
}

// At sends at a given time; at once when it has passed.
func At(at time.Time) CallOption {
	return func(o *callOptions) { o.due = host.Due{Kind: host.DueAt, Millis: millisOf(at)} }
}

func apply(options []CallOption) (host.Due, *host.CallOptions) {
	var o callOptions
	for _, option := range options {
		option(&o)
	}
	if !o.any {
		return o.due, nil
	}
	return o.due, &o.options
}

// Call calls a handler, and waits for the result.
func Call[Out any](ctx Context, target Target, input any, options ...CallOption) (Out, error) {
	return Start[Out](ctx, target, input, options...).Wait()
}

// Start calls a handler, and goes on at once. The operation knows the callee's id.
func Start[Out any](ctx Context, target Target, input any, options ...CallOption) *Operation[Out] {
	payload := encodeInput(input)
	due, made := apply(options)
	if due.Kind != host.DueNow {
		panic("only a send can be delayed: sleep before the call, or use Send")
	}
	enter()
	operation := newOperation[Out](host.Call(target.toHost(), payload, made), "the result of a call")
	operation.isCall = true
	return operation
}

// Send calls a handler without waiting for the result, now or later. It arrives exactly once.
func Send(ctx Context, target Target, input any, options ...CallOption) InvocationID {
	payload := encodeInput(input)
	due, made := apply(options)
	enter()
	return InvocationID(host.Send(target.toHost(), payload, due, made))
}
