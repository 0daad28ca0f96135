// Package cancel is the one way to end a wait before its time. An exchange has a Cancel. Everything that waits for the exchange (for
// octets, for room to write, for a name, a connection or a handshake) looks at it. Whoever knows that the wait is useless gives the
// Cancel a reason, and all these waits end.
//
// A Cancel belongs to an exchange, not to a connection. A connection obeys it only while the exchange uses it. When another exchange
// has the connection, the first one's Cancel can at most wake it for nothing: the connection looks at the Cancel that it obeys now, and
// goes on waiting.
package cancel

import (
	"sync"
	"sync/atomic"

	"github.com/whygate/whygate/internal/mono"
)

// Reason is why nobody needs a wait's outcome any more.
type Reason uint32

// The reasons.
const (
	None       Reason = iota // somebody does
	ClientLeft               // the client has gone
	BodyBroke                // the request's body failed: there is no answer to half a request
	NotWanted                // the answer is complete: the rest of the upload is not needed
	Drained                  // the gateway's time to drain is over. Reset does not take this reason away
)

var names = [...]string{"none", "client left", "body broke", "not wanted", "drained"}

// String names the reason, for tests and logs.
func (r Reason) String() string { return names[r] }

// Cancel ends waits. The zero value is ready, and a nil one ends none. Cancel and LateAt may be called from any goroutine; the
// other methods belong to whoever owns the exchange, while nobody waits.
type Cancel struct {
	reason atomic.Uint32 // a Reason, and drained
	late   mono.Atomic   // from then on waits to read end as timed out; 0 for never
	gone   func() bool   // asked now and then by waits that can; nil for nobody to ask
	waits  [waitsMax]atomic.Pointer[Waiter]

	mu   sync.Mutex    // guards done; a reason is given under it, so that done is closed once
	done chan struct{} // closed with the first reason; nil until somebody asks for it
}

// waitsMax is how many may obey one Cancel at a time: the two connections of an exchange, and its upload.
const waitsMax = 3

// drained is a flag beside another reason: Drained came too, but second. Reset then leaves Drained.
const drained = 1 << 8

// Waiter is somebody who may be waiting. Wake makes whoever waits look again at the Cancel that it obeys. It may be called when nobody
// waits.
type Waiter struct{ Wake func() }

// Cancel gives the reason, if there is none yet, and wakes everybody. It reports whether it was the first.
func (c *Cancel) Cancel(r Reason) bool {
	if !c.give(r) {
		return false
	}
	c.wake()
	return true
}

func (c *Cancel) give(r Reason) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.reason.CompareAndSwap(uint32(None), uint32(r)) {
		if r == Drained {
			c.reason.Or(drained)
		}
		return false
	}
	if c.done != nil {
		close(c.done)
	}
	return true
}

func (c *Cancel) wake() {
	for i := range c.waits {
		if w := c.waits[i].Load(); w != nil {
			w.Wake()
		}
	}
}

// Reason is the reason that was given, None while there is none.
//
// hot: some times per request.
func (c *Cancel) Reason() Reason {
	if c == nil {
		return None
	}
	return Reason(c.reason.Load() &^ drained)
}

// LateAt makes waits to read end as timed out from then on, whatever their own deadlines; 0 is never.
func (c *Cancel) LateAt(t mono.Time) {
	c.late.Store(t)
	if t != 0 {
		c.wake()
	}
}

// Late is what LateAt set.
func (c *Cancel) Late() mono.Time {
	if c == nil {
		return 0
	}
	return c.late.Load()
}

// Watch has waits ask gone now and then, about once a second at first; true is ClientLeft. nil asks nobody.
func (c *Cancel) Watch(gone func() bool) { c.gone = gone }

// Watched reports whether there is somebody to ask.
func (c *Cancel) Watched() bool { return c != nil && c.gone != nil }

// Ask asks, and gives the reason if the client has gone. It reports whether there is a reason now.
func (c *Cancel) Ask() bool {
	if c.Watched() && c.gone() {
		c.Cancel(ClientLeft)
	}
	return c.Reason() != None
}

// Done is closed when there is a reason: for a wait that is not a Waiter's. It is nil of a nil Cancel.
func (c *Cancel) Done() <-chan struct{} {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.Reason() != None {
			close(c.done)
		}
	}
	return c.done
}

// Reset prepares for another exchange. That the gateway has drained stays true.
//
// hot: once per request.
func (c *Cancel) Reset() {
	if c.late.Load() != 0 {
		c.late.Store(0)
	}
	switch was := c.reason.Load(); {
	case was == uint32(None), was == uint32(Drained):
	case was&drained != 0:
		c.reason.Store(uint32(Drained)) // done is closed already
	default:
		c.mu.Lock() // done is closed. Cancel closes it under mu too, so a reason that comes now finds no done, or a new one
		if c.reason.CompareAndSwap(was, uint32(None)) {
			c.done = nil
		} else { // it has drained in between
			c.reason.Store(uint32(Drained))
		}
		c.mu.Unlock()
	}
}

// Clear is Reset that forgets Drained as well: for a Cancel that is made for each exchange, not for a connection.
func (c *Cancel) Clear() {
	c.mu.Lock()
	c.done = nil
	c.mu.Unlock()
	c.late.Store(0)
	c.reason.Store(uint32(None))
}

// Join makes w one of those that are woken.
//
// hot: once per attempt.
func (c *Cancel) Join(w *Waiter) {
	for i := range c.waits {
		if c.waits[i].CompareAndSwap(nil, w) {
			return
		}
	}
	panic("BUG: cancel: more waiters than an exchange can have")
}

// Leave undoes Join.
//
// hot: once per attempt.
func (c *Cancel) Leave(w *Waiter) {
	for i := range c.waits {
		if c.waits[i].CompareAndSwap(w, nil) {
			return
		}
	}
}

// Follow makes a Waiter that passes the reasons of from on to c. Join it to from.
func (c *Cancel) Follow(from *Cancel) *Waiter {
	return &Waiter{Wake: func() {
		if r := from.Reason(); r != None {
			c.Cancel(r)
		}
	}}
}
