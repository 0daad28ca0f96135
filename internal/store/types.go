package store

import (
	"encoding/json"
	"time"

	"github.com/whygate/whygate/internal/incident"
)

// Group is all incidents of one pool, cause and stage. Which endpoint, route or host it was is no part of it: those differ within a group,
// and Facets says how.
type Group struct {
	ID        string    `json:"id"`
	Pool      string    `json:"pool"`
	Cause     string    `json:"cause"`
	Stage     string    `json:"stage"`
	Family    string    `json:"family"`
	Type      string    `json:"type"`
	Title     string    `json:"title"`
	First     time.Time `json:"first"`
	Last      time.Time `json:"last"`
	Count     int64     `json:"count"`   // exact
	Saved     int64     `json:"saved"`   // of Count, those that a retry saved
	Clients   int64     `json:"clients"` // addresses affected, to some seven per cent
	State     State     `json:"state"`
	Note      string    `json:"note,omitempty"`
	Changed   time.Time `json:"changed,omitzero"`   // when State was set by hand
	Muted     time.Time `json:"muted,omitzero"`     // until when, for StateMuted
	Regressed time.Time `json:"regressed,omitzero"` // when it came back after it had been resolved
}

// State is what people have decided about a group.
type State string

// The states of a group.
const (
	StateOpen         State = "open"
	StateAcknowledged State = "acknowledged"
	StateResolved     State = "resolved"
	StateMuted        State = "muted"
)

// Known reports whether s is a state.
func (s State) Known() bool {
	switch s {
	case StateOpen, StateAcknowledged, StateResolved, StateMuted:
		return true
	}
	return false
}

// Row is one incident as it is kept. Doc is the whole of it, as incident.Incident's JSON was when it was written.
type Row struct {
	ID       string          `json:"id"`
	At       time.Time       `json:"time"`
	Group    string          `json:"group"`
	Pool     string          `json:"pool"`
	Cause    string          `json:"cause"`
	Stage    string          `json:"stage"`
	Title    string          `json:"title"`
	Status   int             `json:"status"`
	Saved    bool            `json:"saved,omitempty"`
	Late     bool            `json:"late,omitempty"`
	Route    string          `json:"route,omitempty"`
	Endpoint string          `json:"endpoint,omitempty"`
	Method   string          `json:"method,omitempty"`
	Host     string          `json:"host,omitempty"`
	Path     string          `json:"path,omitempty"` // its template: what looks like an id is :id
	Client   string          `json:"client,omitempty"`
	Agent    string          `json:"agent,omitempty"` // its family
	Version  string          `json:"version,omitempty"`
	Request  string          `json:"request_id,omitempty"`
	Trace    string          `json:"trace_id,omitempty"`
	Instance string          `json:"instance"`
	Reused   int             `json:"-"` // 1 and 0 for a connection that had been used and one that had not, -1 for none
	Doc      json.RawMessage `json:"incident,omitempty"`
}

// Bucket counts the incidents of a span of time.
type Bucket struct {
	At    time.Time `json:"time"`
	Count int64     `json:"count"`
	Saved int64     `json:"saved"`
}

// Trouble is what one endpoint had of a group. Endpoint is empty where none was asked.
type Trouble struct {
	Endpoint, Pool string
	Group, Title   string
	Count, Saved   int64
}

// Change is something that happened beside the traffic: a reload, an endpoint's state, a certificate, a deploy.
type Change struct {
	At       time.Time `json:"time"`
	Instance string    `json:"instance"`
	Kind     string    `json:"kind"`
	Subject  string    `json:"subject,omitempty"` // a pool, an endpoint, a file
	Text     string    `json:"text"`
}

// Query chooses incidents, groups or changes. The zero value chooses all.
type Query struct {
	Since, Until time.Time
	Pool, Cause  string
	Group        string
	Limit        int // at most Most, which 0 means as well
}

// Most is how many rows a query gives at most.
const Most = 1000

func (q *Query) limit() int {
	if q.Limit <= 0 {
		return Most
	}
	return min(q.Limit, Most)
}

// Event is what people may want to be told at once.
type Event struct {
	Kind  EventKind
	Group Group
}

// EventKind says what happened to a group.
type EventKind string

// The kinds of events.
const (
	NewGroup   EventKind = "new"
	Regression EventKind = "regressed"
)

// Values are what the incident has in each dimension that may be different about its group.
func (r *Row) Values() incident.Values {
	var v incident.Values
	v[incident.Endpoint], v[incident.Route], v[incident.Instance], v[incident.Path] = r.Endpoint, r.Route, r.Instance, r.Path
	v[incident.Method], v[incident.Host], v[incident.Client] = r.Method, r.Host, incident.Network(r.Client)
	v[incident.AgentFamily], v[incident.Version] = r.Agent, r.Version
	if r.Reused >= 0 {
		v[incident.Connection] = incident.ConnectionName(r.Reused == 1)
	}
	return v
}
