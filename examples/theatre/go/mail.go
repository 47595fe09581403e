package main

import (
	"log/slog"
	"strings"

	relight "github.com/relight-dev/relight/guest-sdk/go"
)

// Mail to customers. A real one would use an effect; this one writes to the log.

// Confirmation is what to tell a customer.
type Confirmation struct {
	Customer string   `json:"customer"`
	Tickets  []string `json:"tickets"`
}

var mailConfirm = relight.Client[Confirmation, relight.Void]{Service: "Mail", Handler: "confirm"}

func confirm(ctx relight.Context, c Confirmation) (relight.Void, error) {
	slog.Info("to " + c.Customer + ": your tickets " + strings.Join(c.Tickets, ", "))
	return relight.Void{}, nil
}
