package diagnose

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// signed is a certificate with its key.
type signed struct {
	x   *x509.Certificate
	key *ecdsa.PrivateKey
}

// sign makes a certificate; by nil signs itself.
func sign(t *testing.T, name string, by *signed, edit func(*x509.Certificate)) *signed {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}
	edit(form)
	parent, signer := form, key
	if by != nil {
		parent, signer = by.x, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, form, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	x, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &signed{x, key}
}

func authority(x *x509.Certificate) { x.IsCA, x.KeyUsage = true, x509.KeyUsageCertSign }

func site(x *x509.Certificate) { x.DNSNames = []string{"shop.test"} }

// TestChains serves chains of all kinds, and wants the certificate at fault by name.
func TestChains(t *testing.T) {
	t.Parallel()
	root := sign(t, "Root R", nil, authority)
	between := sign(t, "Between B", root, authority)
	lapsed := sign(t, "Lapsed L", root, func(x *x509.Certificate) {
		authority(x)
		x.NotBefore, x.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)
	})
	good := sign(t, "shop.test", between, site)
	for name, c := range map[string]struct {
		leaf  *signed
		chain []*signed
		cause fault.Cause
		says  string
	}{
		"a whole chain":           {good, []*signed{good, between}, fault.CauseNone, ""},
		"with its root":           {good, []*signed{good, between, root}, fault.CauseNone, ""},
		"in the wrong order":      {good, []*signed{good, root, between}, fault.CauseNone, "sent in the wrong order: behind shop.test comes Root R, and not Between B"},
		"an intermediate lapsed":  {sign(t, "shop.test", lapsed, site), []*signed{nil, lapsed}, fault.CauseTLSCertificateExpired, "the intermediate certificate of Lapsed L expired on"},
		"no intermediate, by AIA": {sign(t, "shop.test", between, func(x *x509.Certificate) { site(x); x.IssuingCertificateURL = []string{"http://aia.test/b.crt"} }), []*signed{nil}, fault.CauseTLSCertificateUnknownAuthority, "does not send the certificate of Between B, which signed its own: browsers fetch it (http://aia.test/b.crt)"},
		"a common name only":      {sign(t, "shop.test", between, func(*x509.Certificate) {}), []*signed{nil, between}, fault.CauseTLSCertificateWrongName, "as its common name (CN) only"},
		"for clients":             {sign(t, "shop.test", between, func(x *x509.Certificate) { site(x); x.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), []*signed{nil, between}, fault.CauseTLSCertificateUntrusted, "extended key usage is clientAuth"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pair := tls.Certificate{PrivateKey: c.leaf.key}
			for _, s := range c.chain {
				if s == nil {
					s = c.leaf
				}
				pair.Certificate = append(pair.Certificate, s.x.Raw)
			}
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.StartTLS()
			t.Cleanup(server.Close)
			roots := x509.NewCertPool()
			roots.AddCert(root.x)
			_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
			v := run(t, &Options{URL: "https://127.0.0.1:" + port, ServerName: "shop.test", Roots: roots, Count: 1}).Verdict
			if all := v.Sentence + strings.Join(v.Notes, "\n"); v.Cause != c.cause || !strings.Contains(all, c.says) {
				t.Errorf("%v, want %v and %q: %s\n%q", v.Cause, c.cause, c.says, all, v.Proof)
			}
		})
	}
}
