// A saga: reserve, charge, ship; what has been done is undone, last step first, when a later one fails or the order is cancelled. How
// to run it: see ../README.md.
package main

import relight "github.com/relight-dev/relight/guest-sdk/go"

func init() {
	relight.Workflow("Checkout", relight.Doc("The checkout of one order."),
		relight.WorkflowRun("run", run, relight.Doc("Reserve, charge, wait until it is packed, ship.")),
		relight.WorkflowHandler("packed", packed, relight.Doc("The warehouse has packed the order.")),
		relight.WorkflowHandler("status", status, relight.Doc("Where the order is.")))
	relight.Object("Stock", relight.Doc("An item in the warehouse."),
		relight.Exclusive("add", add, relight.Doc("More of it has come. Gives what is left.")),
		relight.Exclusive("reserve", reserve, relight.Doc("Put some aside for an order."), relight.Private()),
		relight.Exclusive("release", release,
			relight.Doc("Whatever is put aside for an order is for others again."), relight.Private()),
		relight.Shared("count", count, relight.Doc("What is left.")))
}

func main() {}
