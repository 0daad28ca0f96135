package mux

import (
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/h2"
)

// hostile is what a connection does that wants to cost as much as it can, and then stays.
var hostile = map[string]func() string{
	"bodies that nobody takes": func() string {
		b := ""
		for id := uint32(1); id < 2*11; id += 2 { // what the connection's window allows
			b += request(id, "POST", "/hold", false) + frame(h2.Data, 0, id, strings.Repeat("x", h2.FrameMax-1))
		}
		return b
	},
	"answers that nobody takes": func() string {
		b := frame(h2.SettingsFrame, 0, 0, "\x00\x04\x00\x00\x00\x00")
		for id := uint32(1); id < 256; id += 2 {
			b += request(id, "GET", "/size=1000000", true)
		}
		return b
	},
	"heads full of the table": func() string {
		line := string(h2.AppendRequestLine(nil, &h2.RequestLine{Method: []byte("GET"), Scheme: []byte("http"), Authority: []byte("a"), Path: []byte("/hold")}))
		b := frame(h2.SettingsFrame, 0, 0, "\x00\x04\x00\x00\x00\x00") + frame(h2.Headers, 5, 1, line+"\x40\x01a\x00"+strings.Repeat("\xbe", 190))
		for id := uint32(3); id < 256; id += 2 {
			b += frame(h2.Headers, 5, id, line+strings.Repeat("\xbe", 190))
		}
		return b
	},
	"a head without an end": func() string {
		return frame(h2.Headers, 0, 1, strings.Repeat("\x82", h2.FrameMax)) + strings.Repeat(frame(h2.Continuation, 0, 1, strings.Repeat("\x82", h2.FrameMax)), 4)
	},
	"resets": func() string {
		b := ""
		for id := uint32(1); id < 180; id += 2 {
			b += request(id, "GET", "/size=1000000", true) + reset(id)
		}
		return b
	},
}

// percentile of a good client's requests, one after the other.
func percentile(t *testing.T, w *site, n int) time.Duration {
	t.Helper()
	p := newPipeline(t, w, 1, "")
	all := make([]time.Duration, n)
	for i := range all {
		began := time.Now()
		p.batch(t)
		all[i] = time.Since(began)
	}
	slices.Sort(all)
	return all[n*99/100]
}

// TestTwoHundredHostileConnections has them all at once, of each kind: what they cost in memory is bounded, and a good client is
// answered meanwhile.
func TestTwoHundredHostileConnections(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector has its own memory")
	}
	const connections, most = 200, 64 << 20
	for name, octets := range hostile {
		t.Run(name, func(t *testing.T) {
			w := listen(t, false, Config{Handler: echo})
			quiet := percentile(t, w, 300)
			before := inUse()
			for range connections {
				nc, err := net.Dial("tcp", w.addr)
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
				_ = nc.SetWriteDeadline(time.Now().Add(patience))
				_, _ = io.WriteString(nc, h2.Preface+frame(h2.SettingsFrame, 0, 0, "")+frame(h2.SettingsFrame, h2.FlagAck, 0, "")+octets())
			}
			loud := percentile(t, w, 300)
			used := inUse() - before
			t.Logf("%s: %d KiB a connection; a good client's 99th percentile: %v, %v before", name, used/connections>>10, loud, quiet)
			if n := w.Connections(); n != connections+2 && name != "a head without an end" {
				t.Errorf("%d connections are left", n)
			}
			if used > most {
				t.Errorf("%d MiB", used>>20)
			}
			if loud > time.Second {
				t.Errorf("a good client waits %v", loud)
			}
		})
	}
}

// inUse is what the heap and the stacks hold.
func inUse() int64 {
	for range 3 { // what lies in pools outlives two collections
		debug.FreeOSMemory()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// An idle connection, after some requests, is small: this end's and the client's in this process together, TLS's own state included.
func TestIdleConnectionsMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector has its own memory")
	}
	each(t, func(t *testing.T, secure bool) {
		const connections = 200
		w := listen(t, secure, Config{Handler: answer()})
		newPipeline(t, w, 4, "").batch(t)
		before := inUse()
		nc := make([]*pipeline, connections)
		for i := range nc {
			nc[i] = newPipeline(t, w, 4, "")
			nc[i].batch(t)
			nc[i].in, nc[i].out, nc[i].one = nil, nil, nil
		}
		w.workers.sweep(time.Now().Add(time.Hour))
		used := (inUse() - before) / connections >> 10
		t.Logf("%d KiB a connection", used)
		if most := map[bool]int64{false: 14, true: 48}[secure]; used > most {
			t.Errorf("%d KiB a connection, at most %d", used, most)
		}
	})
}
