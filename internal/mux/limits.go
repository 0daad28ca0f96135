package mux

import "time"

// Limits bounds what a client may make us hold, and how long it may keep us waiting. A zero field has the default.
type Limits struct {
	Head     int   // octets of a request's head, as h2.Limits counts them: 32 KiB
	Trailers int   // octets of its trailers: 8 KiB
	Streams  int   // requests at once on one connection: 128
	Window   int64 // octets of a request's body that wait for its handler: 128 KiB, which grow with need
	All      int64 // octets of all bodies of a connection that wait: 192 KiB, which grow too
	Memory   int64 // octets of heads, bodies and streams of all connections: 256 MiB; then new streams are refused
	Stream   int64 // octets that a stream counts in Memory beside its head and body, with what its handler costs: 8 KiB

	Preface  time.Duration // from the connection's begin to its first SETTINGS: 10 s
	Settings time.Duration // until our SETTINGS are acknowledged: 10 s
	HeadTime time.Duration // for a head, from its first octet to its last: 10 s
	Idle     time.Duration // without a stream: 60 s
	BodyTime time.Duration // without an octet of a body that a handler waits for: 60 s
	Write    time.Duration // for the socket to take what was gathered, about 100 KiB: 60 s
	Drain    time.Duration // for what runs when the server is drained: 30 s
}

func (l Limits) withDefaults() Limits {
	setInt := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	setSize := func(p *int64, v int64) {
		if *p == 0 {
			*p = v
		}
	}
	setTime := func(p *time.Duration, v time.Duration) {
		if *p == 0 {
			*p = v
		}
	}
	setInt(&l.Head, 32<<10)
	setInt(&l.Trailers, 8<<10)
	setInt(&l.Streams, 128)
	setSize(&l.Window, 128<<10)
	setSize(&l.All, 192<<10)
	setSize(&l.Memory, 256<<20)
	setSize(&l.Stream, 8<<10)
	setTime(&l.Preface, 10*time.Second)
	setTime(&l.Settings, 10*time.Second)
	setTime(&l.HeadTime, 10*time.Second)
	setTime(&l.Idle, time.Minute)
	setTime(&l.BodyTime, time.Minute)
	setTime(&l.Write, time.Minute)
	setTime(&l.Drain, 30*time.Second)
	return l
}

// When an eighth of the memory is in use, a connection may have streamsTight streams and no more: whoever wants the most is refused first,
// and a refused stream may be repeated. Nobody is asked to be modest before that.
const (
	tightShare   = 8
	streamsTight = 16
)

// What a client whose window is closed may do. A stream that waits has stallTime, and each KiB of credit buys it a second more,
// up to stallMax from now: a drip of one octet buys nothing.
const (
	stallTime = 30 * time.Second
	stallMax  = 60 * time.Second
)

// Bounds of what is gathered to be written, in octets.
const (
	outData   = 64 << 10 // DATA is appended up to here
	outStop   = 96 << 10 // the reader stops here: the rest is room for control frames
	outYield  = 16 << 10 // below this the flusher lets others append first
	dataLeast = 4 << 10  // DATA waits until so much of it may go, or its rest
)
