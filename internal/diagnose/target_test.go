package diagnose

import (
	"os"
	"path/filepath"
	"slices"
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
		{in: "unix:app.sock", fails: "path"},
		{in: "ftp://a.test/", fails: "scheme"},
		{in: "http://", fails: "host"},
	}
	for _, c := range cases {
		got, err := ParseTarget(&Options{URL: c.in})
		if c.fails != "" {
			if err == nil {
				t.Errorf("%s: no error, want one about %s", c.in, c.fails)
			}
			continue
		}
		if err != nil || got.URL != c.url || got.Host != c.host || got.Port != c.port || got.Path != c.path {
			t.Errorf("%s: %+v, %v", c.in, got, err)
		}
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
	if got := readHosts(file, "app.test"); !slices.Equal(got, []string{"10.0.0.1", "fd00::1"}) {
		t.Errorf("%v", got)
	}
	if got := readHosts(file, "app.test2"); got != nil {
		t.Errorf("a comment was read: %v", got)
	}
}
