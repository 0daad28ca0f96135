package upstream

import (
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/conn"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h2"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
)

// Sizes of what we let an endpoint send, in octets, and bounds of what is gathered to be written.
const (
	// A stream's window begins with the least that HTTP/2 has, and doubles up to streamWindow as it is read: who does not read makes us hold
	// no more than it begins with.
	streamWindow = 256 << 10
	// linkWindow is never the one that is full: else one client that reads slowly would hold up all that share the connection.
	// What they can make us hold is bounded by their streams.
	linkWindow = h2.WindowMax

	outData  = 64 << 10 // DATA is appended up to here
	outMax   = 1 << 20  // an endpoint that asks for more answers than this, and takes none, is given up
	outYield = 16 << 10 // below this the writer lets others append first
)

// link is a connection of HTTP/2 to an endpoint, which several exchanges share. It has two goroutines: one reads, and one writes what
// exchanges append, so that none of them waits for the socket on behalf of others. They end with the connection; Target.Close and
// the endpoint end that.
type link struct {
	target  *Target
	c       *conn.Conn
	addr    string
	era     int           // the target's when it was opened
	settles *dialing      // those that wait until it is known how many streams it takes; nil where that is known
	last    atomic.Bool   // it ends with the exchanges on it
	stop    cancel.Cancel // ends what the goroutines wait for
	more    chan struct{} // the writer waits here
	wrote   chan struct{} // closed when the writer has ended

	mu      sync.Mutex // guards the fields below
	h2      *h2.Conn
	out     []byte  // to be written
	spare   []byte  // to be out next
	resting bool    // the writer waits for something to be written
	held    bool    // what is to be written first waits for the first request, and goes out with it
	over    *ending // why nothing goes any more

	writeEnd *ending // how a write failed, while what the endpoint said before it is read
	gone     *ending // what the endpoint's GOAWAY said
	retired  bool    // no new streams: for its age, or because nobody trusts it
	calls    int     // exchanges on it
	nth      uint32  // exchanges begun on it
	since    mono.Time
	heard    mono.Time // when something came last
	opened   mono.Time
	refused  mono.Time // when the endpoint refused a stream last
	pinged   mono.Time // when a PING was sent that was not acknowledged; 0 for none
	asked    mono.Time // when one was sent last
	large    bool      // bodies come that are worth a large buffer
	woken    []*call   // those for which something came in this read
	senders  []*call   // that wait for room to send, in their order
}

// newLink makes a link of a connection that speaks HTTP/2, and starts its goroutines. settles is nil, or waits for its settings.
func newLink(c *Conn, settles *dialing) *link {
	t := c.target
	now := mono.Now()
	l := &link{
		target: t, settles: settles, c: c.Conn, addr: c.addr, era: c.era, more: make(chan struct{}, 1), wrote: make(chan struct{}), since: now, heard: now, opened: now,
		h2: h2.NewConn(h2.Config{
			Role: h2.Client, Window: linkWindow, Settings: h2.Settings{InitialWindow: h2.WindowDefault},
			Limits: h2.Limits{Head: t.HeadMax, Trailers: t.HeadMax},
		}),
	}
	l.out, l.held = l.h2.Start(conn.GetBuffer()), true
	l.c.SetMax(64 << 10) // a whole frame, and what follows it
	l.c.Obey(&l.stop, &l.stop, now)
	go l.read()  // ends when the connection does
	go l.write() // ends when the connection does
	return l
}

// read acts on what comes until the connection is over.
func (l *link) read() {
	defer func() {
		select {
		case <-l.wrote: // what we say last
		case <-time.After(answerGrace):
			l.stop.Cancel(cancel.NotWanted)
			<-l.wrote
		}
		l.c.Obey(nil, nil, 0)
		l.c.Close()
		l.target.forget(l)
	}()
	defer l.caught()
	settled := l.settles == nil
	if !settled {
		defer l.target.unsettled(l.settles)
		defer time.AfterFunc(settleTime, func() { l.target.unsettled(l.settles) }).Stop()
	}
	for {
		if end := l.c.Fill(); end != fault.Completed {
			l.readEnded(end)
			return
		}
		if !l.take() {
			return
		}
		if !settled && l.settled() {
			settled = true
			l.target.dialed(l.settles)
		}
		if l.c.Release(); l.large {
			l.c.Enlarge()
		}
	}
}

// readEnded ends the link as the connection's octets ended.
func (l *link) readEnded(end fault.End) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := readEnding(l.c, end)
	switch {
	case l.gone != nil && (end == fault.Closed || end == fault.Reset):
		e = l.gone
	case l.writeEnd != nil && end == fault.Timeout:
		e = l.writeEnd
	}
	l.die(e)
}

// caught has the exchanges pay for a bug of ours, not the process. It is deferred.
func (l *link) caught() {
	if r := recover(); r != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.die(&ending{end: fault.Bug, bug: &Panic{r, debug.Stack()}})
	}
}

// take acts on the frames in the buffer. It is false when the connection is over.
//
// hot: once per read.
func (l *link) take() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard = mono.Now()
	l.open()
	for l.over == nil {
		var ev h2.Event
		n, err := l.h2.Next(l.c.Buffered(), &ev)
		if n == 0 && err == nil {
			break
		}
		if err == nil {
			err = l.event(&ev)
		}
		if err != nil {
			l.broken(err)
		}
		l.c.Discard(n)
	}
	l.out = l.h2.AppendCredit(l.out, nil)
	if len(l.out) > outMax {
		l.die(&ending{end: fault.TooLarge, rule: fault.RuleH2Strain, limit: outMax, size: int64(len(l.out))})
	}
	l.finish()
	l.kick()
	l.rest()
	for i, c := range l.woken {
		c.read.poke()
		l.woken[i] = nil
	}
	l.woken = l.woken[:0]
	return l.over == nil
}

// open sees to it that there is a buffer to append to. mu is held, as for everything below.
func (l *link) open() {
	if l.out == nil {
		l.out = conn.GetBuffer()
	}
}

// kick has the writer write what was appended.
func (l *link) kick() {
	if l.resting && (len(l.out) > 0 && !l.held || l.over != nil) {
		l.resting = false
		l.more <- struct{}{}
	}
}

// die ends the link and what is on it.
func (l *link) die(e *ending) {
	if l.over != nil {
		return
	}
	l.over, l.held = e, false
	l.h2.Each(func(st *h2.Stream) { st.Owner.(*call).fail(e) })
	l.kick()
}

// finish ends a link that takes no new streams and has none. The writer then says farewell to the reader.
func (l *link) finish() {
	if l.over == nil && l.calls == 0 && (l.retired || l.gone != nil) {
		l.open()
		l.out = l.h2.GoAway(l.out, 0, h2.NoError, "")
		l.die(&ending{end: fault.Closed})
	}
}

// retire lets no new streams begin, and ends the link when it has none.
func (l *link) retire() {
	l.retired = true
	l.finish()
	l.kick()
}

// rest gives the buffers of the output back where nothing is to be written and nobody is about to: who waits for long holds none.
func (l *link) rest() {
	if l.resting && l.calls == 0 && len(l.out) == 0 {
		conn.PutBuffer(l.out)
		conn.PutBuffer(l.spare)
		l.out, l.spare = nil, nil
	}
}

// write writes what exchanges append until the connection is over.
func (l *link) write() {
	defer close(l.wrote)
	defer l.caught()
	for {
		b, until := l.next()
		if b == nil {
			l.stop.Cancel(cancel.NotWanted) // the reader's turn
			return
		}
		l.c.SetWriteUntil(until)
		if end := l.c.Write(b); !l.written(b, end) {
			return
		}
	}
}

// next is what is to be written next, and until when, which it waits for. nil is nothing any more.
func (l *link) next() (b []byte, until mono.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.out) == 0 || l.held {
		if l.over != nil {
			return nil, 0
		}
		l.resting = true
		l.rest()
		l.mu.Unlock()
		<-l.more
		l.mu.Lock()
	}
	if l.calls > 1 && len(l.out) < outYield { // let others append: this puts us behind all that the poller woke together with us
		l.mu.Unlock()
		runtime.Gosched()
		l.mu.Lock()
	}
	b, l.out, l.spare = l.out, l.spare, nil
	if l.over != nil {
		return b, mono.Now().Add(answerGrace)
	}
	return b, mono.Now().Until(l.target.Options.Write)
}

// written notes how a write ended. After one that failed there is none.
func (l *link) written(b []byte, end fault.End) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.spare = b[:0]; end == fault.Completed {
		l.wakeSenders()
		return true
	}
	e := &ending{end: end, errno: l.c.WriteErrno(), writing: true}
	if end == fault.Timeout && e.errno == 0 {
		e.timer = fault.TimerWrite
	}
	l.retired = true
	switch {
	case l.over != nil:
		l.stop.Cancel(cancel.NotWanted)
	case end == fault.Closed || end == fault.Reset:
		// What the endpoint said before it closed may still be on its way: RFC 9112, section 9.6, is true of HTTP/2 too.
		l.writeEnd = e
		l.stop.LateAt(mono.Now().Add(answerGrace))
	default:
		l.die(e)
		l.stop.Cancel(cancel.NotWanted)
	}
	return false
}

// wakeSenders wakes those that wait for room, those first that have waited for longest. Who has sent a burst goes to the end, so that nobody
// waits for long where many share a window. They are not held to that order: one that runs already need not wait for one that is yet to.
func (l *link) wakeSenders() {
	if len(l.out) >= outData {
		return
	}
	for _, c := range l.senders {
		if l.h2.StreamRoom(&c.h) >= c.least {
			c.room.poke()
		}
	}
}

// leaveSenders takes a call from those that wait for room.
func (l *link) leaveSenders(c *call) {
	if c.sending {
		c.sending = false
		l.senders = slices.DeleteFunc(l.senders, func(other *call) bool { return other == c })
	}
}

// limit is how many streams the endpoint takes at once on the link.
func (l *link) limit() int {
	if l.h2.Settled() {
		return int(l.h2.Peer().MaxStreams)
	}
	if learned := l.target.streams.Load(); learned > 0 {
		return min(int(learned), streamsBlind)
	}
	return streamsBlind
}

// streamsBlind is how many streams are begun before the endpoint has said how many it takes.
const streamsBlind = 100

// settled reports whether the endpoint has said how many streams it takes.
func (l *link) settled() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.h2.Settled()
}

// usable reports whether new streams may begin.
func (l *link) usable() bool { return l.over == nil && l.gone == nil && !l.retired }

// begin opens a stream with a request's head, in frames, and, where end is set, without a body. It is false where the link takes no more.
//
// hot: once per attempt.
func (l *link) begin(c *call, method httpmsg.Method, end endOfHead) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.usable() || l.h2.Streams() >= l.limit() {
		return false
	}
	if !l.h2.Open(&c.h, method) { // its identifiers are used up (RFC 9113, section 5.1.1)
		l.retire()
		return false
	}
	c.link, c.h.Owner, l.held = l, c, false
	l.calls++
	l.nth++
	c.nth, c.idle = l.nth, 0
	if l.calls == 1 && l.nth > 1 {
		c.idle = mono.Now().Sub(l.since)
	}
	h2.SetStream(c.frames, c.h.ID)
	l.open()
	l.out = append(l.out, c.frames...)
	c.sent = int64(len(c.frames))
	if end == headAlone {
		l.h2.Ended(&c.h)
	}
	l.kick()
	return true
}
