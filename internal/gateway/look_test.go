//go:build linux

package gateway_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/gateway"
)

// The look at the start asks sixteen endpoints at a time, gives what they did in the order of the file, and ends with its context.
func TestLookIsBounded(t *testing.T) {
	t.Parallel()
	const endpoints, atOnce = 40, 16
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan net.Conn)
	go func() { // ends with the listener
		defer close(accepted)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	var list []string
	for i := range endpoints {
		list = append(list, fmt.Sprintf("%q", fmt.Sprintf("http://127.0.0.1:%d", l.Addr().(*net.TCPAddr).Port)))
		if i%2 == 0 {
			list[i] = strings.Replace(list[i], "127.0.0.1", "localhost", 1)
		}
	}
	g := startText(t, fmt.Sprintf("version: 1\nlisten: [{address: \"127.0.0.1:0\"}]\nadmin: \"off\"\naccess_log: \"off\"\nroutes: [{pool: web}]\npools: {web: {endpoints: [%s]}}\n", strings.Join(list, ", ")))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var looks []gateway.Look
	over := make(chan struct{})
	go func() { // ends with ctx, or with the last look
		defer close(over)
		g.LookAround(ctx, func(look gateway.Look) { looks = append(looks, look) })
	}()
	var open []net.Conn
	for range atOnce {
		open = append(open, <-accepted)
	}
	select {
	case <-accepted:
		t.Errorf("more than %d at a time", atOnce)
	case <-time.After(200 * time.Millisecond):
	}
	answer := func(c net.Conn) {
		_, _ = c.Write([]byte("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"))
		_ = c.Close()
	}
	for _, c := range open {
		answer(c)
	}
	for range endpoints - atOnce {
		answer(<-accepted)
	}
	<-over
	if len(looks) != endpoints {
		t.Fatalf("%d looks", len(looks))
	}
	for i, look := range looks {
		if want := strings.Trim(list[i], `"`); look.Endpoint != want || look.Fault.Is() || !strings.HasPrefix(look.Text, "answered 204 in ") {
			t.Errorf("%d: %+v, want %s", i, look, want)
		}
	}
}

// Endpoints that say nothing do not hold up who ends the look.
func TestLookEndsWithItsContext(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	g := startText(t, pool("127.0.0.1:0", "http://"+l.Addr().String(), ""))
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() { // ends with ctx
		defer close(over)
		g.LookAround(ctx, func(gateway.Look) { t.Error("told of a look that was cut short") })
	}()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cancel()
	select {
	case <-over:
	case <-time.After(patience):
		t.Error("it goes on")
	}
}

// The look asks in the version that requests would go in, and a stream that is reset is an answer of sorts.
func TestLookOverHTTP2(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 || r.Header.Get("User-Agent") != "whygate-probe" {
			t.Errorf("%s by %s", r.Proto, r.Header.Get("User-Agent"))
		}
		if strings.HasPrefix(r.Host, "localhost") {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(204)
	}))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	defer s.Close()
	one := strings.Replace(s.URL, "http:", "h2c:", 1)
	two := strings.Replace(one, "127.0.0.1", "localhost", 1)
	g := startText(t, fmt.Sprintf("version: 1\nlisten: [{address: \"127.0.0.1:0\"}]\nadmin: \"off\"\naccess_log: \"off\"\nroutes: [{pool: web}]\npools: {web: {endpoints: [%q, %q]}}\n", one, two))
	var looks []gateway.Look
	g.LookAround(t.Context(), func(look gateway.Look) { looks = append(looks, look) })
	if len(looks) != 2 || !strings.HasPrefix(looks[0].Text, "answered 204 in ") || !strings.HasSuffix(looks[0].Text, "HTTP/2") ||
		looks[1].Fault.Cause != fault.CauseHTTP2StreamReset || !strings.HasPrefix(looks[1].Text, "answers, but not a request: ") {
		t.Errorf("%+v", looks)
	}
}
