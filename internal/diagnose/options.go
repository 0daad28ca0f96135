package diagnose

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/certs"
)

// Defaults and bounds of a run.
const (
	DefaultTimeout = 4 * time.Second  // more than the three seconds in which a kernel gives an ARP query up
	DefaultBudget  = 15 * time.Second // of the whole run
	DefaultCount   = 4                // requests that look whether it lasts
	CountMax       = 20               // more would be load
)

// Options say what is walked, and how.
type Options struct {
	URL         string             // http://, https:// or unix:/path
	Upstreams   []string           // host:port, a URL or unix:/path: walked straight, to see the difference
	Address     netip.Addr         // dial this address; the name stays that of the URL for SNI, Host and verification
	Host        string             // the Host field, where it is not the URL's
	ServerName  string             // the SNI and the name to verify, where it is not the URL's host
	Roots       *x509.CertPool     // nil for the system's
	Revoked     *certs.Revocations // lists of revoked certificates, nil for none; a stapled response counts without
	Certificate *tls.Certificate   // the client certificate, nil for none
	Insecure    bool               // go on with a certificate that does not verify; what is wrong with it is still a fact
	Method      string             // empty is GET; one that is not safe is sent once to the URL and once to each of Upstreams
	Fields      []Field            // request fields beside the usual ones
	HTTP1       bool               // do not ask by HTTP/2 where it is offered
	Timeout     time.Duration      // bounds each wait; 0 is DefaultTimeout
	Budget      time.Duration      // bounds the run; 0 is DefaultBudget
	Count       int                // requests that look whether it lasts; 0 is DefaultCount, below 0 is none
	NoTrace     bool               // no traceroute
	IdleProbe   time.Duration      // wait so long for the server to close a kept connection; 0 does not
	Patient     bool               // ask again after pauses of many seconds; PatientBudget is what that takes
	Servers     []string           // name servers to ask instead of the system's, with or without a port

	// Here finds the proxy that listens at the target on this machine, its upstreams and its log's findings. Nil skips that.
	Here func(ctx context.Context, target Target) (*Here, error)
	// Advice gives what to do about a cause where it was met, such as StackAdvice. Nil takes the catalogue's.
	Advice func(On) []string
	// Step is told of each step as it ends, on one goroutine at a time. Nil tells nobody.
	Step func(Step)
}

// Field is one field line.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// timeout bounds one wait.
func (o *Options) timeout() time.Duration {
	if o.Timeout <= 0 {
		return DefaultTimeout
	}
	return o.Timeout
}

func (o *Options) budget() time.Duration {
	if o.Budget <= 0 {
		return DefaultBudget
	}
	return o.Budget
}

func (o *Options) count() int {
	switch {
	case o.Count < 0:
		return 0
	case o.Count == 0:
		return DefaultCount
	}
	return min(o.Count, CountMax)
}

// safe reports whether the method may be repeated: RFC 9110, section 9.2.1.
func (o *Options) safe() bool {
	switch o.method() {
	case "GET", "HEAD", "OPTIONS":
		return true
	}
	return false
}

// gives reports whether the options have a field of their own by the name.
func (o *Options) gives(name string) bool {
	return slices.ContainsFunc(o.Fields, func(f Field) bool { return strings.EqualFold(f.Name, name) })
}

func (o *Options) method() string {
	if o.Method == "" {
		return "GET"
	}
	return o.Method
}
