package relight

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/relight-dev/relight/guest-sdk/go/internal/host"
)

// chance is the source of the top-level functions of math/rand and math/rand/v2 in a component: a generator that takes its seed from
// the invocation's stream when it is first used. So two attempts see the same numbers, and two invocations different ones.
// crypto/rand reads the stream itself.
var chance = &source{}

type source struct{ generator *rand.ChaCha8 }

// Uint64 is that of both packages.
func (s *source) Uint64() uint64 {
	if s.generator == nil {
		s.generator = rand.NewChaCha8([32]byte(host.Random(32)))
	}
	return s.generator.Uint64()
}

// Int63 is that of math/rand.
func (s *source) Int63() int64 { return int64(s.Uint64() >> 1) }

// Seed is that of math/rand. (The top-level function does nothing since Go 1.24.)
func (s *source) Seed(seed int64) {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], uint64(seed))
	s.generator = rand.NewChaCha8(key)
}

// forget takes a new seed, where randomness has become live.
func (s *source) forget() { s.generator = nil }

// randomBytesMax is how many the host gives at once.
const randomBytesMax = 65_536

func randomBytes(length int) []byte {
	if length < 0 {
		panic("a negative number of random bytes")
	}
	bytes := make([]byte, 0, length)
	for len(bytes) < length {
		bytes = append(bytes, host.Random(uint32(min(length-len(bytes), randomBytesMax)))...)
	}
	return bytes
}
