package relight

import (
	"errors"
	"fmt"
	"time"

	"github.com/relight-dev/relight/guest-sdk/go/internal/host"
)

// TerminalFailure is a result like any other: it is recorded and never retried, and the caller of the handler gets it. Every other
// error that a handler, an effect or an inline run returns asks for another attempt.
//
//	var failure *relight.TerminalFailure
//	if errors.As(err, &failure) && failure.Code == 402 { … }
type TerminalFailure struct {
	// Code is an HTTP status, 400 to 599.
	Code int
	// Message is for people.
	Message string
	// Metadata is for programs. The host sees it ordered by name.
	Metadata map[string]string

	cancelled bool
}

// Fail makes a terminal failure. A code outside 400 to 599 becomes 500.
func Fail(code int, format string, arguments ...any) *TerminalFailure {
	if code < 400 || code > 599 {
		code = 500
	}
	return &TerminalFailure{Code: code, Message: fmt.Sprintf(format, arguments...)}
}

// With gives the same failure with one more fact.
func (f *TerminalFailure) With(name, value string) *TerminalFailure {
	copied := *f
	copied.Metadata = map[string]string{name: value}
	for other, value := range f.Metadata {
		if other != name {
			copied.Metadata[other] = value
		}
	}
	return &copied
}

// Error is the message and the code.
func (f *TerminalFailure) Error() string {
	return fmt.Sprintf("%s (%d)", f.Message, f.Code)
}

// Is tells cancellations of this invocation: errors.Is(err, relight.ErrCancelled).
func (f *TerminalFailure) Is(target error) bool {
	return target == ErrCancelled && f.cancelled
}

// ErrCancelled is the error of what was being waited for when this invocation was cancelled, once. What is waited for later works
// normally, so that a handler can compensate; the operation whose wait was interrupted can be waited for again. Returned, it ends
// the handler with a failure 409. (The failure of a call whose callee was cancelled is none: this invocation goes on.)
var ErrCancelled = errors.New("cancelled")

const cancelledCode = 409

func cancelledFailure() error {
	return &TerminalFailure{Code: cancelledCode, Message: "cancelled", cancelled: true}
}

// RetryAfter makes an error that asks for another attempt after a time, as a Retry-After header does.
func RetryAfter(err error, after time.Duration) error {
	return &retryAfter{err, after}
}

type retryAfter struct {
	error
	after time.Duration
}

func (r *retryAfter) Unwrap() error { return r.error }

func failureFromHost(failure *host.Failure) error {
	converted := &TerminalFailure{Code: int(failure.Code), Message: failure.Message}
	for _, fact := range failure.Metadata {
		if converted.Metadata == nil {
			converted.Metadata = map[string]string{}
		}
		converted.Metadata[fact.Name] = fact.Value
	}
	return converted
}

// failureToHost takes an error as a failure: a terminal one as it is, any other with code 500.
func failureToHost(err error) *host.Failure {
	var failure *TerminalFailure
	if !errors.As(err, &failure) {
		return &host.Failure{Code: 500, Message: err.Error()}
	}
	message := failure.Message
	if err != error(failure) {
		message = err.Error()
	}
	code := failure.Code
	if code < 400 || code > 599 {
		code = 500
	}
	return &host.Failure{Code: uint16(code), Message: message, Metadata: sortedPairs(failure.Metadata)}
}

// attemptError takes the error of a handler, an effect or a run as the contract has it.
func attemptError(err error) *host.AttemptError {
	var failure *TerminalFailure
	if errors.As(err, &failure) {
		return &host.AttemptError{Failure: failureToHost(err)}
	}
	attempt := &host.AttemptError{Message: err.Error()}
	var later *retryAfter
	if errors.As(err, &later) {
		millis := toMillis(later.after)
		attempt.After = &millis
	}
	return attempt
}
