package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"time"

	"github.com/whygate/whygate/internal/conn"
	"github.com/whygate/whygate/internal/fault"
)

// ClientTLS says how a gateway shakes hands with its endpoints, and diagnose in its place.
type ClientTLS struct {
	ServerName  string                          // the SNI, and the name to verify; empty is the endpoint's host
	Roots       *x509.CertPool                  // nil for the system's
	Certificate *tls.Certificate                // the client's, nil for none
	Unverified  bool                            // any certificate will do
	Revoked     func(tls.ConnectionState) error // looks at a chain that verified; nil for none
}

// Config is TLS 1.2 or newer with these settings.
func (c *ClientTLS) Config() *tls.Config {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName, RootCAs: c.Roots, InsecureSkipVerify: c.Unverified, VerifyConnection: c.Revoked} //nolint:gosec // told so
	if c.Certificate != nil {
		conf.Certificates = []tls.Certificate{*c.Certificate}
	}
	return conf
}

// clientConfig completes the pool's TLS settings for one endpoint: SNI and verification by the endpoint's name unless told
// otherwise, these protocols offered, sessions resumed.
func clientConfig(e *Endpoint, base *tls.Config, protocols ...string) *tls.Config {
	cfg := (&ClientTLS{}).Config()
	if base != nil {
		cfg = base.Clone()
	}
	if cfg.ServerName == "" {
		cfg.ServerName = e.Host
	}
	cfg.NextProtos = protocols
	cfg.ClientSessionCache = tls.NewLRUClientSessionCache(16)
	return cfg
}

// handshake runs the TLS handshake and writes down what stopped it.
func (t *Target) handshake(ctx context.Context, c *Conn, ev *fault.Evidence, heard *overheard) bool {
	session := c.TLS()
	_ = session.SetDeadline(deadlineTime(t.TLS))
	err := session.HandshakeContext(ctx)
	heard.over = true
	if err == nil {
		heard.first = nil
		t.see(session.ConnectionState().PeerCertificates)
		_ = session.SetDeadline(time.Time{})
		return true
	}
	ev.Detail = err.Error()
	ev.End, ev.Errno = dialEnd(err)
	var record tls.RecordHeaderError
	var verify *tls.CertificateVerificationError
	switch {
	case ev.End == fault.Timeout && ev.Errno == 0:
		ev.Timer, ev.After = fault.TimerTLS, t.TLS
	case errors.As(err, &verify):
		t.see(verify.UnverifiedCertificates)
		ev.End, ev.Errno = fault.Untrusted, 0
		ev.Cert = certificateProblem(verify, t.tlsConf.ServerName)
	case errors.As(err, &record):
		ev.End = fault.Malformed
		ev.Sample = heard.first
	case ev.Errno != 0:
	default:
		if id, ok := conn.AlertOf(err); ok {
			ev.End, ev.Alert = fault.Alert, id
		} else if conn.IsEOF(err) {
			ev.End = fault.Closed
		} else {
			ev.End, ev.Rule = fault.Malformed, heard.rule()
		}
	}
	return false
}

// certificateProblem says why a chain did not verify.
func certificateProblem(err *tls.CertificateVerificationError, wanted string) *fault.Certificate {
	c := &fault.Certificate{Wanted: wanted, Chain: chainInfo(err.UnverifiedCertificates)}
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	var authority x509.UnknownAuthorityError
	var revoked interface{ Revoked() bool }
	switch {
	case errors.As(err.Err, &revoked) && revoked.Revoked():
		c.Problem = fault.CertRevoked
	case errors.As(err.Err, &name):
		c.Problem = fault.CertWrongName
	case errors.As(err.Err, &invalid) && invalid.Reason == x509.Expired:
		c.Problem = fault.CertExpired
		if invalid.Cert != nil && time.Now().Before(invalid.Cert.NotBefore) {
			c.Problem = fault.CertNotYetValid
		}
	case errors.As(err.Err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		c.Problem = fault.CertBadUsage
	case errors.As(err.Err, &authority):
		c.Problem = fault.CertUnknownAuthority
		if len(c.Chain) > 0 {
			c.Authority = c.Chain[len(c.Chain)-1].Issuer
			if leaf := err.UnverifiedCertificates[0]; leaf.Issuer.String() == leaf.Subject.String() {
				c.Problem = fault.CertSelfSigned
			}
		}
	}
	return c
}

func deadlineTime(d time.Duration) time.Time {
	if d <= 0 {
		return time.Time{}
	}
	return time.Now().Add(d)
}
