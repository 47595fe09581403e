// The handlers that the benchmarks call, as in ../src/lib.rs: each does the least that its workload needs.
package main

import (
	"time"

	relight "github.com/relight-dev/relight/guest-sdk/go"
)

func init() {
	relight.Service("Greeter", relight.Doc("`greet`: no state, no operations."),
		relight.Handler("greet", greet),
	)
	relight.Object("Counter", relight.Doc("`counter`: one read, one write."),
		relight.Exclusive("add", add),
		relight.Shared("get", get),
	)
	relight.Service("Rpc", relight.Doc("`rpc`: one call."),
		relight.Handler("call", call),
	)
	relight.Service("Chain", relight.Doc("`rpc-chain`: calls in a row, each waiting for the next."),
		relight.Handler("hop", hop),
	)
	relight.Service("Fanout", relight.Doc("`fanout`: many calls at once."),
		relight.Handler("fan", fan),
	)
	relight.Service("Steps", relight.Doc("`steps`: inline runs in a row, each doing nothing but counting."),
		relight.Handler("steps", steps),
	)
	relight.Service("Sleeper", relight.Doc("`sleep-many`: timers that many invocations wait for."),
		relight.Handler("sleep", sleep),
	)
	relight.Object("Awk", relight.Doc("`awakeable`: an answer from outside."),
		relight.Exclusive("wait", wait),
		relight.Shared("id", id),
	)
	relight.Object("Replay", relight.Doc("`replay`: a journal of a given length that is read again when the answer comes."),
		relight.Exclusive("start", start),
		relight.Shared("id", id),
	)
}

// How much of something.
type count struct {
	N int `json:"n"`
}

type duration struct {
	Millis int64 `json:"ms"`
}

var (
	greeterGreet = relight.Client[any, any]{Service: "Greeter", Handler: "greet"}
	chainHop     = relight.Client[count, int]{Service: "Chain", Handler: "hop"}
)

func greet(_ relight.Context, input any) (any, error) { return input, nil }

func add(ctx relight.ObjectContext, amount int64) (int64, error) {
	value, err := get(ctx, relight.Void{})
	if err != nil {
		return 0, err
	}
	relight.Set(ctx, "value", value+amount)
	return value + amount, nil
}

func get(ctx relight.SharedObjectContext, _ relight.Void) (int64, error) {
	value, _, err := relight.Get[int64](ctx, "value")
	return value, err
}

func call(ctx relight.Context, input any) (any, error) { return greeterGreet.Call(ctx, input) }

// hop calls itself down to 0, and gives how often.
func hop(ctx relight.Context, input count) (int, error) {
	if input.N == 0 {
		return 0, nil
	}
	hops, err := chainHop.Call(ctx, count{input.N - 1})
	return 1 + hops, err
}

// fan gives how many answers came.
func fan(ctx relight.Context, input count) (int, error) {
	var calls []*relight.Operation[any]
	for index := range input.N {
		calls = append(calls, greeterGreet.Start(ctx, index))
	}
	answers, err := relight.All(calls...)
	return len(answers), err
}

func steps(ctx relight.Context, input count) (int, error) { return runs(ctx, input.N) }

// runs makes inline runs in a row, each of which gives its number, and gives their sum.
func runs(ctx relight.Context, count int) (int, error) {
	sum := 0
	for number := range count {
		step, err := relight.Run(ctx, "step", func() (int, error) { return number, nil })
		if err != nil {
			return 0, err
		}
		sum += step
	}
	return sum, nil
}

// sleep gives the wall clock afterwards, for the lateness of the timer.
func sleep(ctx relight.Context, input duration) (int64, error) {
	if err := ctx.Sleep(time.Duration(input.Millis) * time.Millisecond); err != nil {
		return 0, err
	}
	return relight.Run(ctx, "wall clock", func() (int64, error) { return time.Now().UnixMilli(), nil })
}

func wait(ctx relight.ObjectContext, _ relight.Void) (any, error) {
	id, value := relight.Awakeable[any](ctx)
	relight.Set(ctx, "id", id)
	defer ctx.Clear("id")
	return value.Wait()
}

// id is what the handler waits for, and nothing while it does not.
func id(ctx relight.SharedObjectContext, _ relight.Void) (*relight.AwakeableID, error) {
	id, found, err := relight.Get[relight.AwakeableID](ctx, "id")
	if err != nil || !found {
		return nil, err
	}
	return &id, nil
}

// start makes an awakeable, makes steps, waits for the awakeable, and gives the sum of the steps.
func start(ctx relight.ObjectContext, input count) (int, error) {
	id, value := relight.Awakeable[any](ctx)
	sum, err := runs(ctx, input.N)
	if err != nil {
		return 0, err
	}
	// Who sees the id knows that the steps are made.
	relight.Set(ctx, "id", id)
	defer ctx.Clear("id")
	_, err = value.Wait()
	return sum, err
}

func main() {}
