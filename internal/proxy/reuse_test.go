package proxy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/listener"
)

// smallBuffer is the size of the buffers that connections take from the common pool first.
const smallBuffer = 13568

// A head that fills a buffer and stops gets nothing of what others wrote into that buffer afterwards.
func TestHalfAHeadShowsNobodyElse(t *testing.T) {
	o := upstreamOf(t, answering(ok))
	g := start(t, setup{limits: func(l *listener.Limits) { l.HeadTime = 700 * time.Millisecond }}, o.addr)
	head := "GET / HTTP/1.1\r\nHost: a.test\r\nX-Fill: " + strings.Repeat("f", 40) + "\r\nX-Request-ID: " + strings.Repeat("A", 40) + "\r\nX-Pad: "
	head += strings.Repeat("p", smallBuffer-len(head))
	a := g.dial()
	a.send(head)
	v := g.dial()
	for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); {
		v.send(get("/x", "Authorization: Bearer-"+strings.Repeat("SECRET-", 30)))
		v.response("GET")
		g.record()
	}
	m := a.response("GET")
	if m.status() != 408 || strings.Contains(m.get("X-Request-ID"), "SECRET") || strings.ContainsRune(m.get("X-Request-ID"), 0xDB) {
		t.Errorf("another client's octets: %s, id %q", m.line, m.get("X-Request-ID"))
	}
	if r := g.record(); strings.Contains(r.id, "SECRET") || len(r.id) != 32 {
		t.Errorf("another client's octets in the record: %q", r.id)
	}
}

// A field that Connection names stays behind when it comes as a trailer too, however long the body between them is.
func TestHopByHopTrailerAfterALongBody(t *testing.T) {
	for _, size := range []int{100, smallBuffer, 200_000} {
		body := noise(size)
		o := upstreamOf(t, func(p *peer) {
			p.request()
			p.send("HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nTransfer-Encoding: chunked\r\n\r\n")
			p.send(fmt.Sprintf("%x\r\n%s\r\n0\r\nX-Hop: secret\r\nX-Fine: 1\r\n\r\n", len(body), body))
			p.request()
		})
		g := start(t, setup{}, o.addr)
		m := g.ask(get("/", "TE: trailers"))
		if slices.Contains(m.trailers, "X-Hop: secret") || !slices.Contains(m.trailers, "X-Fine: 1") {
			t.Errorf("after %d octets: %q", size, m.trailers)
		}
	}
}

// The same of a request.
func TestHopByHopTrailerOfALongRequest(t *testing.T) {
	requests := make(chan message, 1)
	o := upstreamOf(t, capturing(requests, ok))
	g := start(t, setup{}, o.addr)
	for _, size := range []int{100, smallBuffer, 200_000} {
		c := g.dial()
		c.send("POST / HTTP/1.1\r\nHost: a.test\r\nConnection: X-Hop\r\nTransfer-Encoding: chunked\r\n\r\n")
		c.send(fmt.Sprintf("%x\r\n%s\r\n0\r\nX-Hop: secret\r\nX-Fine: 1\r\n\r\n", size, noise(size)))
		q := <-requests
		if slices.Contains(q.trailers, "X-Hop: secret") || !slices.Contains(q.trailers, "X-Fine: 1") {
			t.Errorf("after %d octets: %q", size, q.trailers)
		}
		c.Close()
	}
}
