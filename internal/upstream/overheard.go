package upstream

import (
	"crypto/tls"
	"net"

	"github.com/whygate/whygate/internal/fault"
)

// overheard is the connection under a TLS handshake. It keeps what crypto/tls does not tell when the handshake fails: the
// first octets that came, of which a RecordHeaderError has five, and the alert that we sent.
type overheard struct {
	net.Conn
	first []byte
	alert uint8 // the last alert that was sent in the clear, 0 for none
	over  bool  // the handshake has ended, and nothing more is kept
}

// overheardMax is how many first octets are kept: enough for every greeting that fault.Recognise knows.
const overheardMax = 256

// alertRecord is the type of an alert's record, RFC 8446, section 5.1; it has two octets behind its five of header.
const alertRecord, alertSize = 21, 7

func (o *overheard) Read(p []byte) (int, error) {
	n, err := o.Conn.Read(p)
	if !o.over && len(o.first) < overheardMax {
		o.first = append(o.first, p[:min(n, overheardMax-len(o.first))]...)
	}
	return n, err
}

func (o *overheard) Write(p []byte) (int, error) {
	if !o.over && len(p) == alertSize && p[0] == alertRecord {
		o.alert = p[alertSize-1]
	}
	return o.Conn.Write(p)
}

// protocolVersion is the alert that says so, RFC 8446, section 6.2.
const protocolVersion = 70

// rule is what the peer broke, as far as our own alert tells.
func (o *overheard) rule() fault.Rule {
	if o.alert == protocolVersion {
		return fault.RuleTLSVersion
	}
	return fault.RuleNone
}

// client makes the session over nc and has asked told whether the peer wants a client certificate.
func (t *Target) client(nc net.Conn, offer *tls.Config, asked *fault.ClientCert) *tls.Conn {
	conf := offer.Clone()
	conf.GetClientCertificate = func(want *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		for i := range offer.Certificates { // as crypto/tls chooses without this func
			if want.SupportsCertificate(&offer.Certificates[i]) == nil {
				*asked = fault.ClientCertShown
				return &offer.Certificates[i], nil
			}
		}
		*asked = fault.ClientCertMissing
		return new(tls.Certificate), nil
	}
	return tls.Client(nc, conf)
}
