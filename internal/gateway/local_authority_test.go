package gateway_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/certs"
	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/gateway"
	"github.com/whygate/whygate/internal/store"
)

// With tls: internal a client that trusts the root of the state directory is served over TLS by the names of the routes, and by no other.
func TestTLSInternal(t *testing.T) {
	t.Parallel()
	text := strings.Replace(pool("127.0.0.1:0", httpOrigin(t, "x"), ""), `:0"}`, `:0", tls: internal}`, 1)
	text = strings.Replace(text, "routes: [{pool", "routes: [{host: shop.test, pool", 1)
	load := func() (*config.Config, config.Problems) {
		return config.Parse("test.yaml", []byte(text), config.Options{})
	}
	cfg, problems := load()
	if cfg == nil {
		t.Fatal(problems, text)
	}
	o := gateway.Options{Store: store.Nowhere, Stdout: io.Discard, Stderr: io.Discard, Load: load, Version: "test", Log: slog.New(slog.DiscardHandler)}
	if _, err := gateway.New(cfg, o); err == nil || !strings.Contains(err.Error(), "no directory for its authority") {
		t.Fatalf("without a state directory: %v", err)
	}
	o.State = t.TempDir()
	g, err := gateway.New(cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	g.Start()
	defer g.Stop(0, patience)
	root, err := certs.LocalRoot(gateway.LocalDirectory(o.State))
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(root)
	at := g.Addresses()[0].Address
	ask := func(name string) (int, error) {
		transport := &http.Transport{
			DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: trusted, ServerName: name},
			DialContext: (&net.Dialer{Timeout: patience}).DialContext,
		}
		req, err := http.NewRequest(http.MethodGet, "https://"+at+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = name
		c := http.Client{Transport: transport, Timeout: 2 * time.Minute}
		res, err := c.Do(req)
		if err != nil {
			return 0, err
		}
		_ = res.Body.Close()
		return res.StatusCode, nil
	}
	if code, err := ask("shop.test"); code != 200 || err != nil {
		t.Errorf("%d, %v", code, err)
	}
	if code, err := ask("other.test"); err == nil {
		t.Errorf("a name without a route is answered: %d", code)
	}
}
