package main

import (
	"time"

	relight "github.com/relight-dev/relight/guest-sdk/go"
)

// The saga. Its key is the order.

const (
	// What one piece of anything costs.
	pieceCents = 2_500
	// How long the warehouse may take to pack.
	patience = 48 * time.Hour

	statusName = "status"
)

// Order is the input of Checkout/run.
type Order struct {
	Item     string `json:"item"`
	Quantity uint32 `json:"quantity"`
	Card     string `json:"card"`
	Address  string `json:"address"`
}

// Receipt is the output of Checkout/run.
type Receipt struct {
	Payment string `json:"payment"`
	Parcel  string `json:"parcel"`
}

// undo is how to undo a step. It is noted before the step begins, and right whether it happened or not: it names the order, not what
// the step gave.
type undo func() error

// run reserves, charges, waits until it is packed, ships. What was done is undone when something fails, or the order is cancelled.
func run(ctx relight.WorkflowContext, order Order) (Receipt, error) {
	var undos []undo
	receipt, failed := steps(ctx, order, &undos)
	if failed != nil {
		// A cancellation is delivered once: from here on waits work as ever.
		for last := len(undos) - 1; last >= 0; last-- {
			if err := undos[last](); err != nil {
				return Receipt{}, err
			}
		}
		relight.Set(ctx, statusName, "undone")
	}
	return receipt, failed
}

func steps(ctx relight.WorkflowContext, order Order, undos *[]undo) (Receipt, error) {
	id := ctx.Key()

	*undos = append(*undos, func() error {
		_, err := stockRelease.Key(order.Item).Call(ctx, id)
		return err
	})
	if _, err := stockReserve.Key(order.Item).Call(ctx, Reservation{id, order.Quantity}); err != nil {
		return Receipt{}, err
	}

	*undos = append(*undos, func() error {
		_, err := refund.Call(ctx, id)
		return err
	})
	payment, err := charge.Call(ctx, Charge{Order: id, Cents: order.Quantity * pieceCents, Card: order.Card})
	if err != nil {
		return Receipt{}, err
	}
	relight.Set(ctx, statusName, "paid")

	tooLate := ctx.Timer(patience)
	isPacked := relight.Promise[relight.Void](ctx, "packed")
	switch first, err := relight.Select(isPacked, tooLate); {
	case err != nil:
		return Receipt{}, err
	case first == 1:
		return Receipt{}, relight.Fail(504, "nobody packed it in time")
	}
	if _, err := isPacked.Wait(); err != nil {
		return Receipt{}, err
	}

	parcel, err := ship.Call(ctx, Shipment{Order: id, Address: order.Address})
	if err != nil {
		return Receipt{}, err
	}
	relight.Set(ctx, statusName, "shipped")
	return Receipt{payment, parcel}, nil
}

func packed(ctx relight.SharedWorkflowContext, _ relight.Void) (relight.Void, error) {
	return relight.Void{}, relight.ResolvePromise(ctx, "packed", nil)
}

func status(ctx relight.SharedWorkflowContext, _ relight.Void) (*string, error) {
	value, found, err := relight.Get[string](ctx, statusName)
	if !found {
		return nil, err
	}
	return &value, nil
}
