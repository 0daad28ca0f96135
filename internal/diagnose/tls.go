package diagnose

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/whygate/whygate/internal/conn"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/upstream"
)

// TLS is what the server's end of TLS is like.
type TLS struct {
	ServerName string                  `json:"server_name"` // the SNI sent, and the name verified
	Completed  bool                    `json:"completed"`   // a handshake that verifies nothing came to its end
	Error      string                  `json:"error,omitempty"`
	Took       Millis                  `json:"took_ms"`
	Version    string                  `json:"version,omitempty"`
	Cipher     string                  `json:"cipher,omitempty"`
	ALPN       string                  `json:"alpn,omitempty"` // what the server chose of h2 and http/1.1
	Versions   []Tried                 `json:"versions,omitempty"`
	Chain      []fault.CertificateInfo `json:"chain,omitempty"` // as sent
	Trusted    bool                    `json:"trusted"`
	Problem    string                  `json:"problem,omitempty"` // why it is not
	Missing    string                  `json:"missing_intermediate,omitempty"`
	IssuerURL  string                  `json:"issuer_url,omitempty"` // where the certificate says that its issuer's is
	DaysLeft   int                     `json:"days_left,omitempty"`
	ClientCert bool                    `json:"client_certificate_asked"`
	ClientCAs  []string                `json:"client_certificate_authorities,omitempty"`
	NoSNI      *Tried                  `json:"without_sni,omitempty"`
	AnySuite   *Tried                  `json:"with_weak_ciphers,omitempty"` // tried after a handshake failure
	Plain      *Plain                  `json:"plain,omitempty"`             // what the port says to plain HTTP, asked after a failure
	Disorder   string                  `json:"chain_disorder,omitempty"`    // how the chain is in the wrong order, where it verifies

	fault      string // which certificate of the chain is at fault, and how; empty where Problem says it
	faultCause fault.Cause
}

// Tried is one handshake of another kind.
type Tried struct {
	What   string `json:"what"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"` // the error, or what was agreed on
	Other  bool   `json:"other_certificate,omitempty"`
}

// Plain is what a port answers to a request in clear.
type Plain struct {
	Status   int    `json:"status,omitempty"`
	Protocol string `json:"protocol,omitempty"` // what the first octets look like
	First    string `json:"first,omitempty"`    // the first line, as it may be shown
}

// expirySoon is when a certificate that is still good is worth a word, in days: those of 90 days are renewed at 30.
const expirySoon = 14

// shaker makes handshakes with one address.
type shaker struct {
	address string // as dialed; a unix socket's path where network says so
	network string
	target  *Target
	o       *Options
}

// config is the gateway's own TLS configuration, without verification: what is wrong with the chain is a fact to note.
func (s *shaker) config() *tls.Config {
	settings := upstream.ClientTLS{ServerName: s.target.ServerName, Certificate: s.o.Certificate, Unverified: true}
	c := settings.Config()
	if c.NextProtos = []string{"h2", "http/1.1"}; s.o.HTTP1 {
		c.NextProtos = c.NextProtos[1:]
	}
	return c
}

// shake makes one handshake and closes the connection.
func (s *shaker) shake(ctx context.Context, c *tls.Config) (tls.ConnectionState, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.timeout())
	defer cancel()
	var d net.Dialer
	nc, err := d.DialContext(ctx, s.network, s.address)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer nc.Close()
	session := tls.Client(nc, c)
	err = session.HandshakeContext(ctx)
	return session.ConnectionState(), err
}

// probe makes the handshakes that show what the server's end is like: one first, then the others at once.
func (s *shaker) probe(ctx context.Context) *TLS {
	t := &TLS{ServerName: s.target.ServerName}
	began := time.Now()
	c := s.config()
	c.GetClientCertificate = func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		t.ClientCert = true
		t.ClientCAs = authorities(info)
		if s.o.Certificate != nil && info.SupportsCertificate(s.o.Certificate) == nil {
			return s.o.Certificate, nil
		}
		return &tls.Certificate{}, nil
	}
	var chain []*x509.Certificate
	c.VerifyPeerCertificate = func(raw [][]byte, _ [][]*x509.Certificate) error {
		chain = parseChain(raw)
		return nil
	}
	state, err := s.shake(ctx, c)
	t.Took = Millis(time.Since(began))
	t.Completed = err == nil
	if len(chain) > 0 {
		t.verify(chain, state.OCSPResponse, s.o)
	}
	if err != nil {
		t.Error = err.Error()
	} else {
		t.Version, t.Cipher, t.ALPN = tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite), state.NegotiatedProtocol
	}
	if err != nil && stalled(err) {
		t.Plain = s.plain(ctx)
	} else {
		s.others(ctx, t, chain)
	}
	return t
}

// others makes the handshakes of other kinds, at once.
func (s *shaker) others(ctx context.Context, t *TLS, chain []*x509.Certificate) {
	var group sync.WaitGroup
	versions := []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13}
	t.Versions = make([]Tried, len(versions))
	for i, v := range versions {
		group.Go(func() {
			c := s.config()
			c.MinVersion, c.MaxVersion = v, v
			if v < tls.VersionTLS12 {
				c.CipherSuites = everySuite()
			}
			t.Versions[i] = s.try(ctx, tls.VersionName(v), c)
		})
	}
	if net.ParseIP(s.target.ServerName) == nil {
		group.Go(func() {
			c := s.config()
			c.ServerName = ""
			tried := Tried{What: "without SNI"}
			c.VerifyPeerCertificate = func(raw [][]byte, _ [][]*x509.Certificate) error {
				tried.Other = len(chain) > 0 && !bytes.Equal(raw[0], chain[0].Raw)
				return nil
			}
			other := s.try(ctx, tried.What, c)
			other.Other = tried.Other
			t.NoSNI = &other
		})
	}
	if !t.Completed {
		group.Go(func() {
			c := s.config()
			c.MinVersion, c.MaxVersion, c.CipherSuites = tls.VersionTLS10, tls.VersionTLS12, everySuite()
			tried := s.try(ctx, "TLS 1.0 to 1.2 with weak ciphers", c)
			t.AnySuite = &tried
		})
		group.Go(func() { t.Plain = s.plain(ctx) })
	}
	group.Wait()
}

func (s *shaker) try(ctx context.Context, what string, c *tls.Config) Tried {
	state, err := s.shake(ctx, c)
	if err != nil {
		return Tried{What: what, Detail: shortError(err)}
	}
	return Tried{What: what, OK: true, Detail: tls.VersionName(state.Version) + ", " + tls.CipherSuiteName(state.CipherSuite)}
}

// everySuite lists also the suites that nobody should use: to know what a server offers.
func everySuite() (ids []uint16) {
	for _, c := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		ids = append(ids, c.ID)
	}
	return ids
}

// plainRequest asks in clear what may be a TLS port. The answer's form is what counts.
const plainRequest = "HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

// plainMax is how much of its answer is read, in octets.
const plainMax = 1024

// plain asks the port in clear, and looks at the first octets.
func (s *shaker) plain(ctx context.Context) *Plain {
	d := net.Dialer{Timeout: s.o.timeout()}
	nc, err := d.DialContext(ctx, s.network, s.address)
	if err != nil {
		return nil
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(min(s.o.timeout(), 2*time.Second)))
	if _, err := io.WriteString(nc, plainRequest); err != nil {
		return nil
	}
	b, _ := io.ReadAll(io.LimitReader(nc, plainMax))
	if len(b) == 0 {
		return nil
	}
	p := &Plain{First: firstLine(b)}
	if kind := fault.Recognise(b); kind != fault.ProtocolUnknown {
		p.Protocol = kind.String()
		if kind == fault.ProtocolHTTP1 && len(b) >= 12 {
			p.Status = statusOf(b[9:12])
		}
	}
	return p
}

func statusOf(digits []byte) int {
	n := 0
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// verify notes the chain as sent and what a verification says of it.
func (t *TLS) verify(chain []*x509.Certificate, stapled []byte, o *Options) {
	for _, x := range chain[:min(len(chain), 8)] {
		t.Chain = append(t.Chain, upstream.CertificateInfo(x))
	}
	leaf := chain[0]
	t.DaysLeft = int(time.Until(leaf.NotAfter).Hours() / 24)
	if len(leaf.IssuingCertificateURL) > 0 {
		t.IssuerURL = leaf.IssuingCertificateURL[0]
	}
	between := x509.NewCertPool()
	for _, x := range chain[1:] {
		between.AddCert(x)
	}
	chains, err := leaf.Verify(x509.VerifyOptions{Roots: o.Roots, Intermediates: between, DNSName: t.ServerName})
	if err == nil {
		err = o.Revoked.Verify(tls.ConnectionState{VerifiedChains: chains, PeerCertificates: chain, OCSPResponse: stapled})
		if revoked := new(tls.CertificateVerificationError); errors.As(err, &revoked) {
			err = revoked.Err
		}
	}
	t.Trusted = err == nil
	if err == nil {
		t.Disorder = chainDisorder(chain)
		return
	}
	t.Problem = err.Error()
	t.fault, t.faultCause = chainFault(chain, t.ServerName, time.Now())
	var unknown x509.UnknownAuthorityError
	last := chain[len(chain)-1]
	if errors.As(err, &unknown) && !bytes.Equal(last.RawIssuer, last.RawSubject) && len(chain) == 1 && !leaf.IsCA {
		t.Missing = last.Issuer.String() // the chain ends at a certificate that somebody else signed
	} else if errors.As(err, &unknown) && !bytes.Equal(last.RawIssuer, last.RawSubject) && len(last.IssuingCertificateURL) > 0 {
		t.Missing, t.IssuerURL = last.Issuer.String(), last.IssuingCertificateURL[0]
	}
}

func parseChain(raw [][]byte) (chain []*x509.Certificate) {
	for _, der := range raw {
		if x, err := x509.ParseCertificate(der); err == nil {
			chain = append(chain, x)
		}
	}
	return chain
}

// authorities names the authorities whose client certificates the server takes.
func authorities(info *tls.CertificateRequestInfo) (names []string) {
	for _, der := range info.AcceptableCAs[:min(len(info.AcceptableCAs), 5)] {
		if name := parseName(der); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// accepted lists the versions that the server takes.
func (t *TLS) accepted() (names []string) {
	for _, v := range t.Versions {
		if v.OK {
			names = append(names, v.What)
		}
	}
	return names
}

func stalled(err error) bool {
	var n net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &n) && n.Timeout()
}

// shortError is an error without the addresses in it.
func shortError(err error) string {
	if id, ok := conn.AlertOf(err); ok {
		return "alert " + fault.AlertName(id)
	}
	text := err.Error()
	if i := strings.LastIndex(text, ": "); i >= 0 {
		text = text[i+2:]
	}
	return text
}
