package host

import "unsafe"

// The exports of the component, over what the SDK has set.

// Export sets what the host calls.
func Export(set Exports) { exports = set }

var exports Exports

// returned keeps what the host is about to read.
var returned *writer

//go:wasmexport relight:handler/handler@0.1.0#describe
func describe() uint32 {
	manifest := exports.Describe()
	w := &writer{}
	w.text(manifest.SDK)
	list(w, manifest.Services, 8, (*writer).serviceDef)
	list(w, manifest.Effects, 8, (*writer).effectDef)
	return w.give()
}

//go:wasmexport relight:handler/handler@0.1.0#invoke
func invoke(
	service, serviceLength, hasKey, key, keyLength, handler, handlerLength, headers, headerCount, input, inputLength uint32,
) uint32 {
	request := Request{
		Service: text(service, serviceLength),
		Handler: text(handler, handlerLength),
		Headers: pairs(headers, headerCount),
		Input:   bytes(input, inputLength),
	}
	if hasKey != 0 {
		key := text(key, keyLength)
		request.Key = &key
	}
	return giveAttempt(exports.Invoke(request))
}

//go:wasmexport relight:handler/handler@0.1.0#effect
func effect(name, nameLength, input, inputLength, attempt, idempotencyKey, idempotencyKeyLength uint32) uint32 {
	return giveAttempt(exports.Effect(EffectRequest{
		Name:           text(name, nameLength),
		Input:          bytes(input, inputLength),
		Attempt:        attempt,
		IdempotencyKey: text(idempotencyKey, idempotencyKeyLength),
	}))
}

func (w *writer) give() uint32 {
	// The record itself must lie at a multiple of 8.
	aligned := make([]uint64, (len(w.buffer)+7)/8)
	start := unsafe.Pointer(unsafe.SliceData(aligned))
	copy(unsafe.Slice((*byte)(start), len(w.buffer)), w.buffer)
	w.kept = append(w.kept, aligned)
	returned = w
	return addressOf(start)
}

// giveAttempt lays out result<bytes, attempt-error>.
func giveAttempt(value []byte, failed *AttemptError) uint32 {
	w := &writer{}
	w.bool(failed != nil)
	w.align(8)
	switch {
	case failed == nil:
		w.bytes(value)
	case failed.Failure == nil:
		w.u8(0)
		w.align(8)
		w.text(failed.Message)
		w.optionalU64(failed.After)
	default:
		w.u8(1)
		w.align(8)
		w.failure(failed.Failure)
	}
	for len(w.buffer) < attemptBytes {
		w.u8(0)
	}
	return w.give()
}

// attemptBytes is the size of the widest case of result<bytes, attempt-error>.
const attemptBytes = 40

func (w *writer) retryPolicy(retry *RetryPolicy) {
	w.align(8)
	w.bool(retry != nil)
	policy := deref(retry)
	w.u64(policy.InitialInterval)
	w.f32(policy.Factor)
	w.u64(policy.MaxInterval)
	w.optionalU32(policy.MaxAttempts)
	w.optionalU64(policy.MaxDuration)
	w.bool(policy.PauseWhenExhausted)
	w.align(8)
}

func (w *writer) options(options Options) {
	w.align(8)
	w.bool(options.Public != nil)
	w.bool(deref(options.Public))
	w.optionalU64(options.InactivityTimeout)
	w.optionalU64(options.AbortTimeout)
	w.optionalU64(options.IdempotencyRetention)
	w.optionalU64(options.JournalRetention)
	w.retryPolicy(options.Retry)
}

func (w *writer) payloadDef(payload PayloadDef) {
	w.align(4)
	w.bool(payload.Required)
	w.optionalText(payload.ContentType)
	w.optionalText(payload.JSONSchema)
}

func (w *writer) handlerDef(handler HandlerDef) {
	w.text(handler.Name)
	w.u8(uint8(handler.Mode))
	w.payloadDef(handler.Input)
	w.payloadDef(handler.Output)
	w.optionalText(handler.Documentation)
	w.options(handler.Options)
	w.pairs(handler.Metadata)
}

func (w *writer) serviceDef(service ServiceDef) {
	w.text(service.Name)
	w.u8(uint8(service.Kind))
	w.align(4)
	list(w, service.Handlers, 8, (*writer).handlerDef)
	w.optionalText(service.Documentation)
	w.options(service.Options)
	w.pairs(service.Metadata)
}

func (w *writer) effectDef(effect EffectDef) {
	w.text(effect.Name)
	w.optionalText(effect.Documentation)
	w.retryPolicy(effect.Retry)
	w.optionalU64(effect.Timeout)
}
