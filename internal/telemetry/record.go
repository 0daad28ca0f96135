package telemetry

import (
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
)

// Record is what is counted and logged of one exchange. It is a view: whoever is given one uses it before returning and
// keeps none of it.
type Record struct {
	Began    mono.Time     // the same moment as At
	At       time.Time     // when the request's first byte was there
	Duration time.Duration // from then to the last byte of the answer
	Client   string        // the peer's address; empty for a unix socket
	Secure   bool          // the client came over TLS
	ID       []byte        // the request id
	Method   []byte
	Host     []byte
	Target   []byte // the request target as sent
	Version  httpmsg.Version
	Agent    []byte // User-Agent
	Referer  []byte

	Traceparent []byte // as sent

	Route    string // the route's name or index as configured, empty where none matched
	Pool     string
	Hedge    Hedge    // whether a second request was sent beside the first, and which was answered first
	GRPC     GRPCCode // how a call of gRPC ended
	Status   int      // what the client was told; 499 where it left
	Sent     int64    // bytes of the answer given to the kernel
	By       Maker    // who made the answer
	Attempts []*fault.Evidence
	Fault    fault.Fault     // zero Cause where there was none
	Evidence *fault.Evidence // what the fault was judged from; nil where there was none
	Retry    string          // why there was another attempt, or why there was none, after the last fault
	Advice   string          // what to do, for a readable log; the catalogue's line where it is empty
	Incident string          // the incident's id, empty where there was none
	Saved    bool            // a retry saved the request from Fault: the client never saw it
	Late     bool            // the fault came when the head was out: the client saw a message cut short
}

// Hedge is what became of a hedge: a second request that is sent beside one that takes long.
type Hedge uint8

// What can become of a hedge.
const (
	NotHedged Hedge = iota
	HedgeWon        // its answer was taken
	HedgeLost       // the first request's was, or neither's
)

// String is what logs and metrics call it, empty for NotHedged.
func (h Hedge) String() string { return [...]string{"", "won", "lost"}[h] }

// GRPCCode is the status of a call of gRPC plus one; 0 where a request was none, or no status came.
type GRPCCode uint8

// GRPC makes a GRPCCode of a status.
func GRPC(status int) GRPCCode { return GRPCCode(min(status, 254) + 1) }

// Status is the call's status, and whether there is one.
func (c GRPCCode) Status() (int, bool) { return int(c) - 1, c > 0 }

// Maker is who made an answer.
type Maker uint8

// The makers of answers.
const (
	ByOrigin  Maker = iota // the endpoint, passed on
	ByGateway              // we did
	ByClient               // nobody: the client had left
)

// String is the maker's name as logs spell it.
func (m Maker) String() string { return [...]string{"origin", "gateway", "client"}[m] }
