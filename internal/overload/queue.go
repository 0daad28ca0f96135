package overload

import (
	"time"

	"github.com/whygate/whygate/internal/mono"
)

// The constants of the queue.
const (
	Priorities  = 4                     // 0 is served first
	queueMost   = 16384                 // requests: what comes at once where thousands of connections are kept
	persistent  = time.Second           // not empty for so long: the queue does not absorb a burst, it is a delay
	waitShort   = 20 * time.Millisecond // is then all that is waited
	waitLongest = time.Second           // while no limit was cut: a cold start, or a burst
)

// Waiter is a request in the queue.
type Waiter struct {
	Priority int
	Since    mono.Time
	Ready    chan Verdict // of one place; nil where nobody waits on it

	prev, next *Waiter
	queued     bool
}

// Verdict is how a wait ended.
type Verdict uint8

// The verdicts.
const (
	Go      Verdict = iota // there may be room
	TooLong                // it waited for as long as anything may
	Evicted                // somebody more important came, and there was no place
)

// Queue has the requests that no endpoint has room for. It is not safe for concurrent use.
type Queue struct {
	lists  [Priorities]struct{ oldest, newest *Waiter }
	length int
	filled mono.Time // since when it has not been empty
}

// Length is how many wait.
func (q *Queue) Length() int { return q.length }

// Enter puts a request at the end of its list. Where the queue is full, the oldest of the lowest priority below its own gives way, and is
// returned; ok is false if there is none. most is how many may wait.
func (q *Queue) Enter(w *Waiter, most int64, now mono.Time) (evicted *Waiter, ok bool) {
	if int64(q.length) >= min(most, queueMost) {
		for p := Priorities - 1; p > w.Priority && evicted == nil; p-- {
			evicted = q.lists[p].oldest
		}
		if evicted == nil {
			return nil, false
		}
		q.Remove(evicted)
	}
	if q.length == 0 {
		q.filled = now
	}
	l := &q.lists[w.Priority]
	w.Since, w.prev, w.next, w.queued = now, l.newest, nil, true
	if l.newest != nil {
		l.newest.next = w
	} else {
		l.oldest = w
	}
	l.newest = w
	q.length++
	return evicted, true
}

// Remove takes a request out, if it is in.
func (q *Queue) Remove(w *Waiter) {
	if !w.queued {
		return
	}
	l := &q.lists[w.Priority]
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		l.oldest = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		l.newest = w.prev
	}
	w.prev, w.next, w.queued = nil, nil, false
	q.length--
}

// Next takes out who is next: by priority, then the oldest, or the newest in a persistent queue, where the oldest have waited in vain
// already, and those who come now can still be served in time.
func (q *Queue) Next(now mono.Time) *Waiter {
	for p := range q.lists {
		w := q.lists[p].oldest
		if q.persistent(now) {
			w = q.lists[p].newest
		}
		if w != nil {
			q.Remove(w)
			return w
		}
	}
	return nil
}

func (q *Queue) persistent(now mono.Time) bool { return q.length > 0 && now.Sub(q.filled) > persistent }

// Wait is how long a request may wait at present. delay is what endpoints may add.
func (q *Queue) Wait(calm Calm, delay time.Duration, now mono.Time) time.Duration {
	switch {
	case q.persistent(now):
		return waitShort
	case bool(calm):
		return waitLongest
	}
	return delay
}

// Calm says whether no limit was cut of late.
type Calm bool

// Expired takes out one that has waited for longer than wait, nil if there is none.
func (q *Queue) Expired(wait time.Duration, now mono.Time) *Waiter {
	for p := range q.lists {
		if w := q.lists[p].oldest; w != nil && now.Sub(w.Since) > wait {
			q.Remove(w)
			return w
		}
	}
	return nil
}
