package mux

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/whygate/whygate/internal/h2"
)

// clean waits until nothing is left of any connection.
func (w *site) clean(t *testing.T) {
	t.Helper()
	eventually(t, "connections are left", func() bool { return w.Connections() == 0 })
	if held, lent := w.held.Load(), w.lent.Load(); held != 0 || lent != 0 {
		t.Errorf("%d octets are held and %d lent when nobody is there", held, lent)
	}
}

// A client does at random what clients do, rightly and wrongly, on some streams at once, and leaves somewhere. Nothing is left behind,
// and another client is served.
func TestRandomClients(t *testing.T) {
	each(t, func(t *testing.T, secure bool) {
		w := listen(t, secure, Config{Handler: echo, Limits: Limits{Streams: 20}})
		var all sync.WaitGroup
		for seed := range uint64(60) {
			all.Go(func() { randomClient(t, w, seed) })
		}
		all.Wait()
		c := w.client()
		if r, _ := get(t, c, w.url("/")); r.StatusCode != 200 {
			t.Errorf("status %d", r.StatusCode)
		}
		c.CloseIdleConnections()
		w.clean(t)
	})
}

func randomClient(t *testing.T, w *site, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 7))
	p := w.dialAny(t)
	defer p.Close()
	go func() { _, _ = io.Copy(io.Discard, p) }()
	say := func(s string) bool {
		for len(s) > 0 { // in pieces, so that frames are split anywhere
			n := min(len(s), 1+r.IntN(20_000))
			if _, err := io.WriteString(p, s[:n]); err != nil {
				return false
			}
			s = s[n:]
		}
		return true
	}
	say(h2.Preface + frame(h2.SettingsFrame, 0, 0, "") + frame(h2.SettingsFrame, h2.FlagAck, 0, ""))
	next := uint32(1)
	for range 50 + r.IntN(150) {
		id := uint32(1)
		if next > 1 {
			id = next - 2 - 2*uint32(r.IntN(int(min(next/2, 6))))
		}
		if !say(randomFrame(r, &next, id)) {
			return
		}
	}
}

// randomFrame is something on a stream that is there, or a new one. One in some hundreds breaks a rule.
func randomFrame(r *rand.Rand, next *uint32, id uint32) string {
	switch r.IntN(20) {
	case 0, 1, 2, 3, 4:
		path := []string{"/", "/echo", "/size=0", "/size=50000", "/size=3000000", "/hold", "/echo", "/"}[r.IntN(8)]
		*next += 2
		return request(*next-2, "POST", path, r.IntN(2) == 0, fmt.Sprintf("priority: u=%d, i=?%d", r.IntN(8), r.IntN(2)))
	case 5, 6, 7, 8:
		return frame(h2.Data, uint8(r.IntN(2)), id, strings.Repeat("x", r.IntN(3000)))
	case 9:
		return frame(h2.Data, h2.FlagPadded, id, "\x05"+strings.Repeat("x", 5+r.IntN(300)))
	case 10, 11:
		return reset(id)
	case 12, 13, 14:
		return frame(h2.WindowUpdate, 0, id*uint32(r.IntN(2)), u32(uint32(1+r.IntN(200_000))))
	case 15:
		return frame(h2.SettingsFrame, 0, 0, "\x00\x04"+u32(uint32(r.IntN(100_000))))
	case 16:
		return frame(h2.Ping, 0, 0, "12345678")
	case 17:
		return frame(h2.PriorityUpdate, 0, 0, u32(id)+"u=1")
	case 18:
		return request(id, "GET", "/", true) // trailers that are a head
	}
	if r.IntN(10) > 0 {
		return ""
	}
	return []string{frame(h2.GoAway, 0, 0, u32(0)+u32(0)), frame(h2.Headers, 0, *next, "\x82"), frame(h2.Headers, 4, *next, "\xff\xff"), "\x00"}[r.IntN(4)]
}

// failing is a connection that fails once left operations are done, of all connections that count by it.
type failing struct {
	net.Conn
	left *atomic.Int64
}

var errInjected = errors.New("injected")

func (f *failing) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	if f.left.Add(-1) < 0 {
		return 0, errInjected
	}
	return n, err
}

func (f *failing) Write(p []byte) (int, error) {
	if f.left.Add(-1) < 0 {
		return 0, errInjected
	}
	return f.Conn.Write(p)
}

// TestEveryOperationFails has the first operation on the socket fail, then the second, and so on until all succeed: whatever fails, the
// connection ends and nothing is left.
func TestEveryOperationFails(t *testing.T) {
	each(t, func(t *testing.T, secure bool) {
		for n := int64(0); n < 500; n++ {
			var left atomic.Int64
			left.Store(n)
			w := listenWith(t, secure, Config{Handler: echo}, func(nc net.Conn) net.Conn { return &failing{nc, &left} }) // a client may come again
			ok := oneOfEach(w)
			w.clean(t)
			if ok {
				if n < 8 {
					t.Errorf("all succeeds after %d operations", n)
				}
				return
			}
		}
		t.Error("it never succeeds")
	})
}

// oneOfEach is an answer, an upload and a large answer on one connection; true if all came.
func oneOfEach(w *site) bool {
	c := w.client()
	defer c.CloseIdleConnections()
	for _, path := range []string{"/", "/size=200000"} {
		r, err := c.Post(w.url(path), "text/plain", strings.NewReader(strings.Repeat("x", 50_000)))
		if err != nil {
			return false
		}
		_, err = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
		if err != nil {
			return false
		}
	}
	return true
}
