package h1

import (
	"testing"

	"github.com/whygate/whygate/internal/httpmsg"
)

// wrkRequest is what wrk sends, nginxResponse what nginx answers for a static file.
const (
	wrkRequest    = "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"
	nginxResponse = "HTTP/1.1 200 OK\r\nServer: nginx/1.26.2\r\nDate: Tue, 14 Jan 2025 10:00:00 GMT\r\nContent-Type: text/html; charset=utf-8\r\n" +
		"Content-Length: 612\r\nLast-Modified: Mon, 13 Jan 2025 09:00:00 GMT\r\nConnection: keep-alive\r\nETag: \"6784d5e0-264\"\r\nAccept-Ranges: bytes\r\n\r\n"
	browserRequest = "GET /shop/cart/items?page=2&sort=price%20asc HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0\r\n" +
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-GB,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n" +
		"Connection: keep-alive\r\nReferer: https://shop.example.com/shop/cart\r\nCookie: session=8f14e45fceea167a5a36dedd4bea2543; theme=dark; consent=1\r\n" +
		"Upgrade-Insecure-Requests: 1\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: same-origin\r\nPriority: u=0, i\r\n\r\n"
)

func BenchmarkParseRequest(b *testing.B) {
	for name, head := range map[string]string{"wrk": wrkRequest, "browser": browserRequest} {
		b.Run(name, func(b *testing.B) {
			var p Progress
			var req httpmsg.Request
			var lim Limits
			buf := []byte(head)
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				if n, err := ParseRequest(buf, &p, &req, &lim); n != len(buf) {
					b.Fatal(n, err)
				}
			}
		})
	}
}

func BenchmarkParseResponse(b *testing.B) {
	var p Progress
	var res httpmsg.Response
	var lim Limits
	buf := []byte(nginxResponse)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		if n, err := ParseResponse(buf, &p, &res, httpmsg.GET, &lim); n != len(buf) {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkDecodeChunked(b *testing.B) {
	chunk := append([]byte("400\r\n"), make([]byte, 1024)...)
	body := append(append(chunk, "\r\n"...), "0\r\n\r\n"...)
	var d Decoder
	var lim Limits
	var trailers httpmsg.Fields
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		d.Reset(httpmsg.LengthUnknown, &lim, &trailers)
		for src := body; !d.Done(); {
			_, n, err := d.Next(src)
			if err != nil {
				b.Fatal(err)
			}
			src = src[n:]
		}
	}
}

func BenchmarkEncodeChunk(b *testing.B) {
	var e Encoder
	dst := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		e.Reset(httpmsg.LengthUnknown)
		out, _ := e.Begin(dst, 1024)
		out = e.Finish(out)
		if _, ok := e.End(out, nil); !ok {
			b.Fatal("not ended")
		}
	}
}

func BenchmarkAppendFields(b *testing.B) {
	var p Progress
	var res httpmsg.Response
	var lim Limits
	if _, err := ParseResponse([]byte(nginxResponse), &p, &res, httpmsg.GET, &lim); err != nil {
		b.Fatal(err)
	}
	dst := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		AppendFields(AppendStatusLine(dst, res.Status, nil), &res.Fields)
	}
}
