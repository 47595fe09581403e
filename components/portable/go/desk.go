package main

import (
	crand "crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand"
	randv2 "math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	relight "github.com/relight-dev/relight/guest-sdk/go"
)

// The service: calls, sends, timers, signals, effects, runs, waiting, failing.

var (
	deskEcho = relight.Client[string, string]{Service: "Desk", Handler: "echo"}
	deskWho  = relight.Client[relight.Void, identity]{Service: "Desk", Handler: "who"}
)

func echo(ctx relight.Context, text string) (string, error) { return text, nil }

func nothing(ctx relight.Context, _ relight.Void) (relight.Void, error) { return relight.Void{}, nil }

type identity struct {
	ID             relight.InvocationID  `json:"id"`
	Caller         *relight.InvocationID `json:"caller"`
	Tenant         *string               `json:"tenant"`
	IdempotencyKey *string               `json:"idempotency_key"`
}

func who(ctx relight.Context, _ relight.Void) (identity, error) {
	return identity{
		ID:             ctx.InvocationID(),
		Caller:         unlessEmpty(ctx.Caller()),
		Tenant:         unlessEmpty(ctx.Header("x-tenant")),
		IdempotencyKey: unlessEmpty(ctx.IdempotencyKey()),
	}, nil
}

func unlessEmpty[T ~string](text T) *T {
	if text == "" {
		return nil
	}
	return &text
}

func call(ctx relight.Context, key string) (int64, error) { return shelfAdd.Key(key).Call(ctx, 1) }

type called struct {
	Callee relight.InvocationID `json:"callee"`
	Who    identity             `json:"who"`
}

func options(ctx relight.Context, key string) (called, error) {
	call := deskWho.Start(ctx, relight.Void{},
		relight.Named("who"), relight.IdempotencyKey(key), relight.CallHeader("x-tenant", "t1"))
	callee := call.InvocationID()
	who, err := call.Wait()
	return called{callee, who}, err
}

func sends(ctx relight.Context, key string) ([]relight.InvocationID, error) {
	shelf := shelfAdd.Key(key)
	return []relight.InvocationID{
		shelf.Send(ctx, 1),
		shelf.Send(ctx, 10, relight.IdempotencyKey(key), relight.After(time.Minute)),
		shelf.Send(ctx, 100, relight.At(ctx.Now().Add(2*time.Minute))),
	}, nil
}

func sleep(ctx relight.Context, delayMillis int64) (int64, error) {
	begun := ctx.Now()
	if err := ctx.Sleep(time.Duration(delayMillis) * time.Millisecond); err != nil {
		return 0, err
	}
	if _, err := ctx.TimerAt(time.UnixMilli(1)).Wait(); err != nil {
		return 0, err
	}
	return ctx.Now().Sub(begun).Milliseconds(), nil
}

type message struct {
	ID    string `json:"id"`
	Value string `json:"value"`
}

func resolve(ctx relight.Context, m message) (relight.Void, error) {
	relight.ResolveAwakeable(ctx, relight.AwakeableID(m.ID), m.Value)
	return relight.Void{}, nil
}

func reject(ctx relight.Context, m message) (relight.Void, error) {
	relight.RejectAwakeable(ctx, relight.AwakeableID(m.ID), relight.Fail(422, "%s", m.Value).With("by", "desk"))
	return relight.Void{}, nil
}

func signals(ctx relight.Context, count int) ([]string, error) {
	var values []*relight.Operation[string]
	for range count {
		values = append(values, relight.Signal[string](ctx, "go"))
	}
	return relight.All(values...)
}

func sendSignal(ctx relight.Context, m message) (relight.Void, error) {
	to := relight.InvocationID(m.ID)
	relight.SendSignal(ctx, to, "go", m.Value)
	relight.RejectSignal(ctx, to, "go", relight.Fail(422, "%s", m.Value))
	return relight.Void{}, nil
}

func attach(ctx relight.Context, id relight.InvocationID) (int64, error) {
	return relight.Attach[int64](ctx, id).Wait()
}

func output(ctx relight.Context, id relight.InvocationID) (*int64, error) {
	return optional(relight.Output[int64](ctx, id))
}

func cancel(ctx relight.Context, id relight.InvocationID) (relight.Void, error) {
	ctx.Cancel(id)
	return relight.Void{}, nil
}

func callEffect(ctx relight.Context, until int) (int, error) { return flaky.Call(ctx, until) }

func failedEffects(ctx relight.Context, _ relight.Void) ([]string, error) {
	policy := relight.RetryPolicy{InitialInterval: 100 * time.Millisecond, Factor: 1, MaxAttempts: 2}
	_, flakyErr := flaky.Call(ctx, 9, relight.Retry(policy), relight.Timeout(5*time.Second))
	_, brokenErr := broken.Call(ctx, relight.Void{})
	messages := []string{}
	for _, err := range []error{flakyErr, brokenErr} {
		var failure *relight.TerminalFailure
		if errors.As(err, &failure) {
			messages = append(messages, failure.Message)
		}
	}
	return messages, nil
}

func callEffects(ctx relight.Context, count int) (int, error) {
	var started []*relight.Operation[int]
	for range count {
		started = append(started, flaky.Start(ctx, 1))
	}
	attempts, err := relight.All(started...)
	sum := 0
	for _, attempt := range attempts {
		sum += attempt
	}
	return sum, err
}

func run(ctx relight.Context, number int64) (int64, error) {
	policy := relight.RetryPolicy{InitialInterval: time.Second, Factor: 1, MaxAttempts: 3}
	doubled, failed := relight.Run(ctx, "double", func() (int64, error) {
		switch {
		case number == 0:
			return 0, relight.Fail(402, "refused").With("reason", "none wanted")
		case number < 0:
			return 0, errors.New("not yet")
		default:
			return 2 * number, nil
		}
	}, relight.Retry(policy))
	if err := ctx.Sleep(time.Second); err != nil {
		return 0, err
	}
	return doubled, failed
}

func all(ctx relight.Context, amount int64) (int64, error) {
	var calls []*relight.Operation[int64]
	for index, amount := range []int64{1, amount, 3} {
		calls = append(calls, shelfAdd.Key(fmt.Sprintf("all-%d", index)).Start(ctx, amount))
	}
	counts, err := relight.All(calls...)
	sum := int64(0)
	for _, count := range counts {
		sum += count
	}
	return sum, err
}

func race(ctx relight.Context, _ relight.Void) (string, error) {
	id, answer := relight.Awakeable[string](ctx)
	slog.Info("answer with " + string(id))
	winner, err := relight.Select(answer, ctx.Timer(time.Minute))
	switch {
	case err != nil:
		return "", err
	case winner == 0:
		return answer.Wait()
	default:
		return "too late", nil
	}
}

func order(ctx relight.Context, _ relight.Void) ([]int, error) {
	var pending []*relight.Operation[relight.Void]
	places := []int{0, 1, 2}
	for _, seconds := range []time.Duration{3, 1, 2} {
		pending = append(pending, ctx.Timer(seconds*time.Second))
	}
	var completed []int
	for len(pending) > 0 {
		winner, _, err := relight.Race(pending...)
		if err != nil {
			return nil, err
		}
		completed = append(completed, places[winner])
		pending = slices.Delete(pending, winner, winner+1)
		places = slices.Delete(places, winner, winner+1)
	}
	return completed, nil
}

func concurrent(ctx relight.Context, key string) ([]int64, error) {
	branch := func(seconds int64, name string) *relight.Branch[int64] {
		return relight.Go(func() (int64, error) {
			if err := ctx.Sleep(time.Duration(seconds) * time.Second); err != nil {
				return 0, err
			}
			return shelfAdd.Key(key+"-"+name).Call(ctx, seconds)
		})
	}
	first, second := branch(1, "first"), branch(3, "second")
	a, firstErr := first.Wait()
	b, secondErr := second.Wait()
	return []int64{a, b}, errors.Join(firstErr, secondErr)
}

func compensate(ctx relight.Context, key string) (string, error) {
	shelf := shelfAdd.Key(key)
	if _, err := shelf.Call(ctx, -5); err != nil {
		return "", err
	}
	id, answer := relight.Awakeable[string](ctx)
	slog.Info("answer with " + string(id))
	value, failed := answer.Wait()
	if failed != nil {
		if _, err := shelf.Call(ctx, 5); err != nil {
			return "", err
		}
		if err := ctx.Sleep(time.Second); err != nil {
			return "", err
		}
	}
	return value, failed
}

type wanted struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func fail(ctx relight.Context, w wanted) (relight.Void, error) {
	return relight.Void{}, relight.Fail(w.Code, "%s", w.Message).With("a", "1").With("ä", "✓")
}

func crash(ctx relight.Context, message string) (relight.Void, error) {
	if err := ctx.Sleep(time.Second); err != nil {
		return relight.Void{}, err
	}
	panic(message)
}

func retryLater(ctx relight.Context, _ relight.Void) (relight.Void, error) {
	return relight.Void{}, relight.RetryAfter(errors.New("come back later"), time.Hour)
}

var giveUpPolicy = relight.RetryPolicy{
	InitialInterval: time.Second, Factor: 1, MaxInterval: time.Second, MaxAttempts: 3,
}

func giveUp(ctx relight.Context, _ relight.Void) (relight.Void, error) { panic("this never works") }

type drawn struct {
	ClockAgrees bool     `json:"clock_agrees"`
	First       []string `json:"first"`
	Second      []string `json:"second"`
}

func chance(ctx relight.Context, _ relight.Void) (drawn, error) {
	draws, agrees := [2][]string{}, true
	for index := range draws {
		agrees = agrees && time.Now().UnixMilli() == ctx.Now().UnixMilli()
		draws[index] = draw(ctx)
		if _, err := echoEffect.Call(ctx, strings.Join(draws[index], " ")); err != nil {
			return drawn{}, err
		}
		if err := ctx.Sleep(time.Second); err != nil {
			return drawn{}, err
		}
	}
	return drawn{agrees, draws[0], draws[1]}, nil
}

// draw ends with what Go itself has: both packages of math/rand, and a UUID as libraries make it, from crypto/rand.
func draw(ctx relight.Context) []string {
	uuid := make([]byte, 16)
	if _, err := crand.Read(uuid); err != nil {
		panic(err)
	}
	uuid[6], uuid[8] = uuid[6]&0x0f|0x40, uuid[8]&0x3f|0x80
	return []string{
		strconv.FormatInt(ctx.Now().UnixMilli(), 10),
		ctx.UUID(),
		hex.EncodeToString(ctx.Random(8)),
		fmt.Sprintf("%d.%d", rand.Int63(), randv2.Int64()),
		fmt.Sprintf("%x-%x-%x-%x-%x", uuid[:4], uuid[4:6], uuid[6:8], uuid[8:10], uuid[10:]),
	}
}

func logs(ctx relight.Context, _ relight.Void) (relight.Void, error) {
	slog.Debug("portable debug")
	slog.Info("portable info")
	slog.Warn("portable warn")
	slog.Error("portable error")
	fmt.Println("portable print")
	if err := ctx.Sleep(time.Second); err != nil {
		return relight.Void{}, err
	}
	slog.Info("portable after", "ключ", "значение")
	return relight.Void{}, nil
}
