//go:build linux

package gateway_test

import (
	"crypto/tls"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quic-go/quic-go/http3"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/gateway"
)

// A fleet with one file of ticket keys resumes sessions over TCP and QUIC at any of it, without early data. A reload and another process
// with the same file change nothing of that.
func TestTicketKeysOfAFleet(t *testing.T) {
	t.Parallel()
	cert, key, _ := serverCertificate(t, "first.example.com")
	write := func(name, text string) string {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	ours := write("ours", "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=\n")
	theirs := write("theirs", "ASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4mrze8=\n")
	origin := httpOrigin(t, "one")
	with := func(file string) *started { return startH3(t, origin, cert, key, ", ticket_keys: "+file) }
	one, two, stranger := with(ours), with(ours), with(theirs)
	ask := func(t *testing.T, g *started, cache tls.ClientSessionCache, h3 bool) bool {
		t.Helper()
		conf := &tls.Config{InsecureSkipVerify: true, ServerName: "first.example.com", ClientSessionCache: cache}
		c := &http.Client{Timeout: patience}
		if h3 {
			transport := &http3.Transport{TLSClientConfig: conf}
			defer transport.Close()
			c.Transport = transport
		} else {
			transport := &http.Transport{TLSClientConfig: conf, ForceAttemptHTTP2: true}
			defer transport.CloseIdleConnections()
			c.Transport = transport
		}
		res, text := got(t, c, "https://"+g.address)
		if text != "one" {
			t.Errorf("%q", text)
		}
		return res.TLS.DidResume
	}
	for name, h3 := range map[string]bool{"TCP": false, "QUIC": true} {
		t.Run(name, func(t *testing.T) {
			cache := tls.NewLRUClientSessionCache(4)
			if ask(t, one, cache, h3) {
				t.Error("the first session is resumed")
			}
			if !ask(t, two, cache, h3) {
				t.Error("a session is not resumed at the other gateway")
			}
			two.text = strings.Replace(two.text, "h3: on", "h3: on ", 1) + "\n"
			two.text = strings.Replace(two.text, "ticket_keys:", "min_version: 1.3, ticket_keys:", 1)
			if err := two.Reload(); err != nil {
				t.Fatal(err)
			}
			if !ask(t, two, cache, h3) {
				t.Error("a session is not resumed after a reload")
			}
			if ask(t, stranger, cache, h3) {
				t.Error("a session is resumed with other keys")
			}
			two.text = strings.Replace(two.text, "min_version: 1.3, ticket_keys:", "ticket_keys:", 1)
			if err := two.Reload(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// What check says of a file of ticket keys that cannot be used, and how to make one.
func TestCheckTicketKeys(t *testing.T) {
	t.Parallel()
	cert, key, _ := serverCertificate(t, "first.example.com")
	file := filepath.Join(t.TempDir(), "keys")
	for text, want := range map[string]string{"": "no such file", "rubbish!\n": "line 1 is not base64"} {
		if text != "" {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		cfg, problems := config.Parse("test.yaml", []byte("version: 1\nlisten:\n  - address: ':0'\n    tls: {cert: "+cert+", key: "+key+",\n      ticket_keys: "+file+"}\nroutes: [{pool: web}]\npools: {web: {endpoints: ['http://127.0.0.1:1']}}\n"), config.Options{})
		if cfg == nil {
			t.Fatal(problems.Err())
		}
		problems = gateway.Check(cfg)
		if len(problems) != 1 || !strings.Contains(problems[0].Message, want) || !strings.Contains(problems[0].Hint, "openssl rand -base64 32") || problems[0].Line != 5 {
			t.Errorf("%q: %v", text, problems)
		}
		_ = os.Remove(file)
	}
}
