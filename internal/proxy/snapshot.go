package proxy

import (
	"net/netip"
	"time"

	"github.com/whygate/whygate/internal/balance"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/health"
	"github.com/whygate/whygate/internal/overload"
	"github.com/whygate/whygate/internal/resilience"
	"github.com/whygate/whygate/internal/route"
	"github.com/whygate/whygate/internal/upstream"
)

// Snapshot is everything a request needs to know of the configuration. It is immutable: a reload makes a new one, and
// whoever began with the old one ends with it.
type Snapshot struct {
	Name       string           // the gateway's name in Via and Proxy-Status
	Instance   string           // tells this process from others of the same name, so that a loop is one
	Disclosure fault.Disclosure // how much Proxy-Status says
	PlainPages bool             // error pages are the bare ones
	Trusted    []netip.Prefix   // peers whose X-Forwarded-* and Forwarded are believed
	Table      *route.Table     // gives an index into Routes
	Routes     []Route
	Ways       bool // some rule of Table asks for a scheme or a port

	via     []byte // the value of our Via field, behind the version that the request came with
	cdnLoop []byte // our element of CDN-Loop
}

// Route is what happens to the requests of one rule.
type Route struct {
	Name        string // as logs show it
	Pool        *Pool
	Maintenance bool             // nobody is asked
	Rate        *resilience.Rate // how often it may be asked; nil for no bound
	RateKey     RateKey
	RateName    []byte    // of the header, for RateHeader
	Priority    int       // in the queue of the pool's gate, 0 first
	Compress    bool      // what endpoints answer, for clients that take it
	Broken      string    // why it cannot serve; empty for a route in order
	Strip       string    // a path prefix that is not sent upstream
	Rewrite     *Template // the path that is sent upstream, perhaps with a query; nil for the client's
	Local       *Local    // what is done here; nil for nothing
	SetRequest  []Edit
	SetResponse []Edit
	ErrorPages  []ErrorPage
}

// Edit sets a field, or removes it if Value is empty.
type Edit struct {
	Name, Value string
	Made        *Template // in the place of Value; nil where that is all
}

// Pool is a set of endpoints that are asked in turn.
type Pool struct {
	Name        string
	Endpoints   []Endpoint // in the order of Balance
	Balance     *balance.Set
	Health      *health.Watcher // of the same endpoints
	Gate        *overload.Gate  // before the same endpoints; nil where nothing bounds their requests
	Key         Key             // what balance.Hash goes by
	KeyName     []byte          // of the header or the cookie
	Maintenance *Maintenance    // somebody may have switched it on; nil where nobody can
	Sticky      []byte          // the name of our cookie, nil for none
	Budget      *resilience.Budget
	Host        Host
	HostName    []byte // for HostFixed
	RetryOn     []StatusRange
	Hedge       *resilience.Hedge // when a request is sent a second time beside the first; nil for never
	Attempts    int               // at most so many per request
	ReplayBody  int               // octets of a request body kept for another attempt
	Announce    bool              // the endpoints are told who the client is by the PROXY protocol
	Read        time.Duration
	Response    time.Duration // from the first attempt to the last octet of the answer, 0 for no bound
}

// RateKey is what has a rate of its own.
type RateKey uint8

// The kinds of RateKey.
const (
	RateClient RateKey = iota
	RateRoute
	RateHeader
)

// Key is what of a request decides who gets it under balance.Hash.
type Key uint8

// The kinds of key.
const (
	KeyNone Key = iota // another policy than balance.Hash
	KeyIP
	KeyPath
	KeyHeader
	KeyCookie
)

// Endpoint is one place that a pool's requests go to.
type Endpoint struct {
	Token  []byte // what our cookie says of it
	Target *upstream.Target
	Guard  *resilience.Guard // bounds the connections in use
}

// Host says which Host field an endpoint is sent.
type Host uint8

// The kinds of Host field.
const (
	HostClient   Host = iota // the client's
	HostEndpoint             // the endpoint's own
	HostFixed                // a name of the configuration
)

// Prepare computes what is derived. It is called once, before the snapshot is used.
func (s *Snapshot) Prepare() *Snapshot {
	s.via = []byte(" " + s.Name + " (" + s.Instance + ")")
	s.cdnLoop = []byte(s.Name + "-" + s.Instance)
	return s
}

// trusts reports whether a peer's word on who the client is counts.
func (s *Snapshot) trusts(peer netip.Addr) bool {
	for _, p := range s.Trusted {
		if p.Contains(peer) {
			return true
		}
	}
	return false
}
