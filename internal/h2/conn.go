package h2

import (
	"github.com/whygate/whygate/internal/fault"
)

// Role is which end of a connection we are.
type Role uint8

const (
	Server Role = iota
	Client
)

// Config is what a Conn is made with.
type Config struct {
	Role     Role
	Settings Settings // ours; InitialWindow at least WindowDefault, or 0 for it
	Window   int64    // octets that the peer may send on all streams together, at least WindowDefault, or 0 for it
	Limits   Limits
}

// Conn is one end of a connection: what RFC 9113 has it remember. It is not safe for use by several goroutines at once.
//
// The order of use: Start appends what goes out first. Next is given what came, and says of each frame what it means. An event
// of a head must be read, by ReadRequest, ReadResponse, ReadTrailers or Skip, before Next is called again. Answer appends what an event
// obliges us to. An Error is told by Tell, and ends the connection if it is Fatal.
type Conn struct {
	role    Role
	own     Settings
	peer    Settings
	limits  Limits
	decoder Decoder

	prefaced    bool // the client's preface has come, or is not due
	gotSettings bool
	unacked     int // SETTINGS of ours that were not acknowledged

	send, recv, window, held, owed int64 // the connection's flow control, as Stream's

	streams  []*Stream
	ids      []uint32 // of streams, to be searched
	lastPeer uint32   // the highest stream that the peer opened
	lastOwn  uint32   // the highest that we opened
	closed   recent   // streams that ended
	resets   recent   // streams that we reset: what the peer had sent before it knew is ignored
	early    []early

	sentGoAway uint32 // the last stream that we said we take
	gotGoAway  uint32 // the last stream that the peer said it takes

	block   []byte // of a head that is in several frames, while it comes
	heading Event  // the event that the head will be, while it comes
	pending *Error // what is due of its stream when it has come
	frames  int    // of the head so far
	reading bool   // an event of a head was given out and not read

	Counts Counts
}

// Counts are how often the peer sent what costs us more than it costs the peer. They only grow.
type Counts struct {
	Frames       uint64
	Settings     uint64
	Pings        uint64
	Priorities   uint64 // PRIORITY and PRIORITY_UPDATE
	Resets       uint64
	EmptyData    uint64 // DATA without an octet that does not end its stream
	SmallWindows uint64 // WINDOW_UPDATE of less than smallWindow
	Fragments    uint64 // CONTINUATION
	EmptyBlocks  uint64 // HEADERS that do not end their head, and CONTINUATION, without an octet
	Unknown      uint64 // frames of types that we do not know
	Late         uint64 // frames on streams that are closed
	Refused      uint64 // heads of streams above the last one that GOAWAY said we take
}

// smallWindow is below what a WINDOW_UPDATE is hardly worth its frame, in octets.
const smallWindow = 1 << 10

// NewConn makes one end of a connection.
func NewConn(o Config) *Conn {
	if o.Settings.InitialWindow == 0 {
		o.Settings.InitialWindow = WindowDefault
	}
	if o.Window == 0 {
		o.Window = WindowDefault
	}
	if o.Settings.InitialWindow < WindowDefault || o.Settings.InitialWindow > WindowMax || o.Window < WindowDefault || o.Window > WindowMax {
		panic("BUG: h2: a window that no peer has to keep to")
	}
	if o.Settings.MaxHeaderList == 0 {
		o.Settings.MaxHeaderList = uint32(o.Limits.head())
	}
	if o.Role == Client {
		o.Settings.NoPush = true
	}
	return &Conn{
		role: o.Role, own: o.Settings, peer: defaultSettings(), limits: o.Limits, prefaced: o.Role == Client,
		send: WindowDefault, recv: o.Window, window: o.Window, sentGoAway: WindowMax, gotGoAway: WindowMax,
	}
}

// Peer are the peer's settings as far as they are known.
func (c *Conn) Peer() *Settings { return &c.peer }

// Settled reports whether the peer's first SETTINGS have come.
func (c *Conn) Settled() bool { return c.gotSettings }

// Unacknowledged is how many SETTINGS frames of ours wait for their acknowledgment.
func (c *Conn) Unacknowledged() int { return c.unacked }

// LastStream is the highest stream that the peer has opened.
func (c *Conn) LastStream() uint32 { return c.lastPeer }

// Heading reports whether a head has begun and not ended: CONTINUATION must come.
func (c *Conn) Heading() bool { return c.heading.Kind != EventNone }

// Start appends what we send first: the preface if we are the client, SETTINGS, and the connection's window where it is larger than the
// RFC's.
func (c *Conn) Start(dst []byte) []byte {
	if c.role == Client {
		dst = append(dst, Preface...)
	}
	dst = appendSettings(dst, &c.own)
	c.unacked++
	if c.window > WindowDefault {
		dst = AppendWindowUpdate(dst, 0, c.window-WindowDefault)
	}
	return dst
}

// EventKind is what a frame means.
type EventKind uint8

const (
	EventNone        EventKind = iota // nothing that the caller has to act on
	EventRequest                      // a head that opens a stream: ReadRequest, or Skip
	EventResponse                     // a response's head, interim or final: ReadResponse
	EventTrailers                     // ReadTrailers
	EventData                         // Data has come; Consume when it is used up
	EventReset                        // RST_STREAM with Code: the stream is closed
	EventWindow                       // more may be sent, on Stream or, where it is nil, on all
	EventSettings                     // the peer's SETTINGS: Answer
	EventSettingsAck                  // the peer acknowledged ours
	EventPing                         // Answer
	EventPingAck                      // Data has the octets of our PING
	EventGoAway                       // ID is the last stream, Code and Data say why
)

// Event is what one frame means, or several that make one head. Its octets are views into what Next was given.
type Event struct {
	Kind   EventKind
	End    bool    // the stream ends with it
	Code   Code    // of EventReset and EventGoAway
	ID     uint32  // the stream, or GOAWAY's last one
	Stream *Stream // nil for EventRequest, and for what concerns the connection
	Credit int64   // of EventWindow: octets that the window grew by
	Data   []byte

	block []byte // of a head
	frame FrameType
}

// Next reads the frame at the front of buf and fills in ev. It returns how many octets that took, 0 where more must come. After
// an Error that is not Fatal the octets have been taken too, and reading goes on behind them.
//
// hot: once per frame.
func (c *Conn) Next(buf []byte, ev *Event) (int, *Error) {
	if c.reading {
		panic("BUG: h2: the head before this frame was not read")
	}
	*ev = Event{}
	if !c.prefaced {
		return c.preface(buf)
	}
	if !c.gotSettings && len(buf) > 4 && (FrameType(buf[3]) != SettingsFrame || buf[4]&FlagAck != 0) {
		return 0, &Error{Rule: fault.RuleH2Preface, Code: ProtocolError, Frame: FrameType(buf[3])}
	}
	f, n, err := ParseFrame(buf)
	if n == 0 {
		return 0, err
	}
	c.Counts.Frames++
	ev.ID, ev.frame = f.Stream, f.Type
	if c.heading.Kind != EventNone && (f.Type != Continuation || f.Stream != c.heading.ID) {
		return n, f.fail(fault.RuleH2Continuation, ProtocolError)
	}
	if err == nil {
		err = c.take(&f, ev)
	}
	if err != nil {
		ev.Kind = EventNone
	}
	return n, err
}

// preface compares what came with the client's preface, as far as it goes.
func (c *Conn) preface(buf []byte) (int, *Error) {
	n := min(len(buf), len(Preface))
	if string(buf[:n]) != Preface[:n] {
		i := 0
		for buf[i] == Preface[i] {
			i++
		}
		return 0, &Error{Rule: fault.RuleH2Preface, Code: ProtocolError, Offset: int64(i)}
	}
	if n < len(Preface) {
		return 0, nil
	}
	c.prefaced = true
	return n, nil
}

// Answer appends what an event obliges us to: the acknowledgment of SETTINGS or PING.
func (c *Conn) Answer(dst []byte, ev *Event) []byte {
	switch ev.Kind {
	case EventSettings:
		return AppendFrameHead(dst, 0, SettingsFrame, FlagAck, 0)
	case EventPing:
		return AppendPing(dst, true, [8]byte(ev.Data))
	}
	return dst
}

// Tell appends what tells the peer of an Error: RST_STREAM, or GOAWAY.
func (c *Conn) Tell(dst []byte, err *Error) []byte {
	if err.Fatal() {
		return c.GoAway(dst, c.lastPeer, err.Code, err.Rule.Text())
	}
	return c.Reset(dst, err.Stream, err.Code)
}

// GoAway appends GOAWAY: streams of the peer above last are not taken any more. It may be WindowMax first, as a warning, since the peer
// may have opened streams that are still on their way (RFC 9113, section 6.8).
func (c *Conn) GoAway(dst []byte, last uint32, code Code, debug string) []byte {
	c.sentGoAway = min(c.sentGoAway, last)
	return AppendGoAway(dst, c.sentGoAway, code, debug)
}

// Going reports whether the peer said that it takes no new streams, and the last one that it takes.
func (c *Conn) Going() (last uint32, going bool) { return c.gotGoAway, c.gotGoAway != WindowMax }
