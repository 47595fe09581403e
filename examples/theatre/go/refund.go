package main

import (
	"time"

	relight "github.com/relight-dev/relight/guest-sdk/go"
)

// Refunds, which a person approves. The key is the payment's id. Waiting two days for an answer costs nothing: no instance is kept.

// How long a request waits for its approval.
const patience = 48 * time.Hour

// RefundRequest is the input of Refund/request.
type RefundRequest struct {
	Customer        string  `json:"customer" doc:"Whose order it was."`
	PatienceSeconds *int64  `json:"patience_seconds" doc:"Wait for so long instead of two days."`
	PaymentsURL     *string `json:"payments_url" doc:"As in Cart/checkout."`
}

// Approval is what the person answers: the value that resolves the awakeable.
type Approval struct {
	Approved bool `json:"approved"`
}

const approvalName = "approval-id"

func requestRefund(ctx relight.ObjectContext, request RefundRequest) (string, error) {
	id, answer := relight.Awakeable[Approval](ctx)
	relight.Set(ctx, approvalName, id)
	wait := patience
	if request.PatienceSeconds != nil {
		wait = time.Duration(*request.PatienceSeconds) * time.Second
	}
	first, err := relight.Select(answer, ctx.Timer(wait))
	ctx.Clear(approvalName)
	if err != nil {
		return "", err
	}
	if first == 1 {
		// Nobody answered.
		return "expired", nil
	}
	// A rejected awakeable is a failure, and ends the request.
	approval, err := answer.Wait()
	if err != nil {
		return "", err
	}
	if !approval.Approved {
		return "refused", nil
	}
	if _, err := refundPayment.Call(ctx, RefundPayment{ctx.Key(), request.PaymentsURL}); err != nil {
		return "", err
	}
	if _, err := cartRefunded.Key(request.Customer).Call(ctx, ctx.Key()); err != nil {
		return "", err
	}
	return "refunded", nil
}

func approvalID(ctx relight.SharedObjectContext, _ relight.Void) (*relight.AwakeableID, error) {
	id, found, err := relight.Get[relight.AwakeableID](ctx, approvalName)
	if !found {
		return nil, err
	}
	return &id, nil
}
