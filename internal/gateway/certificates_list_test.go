//go:build linux

package gateway_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/gateway"
	"github.com/whygate/whygate/internal/store"
)

// What ends soon is told of, listed and measured, of our own certificates and of those that endpoints show: of a chain the first to end.
func TestCertificatesThatEnd(t *testing.T) {
	t.Parallel()
	ending := func(in time.Duration) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(-80*24*time.Hour), time.Now().Add(in)
		}
	}
	const day = 24 * time.Hour
	root := newAuthority(t, "root", nil)
	middleKey := newKey(t)
	middle := &authority{key: middleKey, cert: sign(t, template("middle", func(c *x509.Certificate) {
		asAuthority(c)
		c.NotBefore, c.NotAfter = time.Now().Add(-80*day), time.Now().Add(3*day+time.Hour)
	}), root.cert, middleKey, root.key)}
	up := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	up.TLS = &tls.Config{Certificates: []tls.Certificate{middle.issue(t, "up.test", ending(60*day), middle)}}
	up.StartTLS()
	defer up.Close()
	mine := newAuthority(t, "mine", nil)
	cert, key := files(t, mine.issue(t, "shop.example.com", ending(10*day+time.Hour)))
	later, laterKey := files(t, mine.issue(t, "later.example.com", ending(60*day)))

	log := &transcript{}
	text := strings.Replace(pool("127.0.0.1:0", up.URL, ""), `:0"}`, fmt.Sprintf(`:0", tls: {cert: %s, key: %s, certificates: [{cert: %s, key: %s}]}}`, cert, key, later, laterKey), 1)
	text = strings.Replace(text, "]}}\n", fmt.Sprintf("], tls: {ca: %s, server_name: up.test}}}\n", root.file), 1)
	cfg, problems := config.Parse("test.yaml", []byte(text), config.Options{})
	if cfg == nil {
		t.Fatal(problems, text)
	}
	g, err := gateway.New(cfg, gateway.Options{Store: store.Nowhere, Stdout: io.Discard, Stderr: io.Discard, Version: "test", Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	g.Start()
	defer g.Stop(0, patience)
	// The listener's own is told of soon after the start.
	eventually(t, "nobody tells of the listener's certificate", func() bool {
		return strings.Contains(log.String(), "a certificate ends soon") && strings.Contains(log.String(), "days_left=10")
	})
	if s := log.String(); strings.Contains(s, later) || strings.Count(s, "ends soon") != 1 {
		t.Errorf("the log says\n%s", s)
	}
	if got, _, err := askedOver(t, g.Addresses()[0].Address, &tls.Config{ServerName: "shop.example.com"}, nil); err != nil || got != "" {
		t.Fatalf("%q, %v", got, err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	get := func(path string) []byte {
		res, err := client.Get("http://" + g.Admin() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d, %v", path, res.StatusCode, err)
		}
		return b
	}
	var answer struct{ Certificates []gateway.Certificate }
	if err := json.Unmarshal(get("/certificates"), &answer); err != nil {
		t.Fatal(err)
	}
	left := map[string]int{}
	for _, c := range answer.Certificates {
		left[c.From+" "+c.Name] = c.DaysLeft
	}
	if len(left) != 3 || left["file "+cert] != 10 || left["file "+later] != 59 || left["upstream "+up.URL] != 3 {
		t.Errorf("days left: %v", left)
	}
	metrics := get("/metrics")
	for _, want := range []string{`whygate_certificate_not_after_seconds{name="` + cert + `",source="file"}`, `whygate_certificate_not_after_seconds{name="` + up.URL + `",source="upstream"}`} {
		if !bytes.Contains(metrics, []byte(want)) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	// Without an authority there is nothing to renew, and it is said what to do.
	res, err := client.Post("http://"+g.Admin()+"/certificates", "application/json", strings.NewReader(`{"renew": "shop.example.com"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusUnprocessableEntity || !bytes.Contains(b, []byte("tls: auto")) {
		t.Errorf("%d %s", res.StatusCode, b)
	}
}
