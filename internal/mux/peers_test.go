package mux

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"go/build"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// client is net/http's, which is golang.org/x/net's, by HTTP/2 alone.
func (w *site) client() *http.Client {
	var p http.Protocols
	p.SetHTTP2(w.tls != nil)
	p.SetUnencryptedHTTP2(w.tls == nil)
	return &http.Client{Transport: &http.Transport{TLSClientConfig: w.tls, Protocols: &p, MaxConnsPerHost: 1}}
}

func (w *site) url(path string) string {
	if w.tls == nil {
		return "http://" + w.addr + path
	}
	return "https://" + w.addr + path
}

// each runs a test in clear and over TLS.
func each(t *testing.T, f func(t *testing.T, secure bool)) {
	t.Helper()
	for _, secure := range []bool{false, true} {
		t.Run(map[bool]string{false: "clear", true: "TLS"}[secure], func(t *testing.T) { f(t, secure) })
	}
}

func get(t *testing.T, c *http.Client, url string) (*http.Response, []byte) {
	t.Helper()
	r, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, b
}

func TestGet(t *testing.T) {
	each(t, func(t *testing.T, secure bool) {
		w := listen(t, secure, Config{Handler: echo})
		c := w.client()
		defer c.CloseIdleConnections()
		for range 3 {
			r, b := get(t, c, w.url("/"))
			if r.StatusCode != 200 || r.ProtoMajor != 2 || r.Header.Get("Content-Type") != "text/plain" || r.ContentLength != 100 || !bytes.Equal(b, large[:100]) {
				t.Errorf("%v %q", r, b)
			}
		}
		if n := w.Connections(); n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}

func TestLargeAnswers(t *testing.T) {
	each(t, func(t *testing.T, secure bool) {
		w := listen(t, secure, Config{Handler: echo})
		c := w.client()
		defer c.CloseIdleConnections()
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				n := 1<<20 + i*1234567
				r, err := c.Get(w.url(fmt.Sprintf("/size=%d", n)))
				if err != nil {
					t.Error(err)
					return
				}
				defer r.Body.Close()
				if got, err := io.Copy(io.Discard, r.Body); err != nil || got != int64(n) {
					t.Errorf("%d of %d octets, %v", got, n, err)
				}
			})
		}
		all.Wait()
	})
}

func TestEchoOfLargeBodies(t *testing.T) {
	each(t, func(t *testing.T, secure bool) {
		w := listen(t, secure, Config{Handler: echo})
		c := w.client()
		defer c.CloseIdleConnections()
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				body := bytes.Repeat([]byte{byte('a' + i)}, 100_000*(i*i*i+1))
				q, _ := http.NewRequest("POST", w.url("/echo"), io.MultiReader(bytes.NewReader(body)))
				q.Trailer = http.Header{"X-Sum": []string{fmt.Sprint(i)}}
				r, err := c.Do(q)
				if err != nil {
					t.Error(err)
					return
				}
				defer r.Body.Close()
				got, err := io.ReadAll(r.Body)
				if err != nil || !bytes.Equal(got, body) || r.Trailer.Get("X-Sum") != fmt.Sprint(i) {
					t.Errorf("%d of %d octets, %v, trailers %v", len(got), len(body), err, r.Trailer)
				}
			})
		}
		all.Wait()
		if held := w.held.Load(); held != 0 {
			t.Errorf("%d octets are held when nothing is under way", held)
		}
	})
}

// tool is an outside program, or the test is skipped.
func tool(t *testing.T, name, install string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath(filepath.Join(build.Default.GOPATH, "bin", name))
	}
	if err != nil {
		t.Skipf("%s is not installed: %s", name, install)
	}
	return path
}

func TestCurl(t *testing.T) {
	curl := tool(t, "curl", "apt-get install curl")
	each(t, func(t *testing.T, secure bool) {
		w := listen(t, secure, Config{Handler: echo})
		args := []string{"-sk", "--max-time", "20", "--http2", "-o", os.DevNull, "-w", "%{http_version} %{http_code} %{size_download} %{num_connects}\n", w.url("/size=3000000")}
		want := "2 200 3000000 1\n"
		if secure {
			args, want = append(args, "-o", os.DevNull, w.url("/")), want+"2 200 100 0\n"
		} else { // some versions cannot use such a connection twice
			args[3] = "--http2-prior-knowledge"
		}
		out, err := exec.Command(curl, args...).CombinedOutput()
		if err != nil || string(out) != want {
			t.Errorf("%v %q, want %q", err, out, want)
		}
	})
}

func TestNghttp(t *testing.T) {
	nghttp := tool(t, "nghttp", "apt-get install nghttp2-client")
	each(t, func(t *testing.T, secure bool) {
		w := listen(t, secure, Config{Handler: echo})
		out, err := exec.Command(nghttp, "-nv", "-m20", "-y", w.url("/size=100000")).CombinedOutput()
		if n := strings.Count(string(out), ":status: 200"); err != nil || n != 20 {
			t.Errorf("%v, %d answers\n%s", err, n, out)
		}
	})
}

func TestH2load(t *testing.T) {
	h2load := tool(t, "h2load", "apt-get install nghttp2-client")
	each(t, func(t *testing.T, secure bool) {
		w := listen(t, secure, Config{Handler: echo})
		for _, load := range []string{"-n3000 -c16 -m16", "-n2000 -c1 -m100", "-n300 -c1 -m1", "-n3000 -c64 -m32"} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			out, err := exec.CommandContext(ctx, h2load, append(strings.Fields(load), w.url("/"))...).CombinedOutput()
			cancel()
			if n := strings.Fields(load)[0][2:]; err != nil || !strings.Contains(string(out), n+" succeeded, 0 failed") {
				t.Errorf("%s: %v\n%s", load, err, out)
			}
			t.Logf("%s: %.1f answers per write", load, float64(w.Stats.Answers.Swap(0))/float64(w.Stats.Writes.Swap(0)))
		}
	})
}

// TestH2spec has another's tests of RFC 9113 and RFC 7541 run against us: all of them.
func TestH2spec(t *testing.T) {
	h2spec := tool(t, "h2spec", "go install github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible")
	each(t, func(t *testing.T, secure bool) {
		w := listen(t, secure, Config{Handler: echo})
		host, port, _ := net.SplitHostPort(w.addr)
		args := []string{"-h", host, "-p", port, "-S", "-o", "3"}
		if secure {
			args = append(args, "-t", "-k")
		}
		out, err := exec.Command(h2spec, args...).CombinedOutput()
		last := ""
		for s := bufio.NewScanner(bytes.NewReader(out)); s.Scan(); {
			if s.Text() != "" {
				last = s.Text()
			}
		}
		if err != nil || !strings.Contains(last, "0 skipped, 0 failed") {
			t.Errorf("%v\n%s", err, out)
		}
		t.Log(last)
	})
}
