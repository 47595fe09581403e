package main

import (
	"log/slog"
	"time"

	relight "github.com/relight-dev/relight/guest-sdk/go"
)

// What touches the world. In this example nothing does: a real charge would be an HTTP request with ctx.IdempotencyKey(), as in the
// theatre.

// Charge is what to charge.
type Charge struct {
	Order string `json:"order"`
	Cents uint32 `json:"cents"`
	Card  string `json:"card"`
}

// Shipment says where to send an order.
type Shipment struct {
	Order   string `json:"order"`
	Address string `json:"address"`
}

var aFewTimes = relight.Retry(relight.RetryPolicy{MaxAttempts: 5, InitialInterval: 200 * time.Millisecond})

// charge charges a card, and gives the payment's id.
var charge = relight.Effect("charge", func(ctx relight.EffectContext, request Charge) (string, error) {
	if request.Card == "declined" {
		return "", relight.Fail(402, "the card was declined")
	}
	return "payment-" + request.Order, nil
}, aFewTimes, relight.Timeout(30*time.Second))

// refund gives back whatever was charged for an order. It is tried until it works: there is nothing else to be done.
var refund = relight.Effect("refund", func(ctx relight.EffectContext, order string) (relight.Void, error) {
	slog.Info("refunded order " + order)
	return relight.Void{}, nil
}, relight.Retry(relight.RetryPolicy{InitialInterval: time.Second, MaxInterval: time.Minute}), relight.Timeout(30*time.Second))

// ship hands an order to the carrier, and gives the parcel's id.
var ship = relight.Effect("ship", func(ctx relight.EffectContext, shipment Shipment) (string, error) {
	if shipment.Address == "nowhere" {
		return "", relight.Fail(422, "nobody delivers there")
	}
	return "parcel-" + shipment.Order, nil
}, aFewTimes, relight.Timeout(30*time.Second))
