//go:build go1.25 && !wasip1

package relight

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relight-dev/relight/guest-sdk/go/internal/host"
)

// play runs a handler against a script, and gives what it gave and what the host was asked for. The bubble of synctest stands in for
// the component's scheduler: its Wait returns when every other goroutine waits.
func play(t *testing.T, script *host.Script, handler func(*handlerContext) (any, error)) (string, *host.AttemptError) {
	t.Helper()
	var payload []byte
	var failed *host.AttemptError
	script.Wait = synctest.Wait
	host.Play(script)
	synctest.Test(t, func(*testing.T) {
		payload, failed = attempt(false, func() ([]byte, error) {
			value, err := handler(&handlerContext{Context: t.Context()})
			if err != nil {
				return nil, err
			}
			return encode(value), nil
		})
	})
	return string(payload), failed
}

func value(handle host.Handle, json string) host.Event {
	return host.Event{Handle: handle, Result: host.Result{Value: []byte(json)}}
}

func fires(handle host.Handle) host.Event {
	return host.Event{Handle: handle, Result: host.Result{Absent: true}}
}

func fails(handle host.Handle, code uint16, message string) host.Event {
	return host.Event{Handle: handle, Result: host.Result{Failure: &host.Failure{Code: code, Message: message}}}
}

var cancels = host.Event{Handle: host.CancelEvent}

func check(t *testing.T, script *host.Script, want ...string) {
	t.Helper()
	if !slices.Equal(script.Transcript, want) {
		t.Errorf("the host was asked for\n\t%s\nand not for\n\t%s",
			strings.Join(script.Transcript, "\n\t"), strings.Join(want, "\n\t"))
	}
}

var echo = Client[string, string]{Service: "Desk", Handler: "echo"}

func TestOneOperationIsWaitedForByItself(t *testing.T) {
	script := &host.Script{Events: []host.Event{value(1, `"yes"`)}}
	got, failed := play(t, script, func(ctx *handlerContext) (any, error) { return echo.Call(ctx, "hello") })
	if got != `"yes"` || failed != nil {
		t.Error(got, failed)
	}
	check(t, script, `1 call Desk/echo("hello")`, "wait 1")
}

func TestGoroutinesWaitTogetherAndGoOnInTheOrderOfCompletion(t *testing.T) {
	script := &host.Script{Events: []host.Event{value(2, `"b"`), value(1, `"a"`), value(4, `"B"`), value(3, `"A"`)}}
	var order []string
	_, failed := play(t, script, func(ctx *handlerContext) (any, error) {
		var group sync.WaitGroup
		calls := []*Operation[string]{echo.Start(ctx, "a"), echo.Start(ctx, "b")}
		for _, call := range calls {
			group.Go(func() {
				answer, _ := call.Wait()
				again, _ := echo.Call(ctx, answer)
				order = append(order, again)
			})
		}
		group.Wait()
		return nil, nil
	})
	// The first to complete makes the next operation.
	if failed != nil || !slices.Equal(order, []string{"B", "A"}) {
		t.Error(order, failed)
	}
	check(t, script,
		`1 call Desk/echo("a")`, `2 call Desk/echo("b")`, "wait-any [1 2]", "wait 2", `3 call Desk/echo("b")`,
		"wait-any [1 3]", "wait 1", `4 call Desk/echo("a")`, "wait-any [3 4]", "wait 4", "wait 3")
}

func TestAllOfOneGroupAreWaitedForAtOnce(t *testing.T) {
	script := &host.Script{Events: []host.Event{value(2, `"b"`), value(1, `"a"`)}}
	got, _ := play(t, script, func(ctx *handlerContext) (any, error) {
		return All(echo.Start(ctx, "a"), echo.Start(ctx, "b"))
	})
	if got != `["a","b"]` {
		t.Error(got)
	}
	check(t, script, `1 call Desk/echo("a")`, `2 call Desk/echo("b")`, "wait-all [1 2]", "wait 1", "wait 2")
}

func TestAllGivesTheFirstFailureInOrder(t *testing.T) {
	script := &host.Script{Events: []host.Event{fails(2, 402, "second"), fails(1, 401, "first")}}
	_, failed := play(t, script, func(ctx *handlerContext) (any, error) {
		return All(echo.Start(ctx, "a"), echo.Start(ctx, "b"))
	})
	if failed == nil || failed.Failure == nil || failed.Failure.Message != "first" {
		t.Error(failed)
	}
}

func TestSelectGivesTheFirstOfDifferentOperations(t *testing.T) {
	script := &host.Script{Events: []host.Event{fires(2), value(1, `"late"`)}}
	got, _ := play(t, script, func(ctx *handlerContext) (any, error) {
		_, answer := Awakeable[string](ctx)
		winner, err := Select(answer, ctx.Timer(time.Minute))
		if err != nil {
			return nil, err
		}
		late, err := answer.Wait()
		return fmt.Sprint(winner, late), err
	})
	if got != `"1late"` {
		t.Error(got)
	}
	check(t, script, "1 awakeable", "2 timer after 60000", "wait-any [1 2]", "wait 1")
}

func TestAnyPassesOverFailures(t *testing.T) {
	script := &host.Script{Events: []host.Event{fails(1, 500, "no"), value(3, `"c"`), value(2, `"b"`)}}
	got, failed := play(t, script, func(ctx *handlerContext) (any, error) {
		winner, answer, err := Any(echo.Start(ctx, "a"), echo.Start(ctx, "b"), echo.Start(ctx, "c"))
		return fmt.Sprint(winner, answer), err
	})
	if got != `"2c"` || failed != nil {
		t.Error(got, failed)
	}
}

func TestCancellationReachesEveryWaitOnce(t *testing.T) {
	script := &host.Script{Events: []host.Event{cancels, value(1, `"a"`), value(2, `"b"`)}}
	got, failed := play(t, script, func(ctx *handlerContext) (any, error) {
		calls := []*Operation[string]{echo.Start(ctx, "a"), echo.Start(ctx, "b")}
		branch := Go(func() (string, error) { return calls[0].Wait() })
		_, second := calls[1].Wait()
		_, first := branch.Wait()
		if !errors.Is(first, ErrCancelled) || !errors.Is(second, ErrCancelled) {
			return nil, fmt.Errorf("not cancelled: %v, %v", first, second)
		}
		// Not used up.
		return calls[1].Wait()
	})
	if got != `"b"` || failed != nil {
		t.Error(got, failed)
	}
}

func TestACancellationThatIsReturnedIsTheFailure(t *testing.T) {
	script := &host.Script{Events: []host.Event{cancels}}
	_, failed := play(t, script, func(ctx *handlerContext) (any, error) { return nil, ctx.Sleep(time.Hour) })
	if failed == nil || failed.Failure == nil || failed.Failure.Code != 409 {
		t.Error(failed)
	}
}

func TestAFailureOfACalleeIsNoCancellation(t *testing.T) {
	script := &host.Script{Events: []host.Event{fails(1, 409, "cancelled")}}
	play(t, script, func(ctx *handlerContext) (any, error) {
		_, err := echo.Call(ctx, "a")
		if errors.Is(err, ErrCancelled) {
			t.Error("the callee's cancellation counts as one's own")
		}
		return nil, nil
	})
}

func TestBranchesBeginInOrder(t *testing.T) {
	script := &host.Script{Events: []host.Event{fires(2), fires(1), fires(3)}}
	play(t, script, func(ctx *handlerContext) (any, error) {
		var branches []*Branch[Void]
		for seconds := range 3 {
			branches = append(branches, Go(func() (Void, error) {
				return Void{}, ctx.Sleep(time.Duration(seconds+1) * time.Second)
			}))
		}
		for _, branch := range branches {
			if _, err := branch.Wait(); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
	check(t, script, "1 timer after 1000", "2 timer after 2000", "3 timer after 3000",
		"wait-any [1 2 3]", "wait 2", "wait-any [1 3]", "wait 1", "wait 3")
}

func TestAPanicAsksForAnotherAttemptWithItsStack(t *testing.T) {
	for _, handler := range []func(*handlerContext) (any, error){
		func(*handlerContext) (any, error) { return trouble() },
		func(ctx *handlerContext) (any, error) { return Go(trouble).Wait() },
	} {
		// Outside of a bubble, which would miss the handler that waits for its branch.
		host.Play(&host.Script{Wait: func() {
			for !current.ended {
				runtime.Gosched()
			}
		}})
		_, failed := attempt(false, func() ([]byte, error) {
			_, err := handler(&handlerContext{Context: t.Context()})
			return nil, err
		})
		if failed == nil || failed.Failure != nil || !strings.HasPrefix(failed.Message, "panic: trouble\n\n") ||
			!strings.Contains(failed.Message, "scheduler_test.go") {
			t.Error(failed)
		}
	}
}

func trouble() (any, error) { panic("trouble") }

func TestWhatIsStuckForEverSaysSo(t *testing.T) {
	host.Play(&host.Script{})
	s := &scheduler{completed: map[host.Handle]bool{}}
	if failure := s.step(); failure == nil || !strings.Contains(failure.Message, "no operation will ever complete") {
		t.Error(failure)
	}
	s.running = true
	if failure := s.step(); failure == nil || !strings.Contains(failure.Message, "not possible in it") {
		t.Error(failure)
	}
}

func TestARecordedRunIsNotDoneAgain(t *testing.T) {
	script := &host.Script{Runs: []host.Result{{Value: []byte("42")}, {Failure: &host.Failure{Code: 402, Message: "no"}}}}
	got, failed := play(t, script, func(ctx *handlerContext) (any, error) {
		work := func() (int, error) { panic("done again") }
		number, err := Run(ctx, "one", work)
		_, refused := Run(ctx, "two", work)
		return fmt.Sprint(number, refused), err
	})
	if got != `"42 no (402)"` || failed != nil {
		t.Error(got, failed)
	}
}

func TestALiveRunEndsTheInstanceWithItsResult(t *testing.T) {
	for _, run := range []struct {
		work func() (int, error)
		end  string
	}{
		{func() (int, error) { return 42, nil }, "finish 42"},
		{func() (int, error) { return 0, Fail(402, "no") }, "finish failure 402 no"},
		{func() (int, error) { return 0, errors.New("later") }, "retry later"},
	} {
		_, failed := play(t, &host.Script{}, func(ctx *handlerContext) (any, error) { return Run(ctx, "work", run.work) })
		if failed == nil || !strings.Contains(failed.Message, run.end) {
			t.Errorf("%v instead of %s", failed, run.end)
		}
	}
}

func TestTheGeneratorIsSeededByTheInvocation(t *testing.T) {
	draw := func(chance byte) (drawn uint64) {
		host.Play(&host.Script{})
		for range chance {
			host.Random(1)
		}
		s := &source{}
		return rand.New(s).Uint64()
	}
	if draw(0) != draw(0) {
		t.Error("the same stream gives other numbers")
	}
	if draw(0) == draw(1) {
		t.Error("another stream gives the same numbers")
	}
}
