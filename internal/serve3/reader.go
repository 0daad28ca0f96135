package serve3

import (
	"io"
	"sync"

	"github.com/whygate/whygate/internal/h3"
)

// bufferSize is how much of a stream is read at once, in octets. It is no multiple of a page, so that buffers do not compete for the same
// cache sets.
const bufferSize = 16<<10 + 64

// buffers are kept for streams that are read.
var buffers = sync.Pool{New: func() any { b := make([]byte, bufferSize); return &b }}

// reader reads a stream through a buffer.
type reader struct {
	st   io.Reader
	kept *[]byte // of buffers, nil while there is none
	buf  []byte  // its memory, or a larger one for a large head
	r, w int     // what is buffered
	err  error   // how reading ended; io.EOF for the stream's end
}

// buffered is what was read and not taken.
func (r *reader) buffered() []byte { return r.buf[r.r:r.w] }

// fill reads more behind what is buffered, for which there is room. It reports whether anything came.
func (r *reader) fill() bool {
	if r.err != nil {
		return false
	}
	if r.buf == nil {
		r.kept = buffers.Get().(*[]byte)
		r.buf = *r.kept
	}
	switch {
	case r.r == r.w:
		poison(r.buf[:r.w]) // what was given out of it is dead
		r.r, r.w = 0, 0
	case r.w == len(r.buf):
		if r.r == 0 {
			return true // full
		}
		r.w = copy(r.buf, r.buf[r.r:r.w])
		r.r = 0
	}
	n, err := r.st.Read(r.buf[r.w:])
	r.w += n
	r.err = err
	return n > 0
}

// room makes the buffer large enough for n octets.
func (r *reader) room(n int) {
	if n <= len(r.buf) {
		return
	}
	larger := make([]byte, n)
	r.w = copy(larger, r.buffered())
	r.r, r.buf = 0, larger
}

// header reads a frame's header. It is false where the stream ended, or failed, before.
func (r *reader) header() (h3.Header, bool) {
	for {
		h, n := h3.ParseHeader(r.buffered())
		if n > 0 {
			r.r += n
			return h, true
		}
		if !r.fill() {
			return h, false
		}
	}
}

// varint reads a number.
func (r *reader) varint() (uint64, bool) {
	for {
		v, n := h3.Varint(r.buffered())
		if n > 0 {
			r.r += n
			return v, true
		}
		if !r.fill() {
			return 0, false
		}
	}
}

// skip passes over n octets.
func (r *reader) skip(n uint64) bool {
	for n > 0 {
		if r.r == r.w && !r.fill() {
			return false
		}
		take := min(n, uint64(r.w-r.r))
		r.r += int(take)
		n -= take
	}
	return true
}

// payload reads n octets onto dst.
func (r *reader) payload(dst []byte, n uint64) ([]byte, bool) {
	for n > 0 {
		if r.r == r.w && !r.fill() {
			return dst, false
		}
		take := min(n, uint64(r.w-r.r))
		dst = append(dst, r.buf[r.r:r.r+int(take)]...)
		r.r += int(take)
		n -= take
	}
	return dst, true
}

// some takes what there is, and waits where there is nothing.
func (r *reader) some() ([]byte, bool) {
	if r.r == r.w && !r.fill() {
		return nil, false
	}
	b := r.buffered()
	r.r = r.w
	return b, true
}

// release gives the buffer back. Views into it are dead from here on.
func (r *reader) release() {
	poison(r.buf)
	if r.kept != nil {
		poison(*r.kept)
		buffers.Put(r.kept)
	}
	*r = reader{}
}
