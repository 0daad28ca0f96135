//go:build linux

package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// site makes a directory to serve from, and beside it a secret that nothing may lead to.
func site(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	root := filepath.Join(dir, "www")
	for name, text := range map[string]string{
		"www/index.html": "home", "www/a/index.html": "a's home", "www/a/b.txt": "0123456789", "www/empty/x.txt": "x",
		"www/.git/config": "hidden", "www/.well-known/x": "known", "www/a file.txt": "spaced", "secret": "secret", "www/app.js": "js",
	} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"out": "../secret", "in": "a/b.txt", "up": ".."} {
		if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestFiles(t *testing.T) {
	t.Parallel()
	root := site(t)
	if err := os.Mkdir(filepath.Join(root, "pipe"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pipe/index.html", "fifo"} {
		if err := syscall.Mkfifo(filepath.Join(root, name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	url := gatewayWith(t, `
  - {path: "/spa/*", strip: /spa, files: {root: `+root+`, missing: /index.html}}
  - {path: "/next/*", strip: /next, files: {root: `+root+`, missing: next}}
  - {path: "/next/*", pool: web}
  - {path: "/links/*", strip: /links, files: {root: `+root+`, links: follow, hidden: true}}
  - {files: {root: `+root+`}, set_response: {Cache-Control: max-age=60, X-A: b}}`, "")
	for _, tt := range []struct {
		target   string
		status   int
		location string
		body     string
	}{
		{"/", 200, "", "home"},
		{"/a/b.txt", 200, "", "0123456789"},
		{"/a%20file.txt", 200, "", "spaced"},
		{"/a", 301, "/a/", ""},
		{"/a?x=y", 301, "/a/?x=y", ""},
		{"/a/", 200, "", "a's home"},
		{"//a/", 200, "", "a's home"},
		{"/empty/", 404, "", ""},
		{"/pipe/", 404, "", ""}, // nobody writes to it
		{"/fifo", 404, "", ""},
		{"/a/b.txt/", 404, "", ""},
		{"/none", 404, "", ""},
		{"/in", 200, "", "0123456789"},
		{"/out", 404, "", ""},
		{"/up/secret", 404, "", ""},
		{"/../secret", 404, "", ""},
		{"/%2e%2e/secret", 404, "", ""},
		{"/..%2fsecret", 404, "", ""},
		{"/a/..%2f..%2fsecret", 404, "", ""},
		{"/a/..%5c..%5csecret", 404, "", ""},
		{"/%00", 404, "", ""},
		{"/.git/config", 404, "", ""},
		{"/a%2f..%2f.git%2fconfig", 404, "", ""},
		{"/.well-known/x", 200, "", "known"},
		{"/spa/app.js", 200, "", "js"},
		{"/spa/any/where", 200, "", "home"},
		{"/next/app.js", 200, "", "js"},
		{"/next/any?x=y", 200, "", "GET /next/any?x=y"},
		{"/links/out", 200, "", "secret"},
		{"/links/.git/config", 200, "", "hidden"},
		{"/links/..%2fsecret", 404, "", ""},
	} {
		res, body := asked(t, "GET", url+tt.target)
		if res.StatusCode != tt.status || res.Header.Get("Location") != tt.location || tt.status == 200 && body != tt.body || strings.Contains(body, "secret") && tt.body != "secret" {
			t.Errorf("%s: %d, Location %q, %.60q; want %d, %q, %q", tt.target, res.StatusCode, res.Header.Get("Location"), body, tt.status, tt.location, tt.body)
		}
	}
	fileConditions(t, url)
}

// fileConditions: ranges, conditions, methods, headers.
func fileConditions(t *testing.T, url string) {
	t.Helper()
	whole, _ := asked(t, "GET", url+"/a/b.txt")
	if whole.Header.Get("Cache-Control") != "max-age=60" || whole.Header.Get("X-A") != "b" || whole.Header.Get("Accept-Ranges") != "bytes" || !strings.HasPrefix(whole.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("%v", whole.Header)
	}
	for _, tt := range []struct {
		method, header string
		status         int
		body           string
	}{
		{"GET", "Range: bytes=2-4", 206, "234"},
		{"GET", "Range: bytes=-3", 206, "789"},
		{"GET", "Range: bytes=20-", 416, ""},
		{"GET", "If-None-Match: " + whole.Header.Get("ETag"), 304, ""},
		{"GET", "If-Modified-Since: " + whole.Header.Get("Last-Modified"), 304, ""},
		{"HEAD", "X: y", 200, ""},
		{"POST", "X: y", 405, ""},
	} {
		res, body := asked(t, tt.method, url+"/a/b.txt", tt.header)
		if res.StatusCode != tt.status || tt.status < 400 && body != tt.body {
			t.Errorf("%s, %s: %d %q, want %d %q", tt.method, tt.header, res.StatusCode, body, tt.status, tt.body)
		}
		if tt.method == "HEAD" && res.ContentLength != 10 {
			t.Errorf("HEAD: %d octets", res.ContentLength)
		}
	}
}

// TestErrorPages: a route's own pages, for the gateway's answers and for an endpoint's.
// TestOneFileOnePath: no spelling of a path leads to a file past the route that is for it, nor shows a program's text.
func TestOneFileOnePath(t *testing.T) {
	t.Parallel()
	root := site(t)
	for name, text := range map[string]string{"private/s.txt": "secret", "conf.php": "<?php secret", "d.sql": "secret", "sub/.htaccess": "secret", "a+b/c.txt": "secret"} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	url := gatewayWith(t, `
  - {path: "/private/*", deny: [0.0.0.0/0, "::/0"], files: {root: `+root+`}}
  - {path: "/a+b/*", respond: {status: 403}}
  - {path: '~/\.ht', respond: {status: 403}}
  - {path: '~\.sql$', respond: {status: 403}}
  - {path: '~\.php(/|$)', respond: {status: 403}}
  - {files: {root: `+root+`, hidden: true}}`, "")
	for _, target := range []string{
		"/private/s.txt", "//private/s.txt", "/private%2fs.txt", "/%70rivate/s.txt", "/private//s.txt", "/x/..%2fprivate/s.txt", "/private%5cs.txt", "/./private/s.txt",
		"/conf.php", "/conf.php%2f", "/conf.php/", "//conf.php", "/conf%2ephp", "/d.sql", "/d.sql%2F", "/d.sql/", "//d.sql", "/sub%2f.htaccess", "/sub/%2ehtaccess", "//sub/.htaccess",
		"/a+b/c.txt", "/a%2Bb/c.txt", "/a%2bb%2fc.txt",
	} {
		if res, body := asked(t, "GET", url+target); res.StatusCode < 400 || strings.Contains(body, "secret") {
			t.Errorf("%s: %d %q", target, res.StatusCode, body)
		}
	}
	if res, body := asked(t, "GET", url+"//a%2fb.txt"); res.StatusCode != 200 || body != "0123456789" {
		t.Errorf("a path whose spellings all have one route: %d %q", res.StatusCode, body)
	}
}

func TestErrorPages(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"users": "ann:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=", "404.html": "<p>our 404", "50x.json": `{"sorry":true}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-From", "upstream")
		w.Header().Set("Retry-After", "9")
		w.WriteHeader(map[string]int{"/404": 404, "/503": 503}[r.URL.Path])
		_, _ = w.Write([]byte("upstream's"))
	}))
	t.Cleanup(upstream.Close)
	errors := "errors: [{status: [401, 404, 405], file: " + dir + "/404.html}, {status: [502, 503-504], file: " + dir + "/50x.json, upstream: true}]"
	url := gatewayTo(t, `
  - {path: /down, maintenance: on, pool: web, `+errors+`}
  - {path: "/files/*", files: {root: `+dir+`}, `+errors+`}
  - {path: /staff, auth: {users: `+dir+`/users}, pool: web, `+errors+`}
  - {pool: web, `+errors+`}`, "", upstream.URL)
	for _, tt := range []struct {
		path       string
		status     int
		body, kind string
	}{
		{"/staff", 401, "<p>our 404", "text/html; charset=utf-8"},
		{"/404", 404, "upstream's", "text/plain; charset=utf-8"},
		{"/503", 503, `{"sorry":true}`, "application/json"},
		{"/down", 503, `{"sorry":true}`, "application/json"},
		{"/files/none", 404, "<p>our 404", "text/html; charset=utf-8"},
	} {
		res, body := asked(t, "GET", url+tt.path)
		if res.StatusCode != tt.status || body != tt.body || res.Header.Get("Content-Type") != tt.kind {
			t.Errorf("%s: %d, %q, %s", tt.path, res.StatusCode, body, res.Header.Get("Content-Type"))
		}
		if tt.status == 401 && res.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: %v", tt.path, res.Header)
		}
		if tt.status == 503 && (res.Header.Get("Retry-After") == "" || res.Header.Get("Proxy-Status") == "" || res.Header.Get("X-From") != "") {
			t.Errorf("%s: %v", tt.path, res.Header)
		}
	}
}

// TestErrorPageOfMethod: files' own 405 has the route's page too, and says what is allowed.
func TestErrorPageOfMethod(t *testing.T) {
	t.Parallel()
	dir := site(t)
	url := gatewayWith(t, "\n  - {files: {root: "+dir+"}, errors: [{status: 405, file: "+dir+"/app.js}]}", "")
	res, body := asked(t, "POST", url+"/a/b.txt")
	if res.StatusCode != 405 || body != "js" || res.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("%d %q %v", res.StatusCode, body, res.Header)
	}
}

// TestRouteTimeouts: a route's time-outs are its own, whatever the pool's are.
func TestRouteTimeouts(t *testing.T) {
	t.Parallel()
	stop := make(chan struct{})
	upstream := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/well" {
			<-stop
		}
	}))
	t.Cleanup(upstream.Close)
	t.Cleanup(func() { close(stop) })
	url := gatewayTo(t, `
  - {path: /head, timeouts: {head: 50ms}, pool: web}
  - {path: /response, timeouts: {response: 60ms}, pool: web}
  - {pool: web}`, "proxy_status: full", upstream.URL)
	for path, want := range map[string]string{"/head": "timer=timeouts.head", "/response": "timer=timeouts.response"} {
		res, body := asked(t, "GET", url+path, "Accept: text/plain")
		if res.StatusCode != 504 || !strings.Contains(res.Header.Get("Proxy-Status"), strings.TrimPrefix(want, "timer=")) {
			t.Errorf("%s: %d, %s\n%s", path, res.StatusCode, res.Header.Get("Proxy-Status"), body)
		}
	}
	if res, _ := asked(t, "GET", url+"/well"); res.StatusCode != 200 {
		t.Errorf("/well: %d", res.StatusCode)
	}
}
