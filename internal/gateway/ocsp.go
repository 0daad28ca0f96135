package gateway

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/whygate/whygate/internal/certs"
	"github.com/whygate/whygate/internal/fault"
)

// stapleDirectory is where OCSP responses are kept in a state directory, for certificates from files; empty without one.
func stapleDirectory(state string) string {
	if state == "" {
		return ""
	}
	return filepath.Join(state, "certificates")
}

// OCSP is how the response of an authority's OCSP responder stands, which clients are shown along with a certificate.
type OCSP struct {
	Status     string    `json:"status"` // good, revoked, or none
	Until      time.Time `json:"until,omitzero"`
	Responder  string    `json:"responder,omitempty"`
	MustStaple bool      `json:"must_staple,omitempty"`
	Problem    string    `json:"problem,omitempty"` // why the last try brought none
	Next       time.Time `json:"next,omitzero"`     // when it is asked again
}

// The values of OCSP.Status.
const (
	OCSPGood    = "good"
	OCSPRevoked = "revoked"
	OCSPNone    = "none"
)

// ocspOf is how the response for a certificate stands, nil if none is wanted.
func (g *Gateway) ocspOf(leaf *x509.Certificate) *OCSP {
	s, wanted := g.stapler.Status(leaf)
	if !wanted {
		return nil
	}
	o := &OCSP{Status: OCSPNone, Until: s.Until, Responder: s.Responder, MustStaple: s.MustStaple, Next: s.Next}
	var revoked *certs.RevokedError
	switch {
	case errors.As(s.Err, &revoked):
		o.Status = OCSPRevoked
	case s.Holds(time.Now()):
		o.Status = OCSPGood
	}
	if s.Err != nil {
		o.Problem = s.Err.Error()
	}
	return o
}

// stapled tells of a response that cannot be had, or can again.
func (g *Gateway) stapled(n *certs.Stapled) {
	g.mu.Lock() // while the first configuration is taken up there is no store
	ready := g.store.Load() != nil
	g.mu.Unlock()
	if !ready {
		return // it did not come to be
	}
	names := n.Leaf.DNSNames
	name := n.Leaf.Subject.CommonName
	if len(names) > 0 {
		name = names[0]
	}
	if n.Err == nil {
		g.log.Info("an OCSP response is stapled again", "name", name, "responder", n.Responder, "until", n.Until.UTC().Format(time.RFC3339))
		g.Changed(changeCertificate, name, "an OCSP response is stapled again")
		return
	}
	var revoked *certs.RevokedError
	level, what := slog.LevelWarn, "no new OCSP response to staple"
	do := "see that this machine may connect to the responder: whygate diagnose " + n.Responder
	switch {
	case errors.As(n.Err, &revoked):
		level, what, do = slog.LevelError, "a certificate that clients are shown was revoked", "get another with a new key: clients that look refuse this one"
		if g.ordered(n.Leaf) {
			do = "nothing: another with a new key is ordered"
		}
	case n.Responder == "" || n.Next.IsZero():
		do = "get another certificate, from an authority that has a responder"
	}
	args := []any{"name", name, "responder", n.Responder, "error", n.Err, "do", do, "next_try", n.Next.UTC().Format(time.RFC3339)}
	switch {
	case n.Holds(time.Now()):
		args = append(args, "old_until", n.Until.UTC().Format(time.RFC3339))
	case n.MustStaple:
		level = slog.LevelError
		args = append(args, "must_staple", true)
	}
	g.log.Log(context.Background(), level, what, args...)
	g.Changed(changeCertificate, name, what+": "+n.Err.Error())
	if revoked != nil && g.untold.take("revoked "+name, time.Now()) {
		g.record(certificateIncident(fault.CauseOwnCertificateRevoked, name, n.Err.Error(), do, time.Now()))
	}
}

// ordered reports whether a certificate is one that is ordered from an authority: when it is revoked, another is by itself.
func (g *Gateway) ordered(leaf *x509.Certificate) bool {
	g.mu.Lock()
	acme := g.acme
	g.mu.Unlock()
	return acme != nil && slices.ContainsFunc(acme.Status(), func(s certs.CertificateStatus) bool { return s.Leaf.Equal(leaf) })
}
