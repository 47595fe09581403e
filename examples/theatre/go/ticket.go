package main

import relight "github.com/relight-dev/relight/guest-sdk/go"

// One seat of one show. Its key is the ticket's name; the lock of the key is what keeps two carts from getting it.

var (
	ticketReserve    = relight.Client[relight.Void, bool]{Service: "Ticket", Handler: "reserve"}
	ticketRelease    = relight.Client[relight.Void, relight.Void]{Service: "Ticket", Handler: "release"}
	ticketMarkAsSold = relight.Client[relight.Void, relight.Void]{Service: "Ticket", Handler: "mark_as_sold"}
)

// Where a ticket is.
const (
	available = "available"
	reserved  = "reserved"
	sold      = "sold"

	ticketStatus = "status"
)

func reserve(ctx relight.ObjectContext, _ relight.Void) (bool, error) {
	status, err := getTicket(ctx, relight.Void{})
	if err != nil || status != available {
		return false, err
	}
	relight.Set(ctx, ticketStatus, reserved)
	return true, nil
}

func release(ctx relight.ObjectContext, _ relight.Void) (relight.Void, error) {
	ctx.Clear(ticketStatus)
	return relight.Void{}, nil
}

func markAsSold(ctx relight.ObjectContext, _ relight.Void) (relight.Void, error) {
	relight.Set(ctx, ticketStatus, sold)
	return relight.Void{}, nil
}

func getTicket(ctx relight.SharedObjectContext, _ relight.Void) (string, error) {
	status, found, err := relight.Get[string](ctx, ticketStatus)
	if err != nil || !found {
		return available, err
	}
	return status, nil
}
