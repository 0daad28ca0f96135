package diagnose

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"slices"
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h2"
)

// listener serves each connection of a port of loopback until the test ends.
func listener(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() { // ends when the listener is closed
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { // ends with the connection
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return l.Addr().String()
}

// answering answers what begins with the octets, and hangs up on everything else.
func answering(begins, answer string) func(net.Conn) {
	return func(c net.Conn) {
		in := bufio.NewReader(c)
		if b, err := in.Peek(len(begins)); err == nil && string(b) == begins {
			_, _ = c.Write([]byte(answer))
		}
	}
}

// fastCGI is a program that speaks FastCGI.
func fastCGI(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() { _ = fcgi.Serve(l, http.NotFoundHandler()) }() // ends when the listener is closed
	return l.Addr().String()
}

// TestOtherProtocols asks ports in HTTP that speak something else: none of them has crashed.
func TestOtherProtocols(t *testing.T) {
	t.Parallel()
	plain := "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
	for name, c := range map[string]struct {
		at    string
		cause fault.Cause
		says  string
	}{
		"FastCGI":            {listener(t, answering("\x01\x09", "\x01\x0a\x00\x00\x00\x00\x00\x00")), fault.CauseWrongService, "speaks FastCGI"},
		"Go's FastCGI":       {fastCGI(t), fault.CauseWrongService, "speaks FastCGI"},
		"uwsgi":              {listener(t, answering("\x64\x00\x00\x00", "\x64\x00\x00\x00")), fault.CauseWrongService, "speaks uwsgi"},
		"AJP":                {listener(t, answering("\x12\x34", "AB\x00\x01\x09")), fault.CauseWrongService, "speaks AJP"},
		"HTTP/2 in clear":    {listener(t, answering("PRI * HTTP/2.0", "\x00\x00\x00\x04\x00\x00\x00\x00\x00")), fault.CauseHTTP1OnHTTP2Port, "HTTP/2 in clear"},
		"the PROXY protocol": {listener(t, answering("PROXY ", plain)), fault.CauseProxyProtocolMismatch, "PROXY protocol"},
		"nothing at all":     {listener(t, func(net.Conn) {}), fault.CauseClosedBeforeAnswer, "closed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := run(t, &Options{URL: "http://" + c.at + "/", Count: 1}).Verdict
			if v.Cause != c.cause && (name != "nothing at all" || v.Cause != fault.CauseResetBeforeAnswer) || !strings.Contains(v.Sentence, c.says) && name != "nothing at all" {
				t.Errorf("%v, want %v: %s\n%q", v.Cause, c.cause, v.Sentence, v.Proof)
			}
		})
	}
}

// TestWrongProtocolOfTheGateway has a configuration that speaks FastCGI to a port of HTTP, and one that does so rightly.
func TestWrongProtocolOfTheGateway(t *testing.T) {
	t.Parallel()
	gateway := serve(t, page(502, nginxPage("502 Bad Gateway"), "Server: nginx"))
	application := serve(t, page(200, "fine"))
	finds := func(address string) func(context.Context, Target) (*Here, error) {
		return func(context.Context, Target) (*Here, error) {
			return &Here{Proxy: "nginx", Upstreams: []HereUpstream{{Address: address, Scheme: "fastcgi", File: "/etc/nginx/nginx.conf", Line: 7, Text: "fastcgi_pass " + address}}}, nil
		}
	}
	r := run(t, &Options{URL: gateway.URL, Count: 1, Here: finds(application.Listener.Addr().String())})
	if v := r.Verdict; v.Cause != fault.CauseWrongService || !strings.Contains(v.Sentence, "speaks FastCGI to") || !strings.Contains(v.Sentence, "speaks HTTP") {
		t.Errorf("%v: %s", v.Cause, v.Sentence)
	}
	if application.count("GET") != 0 || application.count("POST") != 0 {
		t.Errorf("the application was asked: %v", application.seen)
	}
	if v := run(t, &Options{URL: gateway.URL, Count: 1, Here: finds(fastCGI(t))}).Verdict; v.Cause == fault.CauseWrongService {
		t.Errorf("a right one: %s", v.Sentence)
	}
}

// TestGreetingsAreHarmless holds that no greeting is a request for something.
func TestGreetingsAreHarmless(t *testing.T) {
	t.Parallel()
	for _, g := range greetings {
		for _, method := range []string{"GET ", "POST ", "PUT ", "DELETE "} {
			if strings.Contains(string(g.says), method) {
				t.Errorf("%s is greeted with %q", g.name, g.says)
			}
		}
		if slices.ContainsFunc(greetings, func(other greeting) bool { return other.name != g.name && g.answers(other.says) }) {
			t.Errorf("an echo of another greeting is taken for %s", g.name)
		}
	}
}

// TestSpeaksInOrder: which answer arrived first does not decide what a port speaks.
func TestSpeaksInOrder(t *testing.T) {
	t.Parallel()
	said := make(chan struct{})
	address := listener(t, func(c net.Conn) {
		in := bufio.NewReader(c)
		switch b, _ := in.Peek(4); string(b) {
		case "OPTI":
			_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
			_, _ = io.Copy(io.Discard, in) // until it was read, and hung up on
			close(said)
		case "PRI ":
			<-said
			_, _ = c.Write(frame(h2.SettingsFrame, 0, ""))
		}
	})
	s := &shaker{network: "tcp", address: address}
	if found := s.speaks(t.Context(), nil, "fastcgi", "uwsgi", "ajp").Found; !slices.Equal(found, []string{"h2c", "http"}) {
		t.Errorf("%q", found)
	}
}
