package mux

import "sync"

// Sizes of buffers in octets. The small one holds a whole record of TLS and the largest frame, and some of what follows; the
// large one holds as much output as is gathered. They are no multiples of a page, so that the buffers in use begin at different places
// of their pages and do not share a few sets of the processor's caches.
const (
	smallBuffer = 34<<10 + 64
	largeBuffer = outStop + 16<<10 + 64
)

var (
	smallBuffers = sync.Pool{New: func() any { return new([smallBuffer]byte) }}
	largeBuffers = sync.Pool{New: func() any { return new([largeBuffer]byte) }}
)

// getBuffer is a small buffer from the pool, with its whole length.
func getBuffer() []byte { return smallBuffers.Get().(*[smallBuffer]byte)[:] }

// getBufferFor is a buffer for n octets, or for as many as there are buffers for.
func getBufferFor(n int) []byte {
	if n <= smallBuffer {
		return getBuffer()
	}
	return largeBuffers.Get().(*[largeBuffer]byte)[:]
}

// putBuffer gives a buffer back; one that grew is left to the garbage collector. Views into it are dead from here on.
func putBuffer(b []byte) {
	b = b[:cap(b)]
	switch len(b) {
	case smallBuffer:
		poison(b)
		smallBuffers.Put((*[smallBuffer]byte)(b))
	case largeBuffer:
		poison(b)
		largeBuffers.Put((*[largeBuffer]byte)(b))
	}
}
