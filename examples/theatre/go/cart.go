package main

import (
	"log/slog"
	"slices"
	"time"

	relight "github.com/relight-dev/relight/guest-sdk/go"
)

// A customer's cart. Its key is the customer's name.

const (
	// How long a ticket stays in a cart.
	holdTime = 15 * time.Minute
	// What one ticket costs.
	ticketCents = 4_000

	heldName   = "held"
	ordersName = "orders"
)

// Hold is a ticket that a cart holds. The id tells one hold of a ticket from a later one, so that an old expiry does not end a new
// hold.
type Hold struct {
	Ticket string `json:"ticket"`
	ID     string `json:"id"`
}

// Order is what was bought with one payment.
type Order struct {
	Payment Payment  `json:"payment"`
	Tickets []string `json:"tickets"`
}

// AddTicket is the input of Cart/add_ticket.
type AddTicket struct {
	Ticket      string `json:"ticket"`
	HoldSeconds *int64 `json:"hold_seconds" doc:"Hold it for so long instead of 15 minutes."`
}

// Checkout is the input of Cart/checkout.
type Checkout struct {
	PaymentsURL *string `json:"payments_url" doc:"Where the payment server listens; http://127.0.0.1:9900 if absent."`
	Card        *string `json:"card" doc:"The card to charge; the payment server declines the card declined."`
}

// CartView is the output of Cart/get.
type CartView struct {
	Tickets []string `json:"tickets"`
	Orders  []Order  `json:"orders"`
}

var (
	cartExpireTicket = relight.Client[Hold, relight.Void]{Service: "Cart", Handler: "expire_ticket"}
	cartRefunded     = relight.Client[string, relight.Void]{Service: "Cart", Handler: "refunded"}
)

func addTicket(ctx relight.ObjectContext, request AddTicket) (bool, error) {
	reserved, err := ticketReserve.Key(request.Ticket).Call(ctx, relight.Void{})
	if err != nil || !reserved {
		return false, err
	}
	hold := Hold{request.Ticket, ctx.UUID()}
	held, _, err := relight.Get[[]Hold](ctx, heldName)
	if err != nil {
		return false, err
	}
	relight.Set(ctx, heldName, append(held, hold))
	expiry := holdTime
	if request.HoldSeconds != nil {
		expiry = time.Duration(*request.HoldSeconds) * time.Second
	}
	cartExpireTicket.Key(ctx.Key()).Send(ctx, hold, relight.After(expiry))
	return true, nil
}

func expireTicket(ctx relight.ObjectContext, expired Hold) (relight.Void, error) {
	held, _, err := relight.Get[[]Hold](ctx, heldName)
	position := slices.Index(held, expired)
	if err != nil || position < 0 {
		return relight.Void{}, err
	}
	relight.Set(ctx, heldName, slices.Delete(held, position, position+1))
	ticketRelease.Key(expired.Ticket).Send(ctx, relight.Void{})
	slog.Info("ticket " + expired.Ticket + " is free again")
	return relight.Void{}, nil
}

func checkout(ctx relight.ObjectContext, request *Checkout) (Order, error) {
	if request == nil {
		request = &Checkout{}
	}
	tickets, err := heldTickets(ctx)
	if err != nil {
		return Order{}, err
	}
	if len(tickets) == 0 {
		return Order{}, relight.Fail(422, "the cart is empty")
	}

	// From here on a crash cannot lead to a second payment: either the result of the charge is recorded, or it is repeated with the
	// same idempotency key.
	payment, err := charge.Call(ctx, Charge{
		Customer: ctx.Key(), Cents: uint32(len(tickets)) * ticketCents,
		Card: request.Card, PaymentsURL: request.PaymentsURL,
	})
	if err != nil {
		return Order{}, err
	}

	var marks []*relight.Operation[relight.Void]
	for _, ticket := range tickets {
		marks = append(marks, ticketMarkAsSold.Key(ticket).Start(ctx, relight.Void{}))
	}
	if _, err := relight.All(marks...); err != nil {
		return Order{}, err
	}
	order := Order{payment, tickets}
	orders, _, err := relight.Get[[]Order](ctx, ordersName)
	if err != nil {
		return Order{}, err
	}
	relight.Set(ctx, ordersName, append(orders, order))
	ctx.Clear(heldName)
	mailConfirm.Send(ctx, Confirmation{ctx.Key(), tickets})
	return order, nil
}

func refunded(ctx relight.ObjectContext, paymentID string) (relight.Void, error) {
	orders, _, err := relight.Get[[]Order](ctx, ordersName)
	if err != nil {
		return relight.Void{}, err
	}
	kept, free := []Order{}, []string{}
	for _, order := range orders {
		if order.Payment.PaymentID == paymentID {
			free = append(free, order.Tickets...)
		} else {
			kept = append(kept, order)
		}
	}
	relight.Set(ctx, ordersName, kept)
	for _, ticket := range free {
		ticketRelease.Key(ticket).Send(ctx, relight.Void{})
	}
	return relight.Void{}, nil
}

func getCart(ctx relight.SharedObjectContext, _ relight.Void) (CartView, error) {
	tickets, err := heldTickets(ctx)
	if err != nil {
		return CartView{}, err
	}
	orders, found, err := relight.Get[[]Order](ctx, ordersName)
	if !found {
		orders = []Order{}
	}
	return CartView{tickets, orders}, err
}

func heldTickets(ctx relight.StateReader) ([]string, error) {
	held, _, err := relight.Get[[]Hold](ctx, heldName)
	tickets := []string{}
	for _, hold := range held {
		tickets = append(tickets, hold.Ticket)
	}
	return tickets, err
}
