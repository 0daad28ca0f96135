package diagnose

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestParseTarget(t *testing.T) {
	t.Parallel()
	cases := []struct{ in, url, host, port, path, fails string }{
		{in: "http://a.test", url: "http://a.test/", host: "a.test", port: "80", path: "/"},
		{in: "https://a.test:8443/x?token=abc&q", url: "https://a.test:8443/x?token=***&***", host: "a.test", port: "8443", path: "/x?token=abc&q"},
		{in: "https://user:pass@a.test/", url: "https://a.test/", host: "a.test", port: "443", path: "/"},
		{in: "a.test:3000", url: "http://a.test:3000/", host: "a.test", port: "3000", path: "/"},
		{in: "http://[::1]:80/", url: "http://[::1]:80/", host: "::1", port: "80", path: "/"},
		{in: "unix:/run/app.sock", url: "unix:/run/app.sock", host: "/run/app.sock", path: "/"},
		{in: "http://bücher.example/", url: "http://xn--bcher-kva.example/", host: "xn--bcher-kva.example", port: "80", path: "/"},
		{in: "http://a.test/?q=a b&c=é", url: "http://a.test/?q=***&c=***", host: "a.test", port: "80", path: "/?q=a%20b&c=%C3%A9"},
		{in: "http://[fe80::1%25eth0]:81/", url: "http://[fe80::1]:81/", host: "fe80::1%eth0", port: "81", path: "/"},
		{in: "http://a.test:99999/", fails: "65535"},
		{in: "http://a.test:0/", fails: "65535"},
		{in: "unix:app.sock", fails: "path"},
		{in: "ftp://a.test/", fails: "scheme"},
		{in: "http://", fails: "host"},
	}
	for _, c := range cases {
		got, err := ParseTarget(&Options{URL: c.in})
		if c.fails != "" {
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: %v, want an error about %s", c.in, err, c.fails)
			}
			continue
		}
		if err != nil || got.URL != c.url || got.Host != c.host || got.Port != c.port || got.Path != c.path {
			t.Errorf("%s: %+v, %v", c.in, got, err)
		}
	}
}

// TestSecretsOfTargets: user information is sent, and shown nowhere.
func TestSecretsOfTargets(t *testing.T) {
	t.Parallel()
	got, err := ParseTarget(&Options{URL: "http://me:hunter2@a.test/"})
	if err != nil || got.login != "Basic bWU6aHVudGVyMg==" || strings.Contains(got.URL, "hunter2") {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"ftp://me:hunter2@a.test/?x=hunter3", "http://me:hunter2@a b/?x=hunter3", "http://me:hunter2@a.test:99999/#hunter3"} {
		if _, err := ParseTarget(&Options{URL: bad}); err == nil || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%v", err)
		}
	}
}

func TestRedactedHeaders(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ got, want string }{
		{redactField(Field{"Location", "http://u:p@a/#access_token=y"}).Value, "http://***@a/"},
		{redactField(Field{"Refresh", "0; url=/x?t=1"}).Value, "0; url=/x?t=***"},
		{redactField(Field{"Set-Cookie", "a=b"}).Value, "***"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

// TestSecretsStayHere: a redirect to another port or scheme gets no secret, and cookies go back to who set them.
func TestSecretsStayHere(t *testing.T) {
	t.Parallel()
	target, err := ParseTarget(&Options{URL: "http://me:pw@a.test/"})
	if err != nil {
		t.Fatal(err)
	}
	o := &Options{Fields: []Field{{"Cookie", "own=1"}, {"X-Trace", "7"}}}
	c := &client{target: &target, o: o}
	here := string(c.request(query{method: "GET", cookie: "sid=2"}))
	if !strings.Contains(here, "Cookie: own=1; sid=2\r\n") || !strings.Contains(here, "Authorization: Basic") || !strings.Contains(here, "X-Trace: 7") {
		t.Errorf("%q", here)
	}
	there := string(c.request(query{method: "GET", elsewhere: true}))
	if strings.Contains(there, "Cookie") || strings.Contains(there, "Authorization") || !strings.Contains(there, "X-Trace: 7") {
		t.Errorf("%q", there)
	}
}

func TestCaret(t *testing.T) {
	t.Parallel()
	line, column, ok := Caret([]byte("HTTP/1.1 200 OK\r\nBad Field\r\n\r\n"), 20)
	if !ok || line != `Bad Field\r\n` || column != 3 {
		t.Errorf("%q, %d, %v", line, column, ok)
	}
	if _, _, ok := Caret([]byte("short"), 99); ok {
		t.Error("an octet beyond the sample is shown")
	}
}

func TestReadHosts(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(file, []byte("127.0.0.1 localhost\n10.0.0.1 other app.test # app.test2\n# 10.0.0.9 app.test\nfd00::1 APP.test\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := readHosts(t.Context(), file, "app.test"); !slices.Equal(got, []string{"10.0.0.1", "fd00::1"}) {
		t.Errorf("%v", got)
	}
	if got := readHosts(t.Context(), file, "app.test2"); got != nil {
		t.Errorf("a comment was read: %v", got)
	}
}
