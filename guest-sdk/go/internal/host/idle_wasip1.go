package host

import (
	"math"
	"unsafe"
)

// When every goroutine waits, the scheduler of Go asks the system to wait for input or for time to pass. The adapter answers that
// the descriptor of idleness is readable, and it does so then and at no other time. So the goroutine that reads it goes on exactly
// when no other can.

// idleDescriptor is the adapter's.
const idleDescriptor = 0x1d1e

//go:linkname pollServerInit internal/poll.runtime_pollServerInit
func pollServerInit()

//go:linkname pollOpen internal/poll.runtime_pollOpen
func pollOpen(descriptor uintptr) (poll uintptr, errno int)

//go:linkname pollReset internal/poll.runtime_pollReset
func pollReset(poll uintptr, mode int) int

//go:linkname pollWait internal/poll.runtime_pollWait
func pollWait(poll uintptr, mode int) int

// timeSleepUntil is the time, by nanotime, of the next timer.
//
//go:linkname timeSleepUntil runtime.timeSleepUntil
func timeSleepUntil() int64

//go:linkname nanotime runtime.nanotime
func nanotime() int64

var idlePoll uintptr

// Idle blocks until every other goroutine waits.
func Idle() {
	if idlePoll == 0 {
		pollServerInit()
		poll, errno := pollOpen(idleDescriptor)
		if errno != 0 {
			panic("the scheduler of Go refuses the descriptor of idleness")
		}
		idlePoll = poll
	}
	if pollReset(idlePoll, 'r') != 0 || pollWait(idlePoll, 'r') != 0 {
		panic("the scheduler of Go does not wait for the descriptor of idleness")
	}
}

// NextTimer gives the nanoseconds until the next timer of package time is due, if there is one.
func NextTimer() (int64, bool) {
	until := timeSleepUntil()
	if until == math.MaxInt64 {
		return 0, false
	}
	return max(until-nanotime(), 0), true
}

// scavenger is the beginning of the runtime's variable of this name: a goroutine that gives memory back to the system after each
// collection, little by little, and sleeps meanwhile. WebAssembly cannot take memory back, and its sleep would look like one of the
// handler's: the handler would be woken every other second. So it is left parked, by not being known as that.
//
//go:linkname scavenger runtime.scavenger
var scavenger struct {
	lock       uintptr
	goroutine  unsafe.Pointer
	timer      unsafe.Pointer
	sysmonWake uint32
	parked     bool
}

func init() {
	if scavenger.lock != 0 || scavenger.goroutine == nil || scavenger.timer == nil || !scavenger.parked {
		panic("this version of Go keeps its scavenger otherwise than the SDK knows it: use another one")
	}
	scavenger.parked = false
}
