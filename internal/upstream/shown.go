package upstream

import (
	"crypto/x509"
	"slices"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// Bounds of what is kept of a chain.
const (
	chainMax = 8
	namesMax = 20
)

// Shown is the chain that an endpoint showed at the last handshake.
type Shown struct {
	At       time.Time
	Chain    []fault.CertificateInfo // the leaf first, chainMax at most
	NotAfter time.Time               // when the first of them ends
	leaf     *x509.Certificate
}

// Shown is the chain that the endpoint showed last, nil if none was seen.
func (t *Target) Shown() *Shown { return t.shown.Load() }

// see keeps what the endpoint shows. It is called after each handshake, and does little where the leaf is the one seen before.
func (t *Target) see(chain []*x509.Certificate) {
	if len(chain) == 0 {
		return
	}
	if t.of != nil {
		t = t.of
	}
	if last := t.shown.Load(); last != nil && last.leaf.Equal(chain[0]) && time.Since(last.At) < time.Minute {
		return
	}
	s := &Shown{At: time.Now(), Chain: chainInfo(chain), leaf: chain[0]}
	for _, c := range s.Chain {
		if s.NotAfter.IsZero() || c.NotAfter.Before(s.NotAfter) {
			s.NotAfter = c.NotAfter
		}
	}
	t.shown.Store(s)
}

// chainInfo is what is told of a chain.
func chainInfo(chain []*x509.Certificate) (out []fault.CertificateInfo) {
	for _, x := range chain[:min(len(chain), chainMax)] {
		out = append(out, CertificateInfo(x))
	}
	return out
}

// CertificateInfo is what is told of a certificate: of its names and addresses namesMax at most.
func CertificateInfo(x *x509.Certificate) fault.CertificateInfo {
	names := slices.Clone(x.DNSNames) // crypto/tls gives every connection the same certificate
	for _, ip := range x.IPAddresses {
		names = append(names, ip.String())
	}
	return fault.CertificateInfo{
		Subject: x.Subject.String(), Issuer: x.Issuer.String(), Names: names[:min(len(names), namesMax)],
		NotBefore: x.NotBefore, NotAfter: x.NotAfter,
	}
}
