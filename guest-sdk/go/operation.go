package relight

import (
	"github.com/relight-dev/relight/guest-sdk/go/internal/host"
)

// Operation is a durable operation that has been started, and whose result may be pending. Nobody has to wait for it. Any number of
// goroutines may, any number of times: its result stays.
type Operation[T any] struct {
	handle host.Handle
	// what completes the sentence "cannot read …".
	what   string
	isCall bool
}

func newOperation[T any](handle host.Handle, what string) *Operation[T] {
	return &Operation[T]{handle: handle, what: what}
}

// Wait waits for the result. The handler may be suspended meanwhile. When the invocation is cancelled the error is ErrCancelled;
// that does not use the operation up.
func (o *Operation[T]) Wait() (T, error) {
	result, err := o.result()
	if err != nil {
		var none T
		return none, err
	}
	return decodeRecorded[T](result.Value, o.what)
}

func (o *Operation[T]) result() (host.Result, error) {
	result, ok := current.wait(o.handle)
	switch {
	case !ok:
		return result, cancelledFailure()
	case result.Failure != nil:
		return result, failureFromHost(result.Failure)
	default:
		return result, nil
	}
}

// optional is for operations that complete without a value when there is none. A value that reads as null is one.
func (o *Operation[T]) optional() (T, bool, error) {
	var none T
	result, err := o.result()
	if err != nil || result.Absent {
		return none, false, err
	}
	value, err := decodeRecorded[T](result.Value, o.what)
	return value, err == nil, err
}

// InvocationID is the callee of a call. It panics for other operations.
func (o *Operation[T]) InvocationID() InvocationID {
	if !o.isCall {
		panic("only a call has a callee")
	}
	enter()
	return InvocationID(host.Callee(o.handle))
}

func (o *Operation[T]) operation() host.Handle { return o.handle }

// Waitable is an operation of any type.
type Waitable interface{ operation() host.Handle }

// All waits for all operations, failed ones included; a suspended handler is woken once for all of them. It gives their values in
// order, or the error of the first, in order, that failed.
func All[T any](operations ...*Operation[T]) ([]T, error) {
	if !current.waitAll(handles(operations)) {
		return nil, cancelledFailure()
	}
	values := make([]T, len(operations))
	for index, operation := range operations {
		value, err := operation.Wait()
		if err != nil {
			return nil, err
		}
		values[index] = value
	}
	return values, nil
}

// Select waits for the first of operations of any types, and gives its position. Which one was first is recorded. A following Wait
// for it returns at once.
//
//	winner, err := relight.Select(approval, ctx.Timer(48*time.Hour))
func Select(operations ...Waitable) (int, error) {
	if len(operations) == 0 {
		panic("a wait for the first of several operations needs at least one")
	}
	handles := make([]host.Handle, len(operations))
	for index, operation := range operations {
		handles[index] = operation.operation()
	}
	winner, ok := current.waitAny(handles)
	if !ok {
		return 0, cancelledFailure()
	}
	for index, handle := range handles {
		if handle == winner {
			return index, nil
		}
	}
	panic("the host answers one of the operations that are waited for")
}

// Race waits for the first operation that completes, with a value or a failure, and gives its position and result.
func Race[T any](operations ...*Operation[T]) (int, T, error) {
	var none T
	winner, err := Select(waitables(operations)...)
	if err != nil {
		return 0, none, err
	}
	value, err := operations[winner].Wait()
	return winner, value, err
}

// Any waits for the first operation that succeeds, and gives its position and value. When all have failed the error is that of the
// one that failed last.
func Any[T any](operations ...*Operation[T]) (int, T, error) {
	open := waitables(operations)
	positions := make([]int, len(open))
	for index := range positions {
		positions[index] = index
	}
	for {
		winner, err := Select(open...)
		if err != nil {
			var none T
			return 0, none, err
		}
		position := positions[winner]
		value, err := operations[position].Wait()
		if err == nil || len(open) == 1 {
			return position, value, err
		}
		open = append(open[:winner], open[winner+1:]...)
		positions = append(positions[:winner], positions[winner+1:]...)
	}
}

func handles[T any](operations []*Operation[T]) []host.Handle {
	handles := make([]host.Handle, len(operations))
	for index, operation := range operations {
		handles[index] = operation.handle
	}
	return handles
}

func waitables[T any](operations []*Operation[T]) []Waitable {
	list := make([]Waitable, len(operations))
	for index, operation := range operations {
		list[index] = operation
	}
	return list
}
