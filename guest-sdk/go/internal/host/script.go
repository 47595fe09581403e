//go:build !wasip1

package host

import (
	"fmt"
	"slices"
	"strings"
)

// A stand-in for the server on other targets than Wasm: a script says in which order operations complete, and a transcript tells
// what was asked for. It knows no state machine and no crashes; `relight test` does.

// Event is what happens, in the order of the journal's positions.
type Event struct {
	// Handle of the operation that completes; CancelEvent for the cancellation of the invocation.
	Handle Handle
	Result Result
}

// CancelEvent stands for a cancellation in place of a handle.
const CancelEvent = Handle(1<<32 - 1)

// Script is what the host plays.
type Script struct {
	// Events in order. Cancellations that have been delivered are removed.
	Events []Event
	State  map[string][]byte
	// Runs are the recorded results of inline runs, in order.
	Runs []Result
	// Wait replaces the way in which a test knows that every goroutine waits.
	Wait func()
	// Info about the invocation.
	Info Info

	Transcript []string
	operations Handle
	runsSeen   int
	chance     byte
}

var script = &Script{}

// Play makes a script the current one.
func Play(s *Script) { script = s }

// Export sets what the host calls.
func Export(Exports) {}

func note(format string, arguments ...any) {
	script.Transcript = append(script.Transcript, fmt.Sprintf(format, arguments...))
}

// operation notes one and gives its handle; 0 is the input.
func operation(format string, arguments ...any) Handle {
	script.operations++
	note("%d "+format, append([]any{script.operations}, arguments...)...)
	return script.operations
}

func (t Target) String() string {
	if t.Key == nil {
		return t.Service + "/" + t.Handler
	}
	return t.Service + "/" + *t.Key + "/" + t.Handler
}

func (r Result) String() string {
	if r.Failure != nil {
		return fmt.Sprintf("failure %d %s", r.Failure.Code, r.Failure.Message)
	}
	return string(r.Value)
}

func (d Due) String() string {
	return [...]string{"now", "at ", "after "}[d.Kind] + strings.TrimPrefix(fmt.Sprint(d.Millis), "0")
}

func (o *CallOptions) String() string {
	if o == nil {
		return ""
	}
	text := ""
	if o.Name != nil {
		text += " name " + *o.Name
	}
	if o.IdempotencyKey != nil {
		text += " key " + *o.IdempotencyKey
	}
	for _, header := range o.Headers {
		text += " " + header.Name + ": " + header.Value
	}
	return text
}

// GetInfo gives the script's.
func GetInfo() Info { return script.Info }

// Now is a constant.
func Now() uint64 { return 1_000_000 }

// Random counts.
func Random(length uint32) []byte {
	bytes := make([]byte, length)
	for index := range bytes {
		script.chance++
		bytes[index] = script.chance
	}
	return bytes
}

// UUID is a constant.
func UUID() string { return "00000000-0000-4000-8000-000000000000" }

// GetState reads the script's.
func GetState(key string) ([]byte, bool) {
	value, ok := script.State[key]
	return value, ok
}

// StateKeys lists the script's.
func StateKeys() []string {
	keys := []string{}
	for key := range script.State {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// SetState writes the script's.
func SetState(key string, value []byte) {
	if script.State == nil {
		script.State = map[string][]byte{}
	}
	script.State[key] = value
	operation("set-state %s %s", key, value)
}

// ClearState removes from the script's.
func ClearState(key string) {
	delete(script.State, key)
	operation("clear-state %s", key)
}

// ClearAllState empties the script's.
func ClearAllState() {
	script.State = nil
	operation("clear-all-state")
}

// Call notes a call.
func Call(target Target, input []byte, options *CallOptions) Handle {
	return operation("call %v(%s)%v", target, input, options)
}

// Callee is made up.
func Callee(call Handle) string { return fmt.Sprintf("inv_1callee%d", call) }

// Send notes a send.
func Send(target Target, input []byte, due Due, options *CallOptions) string {
	return Callee(operation("send %v(%s) %v%v", target, input, due, options))
}

// Timer notes a timer.
func Timer(due Due, name *string) Handle { return operation("timer %v", due) }

// Awakeable notes an awakeable.
func Awakeable() (Handle, string) {
	handle := operation("awakeable")
	return handle, fmt.Sprintf("sign_1%d", handle)
}

// ResolveAwakeable notes it.
func ResolveAwakeable(id string, value Result) { operation("resolve %s %v", id, value) }

// Signal notes a signal.
func Signal(name string) Handle { return operation("signal %s", name) }

// SendSignal notes it.
func SendSignal(to, name string, value Result) { operation("send-signal %s %s %v", to, name, value) }

// Promise notes a promise.
func Promise(name string) Handle { return operation("promise %s", name) }

// PromisePeek notes it.
func PromisePeek(name string) Handle { return operation("promise-peek %s", name) }

// PromiseComplete notes it.
func PromiseComplete(name string, value Result) Handle {
	return operation("promise-complete %s %v", name, value)
}

// Attach notes it.
func Attach(id string) Handle { return operation("attach %s", id) }

// Output notes it.
func Output(id string) Handle { return operation("output %s", id) }

// Cancel notes it.
func Cancel(id string) { operation("cancel %s", id) }

// Effect notes an effect.
func Effect(name string, input []byte, options *EffectOptions) Handle {
	text := ""
	if options != nil && options.Timeout != nil {
		text += fmt.Sprintf(" timeout %d", *options.Timeout)
	}
	if options != nil && options.Retry != nil && options.Retry.MaxAttempts != nil {
		text += fmt.Sprintf(" attempts %d", *options.Retry.MaxAttempts)
	}
	return operation("effect %s(%s)%s", name, input, text)
}

// until finds the first event up to which the completed handles meet the condition, unless a cancel comes before it.
func until(met func(completed []Handle) bool) (int, bool) {
	completed, cancel := []Handle{}, -1
	for position, event := range script.Events {
		if event.Handle == CancelEvent {
			cancel = position
			break
		}
		completed = append(completed, event.Handle)
		if met(completed) {
			return position, true
		}
	}
	if cancel < 0 {
		panic(fmt.Sprintf("the script ends before this wait: %q", script.Transcript))
	}
	script.Events = slices.Delete(script.Events, cancel, cancel+1)
	return 0, false
}

// Wait follows the script.
func Wait(handle Handle) (Result, bool) {
	note("wait %d", handle)
	position, ok := until(func(completed []Handle) bool { return slices.Contains(completed, handle) })
	if !ok {
		return Result{}, false
	}
	return script.Events[position].Result, true
}

// WaitAny follows the script.
func WaitAny(handles []Handle) (Handle, bool) {
	note("wait-any %v", handles)
	position, ok := until(func(completed []Handle) bool {
		return slices.Contains(handles, completed[len(completed)-1])
	})
	if !ok {
		return 0, false
	}
	return script.Events[position].Handle, true
}

// WaitAll follows the script.
func WaitAll(handles []Handle) bool {
	note("wait-all %v", handles)
	_, ok := until(func(completed []Handle) bool {
		return !slices.ContainsFunc(handles, func(handle Handle) bool { return !slices.Contains(completed, handle) })
	})
	return ok
}

// RunOver is what RunFinish and RunRetry panic with, where a component's instance would end.
type RunOver struct{ Text string }

// RunStart follows the script.
func RunStart(name string, policy *RetryPolicy) (Result, bool) {
	operation("run %s", name)
	script.runsSeen++
	if script.runsSeen <= len(script.Runs) {
		return script.Runs[script.runsSeen-1], true
	}
	return Result{}, false
}

// RunFinish ends the attempt.
func RunFinish(value Result) { panic(RunOver{fmt.Sprintf("finish %v", value)}) }

// RunRetry ends the attempt.
func RunRetry(message string, after *uint64) { panic(RunOver{"retry " + message}) }

// Fetch has no network.
func Fetch(request HTTPRequest) (HTTPResponse, *HTTPError) {
	note("fetch %s %s %s", request.Method, request.URL, request.Body)
	return HTTPResponse{}, &HTTPError{HTTPConnect, "tests have no network"}
}

// Log notes a line.
func Log(level Level, message string, fields []Pair) { note("log %d %s %v", level, message, fields) }

// Idle waits as the test says.
func Idle() { script.Wait() }

// NextTimer knows none.
func NextTimer() (int64, bool) { return 0, false }
