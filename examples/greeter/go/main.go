// The smallest service and the smallest virtual object. How to run it: see ../README.md.
package main

import (
	"fmt"
	"math"
	"strings"

	relight "github.com/relight-dev/relight/guest-sdk/go"
)

// GreetRequest says who is to be greeted.
type GreetRequest struct {
	Name string `json:"name" doc:"A name."`
}

// Greeting is the answer of Greeter/greet.
type Greeting struct {
	Message string `json:"message" doc:"The greeting."`
	Visit   int64  `json:"visit" doc:"How often this name has been greeted."`
}

var counterAdd = relight.Client[int64, int64]{Service: "Counter", Handler: "add"}

func init() {
	relight.Service("Greeter", relight.Doc("Greets people, and remembers how often."),
		relight.Handler("greet", greet, relight.Doc("Greet somebody.")))
	relight.Object("Counter", relight.Doc("A number per key."),
		relight.Exclusive("add", add, relight.Doc("Add to the counter and return its new value.")),
		relight.Shared("get", get, relight.Doc("The counter's value.")))
}

func greet(ctx relight.Context, request GreetRequest) (Greeting, error) {
	name := strings.TrimSpace(request.Name)
	if name == "" {
		return Greeting{}, relight.Fail(400, "nobody to greet: `name` is empty")
	}
	visit, err := counterAdd.Key(name).Call(ctx, 1)
	if err != nil {
		return Greeting{}, err
	}
	return Greeting{Message: fmt.Sprintf("Hello, %s!", name), Visit: visit}, nil
}

func add(ctx relight.ObjectContext, amount int64) (int64, error) {
	value, err := get(ctx, relight.Void{})
	if err != nil {
		return 0, err
	}
	if amount > 0 && value > math.MaxInt64-amount || amount < 0 && value < math.MinInt64-amount {
		return 0, relight.Fail(422, "the counter is full")
	}
	relight.Set(ctx, "value", value+amount)
	return value + amount, nil
}

func get(ctx relight.SharedObjectContext, _ relight.Void) (int64, error) {
	value, _, err := relight.Get[int64](ctx, "value")
	return value, err
}

func main() {}
