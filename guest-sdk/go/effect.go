package relight

import (
	"context"
	"slices"
	"time"

	"github.com/relight-dev/relight/guest-sdk/go/internal/host"
)

// EffectContext is what an effect may know. Time and randomness are live in it; time.Now and math/rand as well.
type EffectContext interface {
	context.Context
	// IdempotencyKey is the same for all attempts of this effect and different for every other. Pass it to the service you call, so
	// that it can tell a repetition from a new request.
	IdempotencyKey() string
	// Attempt is 1 for the first, and so on.
	Attempt() int
	// InvocationID is the invocation that asked for the effect.
	InvocationID() InvocationID
	// Now is the wall clock.
	Now() time.Time
	// UUID is a new version 4 UUID.
	UUID() string

	isEffect()
}

type effectContext struct {
	context.Context
	request host.EffectRequest
}

func (c *effectContext) IdempotencyKey() string   { return c.request.IdempotencyKey }
func (c *effectContext) Attempt() int             { return int(c.request.Attempt) }
func (*effectContext) InvocationID() InvocationID { return InvocationID(host.GetInfo().ID) }
func (*effectContext) Now() time.Time             { return timeOf(host.Now()) }
func (*effectContext) UUID() string               { return host.UUID() }
func (*effectContext) isEffect()                  {}

type effect struct {
	name       string
	definition definition
	run        func(ctx *effectContext, input []byte) ([]byte, error)
}

// EffectDefinition is an effect that handlers start.
type EffectDefinition[In, Out any] struct{ name string }

// Effect registers an effect: a function that runs in its own instance, with live time, randomness and HTTP, and whose result is
// recorded; after that it never runs again. Until then it may run more than once.
//
//	var charge = relight.Effect("charge", func(ctx relight.EffectContext, request Charge) (Payment, error) { … },
//		relight.Retry(relight.RetryPolicy{MaxAttempts: 5}), relight.Timeout(30*time.Second))
func Effect[In, Out any](
	name string, run func(EffectContext, In) (Out, error), options ...Option,
) *EffectDefinition[In, Out] {
	if findEffect(name) != nil {
		problem("the effect `%s` is registered twice", name)
	}
	effects = append(effects, &effect{
		name: name, definition: define(options),
		run: func(ctx *effectContext, payload []byte) ([]byte, error) {
			input, err := decodeInput[In](payload)
			if err != nil {
				return nil, Fail(500, "cannot read the effect's input: %v", err)
			}
			output, err := run(ctx, input)
			if err != nil {
				return nil, err
			}
			return encode(output), nil
		},
	})
	return &EffectDefinition[In, Out]{name}
}

func findEffect(name string) *effect {
	index := slices.IndexFunc(effects, func(e *effect) bool { return e.name == name })
	if index < 0 {
		return nil
	}
	return effects[index]
}

// Start starts the effect, and goes on at once. Of the options, Retry and Timeout matter here: they override those of the effect.
func (e *EffectDefinition[In, Out]) Start(ctx Context, input In, options ...Option) *Operation[Out] {
	payload := encodeInput(input)
	var made *host.EffectOptions
	if len(options) > 0 {
		d := define(options)
		made = &host.EffectOptions{Retry: d.options.Retry, Timeout: d.timeout}
	}
	enter()
	return newOperation[Out](host.Effect(e.name, payload, made), "the result of an effect")
}

// Call starts the effect, and waits for its result.
func (e *EffectDefinition[In, Out]) Call(ctx Context, input In, options ...Option) (Out, error) {
	return e.Start(ctx, input, options...).Wait()
}

// Run does a piece of real work in the middle of the handler. The work is called only while its result is not recorded; in it Fetch
// works, and time and randomness are live, while operations and waits are not possible. A TerminalFailure is its result, any other
// error asks for another attempt, by the policy that Retry gives, else by the host's, which has no bounds. A panic fails the handler's
// attempt.
//
// When the result is recorded, the handler goes on in a fresh instance, by replay. Whatever else the work changed in memory is gone.
// It also means that n runs in a row replay n times; in loops, use effects, which also run in parallel.
func Run[T any](ctx Context, name string, work func() (T, error), options ...Option) (T, error) {
	var none T
	enter()
	result, recorded := host.RunStart(name, define(options).options.Retry)
	switch {
	case recorded && result.Failure != nil:
		return none, failureFromHost(result.Failure)
	case recorded:
		return decodeRecorded[T](result.Value, "the result of a run")
	}
	current.running = true
	chance.forget()
	value, err := work()
	if err == nil {
		host.RunFinish(host.Result{Value: encode(value)})
	} else if attempt := attemptError(err); attempt.Failure != nil {
		host.RunFinish(host.Result{Failure: attempt.Failure})
	} else {
		host.RunRetry(attempt.Message, attempt.After)
	}
	panic("the host ends the instance when a run is over")
}
