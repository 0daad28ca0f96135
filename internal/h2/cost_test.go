package h2

import (
	"bytes"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"

	"github.com/whygate/whygate/internal/httpmsg"
)

// browser is the fields of a page's request as Chromium sends them.
var browser = []hpack.HeaderField{
	{Name: ":method", Value: "GET"},
	{Name: ":authority", Value: "shop.example.com"},
	{Name: ":scheme", Value: "https"},
	{Name: ":path", Value: "/assets/app.3f9c2d.js"},
	{Name: "sec-ch-ua", Value: `"Chromium";v="130", "Not?A_Brand";v="99"`},
	{Name: "sec-ch-ua-mobile", Value: "?0"},
	{Name: "user-agent", Value: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"},
	{Name: "accept", Value: "*/*"},
	{Name: "sec-fetch-site", Value: "same-origin"},
	{Name: "sec-fetch-mode", Value: "no-cors"},
	{Name: "referer", Value: "https://shop.example.com/"},
	{Name: "accept-encoding", Value: "gzip, deflate, br, zstd"},
	{Name: "accept-language", Value: "en-GB,en;q=0.9,de;q=0.8"},
	{Name: "cookie", Value: "session=0123456789abcdef0123456789abcdef"},
	{Name: "cookie", Value: "theme=dark"},
	{Name: "priority", Value: "u=1"},
}

// blocks are the browser's request twice, as another encoder writes it: literals first, then indexed.
func blocks(tb testing.TB) (first, second []byte) {
	var wire bytes.Buffer
	enc := hpack.NewEncoder(&wire)
	for range 2 {
		first = second
		wire.Reset()
		for _, f := range browser {
			if err := enc.WriteField(f); err != nil {
				tb.Fatal(err)
			}
		}
		second = bytes.Clone(wire.Bytes())
	}
	return first, second
}

// exchange is a connection on which one request after the other comes, with a body and is answered.
type exchange struct {
	c    *Conn
	st   Stream
	req  httpmsg.Request
	id   uint32
	in   []byte
	head []byte
	out  []byte
	body string
	wire []byte // the field block of each request
}

func newExchange(block []byte, body int) *exchange {
	x := &exchange{c: NewConn(Config{Settings: Settings{MaxStreams: 128}, Window: 1 << 20}), wire: block, body: strings.Repeat("x", body), id: 1}
	var ev Event
	for in := []byte(clientStart); len(in) > 0; {
		n, err := x.c.Next(in, &ev)
		if err != nil {
			panic(err)
		}
		in = in[n:]
	}
	return x
}

func (x *exchange) once(tb testing.TB) {
	flags := uint8(FlagEndHeaders)
	if x.body == "" {
		flags |= FlagEndStream
	}
	x.in = append(AppendFrameHead(x.in[:0], len(x.wire), Headers, flags, x.id), x.wire...)
	if x.body != "" {
		x.in = append(AppendDataHead(x.in, x.id, len(x.body), true), x.body...)
	}
	x.out = x.out[:0]
	var ev Event
	for in := x.in; len(in) > 0; {
		n, err := x.c.Next(in, &ev)
		if err != nil {
			tb.Fatal(err)
		}
		in = in[n:]
		switch ev.Kind {
		case EventRequest:
			if x.head, err = x.c.ReadRequest(&ev, &x.st, x.head[:0], &x.req); err != nil {
				tb.Fatal(err)
			}
		case EventData:
			x.c.Consume(ev.Stream, int64(len(ev.Data)))
			x.out = x.c.AppendCredit(x.out, ev.Stream)
		}
	}
	x.respond()
	x.id += 2
	if x.id > 1<<30 {
		tb.Fatal("too many")
	}
}

func (x *exchange) respond() {
	at := len(x.out)
	x.out = AppendStatus(BeginHeaders(x.out, x.id), 200)
	x.out = AppendFields(x.out, &x.req.Fields)
	x.out = AppendLength(x.out, 100)
	x.out = FinishHeaders(x.out, at, x.id, false)
	x.c.Spend(&x.st, 0)
	x.out = append(AppendDataHead(x.out, x.id, 100, true), x.out[:100]...)
	x.c.Ended(&x.st)
	x.st.Reset()
}

// Allocations: none for an exchange, with or without a body, in the ordinary course of a connection.
func TestNothingAllocates(t *testing.T) {
	first, second := blocks(t)
	for name, x := range map[string]*exchange{"indexed": newExchange(first, 0), "with a body": newExchange(first, 10_000)} {
		x.once(t)
		x.wire = second
		x.once(t)
		if n := testing.AllocsPerRun(300, func() { x.once(t) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	x := newExchange(first, 0) // each block inserts all its literals again, and evicts
	x.once(t)
	if n := testing.AllocsPerRun(300, func() { x.once(t) }); n != 0 {
		t.Errorf("literals: %v allocations", n)
	}
}

func BenchmarkExchange(b *testing.B) {
	first, second := blocks(b)
	for _, bm := range []struct {
		name  string
		block []byte
		body  int
	}{{"indexed", second, 0}, {"literals", first, 0}, {"body 10 KiB", second, 10 << 10}} {
		b.Run(bm.name, func(b *testing.B) {
			x := newExchange(first, 0)
			x.once(b)
			x.wire, x.body = bm.block, strings.Repeat("x", bm.body)
			b.ReportAllocs()
			for b.Loop() {
				x.once(b)
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	first, second := blocks(b)
	for _, bm := range []struct {
		name  string
		block []byte
	}{{"indexed", second}, {"literals", first}} {
		b.Run("ours/"+bm.name, func(b *testing.B) {
			var d Decoder
			var req httpmsg.Request
			var buf []byte
			lim := Limits{}
			if _, err := d.ReadRequest(first, nil, &req, RequestOptions{Limits: &lim, End: true}); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				var err *Error
				if buf, err = d.ReadRequest(bm.block, buf[:0], &req, RequestOptions{Limits: &lim, End: true}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("x-net/"+bm.name, func(b *testing.B) {
			n := 0
			d := hpack.NewDecoder(tableMax, func(hpack.HeaderField) { n++ })
			if _, err := d.Write(first); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Write(bm.block); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	var f httpmsg.Fields
	f.Reset(nil)
	for _, l := range []string{
		"Server: nginx", "Date: Mon, 30 Nov 2026 10:00:00 GMT", "Content-Type: text/html; charset=utf-8", "Content-Length: 100", "Cache-Control: no-cache",
		"ETag: \"abc\"", "Vary: Accept-Encoding", "X-Request-Id: 0123456789abcdef", "Strict-Transport-Security: max-age=31536000",
	} {
		name, value, _ := strings.Cut(l, ": ")
		f.Append(name, []byte(value), httpmsg.Identify([]byte(name)))
	}
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		out = AppendStatus(BeginHeaders(out[:0], 1), 200)
		out = FinishHeaders(AppendFields(out, &f), 0, 1, false)
	}
}
