//go:build linux

package gateway_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// subjectHeader is the header that an upstream learns the client certificate's subject by.
const subjectHeader = "X-Client-Cert-Subject"

// asked is one request over a connection of its own: what the upstream got as the subject, and what the client was shown.
func askedOver(t *testing.T, address string, conf *tls.Config, edit func(*http.Request)) (subject string, shown *x509.Certificate, err error) {
	t.Helper()
	conf.InsecureSkipVerify = true
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: conf, DisableKeepAlives: true, ForceAttemptHTTP2: true}, Timeout: patience}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+address+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		edit(req)
	}
	res, err := client.Do(req)
	if err != nil {
		return "", nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return string(b), res.TLS.PeerCertificates[0], err
}

// A client is shown the certificate of the name that it asks for, is turned away or served without a certificate of its own as the
// configuration says, and its subject comes to the upstream from the gateway alone, over either version of HTTP.
func TestListenerCertificates(t *testing.T) {
	t.Parallel()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%q", r.Header[subjectHeader])
	}))
	defer upstream.Close()
	cert, key, _ := serverCertificate(t, "first.example.com")
	shop, shopKey, _ := serverCertificate(t, "shop.example.com")
	clients := newAuthority(t, "clients", nil)
	alice, stranger := clients.issue(t, "alice", nil), newAuthority(t, "strangers", nil).issue(t, "mallory", nil)
	conf := func(name string, mine ...tls.Certificate) *tls.Config {
		return &tls.Config{ServerName: name, Certificates: mine}
	}
	forged := func(r *http.Request) { r.Header.Set(subjectHeader, "CN=root") }

	for auth, without := range map[string]string{"required": "", "optional": "[]"} {
		for version, h2 := range map[string]string{"HTTP/1.1": "false", "HTTP/2": "true"} {
			t.Run(auth+" "+version, func(t *testing.T) {
				section := fmt.Sprintf(`:0", tls: {cert: %s, key: %s, certificates: [{cert: %s, key: %s}], client_ca: %s, client_auth: %s, h2: %s}}`,
					cert, key, shop, shopKey, clients.file, auth, h2)
				g := startText(t, strings.Replace(pool("127.0.0.1:0", upstream.URL, "trusted_proxies: [127.0.0.0/8]"), `:0"}`, section, 1))
				got, shown, err := askedOver(t, g.address, conf("shop.example.com", alice), forged)
				if err != nil {
					t.Fatal(err)
				}
				if got != `["CN=alice"]` || shown.Subject.CommonName != "shop.example.com" {
					t.Errorf("the upstream got %s, and the client was shown %s", got, shown.Subject)
				}
				got, _, err = askedOver(t, g.address, conf("first.example.com"), forged)
				switch {
				case without == "" && err == nil:
					t.Errorf("a client without a certificate is answered %s", got)
				case without != "" && (err != nil || got != without):
					t.Errorf("a client without a certificate: %s, %v", got, err)
				}
				// The stranger's authority is not among those that the gateway names, so a client would show nothing by itself.
				show := conf("first.example.com")
				show.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &stranger, nil }
				if got, _, err := askedOver(t, g.address, show, nil); err == nil {
					t.Errorf("a client whose certificate does not verify is answered %s", got)
				}
			})
		}
	}
}
