package diagnose

import (
	"encoding/json"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/fingerprint"
)

// SchemaVersion is the version of the report's JSON. Members may be added within a version; none goes, and none changes.
const SchemaVersion = 1

// Report is everything that a run found. docs/diagnose.md documents its JSON.
type Report struct {
	Schema    int                 `json:"schema"`
	URL       string              `json:"url"`
	Began     time.Time           `json:"began"`
	Took      Millis              `json:"took_ms"`
	Verdict   Verdict             `json:"verdict"`
	SaidBy    []fingerprint.Match `json:"said_by"`   // who had a hand in the answer, the nearest first and its maker last
	Said      string              `json:"said"`      // the same as a sentence
	Walk      *Walk               `json:"walk"`      // to the URL
	Upstreams []*Walk             `json:"upstreams"` // straight to each upstream
	Here      *Here               `json:"here,omitempty"`
	HereError string              `json:"here_error,omitempty"`
	Steps     []Step              `json:"steps"`
	Sent      []string            `json:"sent"` // what was sent, in words
	Cut       bool                `json:"cut"`  // the budget ended before every probe had been made
}

// Walk is what one way to one target showed. A step that was not made, because an earlier one failed or there is nothing to
// see, is nil.
type Walk struct {
	Target    Target  `json:"target"`
	Name      *Name   `json:"name,omitempty"`
	Path      []*Path `json:"path,omitempty"` // one for each address
	TLS       *TLS    `json:"tls,omitempty"`
	HTTP      *HTTP   `json:"http,omitempty"`
	Speaks    *Speaks `json:"speaks,omitempty"` // the protocols that the port answers, after a silence, or where it is no port for HTTP
	Again     *Again  `json:"again,omitempty"`
	Race      *Race   `json:"race,omitempty"` // after pauses, where that is worth asking
	Idle      *Idle   `json:"idle,omitempty"`
	Loss      *Loss   `json:"loss,omitempty"` // after a connection that needed a second SYN
	Waterfall []Bar   `json:"waterfall"`
}

// Mark is how a step went.
type Mark uint8

const (
	Passed Mark = iota // nothing is wrong
	Noted              // nothing failed, but look at it
	Failed             // it failed
	Left               // it was not made
)

var markNames = [...]string{"passed", "noted", "failed", "skipped"}

// String gives the name as JSON spells it.
func (m Mark) String() string { return markNames[m] }

// MarshalText makes JSON show the name.
func (m Mark) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// Step is one row of the walk as a person reads it.
type Step struct {
	Name  string      `json:"name"`
	Of    string      `json:"of,omitempty"` // the upstream that it is about; empty for the URL itself
	Mark  Mark        `json:"mark"`
	Text  string      `json:"text"`
	Took  Millis      `json:"took_ms"`
	Cause fault.Cause `json:"cause"`
}

// Bar is one stage of the main request in the waterfall.
type Bar struct {
	Name    string `json:"name"` // name, connect, tls, wait, transfer
	From    Millis `json:"from_ms"`
	Took    Millis `json:"took_ms"`
	Failed  bool   `json:"failed"`
	Reached bool   `json:"reached"`
}

// Millis is a duration that JSON shows in milliseconds.
type Millis time.Duration

// MarshalJSON writes milliseconds with three digits after the point at most.
func (m Millis) MarshalJSON() ([]byte, error) {
	return json.Marshal(float64(time.Duration(m).Microseconds()) / 1000)
}

// Confidence is how sure a verdict is.
type Confidence uint8

const (
	Possible Confidence = iota + 1 // it fits what was seen, and so do others
	Likely                         // what was seen points to it
	Certain                        // what was seen proves it
)

var confidenceNames = [...]string{"", "possible", "likely", "certain"}

// String gives the name as JSON spells it.
func (c Confidence) String() string { return confidenceNames[c] }

// MarshalText makes JSON show the name.
func (c Confidence) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Verdict is what it all comes to.
type Verdict struct {
	Healthy    bool          `json:"healthy"`
	Family     fault.Family  `json:"family"`
	Cause      fault.Cause   `json:"cause"`
	Title      string        `json:"title"`
	Type       fault.Type    `json:"type"`
	Confidence Confidence    `json:"confidence"`
	Sentence   string        `json:"sentence"`
	Proof      []string      `json:"proof"`     // the facts that prove it
	RuledOut   []string      `json:"ruled_out"` // what is in order
	Advice     []string      `json:"advice"`    // what to do, the most fitting first
	Missing    []string      `json:"missing"`   // which further fact would tell more
	Notes      []string      `json:"notes"`     // what is no fault, and worth knowing
	At         string        `json:"at"`        // the hop that is at fault, e.g. 127.0.0.1:3000
	Pattern    string        `json:"pattern"`   // always; sometimes, 2 of 5; only on 10.0.0.7
	Product    string        `json:"product"`   // the stack that the advice is for, empty if not known
	Config     []ConfigPlace `json:"config"`    // the lines that it comes from

	alone bool // the advice is all that fits: the catalogue has none for whoever answered
}

// Fault is the verdict in fault's words.
func (v *Verdict) Fault() fault.Fault { return fault.Fault{Type: v.Type, Cause: v.Cause} }
