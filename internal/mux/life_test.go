package mux

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/h2"
	"github.com/whygate/whygate/internal/httpmsg"
)

// End and Abort are different: a client sees which of them it was.
func TestEndIsNotAbort(t *testing.T) {
	w := listen(t, false, Config{Handler: func(st *Stream) {
		switch string(st.Request().Path) {
		case "/abort":
			_ = st.WriteHead(200, nil, httpmsg.LengthUnknown)
			_ = st.Write([]byte("half"))
			st.Flush()
			st.Abort(h2.InternalError)
		case "/short":
			_ = st.WriteHead(200, nil, 10)
			_ = st.Write([]byte("half"))
			st.Flush()
			if st.End(nil) == nil {
				t.Error("an end where octets are missing")
			}
		case "/long":
			_ = st.WriteHead(200, nil, 3)
			if st.Write([]byte("more")) == nil {
				t.Error("more octets than were declared")
			}
			_ = st.Write([]byte("abc"))
			_ = st.End(nil)
		case "/returned":
			_ = st.WriteHead(200, nil, httpmsg.LengthUnknown)
			_ = st.Write([]byte("half"))
			st.Flush()
		case "/nothing":
		case "/bodiless":
			_ = st.WriteHead(204, nil, 0)
			_ = st.End(nil)
		}
	}})
	c := w.dial(t)
	for i, tt := range []struct {
		path string
		code int64 // of RST_STREAM, -1 for a stream that ends
		body string
	}{
		{"/abort", int64(h2.InternalError), "half"},
		{"/short", int64(h2.InternalError), "half"},
		{"/long", -1, "abc"},
		{"/returned", int64(h2.InternalError), "half"},
		{"/nothing", int64(h2.InternalError), ""},
		{"/bodiless", -1, ""},
	} {
		id := uint32(2*i + 1)
		c.send(request(id, "GET", tt.path, true))
		code, body := int64(-2), ""
		for code == -2 {
			f, ok := c.next()
			switch {
			case !ok:
				t.Fatal("the connection ended")
			case f.Type == h2.RSTStream:
				code = int64(binary.BigEndian.Uint32(f.Payload))
			case f.Type == h2.Data || f.Type == h2.Headers:
				if f.Type == h2.Data {
					body += string(f.Payload)
				}
				if f.Has(h2.FlagEndStream) {
					code = -1
				}
			}
		}
		if code != tt.code || body != tt.body {
			t.Errorf("%s: ended with %d, body %q", tt.path, code, body)
		}
	}
}

// A handler may look at its request while the trailers come: the race detector would tell.
func TestTrailersComeWhileTheRequestIsRead(t *testing.T) {
	begun, came := make(chan bool), make(chan bool)
	w := listen(t, false, Config{Handler: func(st *Stream) {
		var request httpmsg.Request
		close(begun)
		for looking := true; looking; {
			select {
			case <-came:
				looking = false
			default:
				request = *st.Request()
			}
		}
		if _, end, err := st.Next(); !end || err != nil {
			t.Errorf("end %t, %v", end, err)
		}
		if string(request.Path) != "/" || st.Trailers().Len() != 1 {
			t.Errorf("%s with %d trailers", request.Path, st.Trailers().Len())
		}
		_ = st.WriteHead(204, nil, 0)
		_ = st.End(nil)
	}})
	c := w.dial(t)
	c.send(request(1, "POST", "/", false))
	<-begun
	c.send(string(h2.FinishHeaders(h2.AppendField(h2.BeginHeaders(nil, 1), []byte("x-sum"), []byte("7")), 0, 1, true)))
	c.ping()
	close(came)
	c.await(h2.Headers, 1)
}

// An answer that is complete before its request ends the stream with NO_ERROR, and what still comes is thrown away and given back.
func TestEarlyAnswer(t *testing.T) {
	w := listen(t, false, Config{Handler: func(st *Stream) {
		_ = st.WriteHead(413, nil, 0)
		_ = st.End(nil)
	}})
	c := w.dial(t)
	c.send(request(1, "POST", "/", false))
	if s := c.status(1); s != 413 {
		t.Errorf("status %d", s)
	}
	if f := c.await(h2.RSTStream, 1); binary.BigEndian.Uint32(f.Payload) != uint32(h2.NoError) {
		t.Errorf("code %x", f.Payload)
	}
	sent := 0
	for ; sent < 1<<20; sent += h2.FrameMax {
		c.send(frame(h2.Data, 0, 1, strings.Repeat("x", h2.FrameMax)))
	}
	back := 0
	for back < sent/2 {
		back += int(binary.BigEndian.Uint32(c.await(h2.WindowUpdate, 0).Payload))
	}
}

// What a handler holds elsewhere is interrupted when the client leaves, once, and not what it holds later.
func TestInterrupt(t *testing.T) {
	for _, how := range []string{"reset", "closed"} {
		t.Run(how, func(t *testing.T) {
			var after atomic.Int64
			done, started := make(chan error, 1), make(chan struct{})
			w := listen(t, false, Config{Handler: func(st *Stream) {
				st.Hold(func(error) { after.Add(100) })
				st.Hold(nil)
				gone := make(chan struct{})
				st.Hold(func(error) { after.Add(1); close(gone) })
				close(started)
				<-gone
				st.Hold(func(error) { after.Add(10) }) // it is too late: at once
				_ = st.WriteHead(200, nil, 0)
				done <- st.End(nil)
			}})
			c := w.dial(t)
			c.send(request(1, "GET", "/", true))
			<-started
			want := ErrReset
			if how == "reset" {
				c.send(reset(1))
			} else {
				_ = c.nc.Close()
				want = ErrGone
			}
			if err := <-done; !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
			if n := after.Load(); n != 11 {
				t.Errorf("interrupts: %d", n)
			}
		})
	}
}

func TestInterimAndTrailers(t *testing.T) {
	w := listen(t, false, Config{Handler: func(st *Stream) {
		_ = st.WriteInterim(103, field("link", "</a.css>"))
		_ = st.WriteHead(200, nil, httpmsg.LengthUnknown)
		_ = st.Write([]byte("x"))
		_ = st.End(field("grpc-status", "0"))
	}})
	c := w.dial(t)
	c.send(request(1, "GET", "/", true))
	if a, b := c.status(1), c.status(1); a != 103 || b != 200 {
		t.Errorf("%d, %d", a, b)
	}
	if f := c.await(h2.Data, 1); f.Has(h2.FlagEndStream) || string(f.Payload) != "x" {
		t.Errorf("%+v", f)
	}
	if f := c.await(h2.Headers, 1); !f.Has(h2.FlagEndStream) {
		t.Error("trailers do not end the stream")
	}
}

// Both directions at once, each waiting for the other: a ping-pong on one stream.
func TestBothWaysAtOnce(t *testing.T) {
	each(t, func(t *testing.T, secure bool) {
		w := listen(t, secure, Config{Handler: echo})
		c := w.client()
		defer c.CloseIdleConnections()
		r, out := io.Pipe()
		q, _ := http.NewRequest("POST", w.url("/echo"), r)
		started := make(chan struct{})
		go func() {
			_, _ = out.Write([]byte("0"))
			close(started)
		}()
		resp, err := c.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		<-started
		b := make([]byte, 1)
		for i := range 500 {
			if _, err := io.ReadFull(resp.Body, b); err != nil || b[0] != byte('0'+i%10) {
				t.Fatalf("round %d: %q, %v", i, b, err)
			}
			if _, err := out.Write([]byte{byte('0' + (i+1)%10)}); err != nil {
				t.Fatal(err)
			}
		}
		_ = out.Close()
		if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != "0" {
			t.Errorf("%q, %v", rest, err)
		}
	})
}

// Who looked at the first octets to see what they are hands them over.
func TestOctetsAlreadyRead(t *testing.T) {
	octets := h2.Preface + frame(h2.SettingsFrame, 0, 0, "") + frame(h2.SettingsFrame, h2.FlagAck, 0, "") + request(1, "POST", "/echo", false) + frame(h2.Data, h2.FlagEndStream, 1, strings.Repeat("x", 9000))
	for _, already := range []int{1, 3, len(h2.Preface), len(h2.Preface) + 5, 60, len(octets)} {
		s := NewServer(Config{Handler: echo})
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			nc, err := l.Accept()
			if err != nil {
				return
			}
			first := make([]byte, already)
			_, _ = io.ReadFull(nc, first)
			s.Serve(nc, first, nil)
		}()
		w := &site{addr: l.Addr().String()}
		c := w.connect(t)
		c.send(octets)
		if n := c.status(1); n != 200 {
			t.Errorf("status %d", n)
		}
		_ = c.nc.Close()
		<-done
		s.Close()
		_ = l.Close()
	}
}

// A WebSocket by RFC 8441 is a stream whose handler reads and writes as it likes.
func TestExtendedConnect(t *testing.T) {
	w := listen(t, false, Config{Handler: func(st *Stream) {
		q := st.Request()
		if q.Method != httpmsg.CONNECT || string(q.Protocol) != "websocket" || string(q.Path) != "/chat" || q.Length != httpmsg.LengthUnknown {
			t.Errorf("%+v", q)
		}
		_ = st.WriteHead(200, nil, httpmsg.LengthUnknown)
		st.Flush()
		for end := false; !end; {
			var data []byte
			var err error
			if data, end, err = st.Next(); err != nil {
				return
			}
			_ = st.Write(data)
			st.Flush()
		}
		_ = st.End(nil)
	}})
	c := w.dial(t)
	if f := c.await(h2.SettingsFrame, 0); !strings.Contains(string(f.Payload), "\x00\x08\x00\x00\x00\x01") {
		t.Errorf("extended CONNECT is not offered: %x", f.Payload)
	}
	b := h2.AppendRequestLine(h2.BeginHeaders(nil, 1), &h2.RequestLine{Method: []byte("CONNECT"), Scheme: []byte("http"), Authority: []byte("a"), Path: []byte("/chat"), Protocol: []byte("websocket")})
	c.send(string(h2.FinishHeaders(b, 0, 1, false)))
	if s := c.status(1); s != 200 {
		t.Errorf("status %d", s)
	}
	for range 3 {
		c.send(frame(h2.Data, 0, 1, "ping"))
		if f := c.await(h2.Data, 1); string(f.Payload) != "ping" {
			t.Errorf("%q", f.Payload)
		}
	}
	c.send(frame(h2.Data, h2.FlagEndStream, 1, ""))
	if f := c.await(h2.Data, 1); !f.Has(h2.FlagEndStream) {
		t.Error("the end is not passed on")
	}
}

// A small request with its body in the same packet is whole when its handler begins.
func TestSmallBodyIsWhole(t *testing.T) {
	whole := make(chan string, 1)
	w := listen(t, false, Config{Handler: func(st *Stream) {
		b, ok := st.WholeBody()
		whole <- fmt.Sprint(string(b), ok)
		_ = st.WriteHead(204, nil, 0)
		_ = st.End(nil)
	}})
	c := w.dial(t)
	c.send(request(1, "POST", "/", false) + frame(h2.Data, 0, 1, "ab") + frame(h2.Data, h2.FlagEndStream, 1, "c"))
	if got := <-whole; got != "abctrue" {
		t.Error(got)
	}
}

// A drain warns first, takes what was on its way, lets it end, and closes.
func TestDrain(t *testing.T) {
	each(t, func(t *testing.T, secure bool) {
		begun, goOn := make(chan struct{}, 2), make(chan struct{})
		w := listen(t, secure, Config{Handler: func(st *Stream) {
			begun <- struct{}{}
			<-goOn
			_ = st.WriteHead(200, nil, 2)
			_ = st.Write([]byte("ok"))
			_ = st.End(nil)
		}})
		c := w.client()
		defer c.CloseIdleConnections()
		answer := make(chan string, 1)
		go func() {
			r, err := c.Get(w.url("/"))
			if err != nil {
				answer <- err.Error()
				return
			}
			defer r.Body.Close()
			b, err := io.ReadAll(r.Body)
			answer <- fmt.Sprint(string(b), err)
		}()
		<-begun
		drained := make(chan struct{})
		go func() { w.Drain(context.Background()); close(drained) }()
		eventually(t, "nobody was told", func() bool {
			l := w.list()
			if len(l) != 1 {
				return false
			}
			l[0].mu.Lock()
			defer l[0].mu.Unlock()
			return l[0].leaving
		})
		close(goOn)
		if got := <-answer; got != "ok<nil>" {
			t.Error(got)
		}
		<-drained
	})
}

func TestDrainWarnsFirst(t *testing.T) {
	w := listen(t, false, Config{Handler: echo})
	c := w.dial(t)
	c.send(request(1, "GET", "/hold", true))
	c.ping()
	go w.Drain(t.Context())
	if f := c.await(h2.GoAway, 0); binary.BigEndian.Uint32(f.Payload) != h2.WindowMax {
		t.Errorf("the first GOAWAY names stream %x", f.Payload[:4])
	}
	c.send(request(3, "GET", "/", true))
	if c.status(3) != 200 {
		t.Error("a stream on its way is not taken")
	}
	if f := c.await(h2.GoAway, 0); binary.BigEndian.Uint32(f.Payload) != 3 {
		t.Errorf("the second GOAWAY names stream %x", f.Payload[:4])
	}
	c.send(reset(1))
	if code := c.end(); code != -1 {
		t.Errorf("ended with %d", code)
	}
}

// A connection on which nothing happens does not hold a drain up: the client's answer to PING tells that nothing is on its way.
func TestDrainOfIdleConnections(t *testing.T) {
	each(t, func(t *testing.T, secure bool) {
		w := listen(t, secure, Config{Handler: echo})
		c := w.client()
		defer c.CloseIdleConnections()
		r, err := c.Get(w.url("/"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, r.Body)
		r.Body.Close()
		began := time.Now()
		w.Drain(t.Context())
		if took := time.Since(began); took > sweepTime/2 {
			t.Errorf("it took %v", took)
		}
	})
}

// What a handler says that it holds counts in the memory of all, as long as it runs.
func TestCharge(t *testing.T) {
	charged, goOn := make(chan struct{}), make(chan struct{})
	w := listen(t, false, Config{Limits: Limits{Memory: 1 << 20}, Handler: func(st *Stream) {
		if string(st.Request().Target) == "/charge" {
			st.Charge(2 << 20)
			close(charged)
			<-goOn
		}
		_ = st.WriteHead(204, nil, 0)
		_ = st.End(nil)
	}})
	c := w.dial(t)
	c.send(request(1, "GET", "/charge", true))
	<-charged
	c.send(request(3, "GET", "/", true))
	if f := c.await(h2.RSTStream, 3); binary.BigEndian.Uint32(f.Payload) != uint32(h2.RefusedStream) {
		t.Errorf("reset by %x", f.Payload)
	}
	close(goOn)
	if s := c.status(1); s != 204 {
		t.Error(s)
	}
	eventually(t, "it is held still", func() bool { return w.held.Load() == 0 })
	c.send(request(5, "GET", "/", true))
	if s := c.status(5); s != 204 {
		t.Error(s)
	}
}

// By RFC 9218 what is urgent goes first, when streams wait for the same window.
func TestUrgentFirst(t *testing.T) {
	w := listen(t, false, Config{Handler: echo})
	c := w.dial(t)
	c.send(frame(h2.SettingsFrame, 0, 0, "\x00\x04\x00\x10\x00\x00")) // streams may have 1 MiB, and the connection 64 KiB
	c.send(request(1, "GET", "/size=100000", true, "priority: u=6"))
	c.status(1)
	for got := 0; got <= h2.WindowDefault-dataLeast; {
		got += len(c.await(h2.Data, 1).Payload)
	}
	c.send(request(3, "GET", "/size=40000", true, "priority: u=5") + request(5, "GET", "/size=40000", true, "priority: u=1") +
		request(7, "GET", "/size=40000", true, "priority: u=3, i") + request(9, "GET", "/size=40000", true, "priority: u=3, i") + request(11, "GET", "/size=40000", true, "priority: u=3"))
	m := w.list()[0]
	eventually(t, "not all wait", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return len(m.waiting) == 6
	})
	// One that is about to write its next piece does not wait, and others may have the window meanwhile: it is given little at a time, when
	// all that are left wait.
	var ends []uint32
	granted, got := 0, 0
	for len(ends) < 6 {
		if granted-got < dataLeast {
			eventually(t, "those that are left do not wait", func() bool {
				m.mu.Lock()
				defer m.mu.Unlock()
				return len(m.waiting) == m.active
			})
			c.send(frame(h2.WindowUpdate, 0, 0, u32(2*dataLeast)))
			granted += 2 * dataLeast
		}
		f, _ := c.next()
		if f.Type != h2.Data {
			continue
		}
		if got += len(f.Payload); f.Has(h2.FlagEndStream) {
			ends = append(ends, f.Stream)
		}
	}
	if got := fmt.Sprint(ends); got != "[5 11 7 9 3 1]" && got != "[5 11 9 7 3 1]" {
		t.Errorf("ended in the order %s", got)
	}
}

func TestOrderOfUrgency(t *testing.T) {
	stream := func(id uint32, level uint8, incremental bool, turn uint64) *Stream {
		st := newStream()
		st.h.ID, st.h.Urgency, st.turn = id, h2.Urgency{Level: level, Incremental: incremental}, turn
		return st
	}
	order := []*Stream{stream(9, 0, true, 9), stream(3, 3, false, 9), stream(5, 3, false, 1), stream(1, 3, true, 2), stream(7, 3, true, 3), stream(11, 7, false, 0)}
	for i, a := range order {
		for k, b := range order {
			if before(a, b) != (i < k) {
				t.Errorf("stream %d before %d: %v", a.h.ID, b.h.ID, before(a, b))
			}
		}
	}
}

// No wake-up is lost: many short exchanges, each with a watchdog, on one processor and on several.
func TestNoWakeUpIsLost(t *testing.T) {
	each(t, func(t *testing.T, secure bool) {
		for _, procs := range []int{1, 2, 4} {
			before := runtime.GOMAXPROCS(procs)
			w := listen(t, secure, Config{Handler: echo})
			for _, streams := range []int{1, 8, 64} {
				c := w.client()
				var all sync.WaitGroup
				for i := range streams {
					all.Go(func() { exchanges(t, c, w, 400/streams, i) })
				}
				all.Wait()
				c.CloseIdleConnections()
			}
			runtime.GOMAXPROCS(before)
		}
	})
}

func exchanges(t *testing.T, c *http.Client, w *site, n, i int) {
	for k := range n {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		size := []int{100, 0, 9000, 70_000}[(i+k)%4]
		body := bytes.Repeat([]byte("b"), size)
		q, _ := http.NewRequestWithContext(ctx, "POST", w.url("/echo"), bytes.NewReader(body))
		r, err := c.Do(q)
		if err == nil {
			var got []byte
			got, err = io.ReadAll(r.Body)
			_ = r.Body.Close()
			if err == nil && !bytes.Equal(got, body) {
				err = fmt.Errorf("%d of %d octets", len(got), size)
			}
		}
		cancel()
		if err != nil {
			t.Errorf("exchange %d of stream %d: %v", k, i, err)
			return
		}
	}
}

// The client resets at every moment of an exchange: nobody else's is touched, and nothing is left behind.
func TestResetAtEveryMoment(t *testing.T) {
	var interrupted atomic.Int64
	w := listen(t, false, Config{Handler: func(st *Stream) {
		own := st.ID()
		st.Hold(func(error) {
			if st.h.ID != own {
				interrupted.Add(1)
			}
		})
		echo(st)
		st.Hold(nil)
	}})
	c := w.dial(t)
	c.send(frame(h2.WindowUpdate, 0, 0, u32(1<<30)))
	id := uint32(1)
	parts := []string{request(1, "POST", "/echo", false), frame(h2.Data, 0, 1, "abc"), frame(h2.Data, 0, 1, strings.Repeat("x", 9000)), frame(h2.Data, h2.FlagEndStream, 1, "d")}
	renumber := func(s string, id uint32) string {
		b := []byte(s)
		binary.BigEndian.PutUint32(b[5:], id)
		return string(b)
	}
	for range 40 {
		for cut := 1; cut <= len(parts); cut++ {
			for _, p := range parts[:cut] {
				c.send(renumber(p, id))
			}
			c.send(reset(id) + request(id+2, "GET", "/", true))
			if s := c.status(id + 2); s != 200 {
				t.Fatalf("status %d", s)
			}
			id += 4
		}
	}
	eventually(t, "something is left", func() bool { return w.held.Load() == 0 })
	if interrupted.Load() != 0 {
		t.Errorf("%d interrupts were another's", interrupted.Load())
	}
	m := w.list()[0]
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.active != 0 || m.conn.Streams() != 0 || len(m.waiting) != 0 {
		t.Errorf("%d workers, %d streams, %d wait", m.active, m.conn.Streams(), len(m.waiting))
	}
}

// An idle connection holds no buffer, and idle workers end.
func TestIdleConnectionIsSmall(t *testing.T) {
	w := listen(t, false, Config{Handler: echo})
	c := w.dial(t)
	for id := uint32(1); id < 40; id += 2 {
		c.send(request(id, "GET", "/", true))
	}
	c.await(h2.Data, 39)
	m := w.list()[0]
	eventually(t, "buffers are held", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.active == 0 && m.out == nil && m.spare == nil
	})
	w.workers.sweep(time.Now().Add(time.Hour))
	w.workers.mu.Lock()
	defer w.workers.mu.Unlock()
	if len(w.workers.idle) != 0 {
		t.Errorf("%d workers are idle", len(w.workers.idle))
	}
}
