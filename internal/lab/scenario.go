package lab

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// Scenario is one thing that an upstream does, and what is to become of it.
type Scenario struct {
	Name  string // unique, lower case, words joined by hyphens; the first segment of its path at a proxy
	Group Group
	Does  string // what the upstream does, one sentence
	Row   string // the failure mode's row in the fault taxonomy, e.g. R16; empty for a healthy control
	Why   string // the rule that the expectation rests on, e.g. RFC 9112, section 6.3

	At    At    // how the upstream is addressed and listens
	Plays Plays // what it does with a connection
	Ask   Ask   // what the client asks
	Want  Want  // what a correct gateway makes of it

	Alone bool // it must not run beside others: it is about load or time
}

// Plays is what an upstream does with each of its connections: the steps in their order. They end with the connection.
type Plays []Step

// Group is the stage that a scenario is about.
type Group uint8

const (
	DNS Group = iota
	Connect
	TLS
	Head
	Framing
	Body
	HTTP2
	Availability
	Security
)

var groupNames = [...]string{"dns", "connect", "tls", "head", "framing", "body", "http2", "availability", "security"}

// String gives the group's name as the commands print it.
func (g Group) String() string { return groupNames[g] }

// MarshalText makes JSON show the group's name.
func (g Group) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// At is how an upstream is addressed, and how its socket behaves.
type At struct {
	Scheme string   // http, https or h2c; empty is http
	Host   string   // a name or an address; empty is loopback. Others need the lab's network.
	Socket Socket   // how the socket behaves
	TLS    *Terms   // the lab's end of TLS; nil where Plays writes the octets of a handshake itself, or none
	Shows  bool     // the gateway is given the lab's client certificate for this upstream
	Lists  bool     // the gateway is given the authority's list of revoked certificates for this upstream
	Beside []string // scenarios whose upstreams are in the same pool, after this one's
	Unix   string   // for a unix socket: how it is there (Socket), empty for TCP
}

// Network reports whether the scenario needs the network of namespaces that root can make.
func (a *At) Network() bool { return a.Host != "" }

// Socket is how a listening socket behaves.
type Socket uint8

const (
	Listens     Socket = iota
	Refuses            // the port is taken and nobody listens: the kernel answers a SYN with RST
	QueueFull          // it listens, and its accept queue is full: the kernel drops a SYN
	SmallWindow        // it takes few octets before it is read from
	Absent             // there is no socket of ours at all: the network or the name decides
	NoFile             // a unix socket whose file does not exist
	FileStale          // a unix socket whose file is there, and nobody listens
)

// Terms is the upstream's end of TLS.
type Terms struct {
	Certificate string   // which of the authority's certificates, see Authority; empty is the good one
	Min, Max    uint16   // versions, 0 for crypto/tls's own
	Suites      []uint16 // cipher suites of TLS 1.2 and below, nil for crypto/tls's own
	ClientCert  bool     // a client certificate is required
	NeedName    bool     // a handshake without SNI, or for another name, is answered by alert 112
}

// Ask is what the client asks of the proxy.
type Ask struct {
	Method  string   // empty is GET
	Target  string   // what follows /NAME/ in the request's target
	Version string   // empty is HTTP/1.1
	Fields  []string // field lines without their ends
	Body    int      // octets of the request body, 0 for none
	Content string   // the request body itself, instead of Body
	Chunked bool     // the body is chunked

	Warm     int           // good exchanges that go first on the same client connection
	Pause    time.Duration // between those and the one that counts
	Times    int           // how often it is asked, 0 is once
	Together bool          // the times run at once, each on its own connection
}

// Want is what a correct gateway makes of a scenario.
type Want struct {
	Status []int         // the client's status is one of these
	Types  []fault.Type  // the Proxy-Status field's error is one of these; empty: there must be none
	Cause  []fault.Cause // the fault that Whygate's log has is one of these; empty: none. A saved request has its first attempt's.
	Cut    bool          // the body is visibly broken: it must not look complete
	Body   string        // how the body begins, where the status is one of these
	Size   int64         // octets of a whole body, 0 if it is not looked at
	Never  string        // octets that must never reach a client as an answer
	Saved  bool          // the status is good because a retry or a second endpoint saved the request
	Fields []string      // "Name: value", each of which must be in the answer, e.g. Retry-After

	Interim  int           // how many interim answers must come first, at least
	Within   time.Duration // the first octet of the body comes so soon: nothing is held back
	AtLeast  map[int]int   // of several answers, how many have that status, at least
	Requests int64         // how many requests may reach the upstream, the warm ones included; 0 if they are not counted
	MayCut   bool          // a body that is visibly cut is right as well
}

// Healthy reports whether nothing is wrong in the scenario.
func (s *Scenario) Healthy() bool { return s.Row == "" }

// All lists every scenario, by group. The order is stable, so that ports are.
func All() []*Scenario { return all }

var all = collect(dnsScenarios, connectScenarios, tlsScenarios, tlsAlertScenarios, headScenarios, notHTTPScenarios, framingScenarios,
	bodyScenarios, http2Scenarios, availabilityScenarios, securityScenarios)

func collect(groups ...[]Scenario) []*Scenario {
	var all []*Scenario
	for _, g := range groups {
		for i := range g {
			all = append(all, &g[i])
		}
	}
	return all
}

// Find lists the scenarios whose name matches one of the globs (path.Match), all of them where there is no glob. A group's
// name stands for its scenarios. A glob that matches none is an error.
func Find(globs ...string) ([]*Scenario, error) {
	if len(globs) == 0 {
		return All(), nil
	}
	taken := map[*Scenario]bool{}
	for _, g := range globs {
		found := false
		for _, s := range all {
			ok, err := path.Match(g, s.Name)
			if err != nil {
				return nil, fmt.Errorf("%q is no pattern: %w", g, err)
			}
			if ok || g == s.Group.String() {
				taken[s], found = true, true
			}
		}
		if !found {
			return nil, fmt.Errorf("no scenario is called %q", g)
		}
	}
	var some []*Scenario
	for _, s := range all {
		if taken[s] {
			some = append(some, s)
		}
	}
	return some, nil
}

// Get finds one scenario by its name, nil if there is none.
func Get(name string) *Scenario {
	for _, s := range all {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// Of lists the names of the scenarios that provoke the cause: first those that provoke no other.
func Of(c fault.Cause) []string {
	var names, others []string
	for _, s := range all {
		switch at := slices.Index(s.Want.Cause, c); {
		case at == 0 && len(s.Want.Cause) == 1:
			names = append(names, s.Name)
		case at >= 0:
			others = append(others, s.Name)
		}
	}
	return append(names, others...)
}

// method is the method that the client uses.
func (a *Ask) method() string {
	if a.Method == "" {
		return "GET"
	}
	return a.Method
}

// scheme is the upstream's scheme.
func (a *At) scheme() string {
	if a.Scheme == "" {
		return "http"
	}
	return a.Scheme
}

// printable shows octets as a person can read them, a line each.
func printable(octets string) string {
	var b strings.Builder
	for line := range strings.Lines(octets) {
		quoted := fmt.Sprintf("%q", line)
		b.WriteString(quoted[1:len(quoted)-1] + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}
