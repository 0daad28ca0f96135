// Package mono is a moment in time: nanoseconds of the process's monotonic clock. Whoever waits, measures or expires does it
// in these terms. A reading costs half of time.Now, and there is no wall clock in it that could jump.
package mono

import (
	"sync/atomic"
	"time"
)

// Time is a moment. Only differences mean anything. The zero value is no moment: as a deadline it is never.
type Time int64

// epoch is what Now counts from.
var epoch = time.Now()

// Now is the present. It is never 0.
func Now() Time { return Time(time.Since(epoch)) + 1 }

// Add is the moment d after t.
func (t Time) Add(d time.Duration) Time { return t + Time(d) }

// Sub is how long u was before t.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// Until is a deadline d after t, and never where d is not above 0.
func (t Time) Until(d time.Duration) Time {
	if d <= 0 {
		return 0
	}
	return t + Time(d)
}

// Earlier is the earlier of two deadlines, of which either may be never.
func Earlier(t, u Time) Time {
	if u != 0 && (t == 0 || u < t) {
		return u
	}
	return t
}

// Wall is the moment as the wall clock shows it at present: for the deadlines of package net. Never is the zero time.
func (t Time) Wall() time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.Now().Add(time.Duration(t - Now()))
}

// FromWall is the moment that the wall clock shows as w, never for the zero time.
func FromWall(w time.Time) Time {
	if w.IsZero() {
		return 0
	}
	return Now().Add(time.Until(w))
}

// Atomic is a moment that several goroutines set and read.
type Atomic struct{ v atomic.Int64 }

// Load is the moment.
func (a *Atomic) Load() Time { return Time(a.v.Load()) }

// Store sets it.
func (a *Atomic) Store(t Time) { a.v.Store(int64(t)) }

// Raise sets it unless it is later already.
func (a *Atomic) Raise(t Time) {
	for {
		was := a.v.Load()
		if was >= int64(t) || a.v.CompareAndSwap(was, int64(t)) {
			return
		}
	}
}

// Swap sets it and gives what it was.
func (a *Atomic) Swap(t Time) Time { return Time(a.v.Swap(int64(t))) }

// CompareAndSwap sets it if it is still what it was.
func (a *Atomic) CompareAndSwap(was, t Time) bool { return a.v.CompareAndSwap(int64(was), int64(t)) }
