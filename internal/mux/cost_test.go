package mux

import (
	"bytes"
	"io"
	"net"
	"runtime"
	"testing"

	"github.com/whygate/whygate/internal/h2"
)

// answer is a handler that makes nothing.
func answer() func(*Stream) {
	f, body := field("content-type", "text/plain"), large[:100]
	return func(st *Stream) {
		if _, whole := st.WholeBody(); !whole {
			return
		}
		_ = st.WriteHead(200, f, 100)
		_ = st.Write(body)
		_ = st.End(nil)
	}
}

// pipeline sends batches of requests on one connection and waits for all answers.
type pipeline struct {
	nc   net.Conn
	id   uint32
	n    int    // requests in a batch
	one  []byte // a request
	out  []byte
	in   []byte
	size int // octets of one answer
}

func newPipeline(t testing.TB, w *site, n int, body string) *pipeline {
	t.Helper()
	nc := w.dialAny(t)
	start := h2.Preface + frame(h2.SettingsFrame, 0, 0, "") + frame(h2.SettingsFrame, h2.FlagAck, 0, "") + frame(h2.WindowUpdate, 0, 0, u32(1<<30)) + frame(h2.Ping, 0, 0, "12345678")
	if _, err := io.WriteString(nc, start); err != nil {
		t.Fatal(err)
	}
	p := &pipeline{nc: nc, id: 1, n: n, in: make([]byte, 64<<10)}
	p.one = []byte(request(1, "GET", "/", true))
	if body != "" {
		p.one = []byte(request(1, "POST", "/", false) + frame(h2.Data, h2.FlagEndStream, 1, body))
	}
	pong := []byte(frame(h2.Ping, h2.FlagAck, 0, "12345678"))
	for got := []byte(nil); !bytes.Contains(got, pong); {
		k, err := nc.Read(p.in)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, p.in[:k]...)
	}
	head := appendHead(nil, 1, 200, field("content-type", "text/plain"), nil, 100)
	p.size = len(head) + h2.FrameHead + 100
	return p
}

func (p *pipeline) batch(t testing.TB) {
	p.out = p.out[:0]
	for range p.n {
		for b := p.one; len(b) > 0; {
			f, n, _ := h2.ParseFrame(b)
			p.out = append(h2.AppendFrameHead(p.out, f.Length, f.Type, f.Flags, p.id), f.Payload...)
			b = b[n:]
		}
		p.id += 2
	}
	if _, err := p.nc.Write(p.out); err != nil {
		t.Fatal(err)
	}
	for left := p.n * p.size; left > 0; {
		k, err := p.nc.Read(p.in[:min(left, len(p.in))])
		if err != nil {
			t.Fatal(err)
		}
		left -= k
	}
}

// Whole exchanges allocate nothing, with and without a body, alone and sixteen at once. crypto/tls allocates once for each record that it
// reads, and the client of this test has it too.
func TestExchangeAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	each(t, func(t *testing.T, secure bool) {
		for _, n := range []int{1, 16} {
			for _, body := range []string{"", "a small body"} {
				w := listen(t, secure, Config{Handler: answer()})
				p := newPipeline(t, w, n, body)
				for range 100 {
					p.batch(t)
				}
				most := 0.0
				if secure {
					most = 4
				}
				if got := testing.AllocsPerRun(200, func() { p.batch(t) }); got > most {
					t.Errorf("%d requests with a body of %d: %v allocations", n, len(body), got)
				}
			}
		}
	})
}

// A large answer goes through buffers that are used again.
func TestLargeAnswerAllocatesLittle(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	each(t, func(t *testing.T, secure bool) {
		w := listen(t, secure, Config{Handler: echo})
		nc := w.dialAny(t)
		start := h2.Preface + frame(h2.SettingsFrame, 0, 0, "\x00\x04\x7f\xff\xff\xff") + frame(h2.SettingsFrame, h2.FlagAck, 0, "") + frame(h2.WindowUpdate, 0, 0, u32(1<<30))
		if _, err := io.WriteString(nc, start+request(1, "GET", "/size=1000000", true)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 256<<10)
		readAnswer(t, nc, buf)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _ = io.WriteString(nc, request(3, "GET", "/size=64000000", true))
		readAnswer(t, nc, buf)
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 4<<20 {
			t.Errorf("%d KiB allocated for 64 MB", got>>10)
		}
	})
}

// readAnswer reads frames until a stream ends.
func readAnswer(t *testing.T, nc net.Conn, buf []byte) {
	t.Helper()
	for have := 0; ; {
		k, err := nc.Read(buf[have:])
		if err != nil {
			t.Fatal(err)
		}
		have += k
		at := 0
		for {
			f, n, bad := h2.ParseFrame(buf[at:have])
			if bad != nil {
				t.Fatal(bad)
			}
			if at += n; n == 0 {
				break
			}
			if f.Type == h2.Data && f.Has(h2.FlagEndStream) {
				return
			}
		}
		have = copy(buf, buf[at:have])
	}
}

func BenchmarkExchange(b *testing.B) {
	for _, secure := range []bool{false, true} {
		for _, n := range []int{1, 16, 100} {
			b.Run(map[bool]string{false: "clear", true: "TLS"}[secure]+"/"+string(rune('0'+n/100))+string(rune('0'+n/10%10))+string(rune('0'+n%10)), func(b *testing.B) {
				w := listen(b, secure, Config{Handler: answer()})
				p := newPipeline(b, w, n, "")
				b.ReportAllocs()
				for b.Loop() {
					p.batch(b)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/request")
				b.ReportMetric(float64(w.Stats.Answers.Load())/float64(w.Stats.Writes.Load()), "answers/write")
			})
		}
	}
}
