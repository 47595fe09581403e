package relight

import (
	old "math/rand"
	"math/rand/v2"
	"sync/atomic"
	_ "unsafe" // for go:linkname
)

// The generators of Go take their seed when the program starts. In a component that is the instantiation, where the host's answers
// are constant, so every invocation would see the same numbers.

//go:linkname globalRand math/rand/v2.globalRand
var globalRand *rand.Rand

//go:linkname globalRandGenerator math/rand.globalRandGenerator
var globalRandGenerator atomic.Pointer[old.Rand]

func (s *source) install() {
	if globalRand == nil {
		panic("this version of Go keeps the generator of math/rand/v2 elsewhere: use another one")
	}
	*globalRand = *rand.New(s)
	globalRandGenerator.Store(old.New(s))
}
