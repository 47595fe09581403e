// A theatre's box office: carts that hold tickets for a while, a checkout that charges exactly once, and refunds that wait for a
// person. How to run it: see ../README.md.
package main

import relight "github.com/relight-dev/relight/guest-sdk/go"

func init() {
	relight.Object("Cart", relight.Doc("A customer's tickets, until they are paid for."),
		relight.Exclusive("add_ticket", addTicket,
			relight.Doc("Reserve a ticket and hold it for 15 minutes. False when somebody else has it.")),
		relight.Exclusive("expire_ticket", expireTicket, relight.Private(),
			relight.Doc("A hold has run out. Nothing happens when the ticket has been bought meanwhile.")),
		relight.Exclusive("checkout", checkout, relight.Doc("Pay for everything in the cart.")),
		relight.Exclusive("refunded", refunded, relight.Private(),
			relight.Doc("An order has been refunded: its tickets are free again.")),
		relight.Shared("get", getCart,
			relight.Doc("What is in the cart, and what has been bought. Also while a checkout is running.")))
	relight.Object("Ticket", relight.Doc("A ticket."),
		relight.Exclusive("reserve", reserve, relight.Private(),
			relight.Doc("Reserve it. False when somebody else has it.")),
		relight.Exclusive("release", release, relight.Private(),
			relight.Doc("Give it back: whoever reserved or bought it does not want it.")),
		relight.Exclusive("mark_as_sold", markAsSold, relight.Private(), relight.Doc("It has been paid for.")),
		relight.Shared("get", getTicket, relight.Doc("Where it is.")))
	relight.Object("Refund", relight.Doc("The refund of one payment."),
		relight.Exclusive("request", requestRefund, relight.Doc("Ask for a refund, and wait for the answer.")),
		relight.Shared("approval_id", approvalID,
			relight.Doc("The id by which to resolve or reject the request that is waiting, if one is.")))
	relight.Service("Mail", relight.Doc("Mail to customers."),
		relight.Handler("confirm", confirm, relight.Private(), relight.Doc("The tickets are bought.")))
}

func main() {}
