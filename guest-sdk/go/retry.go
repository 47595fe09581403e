package relight

import (
	"time"

	"github.com/relight-dev/relight/guest-sdk/go/internal/host"
)

// RetryPolicy says how often, and after which pauses, something that failed is tried again: the n-th retry comes
// InitialInterval * Factor^(n-1) after the failure, at most MaxInterval. What is zero is as the host has it: 50 ms, doubling up to 10 s,
// without bounds.
type RetryPolicy struct {
	InitialInterval time.Duration
	// Factor is at least 1.
	Factor      float64
	MaxInterval time.Duration
	// MaxAttempts in all, the first included.
	MaxAttempts uint32
	// MaxDuration since the first attempt began.
	MaxDuration time.Duration
	// PauseWhenExhausted waits for an operator when no further attempt is allowed, instead of failing.
	PauseWhenExhausted bool
}

// Of the host's retry policies.
const (
	initialIntervalDefault = 50 * time.Millisecond
	factorDefault          = 2
	maxIntervalDefault     = 10 * time.Second
)

func (p RetryPolicy) toHost() *host.RetryPolicy {
	if p.Factor != 0 && p.Factor < 1 {
		panic("a retry policy with a factor below 1 would make the pauses shorter and shorter")
	}
	initial, longest := p.InitialInterval, p.MaxInterval
	switch {
	case initial == 0 && longest == 0:
		initial, longest = initialIntervalDefault, maxIntervalDefault
	case initial == 0:
		initial = min(initialIntervalDefault, longest)
	case longest == 0:
		longest = max(maxIntervalDefault, initial)
	default:
		initial = min(initial, longest)
	}
	policy := &host.RetryPolicy{
		InitialInterval:    toMillis(initial),
		Factor:             float32(p.Factor),
		MaxInterval:        toMillis(longest),
		PauseWhenExhausted: p.PauseWhenExhausted,
	}
	if p.Factor == 0 {
		policy.Factor = factorDefault
	}
	if p.MaxAttempts > 0 {
		policy.MaxAttempts = &p.MaxAttempts
	}
	policy.MaxDuration = optionalMillis(p.MaxDuration)
	return policy
}

// toMillis rounds up, so that nothing happens early.
func toMillis(duration time.Duration) uint64 {
	if duration <= 0 {
		return 0
	}
	return uint64((duration-1)/time.Millisecond) + 1
}

// optionalMillis is nil for zero.
func optionalMillis(duration time.Duration) *uint64 {
	if duration == 0 {
		return nil
	}
	millis := toMillis(duration)
	return &millis
}
