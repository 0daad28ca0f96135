// Package incident keeps what failed: a fault that a client saw, or that a retry saved it from, with the evidence of every
// attempt. The Recorder is bounded and never blocks.
//
// It must not know how an exchange works, nor who asks for an incident.
package incident

import (
	"sync"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// Incident is one failure, as it is kept and shown to operators. It has addresses in it: it is not for the public.
type Incident struct {
	ID       string           `json:"id"`
	At       time.Time        `json:"time"`
	Status   int              `json:"status"` // what the client was told
	Saved    bool             `json:"saved,omitempty"`
	Late     bool             `json:"late,omitempty"` // the head was out: the client saw a message cut short
	Type     fault.Type       `json:"type"`
	Cause    fault.Cause      `json:"cause"`
	Family   fault.Family     `json:"family"`
	Stage    fault.Stage      `json:"stage"`
	Title    string           `json:"title"`
	Sentence string           `json:"sentence"`
	Advice   []string         `json:"advice"`
	Request  Request          `json:"request"`
	Route    string           `json:"route,omitempty"`
	Pool     string           `json:"pool,omitempty"`
	Evidence *fault.Evidence  `json:"evidence,omitempty"` // what the fault was judged from
	Attempts []fault.Evidence `json:"attempts,omitempty"`
	Retry    string           `json:"retry,omitempty"` // why there was another attempt, or why there was none, after the last fault
	Duration float64          `json:"duration_ms"`     // from the request's first octet to the answer's last
}

// Request is what is kept of the request.
type Request struct {
	ID      string `json:"id"`
	TraceID string `json:"trace_id,omitempty"` // of a valid traceparent header
	Client  string `json:"client,omitempty"`
	Method  string `json:"method,omitempty"`
	Host    string `json:"host,omitempty"`
	Target  string `json:"target,omitempty"`
	Version string `json:"version,omitempty"`
	Agent   string `json:"user_agent,omitempty"`
}

// Kept is how many incidents a Recorder keeps of each kind: those that clients brought about by what they sent, and all
// others. Clients could otherwise push out what an operator looks for by sending a thousand bad requests.
const Kept = 1000

// Recorder keeps the last incidents. The zero value is ready.
type Recorder struct {
	mu     sync.Mutex // guards the fields below
	client ring
	other  ring
}

// ring keeps the last incidents of one kind.
type ring struct {
	kept [Kept]*Incident
	next int
	seen uint64
}

// at is the k-th newest, from 1; nil if there are fewer.
func (r *ring) at(k int) *Incident { return r.kept[(r.next-k+Kept)%Kept] }

// Record keeps an incident, which nobody changes any more, in the place of the oldest of its kind.
func (r *Recorder) Record(i *Incident) {
	r.mu.Lock()
	defer r.mu.Unlock()
	to := &r.other
	if i.Family == fault.FamilyClient || i.Cause == fault.CauseNoRoute {
		to = &r.client
	}
	to.kept[to.next] = i
	to.next = (to.next + 1) % Kept
	to.seen++
}

// Find returns the incident of that id, nil if it is not kept (any more).
func (r *Recorder) Find(id string) *Incident {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, from := range []*ring{&r.other, &r.client} {
		for _, i := range from.kept {
			if i != nil && i.ID == id {
				return i
			}
		}
	}
	return nil
}

// Last returns up to n incidents, the newest first.
func (r *Recorder) Last(n int) []*Incident {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*Incident
	for a, b := 1, 1; len(out) < n; {
		var x, y *Incident
		if a <= Kept {
			x = r.other.at(a)
		}
		if b <= Kept {
			y = r.client.at(b)
		}
		switch {
		case x == nil && y == nil:
			return out
		case y == nil || x != nil && !x.At.Before(y.At):
			out = append(out, x)
			a++
		default:
			out = append(out, y)
			b++
		}
	}
	return out
}

// Seen is how many incidents there were ever.
func (r *Recorder) Seen() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.client.seen + r.other.seen
}
