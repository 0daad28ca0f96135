package conn

import (
	"sync"

	"github.com/whygate/whygate/internal/mono"
)

// Lot is where connections are parked that nobody has used for a while: an idle one then has no goroutine, no stack and no
// buffer. One goroutine waits for all of them. The zero value is ready; Close ends it.
//
// A parked connection belongs to the Lot. It leaves it once, by whatever comes first: octets or the peer's end, its deadline, or
// a reason of the Cancel that it obeys. Whoever takes it out, under mu, starts the goroutine that owns it from then on, and
// tells it why. Park itself is the last that an owner does with it.
type Lot struct {
	mu      sync.Mutex // guards the fields below
	spots   []spot     // by their numbers
	free    int32      // the first free spot and one; the others follow by next
	parked  int
	ticket  uint32 // of the last that was parked: a number is used again, a ticket hardly ever
	due     [wheelSlots]int32
	turned  int64 // the second that due was last looked through for
	alarm   int64 // the second that the poller's timer is set to, 0 for none
	timed   int   // how many of the parked have a deadline
	closed  bool
	poller  *poller        // nil until the first is parked
	running sync.WaitGroup // the goroutine that waits
}

// spot is a parked connection's place. Those that are due in the same second, modulo wheelSlots, form a list.
type spot struct {
	conn       *Conn // nil if the spot is free
	resume     func(Wakeup)
	until      mono.Time
	fd         int32 // its descriptor, which is open as long as the connection is parked: only its owner closes it
	ticket     uint32
	next, prev int32 // numbers and one; next is 0 for the last, and prev is below 0 for the first: it tells the place in due
}

// wheelSlots is how many seconds the deadlines are kept apart for. Those that are farther away are looked at once in as many.
const wheelSlots = 64

// wakeMax is how many are taken out of a Lot at a time: that bounds how long it is locked.
const wakeMax = 256

// Wakeup is why a connection is parked no longer.
type Wakeup uint8

// The reasons.
const (
	Readable Wakeup = iota // octets came, or the peer's end
	Expired                // its deadline is over, and nothing came
	Canceled               // the Cancel that it obeys has a reason
)

// woken is a connection that was taken out, and why.
type woken struct {
	resume func(Wakeup)
	why    Wakeup
}

// start gives each its goroutine, which owns the connection.
func start(out []woken) {
	for _, w := range out {
		go w.resume(w.why) // whoever parked it waits for it, as for the goroutine that parked it
	}
}

// Parked is how many connections stand in the Lot.
func (l *Lot) Parked() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.parked
}

// place gives a connection a spot, and returns its number and one. l.mu is held.
func (l *Lot) place(c *Conn, fd int32, until mono.Time, resume func(Wakeup)) int32 {
	n := l.free
	if n == 0 {
		l.spots = append(l.spots, spot{})
		n = int32(len(l.spots))
	} else {
		l.free = l.spots[n-1].next
	}
	l.ticket++
	l.parked++
	l.spots[n-1] = spot{conn: c, resume: resume, until: until, fd: fd, ticket: l.ticket}
	if until != 0 {
		l.schedule(n)
	}
	c.spot.Store(spotID(n, l.ticket))
	return n
}

// vacate takes a connection out of its spot and of the poller. From here on wake no longer finds it here. l.mu is held.
func (l *Lot) vacate(n int32, why Wakeup) woken {
	s := &l.spots[n-1]
	l.poller.remove(s.fd)
	w := woken{s.resume, why}
	s.conn.spot.Store(0)
	if s.until != 0 {
		l.unschedule(n)
	}
	*s = spot{next: l.free}
	l.free = n
	l.parked--
	if l.parked == 0 && len(l.spots) > wakeMax {
		l.spots, l.free = nil, 0
	}
	return w
}

// spotID joins a spot's number and the ticket of who stands there. It is never 0.
func spotID(n int32, ticket uint32) uint64 { return uint64(n)<<32 | uint64(ticket) }

// unpark takes out the connection that stands at id, if it still does.
func (l *Lot) unpark(id uint64, why Wakeup) bool {
	l.mu.Lock()
	n, found := l.find(id)
	if !found {
		l.mu.Unlock()
		return false
	}
	w := l.vacate(n, why)
	l.mu.Unlock()
	go w.resume(w.why) // as start does
	return true
}

// find is the spot of an id, unless that connection has left. l.mu is held.
func (l *Lot) find(id uint64) (n int32, found bool) {
	n = int32(id >> 32)
	if n < 1 || int(n) > len(l.spots) {
		return 0, false
	}
	s := &l.spots[n-1]
	return n, s.conn != nil && s.ticket == uint32(id)
}

// seconds is a deadline in whole seconds, rounded up.
func seconds(t mono.Time) int64 { return (int64(t) + 1e9 - 1) / 1e9 }

// schedule puts a spot among those of its second, and sets the alarm if that comes first. l.mu is held.
func (l *Lot) schedule(n int32) {
	s := &l.spots[n-1]
	if l.timed == 0 {
		l.turned = int64(mono.Now()) / 1e9
	}
	l.timed++
	at := max(seconds(s.until), l.turned+1)
	slot := int32(at % wheelSlots)
	s.prev = -1 - slot
	if s.next = l.due[slot]; s.next != 0 {
		l.spots[s.next-1].prev = n
	}
	l.due[slot] = n
	l.ring(l.turned + 1 + (at-l.turned-1)%wheelSlots)
}

// unschedule undoes schedule. An alarm that is then too early does no harm. l.mu is held.
func (l *Lot) unschedule(n int32) {
	s := &l.spots[n-1]
	l.timed--
	if s.next != 0 {
		l.spots[s.next-1].prev = s.prev
	}
	if s.prev < 0 {
		l.due[-1-s.prev] = s.next
	} else {
		l.spots[s.prev-1].next = s.next
	}
}

// ring sets the alarm to a second unless it goes off before that. l.mu is held.
func (l *Lot) ring(at int64) {
	if l.alarm == 0 || at < l.alarm {
		l.alarm = at
		l.poller.ring(at)
	}
}

// expire takes out those whose deadlines are over, wakeMax at most, and sets the alarm for the next. It reports whether there may be more.
func (l *Lot) expire(now mono.Time, out []woken) (_ []woken, more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := int64(now) / 1e9
	l.turned = max(l.turned, last-wheelSlots)
	for ; l.turned < last && l.timed > 0; l.turned++ {
		for n := l.due[(l.turned+1)%wheelSlots]; n != 0; {
			s := &l.spots[n-1]
			next := s.next
			if s.until <= now {
				why := Expired
				if hasCome(s.fd) {
					why = Readable // what came in the last moment counts
				}
				if out = append(out, l.vacate(n, why)); len(out) == wakeMax {
					return out, true
				}
			}
			n = next
		}
	}
	l.setAlarm()
	return out, false
}

// setAlarm sets the alarm for the first second in which somebody may be due. l.mu is held.
func (l *Lot) setAlarm() {
	l.alarm = 0
	for at := l.turned + 1; l.timed > 0 && at <= l.turned+wheelSlots; at++ {
		if l.due[at%wheelSlots] != 0 {
			l.alarm = at
			break
		}
	}
	l.poller.ring(l.alarm)
}
