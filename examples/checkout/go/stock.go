package main

import (
	"strconv"

	relight "github.com/relight-dev/relight/guest-sdk/go"
)

// What is left of one item. Its key is the item; the lock of the key keeps two orders from getting the last piece.

// Reservation is so many pieces for an order.
type Reservation struct {
	Order    string `json:"order"`
	Quantity uint32 `json:"quantity"`
}

var (
	stockReserve = relight.Client[Reservation, relight.Void]{Service: "Stock", Handler: "reserve"}
	stockRelease = relight.Client[string, relight.Void]{Service: "Stock", Handler: "release"}
)

const leftName = "left"

func left(ctx relight.StateReader) (uint32, error) {
	left, _, err := relight.Get[uint32](ctx, leftName)
	return left, err
}

func add(ctx relight.ObjectContext, quantity uint32) (uint32, error) {
	left, err := left(ctx)
	if err != nil {
		return 0, err
	}
	relight.Set(ctx, leftName, left+quantity)
	return left + quantity, nil
}

func reserve(ctx relight.ObjectContext, reservation Reservation) (relight.Void, error) {
	left, err := left(ctx)
	if err != nil {
		return relight.Void{}, err
	}
	if left < reservation.Quantity {
		return relight.Void{}, relight.Fail(409, "only %d left", left).
			With("left", strconv.FormatUint(uint64(left), 10))
	}
	relight.Set(ctx, leftName, left-reservation.Quantity)
	relight.Set(ctx, reservation.Order, reservation.Quantity)
	return relight.Void{}, nil
}

func release(ctx relight.ObjectContext, order string) (relight.Void, error) {
	quantity, found, err := relight.Get[uint32](ctx, order)
	if err != nil || !found {
		return relight.Void{}, err
	}
	ctx.Clear(order)
	left, err := left(ctx)
	if err != nil {
		return relight.Void{}, err
	}
	relight.Set(ctx, leftName, left+quantity)
	return relight.Void{}, nil
}

func count(ctx relight.SharedObjectContext, _ relight.Void) (uint32, error) { return left(ctx) }
