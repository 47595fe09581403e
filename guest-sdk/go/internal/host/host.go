// Package host is the border to the server: the contract's types in Go, and its functions. On wasip1 the functions are
// imports of the component (imports.go and memory.go, by hand, after the canonical ABI); elsewhere they follow a script
// (script.go), for the SDK's own tests.
//
// What does not live here: anything a handler sees. No other package of the SDK knows an address.
package host

// Handle is the index of an operation in the journal.
type Handle = uint32

// Pair is a header, a fact of a failure, a field of a log line.
type Pair struct{ Name, Value string }

// Target says which handler is invoked. Key is nil for services.
type Target struct {
	Service string
	Key     *string
	Handler string
}

// Failure is a terminal failure.
type Failure struct {
	Code     uint16
	Message  string
	Metadata []Pair
}

// Result is a value or, when Failure is set, a failure. Absent says that there is neither: a timer has completed, or an
// operation that completes without a value.
type Result struct {
	Value   []byte
	Absent  bool
	Failure *Failure
}

// Due says when something happens: now, at an instant, or after a time, in milliseconds.
type Due struct {
	Kind   DueKind
	Millis uint64
}

// DueKind is the case of Due.
type DueKind uint8

// The cases of Due, numbered as in the contract.
const (
	DueNow DueKind = iota
	DueAt
	DueAfter
)

// CallOptions of call and send.
type CallOptions struct {
	Name, IdempotencyKey *string
	Headers              []Pair
}

// RetryPolicy in milliseconds.
type RetryPolicy struct {
	InitialInterval    uint64
	Factor             float32
	MaxInterval        uint64
	MaxAttempts        *uint32
	MaxDuration        *uint64
	PauseWhenExhausted bool
}

// EffectOptions of one effect.
type EffectOptions struct {
	Retry   *RetryPolicy
	Timeout *uint64
}

// Info says who is running, for whom, since when.
type Info struct {
	ID             string
	Target         Target
	IdempotencyKey *string
	Caller         *string
	Headers        []Pair
	CreatedAt      uint64
}

// HTTPRequest of fetch.
type HTTPRequest struct {
	Method, URL string
	Headers     []Pair
	Body        []byte
	Timeout     *uint64
}

// HTTPResponse of fetch.
type HTTPResponse struct {
	Status  uint16
	Headers []Pair
	Body    []byte
}

// HTTPError says why there is no response.
type HTTPError struct {
	Kind   HTTPErrorKind
	Reason string
}

// HTTPErrorKind is the case of HTTPError.
type HTTPErrorKind uint8

// The cases of HTTPError, numbered as in the contract.
const (
	HTTPDenied HTTPErrorKind = iota
	HTTPTimeout
	HTTPConnect
	HTTPTooLarge
	HTTPOther
)

// Level of a log line.
type Level uint8

// The levels, numbered as in the contract.
const (
	LevelTrace Level = iota
	LevelDebug
	LevelInfo
	LevelWarn
	LevelError
)

// Request of an invocation.
type Request struct {
	Service string
	Key     *string
	Handler string
	Headers []Pair
	Input   []byte
}

// EffectRequest of an effect's attempt.
type EffectRequest struct {
	Name           string
	Input          []byte
	Attempt        uint32
	IdempotencyKey string
}

// AttemptError says why an attempt has no result: terminally when Failure is set, else with a message and perhaps the time in
// milliseconds after which to try again.
type AttemptError struct {
	Failure *Failure
	Message string
	After   *uint64
}

// The definition of a component.
type (
	// ServiceKind of a service, numbered as in the contract.
	ServiceKind uint8
	// HandlerMode of a handler, numbered as in the contract.
	HandlerMode uint8

	// PayloadDef of an input or output.
	PayloadDef struct {
		Required                bool
		ContentType, JSONSchema *string
	}
	// Options of a service or handler. What is nil is taken from the service, then from the host.
	Options struct {
		Public                                                                  *bool
		InactivityTimeout, AbortTimeout, IdempotencyRetention, JournalRetention *uint64
		Retry                                                                   *RetryPolicy
	}
	// HandlerDef of a handler.
	HandlerDef struct {
		Name          string
		Mode          HandlerMode
		Input, Output PayloadDef
		Documentation *string
		Options       Options
		Metadata      []Pair
	}
	// ServiceDef of a service.
	ServiceDef struct {
		Name          string
		Kind          ServiceKind
		Handlers      []HandlerDef
		Documentation *string
		Options       Options
		Metadata      []Pair
	}
	// EffectDef of an effect.
	EffectDef struct {
		Name          string
		Documentation *string
		Retry         *RetryPolicy
		Timeout       *uint64
	}
	// Manifest of a component.
	Manifest struct {
		SDK      string
		Services []ServiceDef
		Effects  []EffectDef
	}
)

// Kinds of services.
const (
	KindService ServiceKind = iota
	KindObject
	KindWorkflow
)

// Modes of handlers.
const (
	ModeExclusive HandlerMode = iota
	ModeShared
	ModeWorkflow
)

// Exports are what the host calls; set once, by the SDK.
type Exports struct {
	Describe func() Manifest
	Invoke   func(Request) ([]byte, *AttemptError)
	Effect   func(EffectRequest) ([]byte, *AttemptError)
}
