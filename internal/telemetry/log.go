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
	format func(dst []byte, r *Record) []byte
	out    io.Writer

	mu      sync.Mutex // guards the fields below
	buf     []byte
	spare   []byte
	dropped uint64
	closed  bool
	full    chan struct{}
	done    chan struct{}
}

const (
	logFlush = 64 << 10               // octets in the buffer that make it worth a write
	logMax   = 4 << 20                // octets in the buffer from which lines are dropped
	logEvery = 200 * time.Millisecond // the longest that a line waits
)

// NewLog makes a log of lines in a format: JSON or Readable. Close it to write out what is left.
func NewLog(out io.Writer, format func(dst []byte, r *Record) []byte) *Log {
	l := &Log{format: format, out: out, full: make(chan struct{}, 1), done: make(chan struct{})}
	go l.run() // ends with Close
	return l
}

// Write appends a line.
//
// hot: once per request.
func (l *Log) Write(r *Record) {
	l.mu.Lock()
	if len(l.buf) > logMax || l.closed {
		l.dropped++
		l.mu.Unlock()
		return
	}
	before := len(l.buf)
	l.buf = l.format(l.buf, r)
	wake := before < logFlush && len(l.buf) >= logFlush
	l.mu.Unlock()
	if wake {
		select {
		case l.full <- struct{}{}:
		default:
		}
	}
}

// Dropped is how many lines were lost because the writer did not keep up.
func (l *Log) Dropped() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dropped
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
	l.mu.Unlock()
	lost := false
	if len(b) > 0 {
		_, err := l.out.Write(b)
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

// Close writes out what is left and ends the log; what the writer has not taken in a second is lost. Later lines are dropped.
func (l *Log) Close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	select {
	case l.full <- struct{}{}:
	default:
	}
	timer := time.NewTimer(closeWait)
	defer timer.Stop()
	select {
	case <-l.done:
	case <-timer.C:
	}
}
