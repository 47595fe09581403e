package host

import (
	"runtime"
	"unsafe"
)

// The imports, one by one, in the order of the contract.

// GetInfo says who is running.
func GetInfo() Info {
	contextInfo(answer())
	return Info{
		ID:             result.text(0),
		Target:         Target{Service: result.text(8), Key: result.optionalText(16), Handler: result.text(28)},
		IdempotencyKey: result.optionalText(36),
		Caller:         result.optionalText(48),
		Headers:        result.pairs(60),
		CreatedAt:      result.u64(72),
	}
}

// Now is the time of the invocation, in milliseconds since the Unix epoch.
func Now() uint64 { return contextNow() }

// Random gives the next bytes of the invocation's stream.
func Random(length uint32) []byte {
	contextRandom(length, answer())
	return result.bytes(0)
}

// UUID is a version 4 UUID of the same stream.
func UUID() string {
	contextUUID(answer())
	return result.text(0)
}

// GetState gives the value under key.
func GetState(key string) ([]byte, bool) {
	stateGet(key, answer())
	if result.u8(0) == 0 {
		return nil, false
	}
	return result.bytes(4), true
}

// StateKeys gives all names, in byte order.
func StateKeys() []string {
	stateKeys(answer())
	return texts(result.u32(0), result.u32(4))
}

// SetState sets the value under key.
func SetState(key string, value []byte) {
	stateSet(key, unsafe.Pointer(unsafe.SliceData(value)), uint32(len(value)))
}

// ClearState removes one value.
func ClearState(key string) { stateClear(key) }

// ClearAllState removes all values.
func ClearAllState() { stateClearAll() }

func (w *writer) target(target Target) {
	w.text(target.Service)
	w.optionalText(target.Key)
	w.text(target.Handler)
}

func (w *writer) callOptions(options *CallOptions) {
	w.align(4)
	w.bool(options != nil)
	if options == nil {
		options = &CallOptions{}
	}
	w.optionalText(options.Name)
	w.optionalText(options.IdempotencyKey)
	w.pairs(options.Headers)
}

// Call starts a call.
func Call(target Target, input []byte, options *CallOptions) Handle {
	w := &writer{}
	w.target(target)
	w.bytes(input)
	w.callOptions(options)
	handle := opsCall(w.pointer())
	runtime.KeepAlive(w)
	return handle
}

// Callee is the invocation that a call started.
func Callee(call Handle) string {
	opsCallee(call, answer())
	return result.text(0)
}

// Send calls without waiting.
func Send(target Target, input []byte, due Due, options *CallOptions) string {
	w := &writer{}
	w.target(target)
	w.bytes(input)
	w.align(8)
	w.u8(uint8(due.Kind))
	w.u64(due.Millis)
	w.callOptions(options)
	opsSend(w.pointer(), answer())
	runtime.KeepAlive(w)
	return result.text(0)
}

// Timer starts a timer.
func Timer(due Due, name *string) Handle {
	return opsTimer(uint32(due.Kind), due.Millis, flag(name != nil), deref(name))
}

// Awakeable makes an awakeable.
func Awakeable() (Handle, string) {
	opsAwakeable(answer())
	return result.u32(0), result.text(4)
}

// flat is a value or failure in the five numbers that stand for it.
type flat struct {
	failed, a, b, c, d, e uint32
	kept                  *writer
}

func flatten(value Result) flat {
	if failure := value.Failure; failure != nil {
		w := &writer{}
		w.pairs(failure.Metadata)
		metadata := unsafe.Slice((*uint32)(w.pointer()), 2)
		message := addressOf(unsafe.Pointer(unsafe.StringData(failure.Message)))
		w.kept = append(w.kept, failure)
		return flat{1, uint32(failure.Code), message, uint32(len(failure.Message)), metadata[0], metadata[1], w}
	}
	w := &writer{}
	w.bytes(value.Value)
	fields := unsafe.Slice((*uint32)(w.pointer()), 2)
	return flat{0, fields[0], fields[1], 0, 0, 0, w}
}

// ResolveAwakeable completes an awakeable.
func ResolveAwakeable(id string, value Result) {
	f := flatten(value)
	opsResolveAwakeable(id, f.failed, f.a, f.b, f.c, f.d, f.e)
	runtime.KeepAlive(f.kept)
}

// Signal asks for the next value of a signal.
func Signal(name string) Handle { return opsSignal(name) }

// SendSignal sends a value to an invocation.
func SendSignal(to, name string, value Result) {
	f := flatten(value)
	opsSendSignal(to, name, f.failed, f.a, f.b, f.c, f.d, f.e)
	runtime.KeepAlive(f.kept)
}

// Promise asks for a promise's value.
func Promise(name string) Handle { return opsPromise(name) }

// PromisePeek asks for a promise's value if it has one.
func PromisePeek(name string) Handle { return opsPromisePeek(name) }

// PromiseComplete completes a promise.
func PromiseComplete(name string, value Result) Handle {
	f := flatten(value)
	handle := opsPromiseComplete(name, f.failed, f.a, f.b, f.c, f.d, f.e)
	runtime.KeepAlive(f.kept)
	return handle
}

// Attach asks for the result of an invocation.
func Attach(id string) Handle { return opsAttach(id) }

// Output asks for the result of an invocation if it has one.
func Output(id string) Handle { return opsOutput(id) }

// Cancel cancels an invocation.
func Cancel(id string) { opsCancel(id) }

// Effect starts an effect.
func Effect(name string, input []byte, options *EffectOptions) Handle {
	if options == nil {
		options = &EffectOptions{}
	}
	retry := deref(options.Retry)
	handle := opsEffect(
		name, unsafe.Pointer(unsafe.SliceData(input)), uint32(len(input)), 1,
		flag(options.Retry != nil), retry.InitialInterval, retry.Factor, retry.MaxInterval,
		flag(retry.MaxAttempts != nil), deref(retry.MaxAttempts),
		flag(retry.MaxDuration != nil), deref(retry.MaxDuration), flag(retry.PauseWhenExhausted),
		flag(options.Timeout != nil), deref(options.Timeout),
	)
	runtime.KeepAlive(input)
	return handle
}

// Wait blocks until an operation has completed. The answer is false when the invocation was cancelled instead.
func Wait(handle Handle) (Result, bool) {
	waitingWait(handle, answer())
	switch {
	case result.u8(0) == 0 && result.u8(4) == 0:
		return Result{Absent: true}, true
	case result.u8(0) == 0:
		return Result{Value: result.bytes(8)}, true
	case result.u8(4) == 0:
		return Result{Failure: result.failure(8)}, true
	default:
		return Result{}, false
	}
}

// WaitAny blocks until one of several operations has completed.
func WaitAny(handles []Handle) (Handle, bool) {
	waitingWaitAny(unsafe.Pointer(unsafe.SliceData(handles)), uint32(len(handles)), answer())
	runtime.KeepAlive(handles)
	return result.u32(4), result.u8(0) == 0
}

// WaitAll blocks until all of several operations have completed.
func WaitAll(handles []Handle) bool {
	waitingWaitAll(unsafe.Pointer(unsafe.SliceData(handles)), uint32(len(handles)), answer())
	runtime.KeepAlive(handles)
	return result.u8(0) == 0
}

// RunStart begins an inline run. The answer is false when the work is to be done.
func RunStart(name string, policy *RetryPolicy) (Result, bool) {
	retry := deref(policy)
	runStart(
		name,
		flag(policy != nil), retry.InitialInterval, retry.Factor, retry.MaxInterval,
		flag(retry.MaxAttempts != nil), deref(retry.MaxAttempts),
		flag(retry.MaxDuration != nil), deref(retry.MaxDuration), flag(retry.PauseWhenExhausted),
		answer(),
	)
	switch {
	case result.u8(0) != 0:
		return Result{}, false
	case result.u8(4) == 0:
		return Result{Value: result.bytes(8)}, true
	default:
		return Result{Failure: result.failure(8)}, true
	}
}

// RunFinish records the result of an inline run. It does not return.
func RunFinish(value Result) {
	f := flatten(value)
	runFinish(f.failed, f.a, f.b, f.c, f.d, f.e)
	runtime.KeepAlive(f.kept)
}

// RunRetry asks for another attempt of an inline run. It does not return.
func RunRetry(message string, after *uint64) {
	runRetry(message, flag(after != nil), deref(after))
}

// Fetch sends a request.
func Fetch(request HTTPRequest) (HTTPResponse, *HTTPError) {
	w := &writer{}
	w.pairs(request.Headers)
	headers := unsafe.Slice((*uint32)(w.pointer()), 2)
	httpFetch(
		request.Method, request.URL, at(headers[0]), headers[1],
		unsafe.Pointer(unsafe.SliceData(request.Body)), uint32(len(request.Body)),
		flag(request.Timeout != nil), deref(request.Timeout), answer(),
	)
	runtime.KeepAlive(w)
	runtime.KeepAlive(request)
	if result.u8(0) == 0 {
		return HTTPResponse{Status: result.u16(4), Headers: result.pairs(8), Body: result.bytes(16)}, nil
	}
	failure := &HTTPError{Kind: HTTPErrorKind(result.u8(4))}
	if failure.Kind != HTTPTimeout && failure.Kind != HTTPTooLarge {
		failure.Reason = result.text(8)
	}
	return HTTPResponse{}, failure
}

// Log writes a line to the host's log.
func Log(level Level, message string, fields []Pair) {
	w := &writer{}
	w.pairs(fields)
	parts := unsafe.Slice((*uint32)(w.pointer()), 2)
	logLog(uint32(level), message, at(parts[0]), parts[1])
	runtime.KeepAlive(w)
}
