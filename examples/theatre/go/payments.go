package main

import (
	"time"

	relight "github.com/relight-dev/relight/guest-sdk/go"
)

// The effects: requests to the payment server. They run in their own instance, and the idempotency key makes a repeated one harmless.

// Where the payment server listens unless the request says otherwise.
const paymentsURL = "http://127.0.0.1:9900"

// Charge is what to charge.
type Charge struct {
	Customer    string  `json:"customer"`
	Cents       uint32  `json:"cents"`
	Card        *string `json:"card"`
	PaymentsURL *string `json:"payments_url"`
}

// Payment is what the payment server recorded.
type Payment struct {
	PaymentID string `json:"payment_id"`
	Cents     uint32 `json:"cents"`
}

// RefundPayment is what to give back.
type RefundPayment struct {
	PaymentID   string  `json:"payment_id"`
	PaymentsURL *string `json:"payments_url"`
}

var patiently = relight.Retry(relight.RetryPolicy{
	MaxAttempts: 20, InitialInterval: 200 * time.Millisecond, Factor: 2, MaxInterval: 5 * time.Second,
})

// charge charges a card.
var charge = relight.Effect("charge", func(ctx relight.EffectContext, request Charge) (Payment, error) {
	var payment Payment
	response, err := post(ctx, request.PaymentsURL, "/charge", request)
	if err != nil {
		return payment, err
	}
	if response.Status == 402 {
		return payment, relight.Fail(402, "the card was declined")
	}
	if err := response.Err(); err != nil {
		return payment, err
	}
	return payment, response.Decode(&payment)
}, patiently, relight.Timeout(30*time.Second))

// refundPayment gives the money back.
var refundPayment = relight.Effect("refund_payment", func(ctx relight.EffectContext, request RefundPayment) (relight.Void, error) {
	response, err := post(ctx, request.PaymentsURL, "/payments/"+request.PaymentID+"/refund", nil)
	if err != nil {
		return relight.Void{}, err
	}
	if response.Status == 404 {
		return relight.Void{}, relight.Fail(404, "there is no payment `%s`", request.PaymentID)
	}
	return relight.Void{}, response.Err()
}, patiently, relight.Timeout(30*time.Second))

func post(ctx relight.EffectContext, base *string, path string, body any) (*relight.Response, error) {
	url := paymentsURL
	if base != nil {
		url = *base
	}
	return relight.Fetch(relight.Request{
		Method: "POST", URL: url + path, JSON: body,
		Headers: []relight.Header{{Name: "idempotency-key", Value: ctx.IdempotencyKey()}},
	})
}
