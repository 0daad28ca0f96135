package listener_test

import (
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/whygate/whygate/internal/exchange"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/listener"
)

// A connection is held to the limits of when it came, though all that speak HTTP/2 share one server.
func TestHTTP2LimitsChange(t *testing.T) {
	var head atomic.Int64
	s := &listener.Server{
		Serve:  func(x *exchange.Exchange) { answer(x, 200, "ok") },
		Refuse: func(x *exchange.Exchange, _ *fault.Evidence) { answer(x, 431, "refused") },
		Limits: func() listener.Limits {
			return listener.Limits{Connections: 10, RequestHead: int(head.Load()), HeadTime: patience, Idle: patience}
		},
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Listen(l, nil, func() bool { return true }) }() // ends by Drain
	defer func() {
		s.Drain(0)
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	ask := func(c *http.Client) int {
		request, _ := http.NewRequest("GET", "http://"+l.Addr().String(), nil)
		request.Header.Set("X-Large", strings.Repeat("x", 8<<10))
		res, err := c.Do(request)
		if err != nil && strings.Contains(err.Error(), "peer's advertised limit") {
			return 431 // our SETTINGS came before it asked, and it says so itself
		}
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	connect := func() *http.Client {
		transport := &http.Transport{Protocols: new(http.Protocols)}
		transport.Protocols.SetUnencryptedHTTP2(true)
		t.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport, Timeout: patience}
	}
	head.Store(16 << 10)
	before := connect()
	if status := ask(before); status != 200 {
		t.Errorf("status %d", status)
	}
	head.Store(4 << 10)
	if status := ask(connect()); status != 431 {
		t.Errorf("status %d of a connection that came later", status)
	}
	if status := ask(before); status != 200 {
		t.Errorf("status %d of the connection that was there", status)
	}
	head.Store(16 << 10)
	if status := ask(connect()); status != 200 {
		t.Errorf("status %d when there is more room again", status)
	}
}
