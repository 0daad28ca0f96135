package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

// Failure is why there is no certificate for a name, and what to do about it.
type Failure struct {
	Name    string
	Problem string // ACME's word for it (RFC 8555, section 6.7), such as dns; empty where the authority said nothing
	Detail  string // what the authority says, or what kept us from asking it
	Do      string
	At      time.Time
	Next    time.Time // when it is tried again
}

// Error is the failure in one line.
func (f *Failure) Error() string {
	if f.Problem == "" {
		return f.Name + ": " + f.Detail
	}
	return f.Name + ": " + f.Problem + ": " + f.Detail
}

// detailMax bounds what is repeated of an authority's words, in bytes.
const detailMax = 500

// notFound is what to do where the authority did not find what was put there for it. Authorities do not agree on the word for it.
const notFound = "open %d in the firewall and at the provider, and see that the name's A and AAAA records are both this machine's and that " +
	"nothing else answers there: another server, a CDN, a record that leads elsewhere; behind a CDN use challenge: dns-01"

// advised says what to do about each problem of ACME. %d is where the challenge is looked for.
var advised = map[string]string{
	"dns":                     "see that the name has an A or AAAA record with this machine's public address, everywhere: whygate diagnose shows what DNS answers",
	"connection":              notFound,
	"unauthorized":            notFound,
	"incorrectResponse":       notFound,
	"malformed":               "if the name does not resolve, give it an A or AAAA record with this machine's public address: whygate diagnose shows what DNS answers; else the authority and this version do not understand each other",
	"tls":                     "what answers for the name on %d does not speak TLS as this gateway does: another server or a proxy is in front; use challenge: http-01 or dns-01",
	"caa":                     "the name's CAA record allows other authorities only: add this one, or name another directory",
	"rateLimited":             "the authority has had enough for now: wait, and see why so many certificates were asked for; try with its staging directory",
	"rejectedIdentifier":      "the authority gives no certificate for this name: take it out of acme.names, or name another directory",
	"unsupportedIdentifier":   "the authority gives no certificate for names of this kind: take it out of acme.names, or name another directory",
	"externalAccountRequired": "this authority wants an account that was made with it before, which is not supported: name another directory",
	"userActionRequired":      "the authority wants its terms to be read: follow the link in its words",
	"invalidContact":          "write another address in acme.email",
	"unsupportedContact":      "write another address in acme.email",
	"badNonce":                "the authority refuses our numbers again and again: see whether a proxy between here and there caches its answers",
	"serverInternal":          "the authority has a fault of its own: its status page says more; it is tried again",
}

// places are where the challenges are looked for.
var places = map[string]string{
	ChallengeTLS: "TCP port 443", ChallengeHTTP: "TCP port 80", ChallengeDNS: "DNS",
}

// failureOf puts an error into words.
func (a *ACME) failureOf(name string, err error) *Failure {
	f := &Failure{Name: name}
	var problem acme.Problem
	var command *commandError
	var ask *askError
	var verify *tls.CertificateVerificationError
	var dns *net.DNSError
	var dial *net.OpError
	switch {
	case errors.As(err, &problem):
		f.Problem = strings.TrimPrefix(problem.Type, acme.ProblemTypeNamespace)
		f.Detail = problem.Detail
		for _, sub := range problem.Subproblems {
			f.Detail += "; " + sub.Detail
		}
		f.Do = strings.ReplaceAll(advised[f.Problem], "%d", places[a.options.Challenge])
	case errors.As(err, &ask):
		f.Detail, f.Do = "the name came on demand, and whether it may still have a certificate is not known: "+ask.Error(), "see that acme.on_demand.ask answers; it is tried again"
	case errors.As(err, &command):
		f.Detail, f.Do = "the DNS command failed: "+command.Error(), "run it by hand: "+command.program+" present _acme-challenge."+name+" VALUE"
	case errors.As(err, &verify):
		f.Detail, f.Do = "the authority's own certificate does not verify: "+verify.Err.Error(), "if it is an authority of yours, name its PEM file in acme.ca; else see who answers in its place"
	case errors.As(err, &dns):
		f.Detail, f.Do = "the authority's name does not resolve: "+dns.Error(), "see that this machine resolves names: whygate diagnose "+a.options.Directory
	case errors.As(err, &dial):
		f.Detail, f.Do = "the authority could not be reached: "+dial.Error(), "see that this machine may connect to it: whygate diagnose "+a.options.Directory
	case errors.Is(err, context.DeadlineExceeded):
		f.Detail, f.Do = "it took longer than "+tryTime.String(), "it is tried again; whygate diagnose "+a.options.Directory
	default:
		f.Detail = strings.TrimPrefix(err.Error(), "["+name+"] ") // certmagic's
	}
	if f.Do == "" {
		f.Do = "see what the authority says; it is tried again"
	}
	f.Detail = f.Detail[:min(len(f.Detail), detailMax)]
	return f
}
