package lab

import (
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// Step is one thing that an upstream does with a connection. Its error ends the connection's script; io.EOF means that the
// client ended it.
type Step struct {
	Text string // as lab show prints it
	do   func(*Peer) error
}

// holdMax bounds how long an upstream keeps a connection that it does nothing with.
const holdMax = 90 * time.Second

// Await reads a whole request, head and body.
func Await() Step {
	return Step{"read a request to its end", func(p *Peer) error {
		if err := p.readHead(); err != nil {
			return err
		}
		return p.readBody()
	}}
}

// AwaitHead reads a request's head, and leaves its body where it is.
func AwaitHead() Step {
	return Step{"read a request's head, and nothing of its body", (*Peer).readHead}
}

// AwaitBody reads the rest of a request whose head was read.
func AwaitBody() Step { return Step{"read the request's body", (*Peer).readBody} }

// AwaitOctets reads so many octets of whatever comes.
func AwaitOctets(n int) Step {
	return Step{fmt.Sprintf("read %d bytes", n), func(p *Peer) error {
		_, err := io.CopyN(io.Discard, p.in, int64(n))
		return err
	}}
}

// AwaitHello reads one TLS record: the ClientHello.
func AwaitHello() Step {
	return Step{"read a TLS record, the ClientHello", func(p *Peer) error {
		head, err := p.in.Peek(5)
		if err != nil {
			return err
		}
		_, err = p.in.Discard(5 + int(head[3])<<8 + int(head[4]))
		return err
	}}
}

// Send writes octets as they stand.
func Send(octets string) Step {
	return Step{"send" + shown(octets), func(p *Peer) error { return p.write(octets) }}
}

// Drip writes octets one by one.
func Drip(octets string, every time.Duration) Step {
	return Step{fmt.Sprintf("send, one byte each %v", every) + shown(octets), func(p *Peer) error {
		for i := range len(octets) {
			if err := p.write(octets[i : i+1]); err != nil {
				return err
			}
			if err := p.wait(every); err != nil {
				return err
			}
		}
		return nil
	}}
}

// Pieces writes a piece again and again.
func Pieces(piece string, times int, every time.Duration) Step {
	text := fmt.Sprintf("send %d times", times)
	if every > 0 {
		text += fmt.Sprintf(", each %v", every)
	}
	return Step{text + shown(piece), func(p *Peer) error {
		for range times {
			if err := p.write(piece); err != nil {
				return err
			}
			if every == 0 {
				continue
			}
			if err := p.wait(every); err != nil {
				return err
			}
		}
		return nil
	}}
}

// Wait does nothing for a while.
func Wait(d time.Duration) Step {
	return Step{fmt.Sprintf("wait %v", d), func(p *Peer) error { return p.wait(d) }}
}

// Close ends the connection in order: FIN, and what still comes is read, so that no RST follows.
func Close() Step {
	return Step{"close (FIN)", func(p *Peer) error {
		p.close()
		return errEnded
	}}
}

// Reset ends the connection with RST.
func Reset() Step {
	return Step{"reset (RST)", func(p *Peer) error {
		p.reset()
		return errEnded
	}}
}

// Hold keeps the connection, reads what comes and says nothing, until the other side ends it.
func Hold() Step {
	return Step{"keep the connection and say nothing", func(p *Peer) error {
		_ = p.conn.SetReadDeadline(time.Now().Add(holdMax))
		_, err := io.Copy(io.Discard, p.in)
		if err == nil {
			return io.EOF
		}
		return err
	}}
}

// Deaf keeps the connection and reads nothing.
func Deaf() Step {
	return Step{"keep the connection and read nothing", func(p *Peer) error { return p.wait(holdMax) }}
}

// Loop does the steps again and again, until the connection ends.
func Loop(steps ...Step) Step {
	return Step{"again and again:\n" + indent(Plays(steps).Text()), func(p *Peer) error {
		for {
			if err := p.play(steps); err != nil {
				return err
			}
		}
	}}
}

// EveryNth does the steps for each nth request that the scenario gets, and the others for the rest.
func EveryNth(n int, steps, others Plays) Step {
	return Step{fmt.Sprintf("for each request number %d, %d, ...:\n%s\nfor the others:\n%s", n, 2*n, indent(steps.Text()), indent(others.Text())), func(p *Peer) error {
		if p.number%int64(n) == 0 {
			return p.play(steps)
		}
		return p.play(others)
	}}
}

// First does the steps for the first n requests that the scenario gets, and the others afterwards.
func First(n int, steps, others Plays) Step {
	return Step{fmt.Sprintf("for the first %d requests:\n%s\nafterwards:\n%s", n, indent(steps.Text()), indent(others.Text())), func(p *Peer) error {
		if p.number <= int64(n) {
			return p.play(steps)
		}
		return p.play(others)
	}}
}

// Where does the steps if the request has the text anywhere in its head or body, and the others if not.
func Where(text string, steps, others Plays) Step {
	return Step{fmt.Sprintf("if the request has %q:\n%s\nif not:\n%s", text, indent(steps.Text()), indent(others.Text())), func(p *Peer) error {
		if strings.Contains(strings.ToLower(p.request.raw), strings.ToLower(text)) {
			return p.play(steps)
		}
		return p.play(others)
	}}
}

// Act is a step of its own kind, with its words.
func Act(text string, do func(*Peer) error) Step { return Step{text, do} }

// Answer writes a whole response with a status line, a length and a body.
func Answer(status, body string, fields ...string) Step {
	return Send(response(status, body, fields...))
}

// Serve answers every request on the connection alike, as long as the client likes.
func Serve(steps ...Step) Plays { return Plays{Loop(append([]Step{Await()}, steps...)...)} }

// Once reads one request and does the steps.
func Once(steps ...Step) Plays { return append(Plays{Await()}, steps...) }

func response(status, body string, fields ...string) string {
	var b strings.Builder
	b.WriteString("HTTP/1.1 " + status + "\r\n")
	for _, f := range fields {
		b.WriteString(f + "\r\n")
	}
	fmt.Fprintf(&b, "Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	return b.String()
}

// Text is the script as lab show prints it.
func (p Plays) Text() string {
	var b strings.Builder
	for i, s := range p {
		fmt.Fprintf(&b, "%d. %s\n", i+1, s.Text)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// Octets are shown to the last one up to shownMax of them, and the first shownFirst of more.
const (
	shownMax   = 4 << 10
	shownFirst = 160
)

// shown are the octets of a step, after its verb.
func shown(octets string) string {
	if len(octets) <= shownMax {
		return "\n" + indent(printable(octets))
	}
	return fmt.Sprintf(" %d bytes, of which the first %d are\n%s", len(octets), shownFirst, indent(printable(octets[:shownFirst])))
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(text, "\n", "\n    ")
}

func head(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "..."
}

// linger makes a close send RST.
func linger(c net.Conn) {
	if t, ok := c.(interface{ SetLinger(int) error }); ok {
		_ = t.SetLinger(0)
	}
}
