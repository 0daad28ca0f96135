//go:build linux

package gateway_test

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/gateway"
	"github.com/whygate/whygate/internal/store"
)

// BenchmarkExchange is a small GET over kept-alive connections, through everything that ships. make pgo takes the compiler's
// profile from it; the comparison with others is make bench.
func BenchmarkExchange(b *testing.B) {
	const answer = "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sun, 22 Nov 2026 13:06:44 GMT\r\nContent-Type: text/plain\r\nContent-Length: 100\r\nConnection: keep-alive\r\n\r\n"
	origin := rawOrigin(b, answer+strings.Repeat("x", 100))
	cfg, problems := config.Parse("bench.yaml", []byte(pool("127.0.0.1:0", "http://"+origin, "")), config.Options{})
	if err := problems.Err(); err != nil {
		b.Fatal(err)
	}
	g, err := gateway.New(cfg, gateway.Options{Store: store.Nowhere, Stdout: io.Discard, Stderr: io.Discard})
	if err != nil {
		b.Fatal(err)
	}
	g.Start()
	defer g.Stop(0, time.Second)
	const clients = 32
	var wait sync.WaitGroup
	b.ReportAllocs()
	for range clients {
		c, err := net.Dial("tcp", g.Addresses()[0].Address)
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		wait.Go(func() { // ends after its share of the requests
			request := []byte("GET /index.html HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n")
			buf := make([]byte, 4096)
			for range b.N/clients + 1 {
				if _, err := c.Write(request); err != nil {
					b.Error(err)
					return
				}
				for got := 0; ; {
					n, err := c.Read(buf[got:])
					if err != nil {
						b.Error(err)
						return
					}
					if got += n; bytes.HasSuffix(buf[:got], []byte("xxxxxxxx")) {
						break
					}
				}
			}
		})
	}
	wait.Wait()
}

// rawOrigin answers each request head with the same octets.
func rawOrigin(b *testing.B, text string) string {
	answer := []byte(text)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	go func() { // ends with the listener
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { // ends when the gateway closes the connection
				defer c.Close()
				buf := make([]byte, 4096)
				for got := 0; ; {
					n, err := c.Read(buf[got:])
					if err != nil {
						return
					}
					if got += n; bytes.HasSuffix(buf[:got], []byte("\r\n\r\n")) {
						if got = 0; n > 0 {
							_, _ = c.Write(answer)
						}
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}
