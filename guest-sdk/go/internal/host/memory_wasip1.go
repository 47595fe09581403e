package host

import (
	"math"
	"unsafe"
)

// The host writes lists and texts where cabi_realloc says. It calls that in the middle of an import, when nothing may be called in
// turn, while the collector of Go may want to look at the clock and let other goroutines run. So this memory does not come from
// Go's heap: it is taken from the same place as the heap itself, used for one import, copied from, and used again.

// sbrk extends the linear memory behind everything that Go has.
//
//go:linkname sbrk runtime.sbrk
func sbrk(bytes uintptr) unsafe.Pointer

// landing is where the host puts what an import answers.
var landing struct {
	start      unsafe.Pointer
	size, used uintptr
}

// landingBytesMin spares small invocations a second piece.
const landingBytesMin = 64 << 10

//go:wasmexport cabi_realloc
func cabiRealloc(old, oldBytes, align, bytes uint32) uint32 {
	used := (landing.used + uintptr(align) - 1) &^ (uintptr(align) - 1)
	if used+uintptr(bytes) > landing.size {
		// A piece that is too small stays unused from here on. Since each is twice the one before, that is never more than is in use.
		size := max(2*landing.size, uintptr(bytes), landingBytesMin)
		start := sbrk(size)
		if start == nil {
			start, size = sbrk(uintptr(bytes)), uintptr(bytes)
		}
		if start == nil {
			panic("out of memory: the host hands over more than fits into this instance")
		}
		landing.start, landing.size, used = start, size, 0
	}
	landing.used = used + uintptr(bytes)
	start := unsafe.Add(landing.start, used)
	if oldBytes > 0 {
		copy(unsafe.Slice((*byte)(start), bytes), unsafe.Slice((*byte)(at(old)), oldBytes))
	}
	return addressOf(start)
}

// at is the pointer to an address. (Go has 64-bit pointers on this target, memory has 32-bit addresses.)
func at(address uint32) unsafe.Pointer {
	return unsafe.Add(unsafe.Pointer(nil), address)
}

func addressOf(pointer unsafe.Pointer) uint32 {
	return uint32(uintptr(pointer))
}

// area is a record in memory, which the host writes. It lies in a variable of the package, not on a stack: a stack may move while
// the host calls cabi_realloc. One is enough, for no import runs inside another.
type area [16]uint64

var result area

// answer gives the area to an import, and makes place for the next answer.
func answer() unsafe.Pointer {
	landing.used = 0
	return unsafe.Pointer(&result)
}

func (a *area) u8(offset int) uint8   { return *(*uint8)(unsafe.Add(unsafe.Pointer(a), offset)) }
func (a *area) u16(offset int) uint16 { return *(*uint16)(unsafe.Add(unsafe.Pointer(a), offset)) }
func (a *area) u32(offset int) uint32 { return *(*uint32)(unsafe.Add(unsafe.Pointer(a), offset)) }
func (a *area) u64(offset int) uint64 { return *(*uint64)(unsafe.Add(unsafe.Pointer(a), offset)) }

func (a *area) text(offset int) string  { return text(a.u32(offset), a.u32(offset+4)) }
func (a *area) bytes(offset int) []byte { return bytes(a.u32(offset), a.u32(offset+4)) }
func (a *area) pairs(offset int) []Pair { return pairs(a.u32(offset), a.u32(offset+4)) }

func (a *area) optionalText(offset int) *string {
	if a.u8(offset) == 0 {
		return nil
	}
	text := a.text(offset + 4)
	return &text
}

// failure at an offset: code, message, metadata.
func (a *area) failure(offset int) *Failure {
	return &Failure{Code: a.u16(offset), Message: a.text(offset + 4), Metadata: a.pairs(offset + 12)}
}

// Copies, for the memory is used again.

func text(start, length uint32) string {
	return string(unsafe.Slice((*byte)(at(start)), length))
}

func bytes(start, length uint32) []byte {
	copied := make([]byte, length)
	copy(copied, unsafe.Slice((*byte)(at(start)), length))
	return copied
}

func texts(start, count uint32) []string {
	list := make([]string, count)
	for index := range list {
		entry := unsafe.Slice((*uint32)(at(start+8*uint32(index))), 2)
		list[index] = text(entry[0], entry[1])
	}
	return list
}

func pairs(start, count uint32) []Pair {
	list := make([]Pair, count)
	for index := range list {
		entry := unsafe.Slice((*uint32)(at(start+16*uint32(index))), 4)
		list[index] = Pair{text(entry[0], entry[1]), text(entry[2], entry[3])}
	}
	return list
}

// writer lays out a record for the host, field by field. What it points to lives as long as the writer.
type writer struct {
	buffer []byte
	kept   []any
}

func (w *writer) align(to int) {
	for len(w.buffer)%to != 0 {
		w.buffer = append(w.buffer, 0)
	}
}

func (w *writer) u8(value uint8) { w.buffer = append(w.buffer, value) }

func (w *writer) u16(value uint16) {
	w.align(2)
	w.buffer = append(w.buffer, byte(value), byte(value>>8))
}

func (w *writer) u32(value uint32) {
	w.align(4)
	w.buffer = append(w.buffer, byte(value), byte(value>>8), byte(value>>16), byte(value>>24))
}

func (w *writer) u64(value uint64) {
	w.align(8)
	w.u32(uint32(value))
	w.u32(uint32(value >> 32))
}

func (w *writer) f32(value float32) { w.u32(math.Float32bits(value)) }

func (w *writer) bool(value bool) { w.u8(uint8(flag(value))) }

func (w *writer) text(value string) {
	w.kept = append(w.kept, value)
	w.u32(addressOf(unsafe.Pointer(unsafe.StringData(value))))
	w.u32(uint32(len(value)))
}

func (w *writer) bytes(value []byte) {
	w.kept = append(w.kept, value)
	w.u32(addressOf(unsafe.Pointer(unsafe.SliceData(value))))
	w.u32(uint32(len(value)))
}

func (w *writer) optionalText(value *string) {
	w.align(4)
	w.bool(value != nil)
	w.text(deref(value))
}

func (w *writer) optionalU32(value *uint32) {
	w.align(4)
	w.bool(value != nil)
	w.u32(deref(value))
}

func (w *writer) optionalU64(value *uint64) {
	w.align(8)
	w.bool(value != nil)
	w.u64(deref(value))
}

// list writes the address and length of elements that write lays out one after the other.
func list[T any](w *writer, elements []T, alignment int, write func(*writer, T)) {
	inner := &writer{}
	for _, element := range elements {
		write(inner, element)
		inner.align(alignment)
	}
	w.kept = append(w.kept, inner)
	w.u32(addressOf(unsafe.Pointer(unsafe.SliceData(inner.buffer))))
	w.u32(uint32(len(elements)))
}

func (w *writer) pairs(value []Pair) {
	list(w, value, 4, func(w *writer, pair Pair) {
		w.text(pair.Name)
		w.text(pair.Value)
	})
}

func (w *writer) failure(failure *Failure) {
	w.align(4)
	w.u16(failure.Code)
	w.text(failure.Message)
	w.pairs(failure.Metadata)
}

// pointer is that of the finished record.
func (w *writer) pointer() unsafe.Pointer {
	return unsafe.Pointer(unsafe.SliceData(w.buffer))
}

func flag(value bool) uint32 {
	if value {
		return 1
	}
	return 0
}

func deref[T any](value *T) T {
	var none T
	if value == nil {
		return none
	}
	return *value
}
