package mux

import "time"

// strain is what a connection costs beyond what the requests on it are worth: a bucket that leaks. A browser that cancels a page of
// images fills it by some dozens and it is empty again seconds later; an attack cannot stay below it. There is no count for a
// connection's whole life: long-lived good clients cancel a lot.
type strain struct {
	level float64
	at    time.Time // when level was right
	free  int       // events of a kind that cost nothing while they are few, used in this period
	since time.Time // when the period began
	paid  int       // control frames that what we sent gives reason for
}

const (
	strainLeak   = 10               // per second
	strainSlow   = 100              // from here on the reader pauses after every few streams
	strainLeave  = 300              // from here on the connection takes no new streams
	strainKill   = 1000             // here it ends
	strainFree   = 20               // control frames per period that cost nothing
	strainPeriod = 10 * time.Second // for strainFree
	paidMax      = 1000

	costReset   = 1    // a reset before our head was sent
	costError   = 5    // a RST_STREAM that the peer made us send
	costControl = 1    // a control frame that nothing gave reason for
	costWindow  = 0.25 // a small WINDOW_UPDATE
	worthStream = 1    // what a stream that ended well takes off
)

// pauseStreams is after how many streams a strained connection's reader pauses, for pauseTime.
const (
	pauseStreams = 8
	pauseTime    = 100 * time.Millisecond
)

// leak brings level up to date.
func (s *strain) leak(now time.Time) {
	s.level = max(0, s.level-strainLeak*now.Sub(s.at).Seconds())
	s.at = now
}

// add is a cost.
func (s *strain) add(now time.Time, cost float64) {
	s.leak(now)
	s.level += cost
}

// control is so many control frames that cost that much each, beyond those that we gave reason for and those that are free.
func (s *strain) control(now time.Time, n uint64, cost float64) {
	if n == 0 {
		return
	}
	if now.Sub(s.since) > strainPeriod {
		s.free, s.since = 0, now
	}
	paid := min(n, uint64(s.paid))
	s.paid -= int(paid)
	n -= paid
	free := min(n, uint64(strainFree-s.free))
	s.free += int(free)
	if n -= free; n > 0 {
		s.add(now, cost*float64(n))
	}
}

// sent is a DATA frame of ours: a peer may answer it with WINDOW_UPDATEs and a PING, as those do that measure the way.
func (s *strain) sent() { s.paid = min(s.paid+3, paidMax) }

// well is a stream that ended as it should.
func (s *strain) well() { s.level = max(0, s.level-worthStream) }
