package mux

import (
	"encoding/binary"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h2"
)

// Each test here holds one guard of a connection, at its bound, with a client that does what the guard is for.

// A page of images that the user leaves is no attack; the same without end is slowed down, then sent away.
func TestRapidReset(t *testing.T) {
	var running, most atomic.Int64
	broken := make(chan fault.Rule, 100)
	w := listen(t, false, Config{Broken: rules(broken), Handler: func(st *Stream) {
		n := running.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		echo(st)
		running.Add(-1)
	}})
	c := w.dial(t)
	id := uint32(1)
	for range strainSlow - pauseStreams {
		c.send(request(id, "GET", "/hold", true) + reset(id))
		id += 2
	}
	c.send(request(id, "GET", "/", true))
	if c.status(id) != 200 || w.Stats.Strained.Load() != 0 {
		t.Error("a client that cancelled a page is held up")
	}
	go func() {
		for i := range uint32(4000) {
			n := id + 2 + 2*i
			c.send(request(n, "GET", "/hold", true) + reset(n))
		}
	}()
	f := c.await(h2.GoAway, 0)
	if code := binary.BigEndian.Uint32(f.Payload[4:]); code != 0 || w.Stats.Strained.Load() == 0 || w.Stats.Left.Load() != 1 {
		t.Errorf("GOAWAY %d, %d pauses", code, w.Stats.Strained.Load())
	}
	if most.Load() > int64(w.limits.Load().Streams) {
		t.Errorf("%d handlers ran at once", most.Load())
	}
}

// The client makes us reset streams: as dear as its own resets, and more.
func TestMadeToReset(t *testing.T) {
	for name, misuse := range map[string]func(id uint32) string{
		"no window added":    func(id uint32) string { return frame(h2.WindowUpdate, 0, id, u32(0)) },
		"window overflow":    func(id uint32) string { return frame(h2.WindowUpdate, 0, id, u32(h2.WindowMax)) },
		"priority too short": func(id uint32) string { return frame(h2.Priority, 0, id, "1234") },
		"depends on itself":  func(id uint32) string { return frame(h2.Priority, 0, id, u32(id)+"\x00") },
		"two heads":          func(id uint32) string { return request(id, "GET", "/", false) },
		"a wrong length":     func(id uint32) string { return frame(h2.Data, h2.FlagEndStream, id, "x") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := listen(t, false, Config{Handler: echo})
			c := w.dial(t)
			go func() {
				for id := uint32(1); id < 1000; id += 2 {
					c.send(request(id, "POST", "/hold", false, "content-length: 5") + misuse(id))
				}
			}()
			c.await(h2.RSTStream, 1)
			c.await(h2.GoAway, 0)
			if n := w.Stats.Streams.Load(); n > strainLeave/costError+pauseStreams+8 {
				t.Errorf("%d streams were taken", n)
			}
		})
	}
}

// Control frames that nothing gives reason for: some are free, a flood ends the connection.
func TestControlFloods(t *testing.T) {
	for name, one := range map[string]string{
		"PING": frame(h2.Ping, 0, 0, "12345678"), "SETTINGS": frame(h2.SettingsFrame, 0, 0, ""), "PRIORITY": frame(h2.Priority, 0, 99, u32(1)+"\x00"),
		"empty DATA": frame(h2.Data, 0, 1, ""), "padding only": frame(h2.Data, h2.FlagPadded, 1, "\x03\x00\x00\x00"), "unknown": frame(0x99, 0, 0, "x"),
		"PRIORITY_UPDATE": frame(h2.PriorityUpdate, 0, 0, u32(101)+"u=1"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broken := make(chan fault.Rule, 10)
			w := listen(t, false, Config{Handler: echo, Broken: rules(broken)})
			c := w.dial(t)
			c.send(request(1, "POST", "/hold", false) + strings.Repeat(one, strainFree))
			c.ping()
			if w.Stats.Left.Load()+w.Stats.Killed.Load() != 0 {
				t.Fatal("a few are too many")
			}
			go func() {
				for range 100 {
					c.send(strings.Repeat(one, 50))
				}
			}()
			if code := c.end(); code != int64(h2.EnhanceYourCalm) && w.Stats.Killed.Load() != 1 {
				t.Errorf("ended with %d", code)
			}
			wantRule(t, broken, fault.RuleH2Strain)
		})
	}
}

// WINDOW_UPDATEs and PINGs that answer what we sent cost nothing: clients that measure the way send them all the time.
func TestFramesThatAnswerOursCostNothing(t *testing.T) {
	w := listen(t, false, Config{Handler: echo})
	c := w.dial(t)
	c.send(request(1, "GET", "/size=20000000", true))
	got := 0
	for got < 20_000_000 {
		f := c.await(h2.Data, 1)
		got += len(f.Payload)
		c.send(frame(h2.Ping, 0, 0, "12345678"))
		if n := uint32(len(f.Payload)); n > 0 {
			c.send(frame(h2.WindowUpdate, 0, 0, u32(n-100)) + frame(h2.WindowUpdate, 0, 0, u32(100)) + frame(h2.WindowUpdate, 0, 1, u32(n)))
		}
	}
	if w.Stats.Left.Load()+w.Stats.Killed.Load()+w.Stats.Strained.Load() != 0 {
		t.Error("a client that reads is held to be an attacker")
	}
}

// CONTINUATION without end, with or without octets, is cut off before it costs memory.
func TestContinuationFloods(t *testing.T) {
	for name, tt := range map[string]struct {
		payload string
		rule    fault.Rule
	}{
		"full": {strings.Repeat("\x82", 1000), fault.RuleH2BlockFrames}, "large": {strings.Repeat("\x82", h2.FrameMax), fault.RuleH2BlockSize}, "empty": {"", fault.RuleH2BlockFrames},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broken := make(chan fault.Rule, 10)
			w := listen(t, false, Config{Handler: echo, Broken: rules(broken)})
			c := w.dial(t)
			c.send(frame(h2.Headers, 0, 1, "\x82"))
			go func() {
				for range 200 {
					c.send(frame(h2.Continuation, 0, 1, tt.payload))
				}
			}()
			if code := c.end(); code != int64(h2.EnhanceYourCalm) {
				t.Errorf("ended with %d", code)
			}
			wantRule(t, broken, tt.rule)
		})
	}
}

// A head that is too large, also one that is small on the wire and large in memory, is answered, and the connection goes on.
func TestLargeHeads(t *testing.T) {
	w := listen(t, false, Config{Handler: echo})
	c := w.dial(t)
	c.send(request(1, "GET", "/", true, "x-a: "+strings.Repeat("v", 33<<10)))
	if s := c.status(1); s != 431 {
		t.Errorf("status %d", s)
	}
	// One field of 3 KiB in the table, and two hundred times its index.
	bomb := "\x3f\xe1\x1f" + string(h2.AppendRequestLine(nil, &h2.RequestLine{Method: []byte("GET"), Scheme: []byte("http"), Authority: []byte("a"), Path: []byte("/")})) +
		"\x40\x03x-b\x7f\x81\x17" + strings.Repeat("v", 3072) + strings.Repeat("\xbe", 200)
	c.send(frame(h2.Headers, h2.FlagEndHeaders|h2.FlagEndStream, 3, bomb))
	if s := c.status(3); s != 431 {
		t.Errorf("status %d", s)
	}
	c.send(request(5, "GET", "/", true))
	if s := c.status(5); s != 200 {
		t.Errorf("status %d", s)
	}
	if held := w.held.Load(); held > 100<<10 {
		t.Errorf("%d octets are held", held)
	}
}

// More streams than were allowed are refused, and those that are allowed run.
func TestTooManyStreams(t *testing.T) {
	w := listen(t, false, Config{Handler: echo, Limits: Limits{Streams: 10}})
	c := w.dial(t)
	for i := range uint32(11) {
		c.send(request(2*i+1, "GET", "/hold", true))
	}
	if f := c.await(h2.RSTStream, 0); f.Stream != 21 || binary.BigEndian.Uint32(f.Payload) != uint32(h2.RefusedStream) {
		t.Errorf("stream %d", f.Stream)
	}
}

// Octets of bodies that nobody takes are bounded by the windows and by the memory of all connections.
func TestMemoryIsBounded(t *testing.T) {
	w := listen(t, false, Config{Handler: echo, Limits: Limits{Memory: 200_000, Window: 256 << 10, All: 1 << 20}})
	c := w.dial(t)
	c.send(request(1, "POST", "/hold", false))
	for range 15 {
		c.send(frame(h2.Data, 0, 1, strings.Repeat("x", h2.FrameMax)))
		if w.held.Load() > 200_000 {
			break
		}
		c.ping()
	}
	c.send(request(3, "GET", "/", true))
	if f := c.await(h2.RSTStream, 3); binary.BigEndian.Uint32(f.Payload) != uint32(h2.RefusedStream) && w.Stats.Refused.Load() != 1 {
		t.Error("a stream is taken though the memory is used up")
	}
	c.send(reset(1))
	eventually(t, "what was held is not given back", func() bool { return w.held.Load() == 0 })
	c.send(request(5, "GET", "/", true))
	if s := c.status(5); s != 200 {
		t.Errorf("status %d", s)
	}
}

// Where memory is tight, the connection with the most streams is refused more, and others are not.
func TestTheGreediestIsRefusedFirst(t *testing.T) {
	w := listen(t, false, Config{Handler: echo, Limits: Limits{Memory: 8 << 20, Stream: 40 << 10}})
	greedy, modest := w.dial(t), w.dial(t)
	for id := uint32(1); id < 90; id += 2 {
		greedy.send(request(id, "GET", "/hold", true))
	}
	if f := greedy.await(h2.RSTStream, 0); binary.BigEndian.Uint32(f.Payload) != uint32(h2.RefusedStream) || f.Stream < 2*streamsTight {
		t.Errorf("stream %d: code %x", f.Stream, f.Payload)
	}
	modest.send(request(1, "GET", "/", true))
	if s := modest.status(1); s != 200 {
		t.Errorf("status %d", s)
	}
}

// A client that never opens its window, or drips credit, is cut off after its time, and others of the connection are not.
func TestStalledStream(t *testing.T) {
	broken := make(chan fault.Rule, 10)
	w := listen(t, false, Config{Handler: echo, Broken: rules(broken)})
	c := w.dial(t)
	c.send(frame(h2.SettingsFrame, 0, 0, "\x00\x04\x00\x00\x00\x00") + request(1, "GET", "/size=100000", true))
	c.status(1)
	m := w.list()[0]
	waits := func() (until time.Time) {
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, st := range m.waiting {
			until = st.until
		}
		return until
	}
	eventually(t, "the stream does not wait", func() bool { return !waits().IsZero() })
	before := waits()
	for range 10 {
		c.send(frame(h2.WindowUpdate, 0, 1, u32(1)))
	}
	c.ping()
	if !waits().Equal(before) {
		t.Error("a drip of single octets buys time")
	}
	m.sweep(before.Add(-time.Second))
	c.send(request(3, "POST", "/echo", true))
	c.status(3)
	m.sweep(before.Add(time.Second))
	if f := c.await(h2.RSTStream, 1); binary.BigEndian.Uint32(f.Payload) != uint32(h2.Cancel) {
		t.Errorf("code %x", f.Payload)
	}
	wantRule(t, broken, fault.RuleH2Stall)
	c.ping()
}

// Credit buys a second for each KiB, and no more than a minute at once.
func TestCreditBuysTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{}
		m := &mux{s: s, conn: h2.NewConn(h2.Config{})}
		st := newStream()
		st.m, st.sending, st.until = m, true, time.Now().Add(stallTime)
		st.h.Owner = st
		for _, tt := range []struct {
			credit int64
			want   time.Duration
		}{{1023, 30 * time.Second}, {1024, 31 * time.Second}, {20 << 10, 51 * time.Second}, {1 << 30, time.Minute}} {
			m.credit(&h2.Event{Kind: h2.EventWindow, Stream: &st.h, Credit: tt.credit})
			if got := time.Until(st.until); got != tt.want {
				t.Errorf("after %d octets: %v, want %v", tt.credit, got, tt.want)
			}
		}
	})
}

// Who connects and does not begin, begins and does not go on, or sends half a head, is closed.
func TestSlowClients(t *testing.T) {
	later := time.Now().Add(time.Hour)
	for name, tt := range map[string]struct {
		octets string
		code   int64
		o      Limits
	}{
		"nothing":           {"", -1, Limits{}},
		"half a preface":    {h2.Preface[:10], -1, Limits{}},
		"no SETTINGS":       {h2.Preface, -1, Limits{}},
		"half a head":       {h2.Preface + frame(h2.SettingsFrame, 0, 0, "") + frame(h2.SettingsFrame, h2.FlagAck, 0, "") + frame(h2.Headers, 0, 1, "\x82"), -1, Limits{}},
		"half a frame":      {h2.Preface + frame(h2.SettingsFrame, 0, 0, "") + frame(h2.SettingsFrame, h2.FlagAck, 0, "") + frame(h2.Headers, 4, 1, "\x82\x84")[:10], -1, Limits{}},
		"no acknowledgment": {h2.Preface + frame(h2.SettingsFrame, 0, 0, ""), int64(h2.SettingsTimeout), Limits{}},
		"idle":              {h2.Preface + frame(h2.SettingsFrame, 0, 0, "") + frame(h2.SettingsFrame, h2.FlagAck, 0, ""), int64(h2.NoError), Limits{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := listen(t, false, Config{Handler: echo, Limits: tt.o})
			c := w.connect(t)
			c.send(tt.octets)
			c.await(h2.SettingsFrame, 0)
			eventually(t, "no connection", func() bool { return w.Connections() == 1 })
			m := w.list()[0]
			eventually(t, "the octets do not arrive", func() bool {
				m.mu.Lock()
				defer m.mu.Unlock()
				return len(tt.octets) < 30 || m.conn.Settled() && (!strings.Contains(name, "half") || !m.partial.IsZero())
			})
			for _, now := range []time.Time{time.Now(), later, later.Add(time.Hour), later.Add(2 * time.Hour)} {
				m.sweep(now)
				eventually(t, "what it said is not written", func() bool { // a worker does that, who has an hour for it
					m.mu.Lock()
					defer m.mu.Unlock()
					return !m.flushing && len(m.out) == 0
				})
			}
			if code := c.end(); code != tt.code {
				t.Errorf("ended with %d, want %d", code, tt.code)
			}
		})
	}
}

// A body that stops coming fails the handler that waits for it.
func TestSilentBody(t *testing.T) {
	failed := make(chan error, 1)
	w := listen(t, false, Config{Handler: func(st *Stream) {
		_, _, err := st.Next()
		if err == nil {
			_, _, err = st.Next()
		}
		failed <- err
	}})
	c := w.dial(t)
	c.send(request(1, "POST", "/", false) + frame(h2.Data, 0, 1, "abc"))
	m := (*mux)(nil)
	eventually(t, "nobody waits for the body", func() bool {
		if l := w.list(); len(l) == 1 {
			m = l[0]
			m.mu.Lock()
			defer m.mu.Unlock()
			reading := false
			m.conn.Each(func(h *h2.Stream) { reading = h.Owner.(*Stream).reading })
			return reading
		}
		return false
	})
	m.sweep(time.Now().Add(time.Minute - time.Second))
	select {
	case err := <-failed:
		t.Fatal("too early:", err)
	default:
	}
	m.sweep(time.Now().Add(time.Minute + time.Second))
	if err := <-failed; err != ErrSilent {
		t.Error(err)
	}
}

// A client that takes nothing stops its own reading, and what is gathered for it has a bound.
func TestClientThatTakesNothing(t *testing.T) {
	w := listen(t, false, Config{Handler: echo})
	c := w.dial(t)
	c.send(frame(h2.SettingsFrame, 0, 0, "\x00\x04\x7f\xff\xff\xff") + frame(h2.WindowUpdate, 0, 0, u32(1<<30)))
	for id := uint32(1); id < 200; id += 2 {
		c.send(request(id, "GET", "/size=50000000", true))
	}
	eventually(t, "no connection", func() bool { return w.Connections() == 1 })
	m := w.list()[0]
	stuck := func() bool {
		return m.writeSince.Load() != 0 && time.Now().UnixNano()-m.writeSince.Load() > int64(100*time.Millisecond)
	}
	eventually(t, "the writes go on", stuck)
	m.mu.Lock()
	n := len(m.out)
	m.mu.Unlock()
	if n > outData+h2.FrameMax+4096 {
		t.Errorf("%d octets are gathered", n)
	}
	m.sweep(time.Now().Add(time.Hour))
	eventually(t, "the connection stays", func() bool { return w.Connections() == 0 })
}

// strain is a bucket: what it lets through and what not.
func TestStrain(t *testing.T) {
	var s strain
	at := time.Now()
	s.at, s.since = at, at
	s.control(at, strainFree, costControl)
	if s.level != 0 {
		t.Error("the first are free:", s.level)
	}
	s.control(at, 7, costControl)
	s.control(at, 8, costWindow)
	if s.level != 9 {
		t.Error(s.level)
	}
	s.sent()
	s.control(at, 5, costControl)
	if s.level != 11 {
		t.Error("three are paid by a frame of ours:", s.level)
	}
	if s.leak(at.Add(time.Second)); s.level != 1 {
		t.Error(s.level)
	}
	s.well()
	s.well()
	if s.level != 0 {
		t.Error(s.level)
	}
	s.control(at.Add(strainPeriod+time.Second), strainFree, costControl)
	if s.level != 0 {
		t.Error("a new period has its free ones:", s.level)
	}
	for range 10_000 {
		s.sent()
	}
	if s.paid != paidMax {
		t.Error(fmt.Sprint("paid ", s.paid))
	}
}
