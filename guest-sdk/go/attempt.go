package relight

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/relight-dev/relight/guest-sdk/go/internal/host"
)

// One attempt: what the exports of a component do.

func init() {
	host.Export(host.Exports{Describe: manifest, Invoke: invokeHandler, Effect: invokeEffect})
}

func invokeHandler(request host.Request) ([]byte, *host.AttemptError) {
	handler := findHandler(request.Service, request.Handler)
	if handler == nil {
		return nil, &host.AttemptError{Failure: &host.Failure{
			Code: 404, Message: fmt.Sprintf("this component has no handler `%s/%s`", request.Service, request.Handler),
		}}
	}
	ctx := &handlerContext{Context: context.Background(), headers: request.Headers}
	if request.Key != nil {
		ctx.key = *request.Key
	}
	return attempt(false, func() ([]byte, error) { return handler.invoke(ctx, request.Input) })
}

func invokeEffect(request host.EffectRequest) ([]byte, *host.AttemptError) {
	effect := findEffect(request.Name)
	if effect == nil {
		return nil, &host.AttemptError{Failure: &host.Failure{
			Code: 404, Message: fmt.Sprintf("this component has no effect `%s`", request.Name),
		}}
	}
	ctx := &effectContext{Context: context.Background(), request: request}
	return attempt(true, func() ([]byte, error) { return effect.run(ctx, request.Input) })
}

// attempt runs body to its end. A panic asks for another attempt, with its message and stack.
func attempt(isEffect bool, body func() ([]byte, error)) ([]byte, *host.AttemptError) {
	current = &scheduler{isEffect: isEffect}
	chance.install()
	var (
		output []byte
		failed = &host.AttemptError{Message: "the handler ended its goroutine by runtime.Goexit"}
	)
	current.run(func() {
		defer func() {
			if reason := recover(); reason != nil {
				failed = panicked(reason, debug.Stack())
			}
		}()
		value, err := body()
		output, failed = value, nil
		if err != nil {
			failed = attemptError(err)
		}
	})
	if current.failure != nil {
		return nil, current.failure
	}
	return output, failed
}

func panicked(reason any, stack []byte) *host.AttemptError {
	message := fmt.Sprintf("panic: %v", reason)
	host.Log(host.LevelError, message, []host.Pair{{Name: "stack", Value: shortened(stack)}})
	return &host.AttemptError{Message: message + "\n\n" + shortened(stack)}
}

// shortened leaves out the frames of the runtime and of this file above the panic, and bounds the rest.
func shortened(stack []byte) string {
	text := string(stack)
	if _, below, found := strings.Cut(text, "\npanic("); found {
		if _, below, found = strings.Cut(below, "\n\t"); found {
			if _, frames, found := strings.Cut(below, "\n"); found {
				text = frames
			}
		}
	}
	return strings.TrimSpace(text[:min(len(text), stacksBytesMax)])
}
