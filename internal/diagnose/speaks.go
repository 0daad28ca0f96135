package diagnose

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h2"
)

// Speaks is which protocols a port answers, asked in each by what changes nothing: a port that hangs up on HTTP may be in order, and be
// no port for HTTP.
type Speaks struct {
	Wanted string   `json:"wanted,omitempty"` // what the gateway speaks to it, where a configuration says so
	Found  []string `json:"found"`
}

// greeting is how a protocol is asked whether it is there: a message that every server of it answers, and that does nothing.
type greeting struct {
	name, title string
	says        []byte
	answers     func(b []byte) bool
	pass        string // nginx's directive for it
}

// greetings: FastCGI's FCGI_GET_VALUES (management record, request 0), uwsgi's ping, AJP's CPing, HTTP/2's preface with empty SETTINGS, and
// OPTIONS of HTTP/1.1 with the asterisk.
var greetings = []greeting{
	{"fastcgi", "FastCGI", []byte{1, 9, 0, 0, 0, 0, 0, 0}, func(b []byte) bool { return len(b) >= 8 && b[0] == 1 && (b[1] == 10 || b[1] == 11) }, "fastcgi_pass"},
	{"uwsgi", "uwsgi", []byte{100, 0, 0, 0}, func(b []byte) bool { return len(b) >= 4 && b[0] == 100 }, "uwsgi_pass"},
	{"ajp", "AJP", []byte{0x12, 0x34, 0, 1, 10}, func(b []byte) bool { return bytes.HasPrefix(b, []byte{'A', 'B', 0, 1, 9}) }, ""},
	{"h2c", "HTTP/2 in clear", h2.AppendFrameHead([]byte(h2.Preface), 0, h2.SettingsFrame, 0, 0), func(b []byte) bool {
		return len(b) >= 9 && b[3] == byte(h2.SettingsFrame) && bytes.Equal(b[5:9], []byte{0, 0, 0, 0})
	}, "grpc_pass"},
	{"http", "HTTP", []byte("OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"), func(b []byte) bool { return bytes.HasPrefix(b, []byte("HTTP/1.")) }, "proxy_pass"},
}

// proxyLine is a header of the PROXY protocol, version 1, that tells no address.
const proxyLine = "PROXY UNKNOWN\r\n"

// greetTime bounds each greeting: who speaks the protocol answers at once.
const greetTime = 800 * time.Millisecond

// speaks greets the port in each protocol but those left out, all at once. With a request, that is sent behind a header of the PROXY
// protocol as well.
func (s *shaker) speaks(ctx context.Context, request []byte, without ...string) *Speaks {
	found := &Speaks{Found: []string{}}
	var mu sync.Mutex // guards found
	var group sync.WaitGroup
	greet := func(name string, says []byte, answers func([]byte) bool) {
		group.Go(func() {
			if b := s.exchange(ctx, says); answers(b) {
				mu.Lock()
				found.Found = append(found.Found, name)
				mu.Unlock()
			}
		})
	}
	for _, g := range greetings {
		left := false
		for _, name := range without {
			left = left || name == g.name
		}
		if !left {
			greet(g.name, g.says, g.answers)
		}
	}
	if request != nil {
		greet("proxy", append([]byte(proxyLine), request...), func(b []byte) bool {
			return bytes.HasPrefix(b, []byte("HTTP/1.")) && !bytes.HasPrefix(b, []byte("HTTP/1.1 400")) && !bytes.HasPrefix(b, []byte("HTTP/1.0 400"))
		})
	}
	group.Wait()
	slices.SortFunc(found.Found, func(a, b string) int { return rankOf(a) - rankOf(b) })
	return found
}

// rankOf is a protocol's place in greetings: the order in which answers arrive says nothing. The PROXY protocol's header comes last.
func rankOf(name string) int {
	if at := slices.IndexFunc(greetings, func(g greeting) bool { return g.name == name }); at >= 0 {
		return at
	}
	return len(greetings)
}

// exchange sends octets on a connection of its own and gives the first that come.
func (s *shaker) exchange(ctx context.Context, says []byte) []byte {
	d := net.Dialer{Timeout: greetTime}
	nc, err := d.DialContext(ctx, s.network, s.address)
	if err != nil {
		return nil
	}
	defer nc.Close()
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_ = nc.SetDeadline(time.Now().Add(greetTime))
	if _, err := nc.Write(says); err != nil {
		return nil
	}
	b := make([]byte, 16)
	n, _ := io.ReadAtLeast(nc, b, 9)
	return b[:n]
}

// greetingOf is what is known of a protocol, nil where it is none of those that are asked for.
func greetingOf(name string) *greeting {
	for i := range greetings {
		if g := &greetings[i]; g.name == name || g.name == "h2c" && name == "grpc" {
			return g
		}
	}
	return nil
}

// titleOfProtocol is a protocol as a sentence has it.
func titleOfProtocol(name string) string {
	if g := greetingOf(name); g != nil {
		return g.title
	}
	return map[string]string{"https": "HTTP by TLS", "grpcs": "gRPC by TLS", "scgi": "SCGI", "tls": "TLS"}[name]
}

// has reports whether the port answers in the protocol.
func (s *Speaks) has(name string) bool {
	for _, f := range s.Found {
		if f == name {
			return true
		}
	}
	return false
}

// judgeSpeaks: the gateway's configuration has another protocol for the port than the port answers.
func judgeSpeaks(w *Walk) *finding {
	s := w.Speaks
	if s == nil || s.Wanted == "" || len(s.Found) == 0 {
		return nil
	}
	wanted := greetingOf(s.Wanted)
	if wanted == nil || s.has(wanted.name) {
		return nil
	}
	other := greetingOf(s.Found[0])
	f := &finding{
		cause: fault.CauseWrongService, evidence: &fault.Evidence{Stage: fault.FirstByte, Declared: -1},
		sentence: fmt.Sprintf("the gateway speaks %s to %s, and that port speaks %s", wanted.title, w.Target.label(), titleOfProtocol(s.Found[0])),
		proof:    []string{fmt.Sprintf("asked in %s it does not answer, in %s it does", wanted.title, titleOfProtocol(s.Found[0]))},
	}
	if wanted.name == "h2c" && s.Found[0] == "http" {
		f.cause = fault.CauseHTTP2OnHTTP1Port
	}
	if other != nil && other.pass != "" && wanted.pass != "" {
		f.advice = []string{fmt.Sprintf("Speak %s to it (nginx: %s instead of %s), or give the application a port for %s.", other.title, other.pass, wanted.pass, wanted.title)}
	}
	return f
}

// otherProtocol reports whether a finding is that a port speaks another protocol than it is asked in, and was asked in that as well: it
// explains what a log has, whatever that is.
func (f *finding) otherProtocol() bool {
	switch f.cause {
	case fault.CauseWrongService, fault.CauseHTTP1OnHTTP2Port, fault.CauseHTTP2OnHTTP1Port, fault.CauseProxyProtocolMismatch, fault.CausePlainToTLSPort, fault.CauseTLSToPlainPort:
		return f.confidence == Certain
	}
	return false
}

// refineSpeaks tells a port that hangs up because it is asked in another protocol than its own, before anybody is said to have crashed.
func refineSpeaks(w *Walk, f *finding) {
	s := w.Speaks
	if s == nil || len(s.Found) == 0 || f.cause == fault.CausePlainToTLSPort || f.evidence.Stage < fault.Write {
		return
	}
	name := s.Found[0]
	if name == "proxy" && w.Again != nil && w.Again.Pattern != Always {
		return // it comes and goes by itself, and the header changed nothing
	}
	f.confidence, f.kind = Certain, fault.TypeNone
	switch name {
	case "proxy":
		f.cause = fault.CauseProxyProtocolMismatch
		f.sentence = w.Target.label() + " answers only what begins with a header of the PROXY protocol, and was asked without one"
		f.proof = append(f.proof, "behind the line PROXY UNKNOWN the same request is answered")
		f.advice = append(f.advice, "Send the header (nginx's stream: proxy_protocol on; HAProxy: send-proxy), or let the port take connections without it.")
	case "h2c":
		f.cause = fault.CauseHTTP1OnHTTP2Port
		f.sentence = w.Target.label() + " speaks HTTP/2 in clear, and not HTTP/1.1, which is what it was asked by"
		f.proof = append(f.proof, "HTTP/2's preface is answered with SETTINGS")
	default:
		g := greetingOf(name)
		f.cause = fault.CauseWrongService
		f.sentence = fmt.Sprintf("%s speaks %s, and was asked in HTTP", w.Target.label(), g.title)
		f.proof = append(f.proof, fmt.Sprintf("asked in %s the same port answers", g.title))
		if g.pass != "" {
			f.advice = append(f.advice, fmt.Sprintf("Speak %s to it (nginx: %s instead of proxy_pass; Apache: ProxyPass %s://), or give the application a port for HTTP.", g.title, g.pass, strings.ReplaceAll(g.name, "fastcgi", "fcgi")))
		} else {
			f.advice = append(f.advice, "Speak AJP to it (Apache: ProxyPass ajp://), or ask the application's HTTP connector.")
		}
	}
}
