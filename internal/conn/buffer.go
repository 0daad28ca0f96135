package conn

import "sync"

// Buffer sizes in octets. A head and a small body fit the small one; bodies that are copied use the large one, since each
// read and write then moves five times as much per system call.
//
// The small size is one of the allocator's that is no multiple of a page: buffers then begin at different offsets in their
// pages. With 16 KiB the first lines of all buffers, the ones in use, would share a few sets of the processor's caches.
const (
	smallBuffer = 13568
	largeBuffer = 64 << 10
)

var (
	smallBuffers = sync.Pool{New: func() any { return new([smallBuffer]byte) }}
	largeBuffers = sync.Pool{New: func() any { return new([largeBuffer]byte) }}
)

// GetBuffer is an empty buffer to append a message to. It goes back with PutBuffer, or through Ask. Buffers are handed out last
// in, first out, and given back before their user waits, so that the next one finds them in the processor's cache.
func GetBuffer() []byte { return getBuffer(smallBuffer)[:0] }

// PutBuffer gives a buffer back, also one that grew.
func PutBuffer(b []byte) { putBuffer(b[:cap(b)]) }

// getBuffer returns a buffer of at least n octets.
func getBuffer(n int) []byte {
	switch {
	case n <= smallBuffer:
		return smallBuffers.Get().(*[smallBuffer]byte)[:]
	case n <= largeBuffer:
		return largeBuffers.Get().(*[largeBuffer]byte)[:]
	}
	return make([]byte, n)
}

// putBuffer gives a buffer back; one of an odd size is left to the garbage collector. Views into it are dead from here on.
func putBuffer(b []byte) {
	poison(b)
	switch cap(b) {
	case smallBuffer:
		smallBuffers.Put((*[smallBuffer]byte)(b[:smallBuffer]))
	case largeBuffer:
		largeBuffers.Put((*[largeBuffer]byte)(b[:largeBuffer]))
	}
}
