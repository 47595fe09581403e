// The contract of ../README.md in Go.
package main

import relight "github.com/relight-dev/relight/guest-sdk/go"

func init() {
	relight.Object("Shelf", relight.Doc("Values by key."),
		relight.Exclusive("add", add),
		relight.Exclusive("put", put),
		relight.Shared("read", read),
		relight.Shared("names", names),
		relight.Exclusive("drop", drop),
		relight.Exclusive("empty", empty),
		relight.Exclusive("own_writes", ownWrites),
		relight.Exclusive("hold", hold),
	)
	relight.Service("Desk", relight.Doc("Does everything that needs no key."),
		relight.Handler("echo", echo),
		relight.Handler("nothing", nothing),
		relight.Handler("who", who),
		relight.Handler("call", call),
		relight.Handler("options", options),
		relight.Handler("sends", sends),
		relight.Handler("sleep", sleep),
		relight.Handler("resolve", resolve),
		relight.Handler("reject", reject),
		relight.Handler("signals", signals),
		relight.Handler("send_signal", sendSignal),
		relight.Handler("attach", attach),
		relight.Handler("output", output),
		relight.Handler("cancel", cancel),
		relight.Handler("effect", callEffect),
		relight.Handler("failed_effects", failedEffects),
		relight.Handler("effects", callEffects),
		relight.Handler("run", run),
		relight.Handler("all", all),
		relight.Handler("race", race),
		relight.Handler("order", order),
		relight.Handler("concurrent", concurrent),
		relight.Handler("compensate", compensate),
		relight.Handler("fail", fail),
		relight.Handler("crash", crash),
		relight.Handler("retry_later", retryLater),
		relight.Handler("give_up", giveUp, relight.Retry(giveUpPolicy)),
		relight.Handler("chance", chance),
		relight.Handler("logs", logs),
	)
	relight.Workflow("Errand", relight.Doc("Waits at its gate."),
		relight.WorkflowRun("run", runErrand),
		relight.WorkflowHandler("open", open),
		relight.WorkflowHandler("refuse", refuse),
		relight.WorkflowHandler("peek", peek),
		relight.WorkflowHandler("listen", listen),
		relight.WorkflowHandler("stage", stage),
	)
}

func main() {}
