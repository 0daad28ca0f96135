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
	ID        string           `json:"id"`
	At        time.Time        `json:"time"`
	Status    int              `json:"status"` // what the client was told
	Saved     bool             `json:"saved,omitempty"`
	Late      bool             `json:"late,omitempty"` // the head was out: the client saw a message cut short
	Type      fault.Type       `json:"type"`
	Cause     fault.Cause      `json:"cause"`
	Family    fault.Family     `json:"family"`
	Stage     fault.Stage      `json:"stage"`
	Title     string           `json:"title"`
	Sentence  string           `json:"sentence"`
	Advice    []string         `json:"advice"`
	Request   Request          `json:"request"`
	Route     string           `json:"route,omitempty"`
	Pool      string           `json:"pool,omitempty"`
	Evidence  *fault.Evidence  `json:"evidence,omitempty"` // what the fault was judged from
	Attempts  []fault.Evidence `json:"attempts,omitempty"`
	DurationS float64          `json:"duration_s"`
}

// Request is what is kept of the request.
type Request struct {
	ID      string `json:"id"`
	Client  string `json:"client,omitempty"`
	Method  string `json:"method,omitempty"`
	Host    string `json:"host,omitempty"`
	Target  string `json:"target,omitempty"`
	Version string `json:"version,omitempty"`
}

// Kept is how many incidents a Recorder keeps.
const Kept = 1000

// Recorder keeps the last incidents. The zero value is ready.
type Recorder struct {
	mu   sync.Mutex // guards the fields below
	ring [Kept]*Incident
	next int
	seen uint64
}

// Record keeps an incident, which nobody changes any more, in the place of the oldest.
func (r *Recorder) Record(i *Incident) {
	r.mu.Lock()
	r.ring[r.next] = i
	r.next = (r.next + 1) % Kept
	r.seen++
	r.mu.Unlock()
}

// Find returns the incident of that id, nil if it is not kept (any more).
func (r *Recorder) Find(id string) *Incident {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, i := range r.ring {
		if i != nil && i.ID == id {
			return i
		}
	}
	return nil
}

// Last returns up to n incidents, the newest first.
func (r *Recorder) Last(n int) []*Incident {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*Incident
	for k := 1; k <= Kept && len(out) < n; k++ {
		i := r.ring[(r.next-k+Kept)%Kept]
		if i == nil {
			break
		}
		out = append(out, i)
	}
	return out
}

// Seen is how many incidents there were ever.
func (r *Recorder) Seen() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen
}
