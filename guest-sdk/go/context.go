package relight

import (
	"context"
	"strings"
	"time"

	"github.com/relight-dev/relight/guest-sdk/go/internal/host"
)

// InvocationID is the id of an invocation, inv_1….
type InvocationID string

// AwakeableID is the public id of an awakeable, sign_1….
type AwakeableID string

// Context is what a handler of a service can do, besides the functions of this package that take one. It is a context.Context that
// never ends by itself: a cancellation is the error of what is being waited for.
//
// There is a type for each kind of handler, so that what a handler may not do does not compile:
//
//	Context                calls, sends, timers, awakeables, signals, effects, inline runs
//	SharedObjectContext    the same, and reads the state of its key
//	ObjectContext          the same, and writes it
//	SharedWorkflowContext  reads the state of its key, and has its promises
//	WorkflowContext        the same, and writes the state
type Context interface {
	context.Context

	// Sleep waits for a durable timer, in a later life of this handler if need be.
	Sleep(duration time.Duration) error
	// Timer starts a durable timer.
	Timer(duration time.Duration) *Operation[Void]
	// TimerAt starts a durable timer that completes at a given time.
	TimerAt(at time.Time) *Operation[Void]
	// Cancel cancels another invocation: what it waits for fails, and it may compensate. One that is unknown or completed is left
	// alone.
	Cancel(id InvocationID)

	// Now is the time of this invocation. It moves when the handler starts operations or a wait returns, and is the same on replay;
	// time.Now gives the same.
	Now() time.Time
	// Random gives bytes of a stream that belongs to this invocation, the same on replay. Not for secrets.
	Random(length int) []byte
	// UUID is a version 4 UUID, the same on replay.
	UUID() string

	// InvocationID is the id of this invocation.
	InvocationID() InvocationID
	// Target is the service, key and handler that were invoked.
	Target() Target
	// Caller is the invocation that called or sent this one; empty when it came over HTTP.
	Caller() InvocationID
	// IdempotencyKey is the one under which the caller made this invocation idempotent; empty if it did not.
	IdempotencyKey() string
	// Header is the first value of a header; upper and lower case of the name are the same.
	Header(name string) string
	// Headers are all headers in the order in which they came, names in lower case.
	Headers() []Header

	isHandler()
}

// Header of a request or response.
type Header struct{ Name, Value string }

// SharedObjectContext is that of a virtual object's shared handler.
type SharedObjectContext interface {
	Context
	StateReader
}

// ObjectContext is that of a virtual object's exclusive handler.
type ObjectContext interface {
	SharedObjectContext
	StateWriter
}

// SharedWorkflowContext is that of a workflow's handlers beside its run.
type SharedWorkflowContext interface {
	Context
	StateReader
	PromiseScope
}

// WorkflowContext is that of a workflow's run.
type WorkflowContext interface {
	SharedWorkflowContext
	StateWriter
}

// StateReader reads the state of a key; see Get.
type StateReader interface {
	// Key of this virtual object or workflow.
	Key() string
	// Keys are the names of all values, in byte order.
	Keys() []string
	readsState()
}

// StateWriter writes the state of a key; see Set.
type StateWriter interface {
	// Clear removes the value under name.
	Clear(name string)
	// ClearAll removes all values of this key.
	ClearAll()
	writesState()
}

// PromiseScope has the promises of a workflow's key; see Promise.
type PromiseScope interface{ hasPromises() }

// handlerContext is all of them; the type of the handler's parameter shows what it may use.
type handlerContext struct {
	context.Context
	key     string
	headers []host.Pair
}

func (*handlerContext) isHandler()   {}
func (*handlerContext) readsState()  {}
func (*handlerContext) writesState() {}
func (*handlerContext) hasPromises() {}

func (c *handlerContext) Sleep(duration time.Duration) error {
	_, err := c.Timer(duration).Wait()
	return err
}

func (*handlerContext) Timer(duration time.Duration) *Operation[Void] {
	enter()
	handle := host.Timer(host.Due{Kind: host.DueAfter, Millis: toMillis(duration)}, nil)
	return newOperation[Void](handle, "a timer")
}

func (*handlerContext) TimerAt(at time.Time) *Operation[Void] {
	enter()
	return newOperation[Void](host.Timer(host.Due{Kind: host.DueAt, Millis: millisOf(at)}, nil), "a timer")
}

func (*handlerContext) Cancel(id InvocationID) {
	enter()
	host.Cancel(string(id))
}

func (*handlerContext) Now() time.Time { return timeOf(host.Now()) }

func (*handlerContext) Random(length int) []byte { return randomBytes(length) }

func (*handlerContext) UUID() string { return host.UUID() }

func (*handlerContext) InvocationID() InvocationID { return InvocationID(host.GetInfo().ID) }

func (*handlerContext) Target() Target { return targetOf(host.GetInfo().Target) }

func (*handlerContext) Caller() InvocationID {
	if caller := host.GetInfo().Caller; caller != nil {
		return InvocationID(*caller)
	}
	return ""
}

func (*handlerContext) IdempotencyKey() string {
	if key := host.GetInfo().IdempotencyKey; key != nil {
		return *key
	}
	return ""
}

func (c *handlerContext) Header(name string) string {
	for _, header := range c.headers {
		if strings.EqualFold(header.Name, name) {
			return header.Value
		}
	}
	return ""
}

func (c *handlerContext) Headers() []Header {
	headers := make([]Header, len(c.headers))
	for index, header := range c.headers {
		headers[index] = Header(header)
	}
	return headers
}

func (c *handlerContext) Key() string { return c.key }

func (*handlerContext) Keys() []string {
	enter()
	return host.StateKeys()
}

func (*handlerContext) Clear(name string) {
	enter()
	host.ClearState(name)
}

func (*handlerContext) ClearAll() {
	enter()
	host.ClearAllState()
}

// Get reads the value under a name. The boolean tells whether there is one.
func Get[T any](ctx StateReader, name string) (T, bool, error) {
	enter()
	payload, found := host.GetState(name)
	if !found {
		var none T
		return none, false, nil
	}
	value, err := decodeRecorded[T](payload, "the state value `"+name+"`")
	return value, err == nil, err
}

// Set sets the value under a name. It panics for a value that cannot be expressed in JSON.
func Set(ctx StateWriter, name string, value any) {
	payload := encode(value)
	enter()
	host.SetState(name, payload)
}

func timeOf(millis uint64) time.Time { return time.UnixMilli(int64(millis)).UTC() }

// millisOf rounds up, so that nothing happens early.
func millisOf(at time.Time) uint64 {
	millis := at.UnixMilli()
	if at.After(time.UnixMilli(millis)) {
		millis++
	}
	return uint64(max(millis, 0))
}
