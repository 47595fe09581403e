package relight

import (
	"runtime"
	"runtime/debug"

	"github.com/relight-dev/relight/guest-sdk/go/internal/host"
)

// Branch is a function that runs beside the handler; made by Go.
type Branch[T any] struct {
	ended chan struct{}
	value T
	err   error
}

// Go runs a function in a goroutine beside the handler. It is the go statement with two differences: branches begin in the order of
// their statements, each running to its first wait before Go returns; and a panic fails the attempt with its message and stack, as in
// the handler itself.
//
//	first := relight.Go(func() (int64, error) { … })
//	second := relight.Go(func() (int64, error) { … })
//	a, err := first.Wait()
func Go[T any](body func() (T, error)) *Branch[T] {
	branch := &Branch[T]{ended: make(chan struct{})}
	go func() {
		defer func() {
			if reason := recover(); reason != nil {
				current.fail(panicked(reason, debug.Stack()))
			}
		}()
		branch.value, branch.err = body()
		close(branch.ended)
	}()
	// The new goroutine is the next to run, but for every 61st turn, which is that of the one that yields.
	runtime.Gosched()
	runtime.Gosched()
	return branch
}

// Wait waits for the branch's end, and gives what it gave.
func (b *Branch[T]) Wait() (T, error) {
	<-b.ended
	return b.value, b.err
}

// fail ends the attempt.
func (s *scheduler) fail(failure *host.AttemptError) {
	s.failure, s.ended = failure, true
}
