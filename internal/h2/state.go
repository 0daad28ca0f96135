package h2

import (
	"slices"

	"github.com/whygate/whygate/internal/httpmsg"
)

// State is where a stream is in its life: RFC 9113, section 5.1. Push is switched off on both sides, so nothing is ever reserved
// and that half of the RFC's figure is left out:
//
//	                      +--------+
//	                      |  idle  |
//	                      +--------+
//	                          |
//	                          | send H / recv H
//	                          v
//	                      +--------+
//	              recv ES |        | send ES
//	            ,---------|  open  |---------.
//	           /          |        |          \
//	          v           +--------+           v
//	    +----------+          |           +----------+
//	    |   half   |          |           |   half   |
//	    |  closed  |          | send R /  |  closed  |
//	    | (remote) |          | recv R    | (local)  |
//	    +----------+          |           +----------+
//	         |                |                 |
//	         | send ES /      |       recv ES / |
//	         |  send R /      v        send R / |
//	         |  recv R    +--------+   recv R   |
//	         `----------->|        |<-----------'
//	                      | closed |
//	                      |        |
//	                      +--------+
//
//	H: HEADERS (with implied CONTINUATION), ES: END_STREAM, R: RST_STREAM
type State uint8

const (
	Idle State = iota
	Open
	HalfClosedLocal  // we have ended our message
	HalfClosedRemote // the peer has ended its message
	Closed
)

var stateNames = [...]string{"idle", "open", "half-closed (local)", "half-closed (remote)", "closed"}

// String names the state in the words of RFC 9113.
func (s State) String() string { return stateNames[s] }

// MayReceive reports whether the peer's message has not ended.
func (s State) MayReceive() bool { return s == Open || s == HalfClosedLocal }

// MaySend reports whether our message has not ended.
func (s State) MaySend() bool { return s == Open || s == HalfClosedRemote }

// Stream is one stream of a connection. Its memory is the caller's; the connection holds it while it is not closed. The zero value is
// ready, and Reset makes it so again.
type Stream struct {
	ID      uint32
	Urgency Urgency
	Owner   any // whose it is: the codec does not look at it

	state    State
	headDone bool           // the peer's final head has come
	method   httpmsg.Method // of the request, on the client's side
	slot     int            // in Conn.streams
	send     int64          // octets that may be sent
	recv     int64          // octets that the peer may send
	window   int64          // what recv is filled up to
	held     int64          // octets that came and were not consumed
	owed     int64          // octets that were consumed and not given back to recv
	declared int64          // octets of the peer's body, or httpmsg.LengthUnknown
	received int64          // octets of it so far
}

// Reset empties a stream that is closed, or was never opened, for its next use.
func (st *Stream) Reset() {
	if st.state != Idle && st.state != Closed {
		panic("BUG: h2: a stream that is in use is used again")
	}
	*st = Stream{Owner: st.Owner}
}

// State is where the stream is in its life.
func (st *Stream) State() State { return st.state }

// Received is how many octets of the peer's body have come.
func (st *Stream) Received() int64 { return st.received }

// recentMax is how many closed streams are remembered, of each kind.
const recentMax = 64

// recent is the last streams of a kind: a ring.
type recent struct {
	ids  [recentMax]uint32
	next int
}

func (r *recent) add(id uint32) {
	r.ids[r.next] = id
	r.next = (r.next + 1) % recentMax
}

func (r *recent) has(id uint32) bool { return slices.Contains(r.ids[:], id) }

// find is the stream of that identifier, nil if it is not open. The newest are looked at first.
//
// hot: once per frame of a stream.
func (c *Conn) find(id uint32) *Stream {
	for i := len(c.ids) - 1; i >= 0; i-- {
		if c.ids[i] == id {
			return c.streams[i]
		}
	}
	return nil
}

// open puts a stream into the table.
func (c *Conn) open(st *Stream, id uint32, state State) {
	if st.state != Idle {
		panic("BUG: h2: a stream is opened twice")
	}
	st.ID, st.state, st.slot = id, state, len(c.streams)
	st.send, st.recv, st.window = int64(c.peer.InitialWindow), int64(c.own.InitialWindow), int64(c.own.InitialWindow)
	st.declared = httpmsg.LengthUnknown
	c.streams, c.ids = append(c.streams, st), append(c.ids, id)
}

// shut takes a stream out of the table. What it holds is given back to the connection's window, which others need.
func (c *Conn) shut(st *Stream) {
	last := len(c.streams) - 1
	moved := c.streams[last]
	moved.slot = st.slot
	c.streams[st.slot], c.ids[st.slot] = moved, moved.ID
	c.streams[last] = nil
	c.streams, c.ids = c.streams[:last], c.ids[:last]
	st.state = Closed
	c.owed += st.held
	c.held -= st.held
	st.held = 0
	c.closed.add(st.ID)
}

// remoteEnded notes the peer's END_STREAM.
func (c *Conn) remoteEnded(st *Stream) {
	switch st.state {
	case Open:
		st.state = HalfClosedRemote
	case HalfClosedLocal:
		c.shut(st)
	}
}

// Ended notes that END_STREAM was appended on the stream.
func (c *Conn) Ended(st *Stream) {
	switch st.state {
	case Open:
		st.state = HalfClosedLocal
	case HalfClosedRemote:
		c.shut(st)
	}
}

// Reset appends RST_STREAM on a stream, which need not be open any more, and closes it. What the peer still sends on it is ignored.
func (c *Conn) Reset(dst []byte, id uint32, code Code) []byte {
	if st := c.find(id); st != nil {
		c.shut(st)
	}
	c.resets.add(id)
	return AppendRSTStream(dst, id, code)
}

// Stream is the open stream of that identifier, nil if there is none.
func (c *Conn) Stream(id uint32) *Stream { return c.find(id) }

// Streams is how many streams are open.
func (c *Conn) Streams() int { return len(c.streams) }

// Each calls f for every open stream; it must not open or close any.
func (c *Conn) Each(f func(*Stream)) {
	for _, st := range c.streams {
		f(st)
	}
}
