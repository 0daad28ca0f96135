//go:build linux

package gateway_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/gateway"
	"github.com/whygate/whygate/internal/store"
)

// A certificate that names a responder is shown with what that says, over TCP and QUIC, after a start without the responder too; that it was
// revoked is told of in the log, the list and the metrics.
func TestOCSPStapling(t *testing.T) {
	t.Parallel()
	root := newAuthority(t, "root", nil)
	var says atomic.Pointer[[]byte] // nil: the responder is down
	responder := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b := says.Load()
		if b == nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write(*b)
	}))
	defer responder.Close()
	leaf := root.issue(t, "shop.example.com", func(c *x509.Certificate) { c.OCSPServer = []string{responder.URL} })
	parsed, err := x509.ParseCertificate(leaf.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	status := func(status int) []byte {
		r := ocsp.Response{Status: status, SerialNumber: parsed.SerialNumber, ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(24 * time.Hour), RevokedAt: time.Now()}
		b, err := ocsp.CreateResponse(root.cert, root.cert, r, root.key)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	cert, key := files(t, leaf)
	chain, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cert, append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.cert.Raw})...), 0o600); err != nil {
		t.Fatal(err)
	}
	state := t.TempDir()
	begin := func(log io.Writer, state string) *gateway.Gateway {
		text := strings.Replace(pool("127.0.0.1:0", httpOrigin(t, "one"), ""), `:0"}`, fmt.Sprintf(`:0", h3: on, tls: {cert: %s, key: %s}}`, cert, key), 1)
		cfg, problems := config.Parse("test.yaml", []byte(text), config.Options{})
		if cfg == nil {
			t.Fatal(problems, text)
		}
		g, err := gateway.New(cfg, gateway.Options{Store: store.Nowhere, State: state, Stdout: io.Discard, Stderr: io.Discard, Version: "test", Log: slog.New(slog.NewTextHandler(log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		g.Start()
		return g
	}
	listed := func(g *gateway.Gateway) (o *gateway.OCSP) {
		var answer struct{ Certificates []gateway.Certificate }
		_, b := asked(t, "GET", "http://"+g.Admin()+"/certificates")
		if err := json.Unmarshal([]byte(b), &answer); err != nil || len(answer.Certificates) != 1 {
			t.Fatal(err, b)
		}
		return answer.Certificates[0].OCSP
	}
	await := func(g *gateway.Gateway, want string) {
		t.Helper()
		for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
			o := listed(g)
			if o != nil && o.Status == want && (want != gateway.OCSPNone || o.Problem != "") {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%+v, want %s", o, want)
			}
		}
		_, metrics := asked(t, "GET", "http://"+g.Admin()+"/metrics")
		n := map[bool]string{true: "1", false: "0"}[want == gateway.OCSPGood]
		if line := `whygate_certificate_ocsp_stapled{name="` + cert + `",source="file"} ` + n; !strings.Contains(metrics, line) {
			t.Errorf("no %s", line)
		}
		n = map[bool]string{true: "1", false: "0"}[want == gateway.OCSPRevoked]
		if line := `whygate_certificate_revoked{name="` + cert + `",source="file"} ` + n; !strings.Contains(metrics, line) {
			t.Errorf("no %s", line)
		}
	}
	shown := func(g *gateway.Gateway) []byte {
		c, err := tls.Dial("tcp", g.Addresses()[0].Address, &tls.Config{InsecureSkipVerify: true, ServerName: "shop.example.com"})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.OCSPResponse()
	}

	good := status(ocsp.Good)
	says.Store(&good)
	first := begin(io.Discard, state)
	await(first, gateway.OCSPGood)
	if got := shown(first); !bytes.Equal(got, good) {
		t.Errorf("shown %x", got)
	}
	if res, _ := got(t, h3Client(t, "shop.example.com"), "https://"+first.Addresses()[0].Address); !bytes.Equal(res.TLS.OCSPResponse, good) {
		t.Errorf("over QUIC: %x", res.TLS.OCSPResponse)
	}
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if kept, _ := os.ReadDir(state + "/certificates/ocsp"); len(kept) == 1 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("nothing is stored")
		}
	}
	first.Stop(0, patience)

	says.Store(nil)
	again := begin(io.Discard, state)
	await(again, gateway.OCSPGood)
	if got := shown(again); !bytes.Equal(got, good) {
		t.Errorf("after a start without the responder: %x", got)
	}
	again.Stop(0, patience)

	down := &transcript{}
	g := begin(down, "")
	await(g, gateway.OCSPNone)
	g.Stop(0, patience)
	if text := down.String(); !strings.Contains(text, `level=WARN msg="no new OCSP response to staple" name=shop.example.com responder=`+responder.URL) || !strings.Contains(text, "it answers 503") {
		t.Error(text)
	}

	bad := status(ocsp.Revoked)
	says.Store(&bad)
	revoked := &transcript{}
	g = begin(revoked, "")
	await(g, gateway.OCSPRevoked)
	if got := shown(g); got != nil {
		t.Errorf("shown %x", got)
	}
	var got struct {
		Incidents []struct {
			Cause, Sentence string
			Advice          []string
			Request         struct{ Host string }
		}
	}
	until(t, "there is no incident", func() bool {
		_, body := asked(t, "GET", "http://"+g.Admin()+"/incidents")
		return json.Unmarshal([]byte(body), &got) == nil && len(got.Incidents) > 0
	})
	if i := got.Incidents[0]; len(got.Incidents) != 1 || i.Cause != "own-certificate-revoked" || i.Request.Host != "shop.example.com" || !strings.Contains(i.Sentence, "its authority's OCSP") || !strings.HasPrefix(i.Advice[0], "Get another with a new key") {
		t.Errorf("%+v", got.Incidents)
	}
	g.Stop(0, patience)
	if text := revoked.String(); !strings.Contains(text, `level=ERROR msg="a certificate that clients are shown was revoked"`) {
		t.Error(text)
	}
}
