package relight

import (
	"runtime"
	"slices"
	"strings"

	"github.com/relight-dev/relight/guest-sdk/go/internal/host"
)

// Runs one handler in a goroutine of its own, and when no goroutine can go on, lets the host wait for what they wait for.
//
// Rules:
//
//   - There is one thread. The only blocking calls are the host's waits, made in step, and the start of an inline run.
//   - A goroutine that waits for an operation registers its handle and parks on a channel. When every goroutine is parked, wherever
//     (channels, mutexes, wait groups), everything that is registered is waited for: by wait for one handle, by wait-all when all of
//     them belong to one All, else by wait-any. So what happens next depends on the order in which operations completed, which the
//     host records, and on nothing else.
//   - The order in which goroutines run, of select and of maps follow from the program and what the host answered, and from
//     nothing else: the instance starts from the same memory each time, has one thread, no signals, and the invocation's clock. So a
//     replay by the same component repeats them exactly.
//   - Timers of package time are durable: when every goroutine is parked and one of them runs, a timer of the host is part of
//     what is waited for.
//   - Cancellation: when a wait reports it, every wait that is registered at that moment fails with ErrCancelled. Later waits are
//     not affected, and the operations are not used up.
//   - Behind the handler's end, and beside a live inline run, goroutines park where they would make an operation.

// current is the scheduler of this instance, which serves one attempt.
var current = &scheduler{}

type scheduler struct {
	waiting   []*waiter
	completed map[host.Handle]bool
	// timer wakes goroutines that wait for package time: its handle (0: none, for 0 is the input), and when it is due.
	timer    host.Handle
	timerDue uint64
	ended    bool
	running  bool
	isEffect bool
	// failure ends the attempt from a goroutine that is not the handler's.
	failure *host.AttemptError
}

// waiter is a parked goroutine.
type waiter struct {
	// handles that it waits for and that are not known to be complete.
	handles []host.Handle
	all     bool
	woken   chan woken
}

// woken is why a parked goroutine goes on.
type woken struct {
	handle    host.Handle
	result    *host.Result
	cancelled bool
}

// enter stands before every operation.
func enter() { current.enter() }

func (s *scheduler) enter() {
	if s.ended || s.running {
		select {}
	}
}

// wait parks until an operation has completed, or the invocation is cancelled.
func (s *scheduler) wait(handle host.Handle) (host.Result, bool) {
	s.enter()
	if !s.completed[handle] {
		woken := s.park(&waiter{handles: []host.Handle{handle}})
		if woken.cancelled {
			return host.Result{}, false
		}
		if woken.result != nil {
			return *woken.result, true
		}
	}
	// Known to be complete: returns at once.
	return host.Wait(handle)
}

// waitAny parks until one of several operations has completed.
func (s *scheduler) waitAny(handles []host.Handle) (host.Handle, bool) {
	s.enter()
	for _, handle := range handles {
		if s.completed[handle] {
			// The host knows which of them was first.
			return host.WaitAny(handles)
		}
	}
	woken := s.park(&waiter{handles: slices.Clone(handles)})
	return woken.handle, !woken.cancelled
}

// waitAll parks until all of several operations have completed.
func (s *scheduler) waitAll(handles []host.Handle) bool {
	s.enter()
	open := slices.DeleteFunc(slices.Clone(handles), func(handle host.Handle) bool { return s.completed[handle] })
	return len(open) == 0 || !s.park(&waiter{handles: open, all: true}).cancelled
}

func (s *scheduler) park(w *waiter) woken {
	w.woken = make(chan woken, 1)
	s.waiting = append(s.waiting, w)
	return <-w.woken
}

// run gives the result of main, which it calls in a goroutine.
func (s *scheduler) run(main func()) {
	s.completed = map[host.Handle]bool{}
	go func() {
		defer func() { s.ended = true }()
		main()
	}()
	for {
		host.Idle()
		if s.ended {
			return
		}
		if failure := s.step(); failure != nil {
			s.fail(failure)
			return
		}
	}
}

// step blocks until at least one operation that is waited for has completed, or the cancellation is reported, and wakes who waits
// for it.
func (s *scheduler) step() *host.AttemptError {
	timed := s.startTimer()
	switch handles := s.handles(timed); {
	case len(handles) == 0:
		return &host.AttemptError{Message: s.stuck()}
	case len(handles) == 1:
		result, ok := host.Wait(handles[0])
		s.wake(handles[0], &result, ok)
	case len(s.waiting) == 1 && s.waiting[0].all && !timed:
		if !host.WaitAll(handles) {
			s.cancel()
			return nil
		}
		for _, handle := range handles {
			s.complete(handle, nil)
		}
	default:
		handle, ok := host.WaitAny(handles)
		s.wake(handle, nil, ok)
	}
	return nil
}

func (s *scheduler) wake(handle host.Handle, result *host.Result, ok bool) {
	if ok {
		s.complete(handle, result)
	} else {
		s.cancel()
	}
}

// handles are those that are waited for, each once and in order, so that the host always gets them in the same order.
func (s *scheduler) handles(timed bool) []host.Handle {
	var handles []host.Handle
	if timed {
		handles = append(handles, s.timer)
	}
	for _, w := range s.waiting {
		handles = append(handles, w.handles...)
	}
	slices.Sort(handles)
	return slices.Compact(handles)
}

func (s *scheduler) complete(handle host.Handle, result *host.Result) {
	if handle == s.timer {
		// The clock has moved; the timers of package time see to the rest.
		s.timer = 0
		return
	}
	s.completed[handle] = true
	s.waiting = slices.DeleteFunc(s.waiting, func(w *waiter) bool {
		position := slices.Index(w.handles, handle)
		if position < 0 {
			return false
		}
		if w.all {
			w.handles = slices.DeleteFunc(w.handles, func(other host.Handle) bool { return other == handle })
			if len(w.handles) > 0 {
				return false
			}
		}
		w.woken <- woken{handle: handle, result: result}
		return true
	})
}

func (s *scheduler) cancel() {
	for _, w := range s.waiting {
		w.woken <- woken{cancelled: true}
	}
	s.waiting = nil
}

// startTimer sees to it that the host wakes this handler when the next timer of package time is due. It tells whether there is one.
func (s *scheduler) startTimer() bool {
	nanos, some := host.NextTimer()
	if !some || s.isEffect || s.running {
		return false
	}
	millis := (uint64(nanos) + 999_999) / 1_000_000
	due := host.Now() + millis
	if s.timer == 0 || s.timerDue > due {
		s.timer, s.timerDue = host.Timer(host.Due{Kind: host.DueAfter, Millis: millis}, nil), due
	}
	return true
}

// stuck explains why nothing can ever happen.
func (s *scheduler) stuck() string {
	reason := "the handler waits for something that no operation will ever complete"
	_, timers := host.NextTimer()
	switch {
	case s.running && timers, s.isEffect && timers:
		reason = "time does not pass by itself in an effect or an inline run: return relight.RetryAfter instead of sleeping"
	case s.running:
		reason = "an inline run waits for an operation, or for a goroutine that does; operations are not possible in it"
	case s.isEffect:
		reason = "the effect waits for something that never happens"
	}
	return strings.TrimSpace(reason + "\n\n" + stacks())
}

// stacksBytesMax bounds what an error carries.
const stacksBytesMax = 4 << 10

func stacks() string {
	buffer := make([]byte, stacksBytesMax)
	return string(buffer[:runtime.Stack(buffer, true)])
}
