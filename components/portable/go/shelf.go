package main

import (
	"strconv"

	relight "github.com/relight-dev/relight/guest-sdk/go"
)

// The virtual object: values by key.

var shelfAdd = relight.Client[int64, int64]{Service: "Shelf", Handler: "add"}

func add(ctx relight.ObjectContext, amount int64) (int64, error) {
	count, _, err := relight.Get[int64](ctx, "count")
	if err != nil {
		return 0, err
	}
	count += amount
	if count < 0 {
		return 0, relight.Fail(422, "the count would be negative").
			With("count", strconv.FormatInt(count, 10)).With("shelf", ctx.Key())
	}
	relight.Set(ctx, "count", count)
	return count, nil
}

type putRequest struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func put(ctx relight.ObjectContext, request putRequest) (relight.Void, error) {
	relight.Set(ctx, request.Name, request.Value)
	return relight.Void{}, nil
}

func read(ctx relight.SharedObjectContext, name string) (*string, error) {
	return optional(relight.Get[string](ctx, name))
}

func names(ctx relight.SharedObjectContext, _ relight.Void) ([]string, error) {
	return ctx.Keys(), nil
}

func drop(ctx relight.ObjectContext, name string) (relight.Void, error) {
	ctx.Clear(name)
	return relight.Void{}, nil
}

func empty(ctx relight.ObjectContext, _ relight.Void) (relight.Void, error) {
	ctx.ClearAll()
	return relight.Void{}, nil
}

// ownWrites gives what it has read, in order.
func ownWrites(ctx relight.ObjectContext, _ relight.Void) ([]any, error) {
	var seen []any
	get := func(name string) error {
		value, err := optional(relight.Get[int64](ctx, name))
		seen = append(seen, value)
		return err
	}
	if err := get("a"); err != nil {
		return nil, err
	}
	relight.Set(ctx, "b", 2)
	relight.Set(ctx, "a", 1)
	if err := get("a"); err != nil {
		return nil, err
	}
	ctx.Clear("a")
	if err := get("a"); err != nil {
		return nil, err
	}
	ctx.ClearAll()
	if err := get("b"); err != nil {
		return nil, err
	}
	return append(seen, ctx.Keys()), nil
}

func hold(ctx relight.ObjectContext, _ relight.Void) (string, error) {
	id, value := relight.Awakeable[string](ctx)
	relight.Set(ctx, "awakeable", id)
	return value.Wait()
}

// optional is null in JSON for what there is not.
func optional[T any](value T, found bool, err error) (*T, error) {
	if err != nil || !found {
		return nil, err
	}
	return &value, nil
}
