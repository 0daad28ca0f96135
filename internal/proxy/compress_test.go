package proxy_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/proxy"
)

func compressing(r *proxy.Route) { r.Compress = true }

// unpacked is a body without its coding.
func unpacked(t *testing.T, coding, body string) string {
	t.Helper()
	var r io.Reader = strings.NewReader(body)
	var err error
	switch coding {
	case "gzip":
		r, err = gzip.NewReader(r)
	case "zstd":
		r, err = zstd.NewReader(r)
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Errorf("%s: %v", coding, err)
	}
	return string(b)
}

// headerOf is the value of a header's only line.
func headerOf(m message, name string) string {
	out := ""
	for _, line := range m.lines {
		if k, v, _ := strings.Cut(line, ": "); strings.EqualFold(k, name) {
			out += v
		}
	}
	return out
}

// The coding is what the client likes best, and what says so, for caches too.
func TestCompressChooses(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("the same again; ", 1000)
	answer := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nETag: \"x\"\r\nAccept-Ranges: bytes\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
	g := start(t, setup{route: compressing}, upstreamOf(t, answering(answer)).addr)
	for accept, want := range map[string]string{
		"gzip": "gzip", "gzip, zstd": "zstd", "zstd;q=0.5, gzip": "gzip", "GZIP;Q=1.0": "gzip", "*": "zstd", "*;q=0.1, zstd;q=0": "gzip", "x-gzip": "gzip",
		"br": "", "gzip;q=0": "", "identity, gzip;q=0.5": "", "gzip;q=nonsense": "", "": "", "gzip, *;q=0": "gzip", "br, gzip\r\nAccept-Encoding: zstd": "zstd",
	} {
		m := g.ask(get("/", "Accept-Encoding: "+accept))
		coding := headerOf(m, "Content-Encoding")
		if coding != want || !m.complete || unpacked(t, coding, m.body) != text || headerOf(m, "Vary") != "Accept-Encoding" {
			t.Errorf("%q: coding %q, want %q, %q", accept, coding, want, m.lines)
		}
		if tag, length := headerOf(m, "ETag"), headerOf(m, "Content-Length"); want != "" && (tag != `W/"x"` || length != "" || headerOf(m, "Accept-Ranges") != "" || len(m.body) > len(text)/5) ||
			want == "" && (tag != `"x"` || length != fmt.Sprint(len(text)) || headerOf(m, "Accept-Ranges") != "bytes") {
			t.Errorf("%q: %d bytes, %q", accept, len(m.body), m.lines)
		}
		head := g.ask("HEAD / HTTP/1.1\r\nHost: a.test\r\nAccept-Encoding: " + accept + "\r\n\r\n")
		for _, name := range []string{"Content-Encoding", "ETag", "Vary", "Content-Length", "Accept-Ranges"} {
			if headerOf(head, name) != headerOf(m, name) {
				t.Errorf("%q: HEAD has %s %q and GET %q", accept, name, headerOf(head, name), headerOf(m, name))
			}
		}
	}
	if m := g.ask("GET / HTTP/1.0\r\nHost: a.test\r\nAccept-Encoding: gzip\r\n\r\n"); headerOf(m, "Content-Encoding") != "" || m.body != text {
		t.Errorf("HTTP/1.0: %q", m.lines)
	}
}

// What must stay as it is, does.
func TestCompressLeavesBe(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("the same again; ", 1000)
	for name, tt := range map[string]struct{ status, lines, body string }{
		"encoded":      {"200 OK", "Content-Type: text/html\r\nContent-Encoding: br\r\n", text},
		"no-transform": {"200 OK", "Content-Type: text/html\r\nCache-Control: public, no-transform\r\n", text},
		"a range":      {"206 Partial Content", "Content-Type: text/html\r\nContent-Range: bytes 0-15999/20000\r\n", text},
		"event stream": {"200 OK", "Content-Type: text/event-stream\r\n", text},
		"image":        {"200 OK", "Content-Type: image/png\r\n", text},
		"no type":      {"200 OK", "", text},
		"small":        {"200 OK", "Content-Type: text/html\r\n", text[:1023]},
		"digest":       {"200 OK", "Content-Type: text/html\r\nContent-Digest: sha-256=:AAAA:\r\n", text},
	} {
		answer := fmt.Sprintf("HTTP/1.1 %s\r\n%sETag: \"x\"\r\nContent-Length: %d\r\n\r\n%s", tt.status, tt.lines, len(tt.body), tt.body)
		g := start(t, setup{route: compressing}, upstreamOf(t, answering(answer)).addr)
		m := g.ask(get("/", "Accept-Encoding: gzip, zstd"))
		if m.body != tt.body || headerOf(m, "ETag") != `"x"` || headerOf(m, "Content-Length") != fmt.Sprint(len(tt.body)) || slices.Contains(m.lines, "Vary: Accept-Encoding") {
			t.Errorf("%s: %q", name, m.lines)
		}
	}
}

// What the endpoint has sent reaches the client before the endpoint goes on, and a body that breaks is seen to be broken.
func TestCompressStreams(t *testing.T) {
	t.Parallel()
	first := strings.Repeat("first ", 300)
	next := make(chan struct{})
	o := upstreamOf(t, func(p *peer) {
		p.request()
		p.send(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(first), first))
		<-next
	})
	g := start(t, setup{route: compressing}, o.addr)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.addr+"/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "gzip")
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	r, err := gzip.NewReader(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(first))
	if _, err := io.ReadFull(r, got); err != nil || string(got) != first {
		t.Fatalf("%q, %v", got, err)
	}
	close(next) // and the endpoint leaves in the middle
	if _, err := io.ReadAll(res.Body); err == nil {
		t.Error("a body that was cut short has an end")
	}
	g.want(200, fault.CauseChunksCut)
}
