package main

import (
	"fmt"
	"time"

	relight "github.com/relight-dev/relight/guest-sdk/go"
)

var flaky = relight.Effect("flaky", func(ctx relight.EffectContext, until int) (int, error) {
	switch {
	case until == 0:
		return 0, relight.Fail(402, "refused").With("reason", "none wanted")
	case ctx.Attempt() < until:
		return 0, fmt.Errorf("attempt %d fails", ctx.Attempt())
	default:
		return ctx.Attempt(), nil
	}
}, relight.Retry(relight.RetryPolicy{
	InitialInterval: time.Second, Factor: 2, MaxInterval: 10 * time.Second, MaxAttempts: 4,
}))

var broken = relight.Effect("broken", func(ctx relight.EffectContext, _ relight.Void) (relight.Void, error) {
	panic("the effect is broken")
}, relight.Retry(relight.RetryPolicy{
	InitialInterval: time.Second, Factor: 1, MaxInterval: time.Second, MaxAttempts: 2,
}))

var echoEffect = relight.Effect("echo", func(ctx relight.EffectContext, text string) (string, error) {
	return text, nil
})
