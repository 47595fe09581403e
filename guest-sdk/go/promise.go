package relight

import (
	"github.com/relight-dev/relight/guest-sdk/go/internal/host"
)

// What somebody else completes: awakeables, signals, the promises of a workflow's key, other invocations.

// Awakeable makes a promise that anyone outside can resolve or reject by its id, over HTTP or from another handler.
func Awakeable[T any](ctx Context) (AwakeableID, *Operation[T]) {
	enter()
	handle, id := host.Awakeable()
	return AwakeableID(id), newOperation[T](handle, "the value of an awakeable")
}

// ResolveAwakeable gives somebody's awakeable its value. The first to resolve or reject it wins.
func ResolveAwakeable(ctx Context, id AwakeableID, value any) {
	payload := encode(value)
	enter()
	host.ResolveAwakeable(string(id), host.Result{Value: payload})
}

// RejectAwakeable fails somebody's awakeable. An error that is no TerminalFailure is one with code 500.
func RejectAwakeable(ctx Context, id AwakeableID, reason error) {
	enter()
	host.ResolveAwakeable(string(id), host.Result{Failure: failureToHost(reason)})
}

// Signal asks for the next value of a named signal that is sent to this invocation, before this or after: the k-th operation for a
// name gets its k-th value.
func Signal[T any](ctx Context, name string) *Operation[T] {
	enter()
	return newOperation[T](host.Signal(name), "the value of a signal")
}

// SendSignal sends a named value to another invocation. Sent to one that is unknown or completed, it is dropped.
func SendSignal(ctx Context, to InvocationID, name string, value any) {
	payload := encode(value)
	enter()
	host.SendSignal(string(to), name, host.Result{Value: payload})
}

// RejectSignal sends a failure as a signal's value. An error that is no TerminalFailure is one with code 500.
func RejectSignal(ctx Context, to InvocationID, name string, reason error) {
	enter()
	host.SendSignal(string(to), name, host.Result{Failure: failureToHost(reason)})
}

// Promise asks for the value of a promise of this workflow's key: one value for its name, whoever completes it and whoever waits for
// it, before or after.
func Promise[T any](ctx PromiseScope, name string) *Operation[T] {
	enter()
	return newOperation[T](host.Promise(name), promiseValue)
}

const promiseValue = "the value of a promise"

// PeekPromise gives the value of a promise if it has one by now. A promise that was rejected gives its failure.
func PeekPromise[T any](ctx PromiseScope, name string) (T, bool, error) {
	enter()
	return newOperation[T](host.PromisePeek(name), promiseValue).optional()
}

// ResolvePromise gives a promise its value; a failure 409 when it has one already.
func ResolvePromise(ctx PromiseScope, name string, value any) error {
	payload := encode(value)
	enter()
	return completed(host.PromiseComplete(name, host.Result{Value: payload}))
}

// RejectPromise gives a promise a failure; a failure 409 when it is completed already. An error that is no TerminalFailure is one
// with code 500.
func RejectPromise(ctx PromiseScope, name string, reason error) error {
	enter()
	return completed(host.PromiseComplete(name, host.Result{Failure: failureToHost(reason)}))
}

func completed(handle host.Handle) error {
	_, err := newOperation[Void](handle, "the completion of a promise").Wait()
	return err
}

// Attach asks for the result of another invocation, when it has one. An unknown id is a failure 404.
func Attach[T any](ctx Context, id InvocationID) *Operation[T] {
	enter()
	return newOperation[T](host.Attach(string(id)), invocationResult)
}

const invocationResult = "the result of an invocation"

// Output gives the result of another invocation if it has one by now. An unknown id is a failure 404.
func Output[T any](ctx Context, id InvocationID) (T, bool, error) {
	enter()
	return newOperation[T](host.Output(string(id)), invocationResult).optional()
}
