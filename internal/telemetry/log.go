package telemetry

import (
	"io"
	"sync"
	"time"
)

// Log is the access log. Write appends one line to a buffer; one goroutine writes the buffer out when it is full enough, or
// once in a while. A line is never half written. A writer that fails or blocks does not hold requests up: lines that do not
// fit are dropped, and counted.
type Log struct {
	// Panicked is told of a bug in the format, which costs one line; nil to tell nobody. Set it before the first Write.
	Panicked func(reason any)

	format func(dst []byte, r *Record) []byte

	mu      sync.Mutex // guards the fields below
	out     io.Writer
	replace io.Writer // what Reopen put in out's place; nil for nothing
	buf     []byte
	spare   []byte
	dropped uint64
	closed  bool
	full    chan struct{}
	done    chan struct{}
}

const (
	logFlush = 64 << 10               // bytes in the buffer that make it worth a write
	logMax   = 4 << 20                // bytes in the buffer from which lines are dropped
	logEvery = 200 * time.Millisecond // the longest that a line waits
)

// NewLog makes a log of lines in a format: JSON or Readable. Close it to write out what is left. The log owns out: it closes
// what can be closed once nothing more is written there.
func NewLog(out io.Writer, format func(dst []byte, r *Record) []byte) *Log {
	l := &Log{format: format, out: out, full: make(chan struct{}, 1), done: make(chan struct{})}
	go l.run() // ends with Close
	return l
}

// line is room to put one line into words, so that the log's lock is held for a copy only.
type line struct{ b []byte }

var lines = sync.Pool{New: func() any { return new(line) }}

// lineKept is the largest room that is kept for another line, in bytes. Most lines have a few hundred.
const lineKept = 32 << 10

// Write appends a line. It reports false, and has written nothing, if the log is closed: another may have taken its place.
//
// hot: once per request.
func (l *Log) Write(r *Record) bool {
	text := lines.Get().(*line)
	if !l.put(text, r) {
		lines.Put(text)
		return true
	}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		lines.Put(text)
		return false
	}
	if len(l.buf) > logMax {
		l.dropped++
		l.mu.Unlock()
		lines.Put(text)
		return true
	}
	before := len(l.buf)
	l.buf = append(l.buf, text.b...)
	wake := before < logFlush && len(l.buf) >= logFlush
	l.mu.Unlock()
	if cap(text.b) <= lineKept {
		lines.Put(text)
	}
	if wake {
		l.wake()
	}
	return true
}

// put puts a line into words. A bug of ours there costs this line, which counts as dropped, and not the process.
func (l *Log) put(text *line, r *Record) (ok bool) {
	defer func() {
		if ok {
			return
		}
		reason := recover()
		l.drop()
		if l.Panicked != nil {
			l.Panicked(reason)
		}
	}()
	text.b = l.format(text.b[:0], r)
	return true
}

func (l *Log) drop() {
	l.mu.Lock()
	l.dropped++
	l.mu.Unlock()
}

func (l *Log) wake() {
	select {
	case l.full <- struct{}{}:
	default:
	}
}

// Dropped is how many lines were lost because the writer did not keep up.
func (l *Log) Dropped() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dropped
}

// Reopen makes the log go on in another writer, without losing a line: those that wait go there too. The one before is closed
// when nothing is written there any more. It does not wait. A closed log stays closed, and so does out then.
func (l *Log) Reopen(out io.Writer) {
	l.mu.Lock()
	old := l.replace // not yet written to
	if l.closed {
		old = out
	} else {
		l.replace = out
	}
	l.mu.Unlock()
	closeWriter(old)
	l.wake()
}

func closeWriter(w io.Writer) {
	if c, ok := w.(io.Closer); ok {
		_ = c.Close()
	}
}

// run writes the buffer out until the log is closed.
func (l *Log) run() {
	defer close(l.done)
	tick := time.NewTicker(logEvery)
	defer tick.Stop()
	for {
		select {
		case <-l.full:
		case <-tick.C:
		}
		if !l.flush() {
			closeWriter(l.out)
			return
		}
	}
}

// flush writes out what there is and reports whether the log is still open.
func (l *Log) flush() bool {
	l.mu.Lock()
	b := l.buf
	l.buf = l.spare[:0]
	open := !l.closed
	var old io.Writer
	if l.replace != nil {
		old, l.out, l.replace = l.out, l.replace, nil
	}
	out := l.out // only this goroutine changes it
	l.mu.Unlock()
	closeWriter(old)
	lost := false
	if len(b) > 0 {
		_, err := out.Write(b)
		lost = err != nil
	}
	if cap(b) > 4*logFlush {
		b = nil
	}
	l.mu.Lock()
	l.spare = b
	if lost {
		l.dropped++
	}
	l.mu.Unlock()
	return open
}

// closeWait bounds Close. A pipe that nobody reads must not keep a gateway from stopping.
const closeWait = time.Second

// Close writes out what is left and ends the log; what the writer has not taken in a second is lost.
func (l *Log) Close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.wake()
	timer := time.NewTimer(closeWait)
	defer timer.Stop()
	select {
	case <-l.done:
	case <-timer.C:
	}
}
