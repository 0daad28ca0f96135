package serve3

import "time"

// strain is what a connection costs beyond what the requests on it are worth: a bucket that leaks, as package mux has one for HTTP/2.
type strain struct {
	level float64
	at    time.Time // when level was right
}

const (
	strainLeak  = 10   // per second
	strainLeave = 300  // from here on the connection takes no new requests
	strainKill  = 1000 // here it ends

	costReset   = 1   // a request that its client gave up before our head, or began after it was told to go
	costError   = 5   // a stream that we had to reset for a rule
	costUnknown = 0.5 // a stream of an unknown type
	worthStream = 1   // what a request that ended well takes off
)

// add is a cost, or with a minus sign a worth. It gives the level.
func (s *strain) add(now time.Time, cost float64) float64 {
	s.level = max(0, s.level-strainLeak*now.Sub(s.at).Seconds())
	s.at = now
	s.level = max(0, s.level+cost)
	return s.level
}
