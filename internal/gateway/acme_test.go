//go:build linux

package gateway_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/gateway"
	"github.com/whygate/whygate/internal/store"
)

const shopRoute = "{host: shop.example.com, pool: web}"

// Each challenge ends in a certificate, kept where nobody else can read it, which a gateway that is started again uses without an order.
func TestACMEChallenges(t *testing.T) {
	t.Parallel()
	for challenge, name := range map[string]string{"tls-alpn-01": "shop.example.com", "http-01": "shop.example.com", "dns-01": "any.example.com"} {
		t.Run(challenge, func(t *testing.T) {
			t.Parallel()
			p := newPebble(t).run(t)
			acme, route := "challenge: "+challenge, shopRoute
			if challenge == "dns-01" { // what it alone can prove
				acme += fmt.Sprintf(", dns: {command: [%q]}", dnsCommand(t, p))
				route = "{host: '*.example.com', pool: web}"
			}
			if challenge == "http-01" { // the authority comes in clear, and is not sent away as clients are
				route = "{scheme: http, redirect: {to: 'https://$host$uri', status: 308}}, " + shopRoute
			}
			storage := filepath.Join(t.TempDir(), "acme")
			g := p.certify(t, p.tls, p.http, storage, acme, route)
			first := g.awaitCertificate(t, name)
			g.awaitLog(t, "certificate obtained")
			if challenge == "http-01" {
				g.awaitLog(t, "the authority looked at a challenge")
				redirected(t, p.http)
			}
			g.end(t)
			_ = filepath.WalkDir(storage, func(path string, d fs.DirEntry, wrong error) error {
				if wrong != nil {
					t.Fatal(wrong)
				}
				info, err := d.Info()
				if err != nil || info.Mode().Perm()&0o077 != 0 {
					t.Errorf("%s: mode %v, %v", path, info.Mode(), err)
				}
				return nil
			})
			before := p.orders()
			g = p.certify(t, p.tls, p.http, storage, acme, route)
			defer g.end(t)
			if again := g.awaitCertificate(t, name); !again.Equal(first) || p.orders() != before {
				t.Errorf("started again: %s instead of %s, %d orders after %d", again.SerialNumber, first.SerialNumber, p.orders(), before)
			}
		})
	}
}

// redirected wants a request in clear to be sent to https.
func redirected(t *testing.T, address string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://"+address+"/a?b=c", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "shop.example.com"
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if to := res.Header.Get("Location"); res.StatusCode != 308 || to != "https://shop.example.com/a?b=c" {
		t.Errorf("in clear: %d to %q", res.StatusCode, to)
	}
}

// dnsCommand is a program that puts records into the authority's name server.
func dnsCommand(t *testing.T, p *pebble) string {
	t.Helper()
	script := filepath.Join(t.TempDir(), "zone-record")
	text := "#!/bin/sh\ncase $1 in present) what=set-txt;; *) what=clear-txt;; esac\n" +
		`exec curl -sf -d "{\"host\":\"$2.\",\"value\":\"$3\"}" http://` + p.dns + "/$what\n"
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return script
}

// A failure is told in ACME's word for it, with what to do, and the next try.
func TestACMEFailures(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewTLSServer(http.NotFoundHandler())
	defer elsewhere.Close()
	for name, tt := range map[string]struct {
		change func(t *testing.T, p *pebble)
		at     func(p *pebble) string // where the gateway listens
		acme   string
		words  []string
	}{
		"no address": {
			func(t *testing.T, p *pebble) { p.say(t, "set-default-ipv4", map[string]string{"ip": ""}) },
			func(p *pebble) string { return p.tls }, "",
			[]string{"no certificate obtained", "name=shop.example.com", "next_try=", "problem=", "A or AAAA record"},
		},
		"closed port": {
			nil, func(*pebble) string { return "127.0.0.1:0" }, "",
			[]string{"no certificate obtained", "problem=", "open TCP port 443 in the firewall"},
		},
		"a command that fails": {
			nil, func(p *pebble) string { return p.tls }, "challenge: dns-01, dns: {command: [/bin/false]}",
			[]string{"no certificate obtained", "the DNS command failed: /bin/false", "run it by hand"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPebble(t).run(t)
			if tt.change != nil {
				tt.change(t, p)
			}
			g := p.certify(t, tt.at(p), "", filepath.Join(t.TempDir(), "acme"), tt.acme, shopRoute)
			defer g.end(t)
			g.awaitLog(t, tt.words...)
			g.awaitCertificateIncident(t, "shop.example.com", tt.words[len(tt.words)-1])
		})
	}
}

// A gateway that is stopped while a DNS command hangs does not hang with it.
func TestACMEStopsDNSCommand(t *testing.T) {
	t.Parallel()
	p := newPebble(t).run(t)
	script := filepath.Join(t.TempDir(), "zone-record")
	if err := os.WriteFile(script, []byte("#!/bin/sh\ntouch $0.$1\nsleep 300 &\nwait\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	g := p.certify(t, p.tls, "", filepath.Join(t.TempDir(), "acme"), fmt.Sprintf("challenge: dns-01, dns: {command: [%q]}", script), shopRoute)
	eventually(t, "the command is not run", func() bool { _, err := os.Stat(script + ".present"); return err == nil })
	began := time.Now()
	g.end(t)
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %s", took)
	}
	if _, err := os.Stat(script + ".cleanup"); err != nil {
		t.Errorf("the record was not taken out: %v", err)
	}
}

// An authority that is down is asked again soon, and one that comes back as another, without our account, is given a new one. A gateway
// that is stopped in the middle of an order makes another one at once.
func TestACMEAuthorityComesBack(t *testing.T) {
	t.Parallel()
	p := newPebble(t)
	storage := filepath.Join(t.TempDir(), "acme")
	g := p.certify(t, p.tls, "", storage, "", shopRoute)
	g.awaitLog(t, "no certificate obtained", "the authority could not be reached", "whygate diagnose")
	p.run(t)
	g.awaitCertificate(t, "shop.example.com")
	p.halt()
	g.end(t)

	p.run(t)
	orders := p.orders()
	route := shopRoute + ", {host: other.example.com, pool: web}"
	g = p.certify(t, p.tls, "", storage, "", route)
	eventually(t, "there is no order", func() bool { return p.orders() > orders })
	g.end(t)
	g = p.certify(t, p.tls, "", storage, "", route)
	defer g.end(t)
	g.awaitCertificate(t, "other.example.com")
}

// On demand there is a certificate for whom somebody decides so, and no order for anybody else, however many ask.
func TestACMEOnDemand(t *testing.T) {
	t.Parallel()
	p := newPebble(t).run(t)
	var asked atomic.Int64
	decides := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.URL.Query().Get("domain") != "good.example.org" {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer decides.Close()
	acme := fmt.Sprintf("names: [shop.example.com], on_demand: {ask: %q, suffixes: [example.org]}", decides.URL)
	g := p.certify(t, p.tls, "", filepath.Join(t.TempDir(), "acme"), acme, shopRoute+", {host: '*.example.org', pool: web}, {host: localhost, pool: web}")
	defer g.end(t)
	g.awaitCertificate(t, "shop.example.com")
	before := p.orders()
	if cert, err := g.shown(t, "bad.example.org"); err == nil {
		t.Errorf("a name that may have none is shown %v", cert.DNSNames)
	}
	n := asked.Load()
	if n != 1 {
		t.Errorf("it was asked %d times", n)
	}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 40 { // no route, no suffix, no name at all
				for _, name := range []string{fmt.Sprintf("n%d.%d.example.net", i, j), "localhost", "bad.example.org"}[:1+min(j, 1)*2] {
					if cert, err := g.shown(t, name); err == nil {
						t.Errorf("%s is shown %v", name, cert.DNSNames)
					}
				}
				if j%25 == 0 {
					if _, err := g.shown(t, "shop.example.com"); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	if p.orders() != before || asked.Load() != n {
		t.Errorf("%d orders and %d questions for names that may have none", p.orders()-before, asked.Load()-n)
	}
	g.awaitCertificate(t, "good.example.org")
}

// A certificate is renewed while clients connect, none of whom notices; a reload to files and back keeps what was obtained.
func TestACMERenewal(t *testing.T) {
	t.Parallel()
	p := newPebble(t).run(t)
	g := p.certify(t, p.tls, "", filepath.Join(t.TempDir(), "acme"), "", shopRoute)
	defer g.end(t)
	first := g.awaitCertificate(t, "shop.example.com")
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := g.shown(t, "shop.example.com"); err != nil {
					t.Errorf("a handshake during the renewal: %v", err)
					return
				}
			}
		})
	}
	if err := g.RenewCertificate(t.Context(), "shop.example.com"); err != nil {
		t.Error(err)
	}
	close(stop)
	all.Wait()
	second, err := g.shown(t, "shop.example.com")
	if err != nil || second.Equal(first) {
		t.Errorf("after the renewal: %v, %v", second, err)
	}
	if err := g.RenewCertificate(t.Context(), "nobody.example.com"); err == nil || !strings.Contains(err.Error(), "nobody.example.com") {
		t.Errorf("a name that there is none for: %v", err)
	}
	// A client that offers the challenge's protocol is served nothing over it.
	if c, err := tls.Dial("tcp", g.address, &tls.Config{ServerName: "shop.example.com", InsecureSkipVerify: true, NextProtos: []string{"acme-tls/1"}}); err == nil {
		t.Error("the challenge's protocol is spoken without a challenge")
		_ = c.Close()
	}
}

// The flags of whygate proxy are enough for a first site, whose certificates are in the state directory.
func TestACMEByFlags(t *testing.T) {
	t.Parallel()
	p := newPebble(t).run(t)
	cfg, err := config.FromFlags([]string{p.tls}, []string{httpOrigin(t, "x")})
	if err != nil {
		t.Fatal(err)
	}
	if problems := (config.Overrides{Domains: []string{"shop.example.com"}, Directory: p.directory, Root: p.ca, Admin: "off", AccessLog: "off"}).Apply(cfg); problems.Failed() {
		t.Fatal(problems)
	}
	c := &certified{log: &transcript{}, address: p.tls, storage: t.TempDir()}
	o := gateway.Options{Store: store.Nowhere, Stdout: io.Discard, Stderr: io.Discard, Version: "test", Flags: true, Log: slog.New(slog.NewTextHandler(c.log, nil))}
	if _, err := gateway.New(cfg, o); err == nil || !strings.Contains(err.Error(), "no directory to keep certificates in") {
		t.Fatalf("without a state directory: %v", err)
	}
	o.State = c.storage
	if c.Gateway, err = gateway.New(cfg, o); err != nil {
		t.Fatal(err)
	}
	c.Start()
	defer c.end(t)
	c.awaitCertificate(t, "shop.example.com")
	if _, err := os.Stat(filepath.Join(c.storage, "acme", "certificates")); err != nil {
		t.Error(err)
	}
}

// awaitCertificateIncident waits for the incident of a name, whose advice begins with what is to be done about it.
func (c *certified) awaitCertificateIncident(t *testing.T, name, do string) {
	t.Helper()
	var got struct {
		Incidents []struct {
			ID, Cause, Sentence string
			Status              int
			Advice              []string
			Request             struct{ Host string }
		}
	}
	body := ""
	eventually(t, "there is no incident", func() bool {
		_, body = fetchAs(t, c.Gateway, "/incidents", "", "")
		return json.Unmarshal([]byte(body), &got) == nil && len(got.Incidents) > 0
	})
	i := got.Incidents[0]
	if len(got.Incidents) != 1 || i.Cause != "certificate-not-obtained" || i.Request.Host != name || i.Status != 0 || !strings.Contains(i.Sentence, name+": ") || len(i.Advice) < 4 || !strings.Contains(strings.ToLower(i.Advice[0]), strings.ToLower(do)) {
		t.Errorf("incidents: %s", body)
	}
}
