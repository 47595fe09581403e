// Package relight is for durable handlers in Go: ordinary functions whose every step is recorded, that wait for seconds or months
// without holding memory, and that continue exactly where they were after any crash.
//
//	type Greeting struct {
//		Message string `json:"message"`
//		Visit   int64  `json:"visit" doc:"How often this name has been greeted."`
//	}
//
//	var addToCounter = relight.Client[int64, int64]{Service: "Counter", Handler: "add"}
//
//	func greet(ctx relight.Context, name string) (Greeting, error) {
//		visit, err := addToCounter.Key(name).Call(ctx, 1)
//		if err != nil {
//			return Greeting{}, err
//		}
//		return Greeting{Message: "Hello, " + name + "!", Visit: visit}, nil
//	}
//
//	func add(ctx relight.ObjectContext, amount int64) (int64, error) {
//		value, _, err := relight.Get[int64](ctx, "value")
//		if err != nil {
//			return 0, err
//		}
//		relight.Set(ctx, "value", value+amount)
//		return value + amount, nil
//	}
//
//	func init() {
//		relight.Service("Greeter", relight.Handler("greet", greet))
//		relight.Object("Counter", relight.Exclusive("add", add))
//	}
//
//	func main() {}
//
// The README next to this file says what a handler may do, and what of Go's own is deterministic in it.
package relight

// Version of this SDK.
const Version = "0.1.0"
