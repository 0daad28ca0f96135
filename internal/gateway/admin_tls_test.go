//go:build linux

package gateway_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The admin address speaks TLS where it is told to. A client certificate of the right authority does for the password, in place of one and beside one;
// health and metrics ask for neither.
func TestAdminCertificates(t *testing.T) {
	t.Parallel()
	cert, key, _ := serverCertificate(t, "gateway.internal")
	operators := newAuthority(t, "operators", nil)
	alice, stranger := operators.issue(t, "alice", nil), newAuthority(t, "strangers", nil).issue(t, "mallory", nil)
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("correct horse battery\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ask := func(g *started, path, password string, mine ...tls.Certificate) int {
		t.Helper()
		client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: mine}}}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+g.Admin()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if password != "" {
			req.SetBasicAuth("me", password)
		}
		res, err := client.Do(req)
		if err != nil {
			return 0
		}
		defer res.Body.Close()
		_, _ = io.Copy(io.Discard, res.Body)
		return res.StatusCode
	}
	start := func(console string) *started {
		return startText(t, pool("127.0.0.1:0", "http://127.0.0.1:1", "console: "+console+"\n"))
	}
	secure := "tls: {cert: " + cert + ", key: " + key + ", client_ca: " + operators.file + "}"
	for _, c := range []struct {
		name, console                                 string
		certified, strange, bare, withPassword, alive int
	}{
		{"certificate alone", "{" + secure + "}", 200, 0, 403, 403, 200},
		{"certificate or password", "{password_file: " + password + ", " + secure + "}", 200, 0, 401, 200, 200},
		{"password over TLS", "{password_file: " + password + ", tls: {cert: " + cert + ", key: " + key + "}}", 401, 401, 401, 200, 200},
	} {
		g := start(c.console)
		if !strings.HasPrefix(g.AdminURL(), "https://127.0.0.1:") {
			t.Errorf("%s: %s", c.name, g.AdminURL())
		}
		if got := ask(g, "/incidents", "", alice); got != c.certified {
			t.Errorf("%s: with a certificate %d, want %d", c.name, got, c.certified)
		}
		if got := ask(g, "/incidents", "", stranger); got != c.strange && c.strange != 0 || c.strange == 0 && got == 200 {
			t.Errorf("%s: with a stranger's certificate %d, want %d", c.name, got, c.strange)
		}
		if got := ask(g, "/incidents", ""); got != c.bare {
			t.Errorf("%s: with nothing %d, want %d", c.name, got, c.bare)
		}
		if got := ask(g, "/incidents", "correct horse battery"); got != c.withPassword {
			t.Errorf("%s: with the password %d, want %d", c.name, got, c.withPassword)
		}
		if got := ask(g, "/metrics", ""); got != c.alive {
			t.Errorf("%s: metrics %d, want %d", c.name, got, c.alive)
		}
	}

	// HTTP in clear is not answered as if it were TLS.
	g := start("{" + secure + "}")
	if res, err := http.Get("http://" + g.Admin() + "/healthz"); err == nil { //nolint:noctx // on loopback
		if _ = res.Body.Close(); res.StatusCode == http.StatusOK {
			t.Error("HTTP in clear is answered")
		}
	}
}

// Whoever was let in by an authority that is no longer in console.tls.client_ca is not let in again by a TLS session of before.
func TestAdminCertificatesAndSessions(t *testing.T) {
	t.Parallel()
	cert, key, _ := serverCertificate(t, "gateway.internal")
	operators, others := newAuthority(t, "operators", nil), newAuthority(t, "others", nil)
	alice := operators.issue(t, "alice", nil)
	allowed := filepath.Join(t.TempDir(), "allowed.pem")
	copyTo := func(from string) {
		b, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(allowed+".new", b, 0o600)
		}
		if err == nil {
			err = os.Rename(allowed+".new", allowed)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	copyTo(operators.file)
	g := startText(t, pool("127.0.0.1:0", "http://127.0.0.1:1", "console: {tls: {cert: "+cert+", key: "+key+", client_ca: "+allowed+"}}\n"))
	sessions := tls.NewLRUClientSessionCache(4)
	ask := func(mine ...tls.Certificate) (status int, resumed bool) {
		client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: mine, ClientSessionCache: sessions}}}
		res, err := client.Get("https://" + g.Admin() + "/incidents") //nolint:noctx // on loopback
		if err != nil {
			return 0, false
		}
		defer res.Body.Close()
		_, _ = io.Copy(io.Discard, res.Body)
		return res.StatusCode, res.TLS.DidResume
	}
	if status, _ := ask(alice); status != http.StatusOK {
		t.Fatal(status)
	}
	if status, resumed := ask(); status != http.StatusOK || !resumed {
		t.Fatalf("%d, resumed: %v", status, resumed)
	}
	copyTo(others.file)
	until(t, "the new authorities are not read", func() bool {
		client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{alice}}}}
		res, err := client.Get("https://" + g.Admin() + "/incidents") //nolint:noctx // on loopback
		if err != nil {
			return true
		}
		defer res.Body.Close()
		return res.StatusCode != http.StatusOK
	})
	if status, resumed := ask(); status == http.StatusOK {
		t.Errorf("a session of before is let in: %d, resumed: %v", status, resumed)
	}
}
