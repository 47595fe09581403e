// Handlers that use what Go itself has: goroutines, timers, the collector. The tests of `go.rs` put this file into a project.
package main

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	relight "github.com/relight-dev/relight/guest-sdk/go"
)

func init() {
	relight.Service("Clock", relight.Handler("sleep", sleep), relight.Handler("deadline", deadline))
	relight.Object("Heap", relight.Exclusive("churn", churn))
	relight.Service("Trouble",
		relight.Handler("stuck", stuck), relight.Handler("panic", panicBeside), relight.Handler("effect", callSleepy))
}

// sleep beside an operation: timers of package time are the host's.
func sleep(ctx relight.Context, _ relight.Void) ([]int64, error) {
	begun := time.Now()
	done := make(chan int64)
	go func() {
		time.Sleep(1500 * time.Millisecond)
		done <- time.Since(begun).Milliseconds()
	}()
	if err := ctx.Sleep(5 * time.Second); err != nil {
		return nil, err
	}
	return []int64{<-done, time.Since(begun).Milliseconds()}, nil
}

func deadline(ctx relight.Context, _ relight.Void) (string, error) {
	bounded, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	_, answer := relight.Awakeable[string](ctx)
	given := make(chan string)
	go func() {
		text, _ := answer.Wait()
		given <- text
	}()
	select {
	case text := <-given:
		return text, nil
	case <-bounded.Done():
		return bounded.Err().Error(), nil
	}
}

var kept [][]byte

// churn makes garbage in several goroutines, also while the host hands over a large value.
func churn(ctx relight.ObjectContext, rounds int) (int, error) {
	const pieceBytes = 1 << 18
	var group sync.WaitGroup
	total := 0
	relight.Set(ctx, "text", strings.Repeat("abc", 50_000))
	// A heap that shrinks again is what the runtime likes to give back.
	kept = append(kept, make([]byte, 16<<20))
	runtime.GC()
	kept = nil
	for range 4 {
		group.Add(1)
		go func() {
			defer group.Done()
			for round := range rounds {
				kept = append(kept[:min(len(kept), 3)], make([]byte, pieceBytes))
				if round%10 == 0 {
					text, _, err := relight.Get[string](ctx, "text")
					if err != nil {
						panic(err)
					}
					total += len(text)
				}
			}
			if err := ctx.Sleep(time.Second); err != nil {
				panic(err)
			}
		}()
	}
	group.Wait()
	return total, nil
}

func stuck(ctx relight.Context, _ relight.Void) (relight.Void, error) {
	<-make(chan int)
	return relight.Void{}, nil
}

func panicBeside(ctx relight.Context, seat string) (relight.Void, error) {
	go func() { panic(fmt.Sprintf("no seat %s", seat)) }()
	return relight.Void{}, ctx.Sleep(time.Second)
}

var sleepy = relight.Effect("sleepy", func(ctx relight.EffectContext, _ relight.Void) (relight.Void, error) {
	time.Sleep(time.Second)
	return relight.Void{}, nil
}, relight.Retry(relight.RetryPolicy{MaxAttempts: 1}))

func callSleepy(ctx relight.Context, _ relight.Void) (relight.Void, error) {
	return sleepy.Call(ctx, relight.Void{})
}

func main() {}
