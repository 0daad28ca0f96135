package mux

import (
	"runtime"
	"slices"
	"time"

	"github.com/whygate/whygate/internal/h2"
)

// claim takes the duty to write what is gathered, if nobody has it. Whoever has it must call flush.
func (m *mux) claim() bool {
	if m.flushing || len(m.out) == 0 {
		return false
	}
	m.flushing = true
	return true
}

// openOutput sees to it that there is a buffer to append to.
func (m *mux) openOutput() {
	if m.out == nil {
		m.out = getBuffer()[:0]
	}
}

// openOutputFor is openOutput for n octets, as far as so many are gathered.
func (m *mux) openOutputFor(n int) {
	if n = min(len(m.out)+n, outData) + 16<<10; n <= max(cap(m.out), smallBuffer) || cap(m.out) >= largeBuffer {
		m.openOutput()
		return
	}
	small := m.out
	m.out = append(getBufferFor(n)[:0], small...)
	putBuffer(small)
}

// gather lets others append before whoever has the duty writes: it puts this goroutine behind all that the poller woke together with it.
func gather() { runtime.Gosched() }

// few reports whether others may have something to append, and it is worth waiting for. mu is held.
func (m *mux) few() bool { return m.active > 1 && len(m.out) < outYield }

// rest gives the buffers of the output back where there is nothing to write: who waits holds none.
func (m *mux) rest() {
	if m.flushing || len(m.out) > 0 {
		return
	}
	putBuffer(m.out)
	putBuffer(m.spare)
	m.out, m.spare = nil, nil
}

// flushMost is how many writes in turn a stream's goroutine makes for everybody. One that uses all of the line would else hold the
// goroutine of another for as long as it lasts.
const flushMost = 4

// flush writes what is gathered, for everybody. Where others append as fast as it writes, a worker takes the duty over.
func (m *mux) flush() { m.flushUpTo(flushMost) }

// flushUpTo writes what is gathered, for everybody, until nothing is left, or a worker is to go on after so many writes. The duty ends
// under the lock that saw the output empty, so that nothing stays behind.
//
// hot: once per write.
func (m *mux) flushUpTo(most int) {
	m.mu.Lock()
	for writes := 0; len(m.out) > 0; writes++ {
		if writes == most {
			m.mu.Unlock()
			m.s.workers.start(job{flush: m})
			return
		}
		b := m.out
		m.out, m.spare = m.spare, nil
		m.openOutput()
		m.mu.Unlock()
		err := m.write(b)
		m.mu.Lock()
		if m.spare == nil {
			m.spare = b[:0]
		}
		if err != nil {
			m.out = m.out[:0]
			if m.over == nil {
				m.over = err
			}
			m.stop()
			break
		}
		m.wakeNext()
		m.wakeReader()
	}
	m.flushing = false
	m.rest()
	m.wakeReader()
	m.mu.Unlock()
}

// write gives octets to the kernel, as few system calls as it takes.
func (m *mux) write(b []byte) error {
	m.s.Stats.Writes.Add(1)
	m.writeSince.Store(time.Now().UnixNano())
	defer m.writeSince.Store(0)
	if m.records == nil {
		_, err := m.nc.Write(b)
		return err
	}
	m.records.cork(len(b))
	_, err := m.nc.Write(b)
	if e := m.records.uncork(); err == nil {
		err = e
	}
	return err
}

// push appends the stream's frames and data, as windows and the output's bound allow, and waits where they do not. end says that
// nothing follows. It returns with the duty to flush in st.duty, or an error when the stream is over.
//
// hot: once or twice per response.
func (st *Stream) push(data []byte, end bool) error {
	m := st.m
	m.mu.Lock()
	for {
		if st.err != nil {
			m.mu.Unlock()
			return st.err
		}
		m.openOutputFor(len(st.out) + len(data))
		if len(st.out) > 0 && len(m.out) < outData {
			if end && len(data) == 0 {
				st.out[4] |= h2.FlagEndStream
			}
			m.out = append(m.out, st.out...)
			st.gave += int64(len(st.out))
			st.out, st.answered = st.out[:0], st.begun
			if end && len(data) == 0 {
				return st.pushed(true)
			}
		}
		for len(st.out) == 0 && len(data) > 0 {
			n := m.allowed(st, int64(len(data)))
			if n == 0 {
				break
			}
			last := end && n == len(data)
			m.out = append(h2.AppendDataHead(m.out, st.h.ID, n, last), data[:n]...)
			m.conn.Spend(&st.h, int64(n))
			st.gave += int64(h2.FrameHead + n)
			m.strain.sent()
			m.turn++
			st.turn = m.turn
			if data = data[n:]; last {
				return st.pushed(true)
			}
		}
		if len(st.out) == 0 && len(data) == 0 {
			if end { // what came before had no end
				m.out = h2.AppendDataHead(m.out, st.h.ID, 0, true)
			}
			return st.pushed(end)
		}
		st.await()
	}
}

// pushed ends a push: mu is given up.
func (st *Stream) pushed(end bool) error {
	m := st.m
	if end {
		st.endLocked()
	}
	m.leaveQueue(st)
	m.wakeNext()
	st.duty = m.claim() || st.duty
	st.yield = m.few()
	m.mu.Unlock()
	return nil
}

// endLocked notes that our message has ended. A request that has not is of no use to anybody any more: RFC 9113, section 8.1.
func (st *Stream) endLocked() {
	m := st.m
	st.ended = true
	m.conn.Ended(&st.h)
	if st.h.State() != h2.Closed {
		m.out = m.conn.Reset(m.out, st.h.ID, h2.NoError)
	} else {
		m.strain.well()
	}
}

// allowed is how many octets of size the stream may append now: by the windows, the output's bound, and the order of those that
// wait. Less than dataLeast is not worth a frame, unless it is all there is, or the client's window is no larger.
func (m *mux) allowed(st *Stream, size int64) int {
	least := min(size, dataLeast, max(1, int64(m.conn.Peer().InitialWindow)/2))
	room := int64(outData - len(m.out))
	n := min(size, m.conn.Room(&st.h), h2.FrameMax, room)
	if n < least || n <= 0 {
		return 0
	}
	if next := m.next(); next != nil && next != st && !before(st, next) {
		return 0
	}
	return int(n)
}

// await waits until there may be room: mu is given up meanwhile, and what is gathered is written.
func (st *Stream) await() {
	m := st.m
	if !st.sending {
		st.sending, st.until = true, time.Now().Add(stallTime)
		m.waiting = append(m.waiting, st)
	}
	if st.duty = m.claim() || st.duty; st.duty {
		st.duty = false
		m.mu.Unlock()
		m.flush()
		m.mu.Lock()
		return
	}
	if next := m.next(); next != nil && next != st {
		poke(next.wake)
	}
	m.mu.Unlock()
	<-st.wake
	m.mu.Lock()
}

// leaveQueue takes a stream from those that wait.
func (m *mux) leaveQueue(st *Stream) {
	if !st.sending {
		return
	}
	st.sending = false
	if i := slices.Index(m.waiting, st); i >= 0 {
		m.waiting = slices.Delete(m.waiting, i, i+1)
	}
}

// next is the stream that is to send first of those that wait and whose own window is open: RFC 9218, section 10. nil if there is none.
func (m *mux) next() *Stream {
	var first *Stream
	for _, st := range m.waiting {
		if m.conn.StreamRoom(&st.h) > 0 && (first == nil || before(st, first)) {
			first = st
		}
	}
	return first
}

// before reports whether a is to send before b: by urgency; of the same one those that are not incremental one after the other, and
// then the others in turn.
func before(a, b *Stream) bool {
	x, y := a.h.Urgency, b.h.Urgency
	switch {
	case x.Level != y.Level:
		return x.Level < y.Level
	case x.Incremental != y.Incremental:
		return !x.Incremental
	case x.Incremental:
		return a.turn < b.turn
	}
	return a.h.ID < b.h.ID
}

// wakeNext wakes the stream that is to send first, if there is room for it.
func (m *mux) wakeNext() {
	if len(m.waiting) == 0 || len(m.out) >= outData {
		return
	}
	if st := m.next(); st != nil {
		poke(st.wake)
	}
}

// credit is a WINDOW_UPDATE: it buys time for who waits, and room.
func (m *mux) credit(ev *h2.Event) {
	more := func(st *Stream) {
		if st.sending {
			st.until = st.until.Add(time.Duration(ev.Credit>>10) * time.Second)
			if most := time.Now().Add(stallMax); st.until.After(most) {
				st.until = most
			}
		}
	}
	if ev.Stream != nil {
		more(ev.Stream.Owner.(*Stream))
	} else {
		for _, st := range m.waiting {
			more(st)
		}
	}
	m.wakeNext()
}
