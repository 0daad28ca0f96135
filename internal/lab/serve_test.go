package lab

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// get sends a request for a path on the connection, and reads its answer as far as it comes.
func get(t *testing.T, c net.Conn, in *bufio.Reader, path string) (status int, body string, err error) {
	t.Helper()
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path)
	r, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	all, err := io.ReadAll(r.Body)
	return r.StatusCode, string(all), err
}

// TestIndexFollowsPaths asks for several scenarios on one connection, as curl does with several URLs.
func TestIndexFollowsPaths(t *testing.T) {
	t.Parallel()
	l := open(t, All()...)
	c, err := net.Dial("tcp", l.Index())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	in := bufio.NewReader(c)
	for range 2 {
		if status, body, err := get(t, c, in, "/ok/"); status != 200 || body != okBody || err != nil {
			t.Errorf("/ok/: %d %q %v", status, body, err)
		}
		if status, _, err := get(t, c, in, "/upstream-503/x?y"); status != 503 || err != nil {
			t.Errorf("/upstream-503/: %d %v", status, err)
		}
		if status, _, err := get(t, c, in, "/tls-expired/"); status != 421 || err != nil {
			t.Errorf("/tls-expired/: %d %v", status, err)
		}
	}
	if _, body, err := get(t, c, in, "/body-short/"); len(body) != 640 || err == nil {
		t.Errorf("/body-short/: %d octets, %v", len(body), err)
	}
	if n := l.Requests(Get("ok")); n != 2 {
		t.Errorf("%d requests were counted", n)
	}
}

// TestIndexPlaysWhoSpeaksFirst reaches scenarios that read no request, by path.
func TestIndexPlaysWhoSpeaksFirst(t *testing.T) {
	t.Parallel()
	l := open(t, All()...)
	for path, want := range map[string]string{"/wrong-service-ssh/": "SSH-2.0", "/wrong-service-redis/": "-ERR wrong"} {
		c, err := net.Dial("tcp", l.Index())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path)
		got := make([]byte, len(want))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", path, got, err)
		}
		_ = c.Close()
	}
}

// TestAuthorityIsKept checks that only an authority that is missing or of no use is made anew.
func TestAuthorityIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := OpenAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := OpenAuthority(dir); err != nil || !again.cert.Equal(first.cert) {
		t.Errorf("a good authority was made anew, or %v", err)
	}
	key := filepath.Join(dir, caKeyFile)
	if err := os.WriteFile(key, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	second, err := OpenAuthority(dir)
	if err != nil || second.cert.Equal(first.cert) {
		t.Errorf("one without a readable key was kept, or %v", err)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(key, 0o755); err != nil { // reading it fails, also for root
		t.Fatal(err)
	}
	if _, err := OpenAuthority(dir); err == nil {
		t.Error("an authority that cannot be read was replaced")
	}
}

// TestStrangersAreNotPlayed checks that a URL whose server says 200 to everything gets one request, and no attack.
func TestStrangersAreNotPlayed(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{"another body": "hello\n", "the lab's body": okBody} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var paths []string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				paths = append(paths, r.URL.Path)
				_, _ = io.WriteString(w, body)
			}))
			u, _ := url.Parse(server.URL)
			score := (&Run{Scenarios: All()}).ScoreURL(t.Context(), u, Options{Base: -1, Dir: t.TempDir()})
			server.Close()
			if !strings.Contains(score.Error, "does not lead to the lab") || len(paths) != 1 || len(score.Results) != 0 {
				t.Errorf("%q, after requests for %v", score.Error, paths)
			}
		})
	}
}

// TestNetworkNeedsItsNamespaces: a variable in the environment alone must not let the lab change this machine's network.
func TestNetworkNeedsItsNamespaces(t *testing.T) {
	if Isolated() {
		t.Skip("skipped: this process is in namespaces of its own")
	}
	for _, value := range []string{"", "1", "net:[1]", "net:[1] mnt:[1]"} {
		t.Setenv(networkVariable, value)
		if n, err := OpenNetwork(); err == nil {
			n.Close()
			t.Fatalf("%q: the network was made here", value)
		}
	}
	for _, v := range environment() {
		if strings.HasPrefix(v, networkVariable) {
			t.Errorf("a proxy gets %s", v)
		}
	}
}

func TestOutputIsBounded(t *testing.T) {
	var out lastOctets
	for range 100 {
		fmt.Fprint(&out, strings.Repeat("x", outMax/10))
	}
	fmt.Fprint(&out, "the end")
	if s := out.String(); len(s) != outMax || !strings.HasSuffix(s, "the end") || len(out.kept) > 2*outMax {
		t.Errorf("%d octets, %d kept", len(s), len(out.kept))
	}
}

// TestProxyThatEnds checks what is said of a proxy that ends by itself.
func TestProxyThatEnds(t *testing.T) {
	t.Parallel()
	p := &Proxy{
		Name: "sh", programs: []string{"sh"}, config: func(*Setup) []file { return nil },
		command: func(*Setup) []string { return []string{"-c", "echo last words; exit 3"} },
	}
	_, err := p.Start(context.Background(), &Setup{Lab: open(t), Listen: "127.0.0.1:1", Dir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "last words") {
		t.Errorf("%v", err)
	}
}

// TestTextOfScenario checks what lab show says of octets and of what is right.
func TestTextOfScenario(t *testing.T) {
	if text := Send(strings.Repeat("a", shownMax)).Text; strings.Count(text, "a") != shownMax {
		t.Errorf("%d octets are shown", strings.Count(text, "a"))
	}
	if text := Send(strings.Repeat("a", shownMax+1)).Text; !strings.Contains(text, "4097 bytes, of which the first 160 are") {
		t.Errorf("%.80s", text)
	}
	if text := Pieces("x", 3, 0).Text; strings.Contains(text, "each") {
		t.Error(text)
	}
	for name, want := range map[string]string{"flapping": "200 or 502 (connection_terminated)", "keepalive-race-post": "502 (connection_terminated) or 200", "ok": "200"} {
		if got := Get(name).Want.String(); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	if text := Get("maintenance").Text(); !strings.Contains(text, "Retry-After: 120") || !strings.Contains(text, `"back soon"`) {
		t.Error(text)
	}
}

// TestMarkdownOfUnequalScores: a proxy that could not be scored does not hide the others.
func TestMarkdownOfUnequalScores(t *testing.T) {
	text := Markdown([]*Score{{Proxy: "squid", Error: "not <installed>"}, {Proxy: "nginx", Results: []Result{{Scenario: "ok", Group: "head", Status: Right}}}}, []*Scenario{Get("ok")})
	for _, want := range []string{"| head | – | 1 of 1 |", "was not scored whole**: not &lt;installed>"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}
