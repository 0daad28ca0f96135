package explain

import (
	"bytes"
	"context"
	"io"
	"time"

	"github.com/whygate/whygate/internal/advice"
	"github.com/whygate/whygate/internal/fault"
)

// Sizes of reading, in octets.
const (
	lineMax   = 64 << 10  // of a longer line the rest is skipped
	blockSize = 128 << 10 // what is read, and parsed by one goroutine, at a time
)

// block is a piece of a source that ends where a line does, and what its lines say.
type block struct {
	text  []byte // the lines
	space []byte // the buffer that text is in
	first int    // the number of its first line
	done  chan struct{}
	grown bool       // it was appended after the file had been opened
	w3c   *w3c       // the #Fields: directive that holds at its beginning, nil for none
	csv   *csvHeader // the columns' names, nil for none

	tally
	records []record
	served  map[string]*int64 // answers that ended well, by upstream
	each    []byte            // the JSON lines of --each
	scratch arena
}

// record is a line that says more than that all is well.
type record struct {
	Entry
	format  *Format
	verdict fault.Fault
	line    int
	more    int    // how many lines behind it are part of it
	text    []byte // the line without its carriers
	story   advice.Story
}

// tally counts the lines of a block.
type tally struct {
	lines    int
	long     int // longer than lineMax
	octets   int64
	skipped  int // before the time that was asked for
	unknown  int
	within   int // lines of records of several lines, without their first ones
	kinds    [formatsMax][KindNoise + 1]int32
	causes   [fault.Causes]int32 // of KindClient
	unjudged []unjudgedLines
	limits   [fault.Causes]*Format // of them, whose limit refused requests, by cause
	start    time.Time
	end      time.Time
}

// servedMax bounds the upstreams whose good answers are counted.
const servedMax = 256

// formatsMax bounds the number of formats, for tables indexed by their place in the list.
const formatsMax = 128

// lineReader cuts a source into blocks.
type lineReader struct {
	ctx      context.Context // ends a line that never ends
	r        io.Reader
	carry    []byte // the beginning of a line whose end was not read yet
	line     int    // the number of the next line
	skipping bool   // inside of a line that is longer than lineMax
	long     int
	octets   int64
}

// fill reads the next block into b. It gives io.EOF when nothing is left, and then the block may have text; whole says to
// go on until a block is full, which a stream that others are still writing cannot wait for.
func (l *lineReader) fill(b *block, whole bool) error {
	buffer := append(b.space[:0], l.carry...)
	l.carry = l.carry[:0]
	var err error
	for {
		var n int
		n, err = l.r.Read(buffer[len(buffer):cap(buffer)])
		l.octets += int64(n)
		fresh := buffer[len(buffer) : len(buffer)+n]
		if l.skipping {
			fresh = l.skip(fresh)
			buffer = append(buffer, fresh...) // moves within the buffer
		} else {
			buffer = buffer[:len(buffer)+n]
		}
		if err == nil {
			err = l.ctx.Err()
		}
		if err != nil || len(buffer) == cap(buffer) || n > 0 && !whole && bytes.IndexByte(fresh, '\n') >= 0 {
			break
		}
	}
	end := bytes.LastIndexByte(buffer, '\n') + 1
	if err != nil {
		end = len(buffer)
	}
	if rest := buffer[end:]; len(rest) > lineMax {
		rest = rest[:lineMax]
		l.skipping = true
		l.long++
		l.carry = append(l.carry, rest...)
	} else {
		l.carry = append(l.carry, rest...)
	}
	b.text, b.first = buffer[:end], l.line+1
	l.line += bytes.Count(b.text, []byte{'\n'})
	b.tally.long, b.tally.octets = l.long, l.octets
	l.long, l.octets = 0, 0
	return err
}

// skip leaves out the rest of a line that is too long; what it gives begins with the newline that ends it.
func (l *lineReader) skip(b []byte) []byte {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		return b[:0]
	}
	l.skipping = false
	return b[i:]
}

// The size of an arena's space, in octets: it doubles until a block's records fit.
const (
	arenaMin = 16 << 10
	arenaMax = 256 << 10
)

// serve counts a good answer of an upstream; it allocates for a new name only.
func (b *block) serve(upstream []byte) {
	if n := b.served[string(upstream)]; n != nil {
		*n++
		return
	}
	if len(upstream) == 0 || len(upstream) > nameMax || len(b.served) >= servedMax {
		return
	}
	if b.served == nil {
		b.served = map[string]*int64{}
	}
	one := int64(1)
	b.served[string(upstream)] = &one
}

// arena keeps what has to outlive the line it came from.
type arena struct{ space []byte }

// keep copies b.
func (a *arena) keep(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	if len(a.space)+len(b) > cap(a.space) { // what is in the old space stays where it is, as long as somebody holds it
		a.space = make([]byte, 0, max(min(2*cap(a.space), arenaMax), arenaMin, len(b)))
	}
	from := len(a.space)
	a.space = append(a.space, b...)
	return a.space[from:len(a.space):len(a.space)]
}
