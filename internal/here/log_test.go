package here

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/diagnose"
)

// TestLinesOfTheSite drops the lines that name another site, host or backend, or another request.
func TestLinesOfTheSite(t *testing.T) {
	t.Parallel()
	nginx := logs{product: "nginx", host: "shop.test", server: "shop.test", path: "/cart?a=1"}
	haproxy := logs{product: "haproxy", backend: "web", path: "/cart"}
	home := logs{product: "haproxy", backend: "web", path: "/"}
	apache := logs{product: "apache", path: "/a?x=1"}
	caddy := logs{product: "caddy", path: "/a"}
	const upstream = `2026/11/30 02:26:57 [error] 7#7: *1 connect() failed (111: Connection refused) while connecting to upstream, client: 10.0.0.9, `
	for _, c := range []struct {
		logs          *logs
		line          string
		site, request bool
	}{
		{&nginx, upstream + `server: shop.test, request: "GET /cart?a=1 HTTP/1.1", upstream: "http://127.0.0.1:3000/cart?a=1", host: "shop.test"`, true, true},
		{&nginx, upstream + `server: shop.test, request: "GET /other HTTP/1.1", upstream: "http://127.0.0.1:3000/", host: "Shop.test:8080"`, true, false},
		{&nginx, upstream + `server: api.test, request: "GET /cart?a=1 HTTP/1.1", upstream: "http://127.0.0.1:3000/", host: "api.test"`, false, true},
		{&nginx, upstream + `server: api.test, request: "GET /cart?a=1 HTTP/1.0", upstream: "http://127.0.0.1:3000/"`, false, true},
		{&nginx, upstream + `server: , request: "GET /cart?a=1 HTTP/1.0"`, true, true},
		{&nginx, `2026/11/30 02:26:57 [alert] 7#7: 512 worker_connections are not enough`, true, true},
		{&nginx, `2026/11/30 02:26:57 [info] 7#7: *3 client closed connection while waiting for request, client: 10.0.0.9, server: 0.0.0.0:80`, false, false},
		{&haproxy, `haproxy[7]: 10.0.0.9:5 [30/Nov/2026:02:26:57.1] front web/s1 0/0/-1/-1/3 503 217 - - SC-- 1/1/0/0/3 0/0 "GET /cart HTTP/1.1"`, true, true},
		{&haproxy, `haproxy[7]: 10.0.0.9:5 [30/Nov/2026:02:26:57.1] front api/s1 0/0/-1/-1/3 503 217 - - SC-- 1/1/0/0/3 0/0 "GET /cart HTTP/1.1"`, false, true},
		{&haproxy, `haproxy[7]: 10.0.0.9:5 [30/Nov/2026:02:26:57.1] front front/<NOSRV> 0/-1/-1/-1/3 503 217 - - SC-- 1/1/0/0/3 0/0 "GET / HTTP/1.1"`, false, false},
		{&haproxy, `haproxy[7]: 10.0.0.9:5 [30/Nov/2026:02:26:57.1] front web/s1 0/0/-1/-1/3 503 217 - - SC-- 1/1/0/0/3 0/0 "GET https://shop.test/cart HTTP/2.0"`, true, true},
		{&haproxy, `haproxy[7]: 10.0.0.9:5 [30/Nov/2026:02:26:57.1] front web/s1 0/0/-1/-1/3 503 217 - - SC-- 1/1/0/0/3 0/0 "GET /cartoons HTTP/1.1"`, true, false},
		{&haproxy, `haproxy[7]: 10.0.0.9:5 [30/Nov/2026:02:26:57.1] front web/s1 0/0/-1/-1/3 503 217 - - SC-- 1/1/0/0/3 0/0 "GET /cart?a=1 HTTP/1.1"`, true, false},
		{&home, `haproxy[7]: 10.0.0.9:5 [30/Nov/2026:02:26:57.1] front web/s1 0/0/-1/-1/3 503 217 - - SC-- 1/1/0/0/3 0/0 "GET /other HTTP/1.1"`, true, false},
		{&home, `haproxy[7]: Server web/s1 is DOWN, reason: Layer4 connection problem`, true, false},
		{&apache, `[Sun Nov 22 19:47:32.0 2026] [proxy:error] [pid 62:tid 92] [client 127.0.0.1:60492] AH00898: Error reading from remote server returned by /a`, true, true},
		{&apache, `[Sun Nov 22 19:47:32.0 2026] [proxy:error] [pid 62:tid 92] [client 127.0.0.1:60492] AH00898: Error reading from remote server returned by /api`, true, false},
		{&apache, `[Sun Nov 22 19:47:32.0 2026] [proxy:error] [pid 62:tid 92] (111)Connection refused: AH00957: http: attempt to connect to 127.0.0.1:9 (127.0.0.1:9) failed`, true, true},
		{&caddy, `{"level":"error","request":{"uri":"/a"},"msg":"dial tcp 127.0.0.1:9: connect: connection refused"}`, true, true},
		{&caddy, `{"level":"error","request":{"uri":"/api/a"},"msg":"dial tcp 127.0.0.1:9: connect: connection refused"}`, true, false},
		{&haproxy, `haproxy[7]: Server web/s1 is DOWN, reason: Layer4 connection problem`, true, false},
	} {
		if site, request := c.logs.ofSite([]byte(c.line)), c.logs.ofRequest([]byte(c.line)); site != c.site || request != c.request {
			t.Errorf("of the site %v, of the request %v: %s", site, request, c.line)
		}
	}
}

// TestReadRequest tells the lines of the log that name the request from those of its time.
func TestReadRequest(t *testing.T) {
	t.Parallel()
	began := time.Now()
	at := "[" + began.Format("Mon Jan 02 15:04:05.000000 2006") + "] "
	for line, nameless := range map[string]bool{
		"[proxy:error] [pid 62:tid 92] (111)Connection refused: AH00957: http: attempt to connect to 127.0.0.1:9 (127.0.0.1:9) failed":         true,
		"[proxy:error] [pid 62:tid 92] [client 127.0.0.1:6] AH00898: Error during SSL Handshake with remote server returned by /a":             false,
		"[proxy:error] [pid 62:tid 92] [client 127.0.0.1:6] AH00898: Error during SSL Handshake with remote server returned by /api/something": false,
	} {
		name := filepath.Join(t.TempDir(), "error.log")
		if err := os.WriteFile(name, []byte(at+line+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		h := &finder{Here: &diagnose.Here{}, logs: &logs{product: "apache", names: []string{name}, path: "/a"}}
		h.readRequest(t.Context(), began)
		if strings.HasSuffix(line, "/api/something") {
			if len(h.Request) != 0 {
				t.Errorf("another request's line: %+v", h.Request)
			}
			continue
		}
		if len(h.Request) != 1 || h.Request[0].Nameless != nameless {
			t.Errorf("%s: %+v", line, h.Request)
		}
	}
}

// TestLinesThatNameARequest: Apache's say which in their own ways, or none.
func TestLinesThatNameARequest(t *testing.T) {
	t.Parallel()
	const refused = "[Sun Nov 22 19:47:32.0 2026] [proxy:error] [pid 62:tid 92] (111)Connection refused: AH00957: http: attempt to connect to 127.0.0.1:9 (127.0.0.1:9) failed\n"
	const returned = "[Sun Nov 22 19:47:32.0 2026] [proxy:error] [pid 62:tid 92] [client 127.0.0.1:6] AH00898: Error reading from remote server returned by /a\n"
	l := logs{product: "apache", path: "/a?x=1"}
	for line, named := range map[string]bool{refused: false, returned: true} {
		if _, names := l.request([]byte(line)); names != named {
			t.Errorf("names a request: %v: %s", names, line)
		}
	}
}
