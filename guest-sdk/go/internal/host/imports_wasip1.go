package host

import "unsafe"

// The imports as the canonical ABI flattens them: a text is an address and a length, an option or variant its number followed by
// the widest of its cases. More than 16 parameters, or more than one result, go through memory.

type address = unsafe.Pointer

//go:wasmimport relight:handler/context@0.1.0 info
func contextInfo(result address)

//go:wasmimport relight:handler/context@0.1.0 now
func contextNow() uint64

//go:wasmimport relight:handler/context@0.1.0 random
func contextRandom(length uint32, result address)

//go:wasmimport relight:handler/context@0.1.0 uuid
func contextUUID(result address)

//go:wasmimport relight:handler/state@0.1.0 get
func stateGet(key string, result address)

//go:wasmimport relight:handler/state@0.1.0 keys
func stateKeys(result address)

//go:wasmimport relight:handler/state@0.1.0 set
func stateSet(key string, value address, valueLength uint32)

//go:wasmimport relight:handler/state@0.1.0 clear
func stateClear(key string)

//go:wasmimport relight:handler/state@0.1.0 clear-all
func stateClearAll()

//go:wasmimport relight:handler/ops@0.1.0 call
func opsCall(parameters address) Handle

//go:wasmimport relight:handler/ops@0.1.0 callee
func opsCallee(call Handle, result address)

//go:wasmimport relight:handler/ops@0.1.0 send
func opsSend(parameters, result address)

//go:wasmimport relight:handler/ops@0.1.0 timer
func opsTimer(due uint32, millis uint64, hasName uint32, name string) Handle

//go:wasmimport relight:handler/ops@0.1.0 awakeable
func opsAwakeable(result address)

//go:wasmimport relight:handler/ops@0.1.0 resolve-awakeable
func opsResolveAwakeable(id string, failed uint32, a uint32, b, c, d, e uint32)

//go:wasmimport relight:handler/ops@0.1.0 signal
func opsSignal(name string) Handle

//go:wasmimport relight:handler/ops@0.1.0 send-signal
func opsSendSignal(to, name string, failed uint32, a uint32, b, c, d, e uint32)

//go:wasmimport relight:handler/ops@0.1.0 promise
func opsPromise(name string) Handle

//go:wasmimport relight:handler/ops@0.1.0 promise-peek
func opsPromisePeek(name string) Handle

//go:wasmimport relight:handler/ops@0.1.0 promise-complete
func opsPromiseComplete(name string, failed uint32, a uint32, b, c, d, e uint32) Handle

//go:wasmimport relight:handler/ops@0.1.0 attach
func opsAttach(id string) Handle

//go:wasmimport relight:handler/ops@0.1.0 output
func opsOutput(id string) Handle

//go:wasmimport relight:handler/ops@0.1.0 cancel
func opsCancel(id string)

//go:wasmimport relight:handler/ops@0.1.0 effect
func opsEffect(
	name string, input address, inputLength uint32, hasOptions uint32,
	hasRetry uint32, initial uint64, factor float32, maxInterval uint64, hasAttempts, attempts uint32,
	hasDuration uint32, duration uint64, onExhausted uint32,
	hasTimeout uint32, timeout uint64,
) Handle

//go:wasmimport relight:handler/waiting@0.1.0 wait
func waitingWait(handle Handle, result address)

//go:wasmimport relight:handler/waiting@0.1.0 wait-any
func waitingWaitAny(handles address, count uint32, result address)

//go:wasmimport relight:handler/waiting@0.1.0 wait-all
func waitingWaitAll(handles address, count uint32, result address)

//go:wasmimport relight:handler/inline-run@0.1.0 start
func runStart(
	name string,
	hasRetry uint32, initial uint64, factor float32, maxInterval uint64, hasAttempts, attempts uint32,
	hasDuration uint32, duration uint64, onExhausted uint32,
	result address,
)

//go:wasmimport relight:handler/inline-run@0.1.0 finish
func runFinish(failed uint32, a uint32, b, c, d, e uint32)

//go:wasmimport relight:handler/inline-run@0.1.0 retry
func runRetry(message string, hasAfter uint32, after uint64)

//go:wasmimport relight:handler/http@0.1.0 fetch
func httpFetch(
	method, url string, headers address, headerCount uint32, body address, bodyLength uint32,
	hasTimeout uint32, timeout uint64, result address,
)

//go:wasmimport relight:handler/log@0.1.0 log
func logLog(level uint32, message string, fields address, fieldCount uint32)
