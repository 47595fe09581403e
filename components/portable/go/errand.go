package main

import (
	"fmt"

	relight "github.com/relight-dev/relight/guest-sdk/go"
)

// The workflow: one run per key, and handlers beside it.

func runErrand(ctx relight.WorkflowContext, input string) (string, error) {
	relight.Set(ctx, "stage", "waiting")
	said, err := relight.Promise[string](ctx, "gate").Wait()
	if err != nil {
		return "", err
	}
	count, err := shelfAdd.Key(ctx.Key()).Call(ctx, 1)
	if err != nil {
		return "", err
	}
	whole, err := deskEcho.Call(ctx, fmt.Sprintf("%s %s %d", input, said, count))
	if err != nil {
		return "", err
	}
	relight.Set(ctx, "stage", "done")
	return whole, nil
}

func open(ctx relight.SharedWorkflowContext, said string) (relight.Void, error) {
	return relight.Void{}, relight.ResolvePromise(ctx, "gate", said)
}

func refuse(ctx relight.SharedWorkflowContext, reason string) (relight.Void, error) {
	return relight.Void{}, relight.RejectPromise(ctx, "gate", relight.Fail(422, "%s", reason))
}

func peek(ctx relight.SharedWorkflowContext, _ relight.Void) (*string, error) {
	return optional(relight.PeekPromise[string](ctx, "gate"))
}

func listen(ctx relight.SharedWorkflowContext, _ relight.Void) (string, error) {
	return relight.Promise[string](ctx, "gate").Wait()
}

func stage(ctx relight.SharedWorkflowContext, _ relight.Void) (*string, error) {
	return optional(relight.Get[string](ctx, "stage"))
}
