package certs

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// CertificateStatus is how a name stands.
type CertificateStatus struct {
	Name      string
	Issuer    string // of the certificate; empty without one
	NotAfter  time.Time
	Renewal   time.Time // when it is renewed, or tried again after a failure
	OnDemand  bool
	UnderWay  bool
	Failure   *Failure // why the last try failed, nil if it did not
	NotBefore time.Time
	Leaf      *x509.Certificate // nil without one
}

// Status is how each name stands, in order.
func (a *ACME) Status() []CertificateStatus {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []CertificateStatus
	for _, m := range a.names {
		s := CertificateStatus{Name: m.name, OnDemand: m.demand, UnderWay: m.working, Failure: m.failure, Renewal: m.renew}
		if m.cert != nil {
			s.Leaf, s.Issuer, s.NotAfter, s.NotBefore = m.cert.Leaf, m.cert.Leaf.Issuer.String(), m.cert.Leaf.NotAfter, m.cert.Leaf.NotBefore
		}
		if m.failure != nil {
			s.Renewal = m.failure.Next
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b CertificateStatus) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// ErrUnknownName is that no certificate is kept for a name.
var ErrUnknownName = errors.New("no certificate is kept for that name")

// errQuiet is that nothing is obtained any more.
var errQuiet = errors.New("the gateway is stopping: the process that goes on renews certificates")

// renewal is what somebody waits for who wants a certificate renewed.
type renewal struct {
	done chan struct{} // closed when err is there
	err  error
}

// end says what came of it, if anybody waits for it.
func (r *renewal) end(err error) {
	if r != nil {
		r.err = err
		close(r.done)
	}
}

// Renew obtains the certificate of a name anew, and waits for it: for a try that begins now, or after the one that is under way. The error
// is a *Failure, ErrUnknownName, the context's, or that the gateway stops.
func (a *ACME) Renew(ctx context.Context, name string) error {
	name = strings.ToLower(name)
	a.mu.Lock()
	m := a.names[name]
	if m == nil {
		a.mu.Unlock()
		return fmt.Errorf("%s: %w", name, ErrUnknownName)
	}
	if m.asked == nil {
		m.asked = &renewal{done: make(chan struct{})}
	}
	asked := m.asked
	m.due = time.Now()
	a.mu.Unlock()
	a.nudge()
	select {
	case <-asked.done:
		return asked.err
	case <-ctx.Done():
		return ctx.Err()
	case <-a.begins.Done():
		return errQuiet
	}
}
