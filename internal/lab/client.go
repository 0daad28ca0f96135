package lab

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// patience bounds how long the client waits for one answer: longer than every timer of a proxy under test.
const patience = 15 * time.Second

// keptMax bounds what the client keeps of the octets that it got, to look for what must not be among them.
const keptMax = 256 << 10

// reply is what the client got for one request.
type reply struct {
	Status  int // 0: no answer
	Header  http.Header
	Body    string // its first octets
	Size    int64  // octets of the body
	Broken  error  // how the body ended too early; nil if it is whole
	Failed  error  // why there is no answer
	Interim int    // how many interim answers came first
	Took    time.Duration
	First   time.Duration // until the body's first octet
}

// client is one client connection. It knows no retry: what it sees is what the proxy did.
type client struct {
	conn net.Conn
	in   *bufio.Reader
	kept bytes.Buffer // the first octets that came, as they came

	prefix string // what goes before the scenario's name in the target
}

// Write keeps what the client reads.
func (c *client) Write(b []byte) (int, error) {
	if room := keptMax - c.kept.Len(); room > 0 {
		c.kept.Write(b[:min(room, len(b))])
	}
	return len(b), nil
}

func connect(address, prefix string) (*client, error) {
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, prefix: prefix}
	c.in = bufio.NewReader(io.TeeReader(conn, c))
	return c, nil
}

// ask sends one request and reads its answer. The body is sent while the answer is awaited, since a server may answer early.
func (c *client) ask(s *Scenario, a *Ask) (got reply) {
	began := time.Now()
	defer func() { got.Took = time.Since(began) }()
	_ = c.conn.SetDeadline(began.Add(patience))
	sent := make(chan error, 1)
	go func() { sent <- c.send(s, a) }() // ends at the deadline at the latest
	got.read(c.in, a.method(), began)
	if got.Failed != nil || got.Broken != nil || got.closes() {
		_ = c.conn.Close()
	}
	if err := <-sent; err != nil && got.Failed != nil {
		got.Failed = fmt.Errorf("%w (and the request could not be sent: %w)", got.Failed, err)
	}
	return got
}

// send writes the request.
func (c *client) send(s *Scenario, a *Ask) error {
	version := a.Version
	if version == "" {
		version = "HTTP/1.1"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s/%s/%s %s\r\nHost: lab.test\r\n", a.method(), c.prefix, s.Name, a.Target, version)
	for _, f := range a.Fields {
		b.WriteString(f + "\r\n")
	}
	body := a.Content
	if a.Body > 0 {
		body = strings.Repeat("u", a.Body)
	}
	switch {
	case a.Chunked:
		b.WriteString("Transfer-Encoding: chunked\r\n\r\n")
	case body != "":
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n", len(body))
	default:
		b.WriteString("\r\n")
	}
	if !a.Chunked {
		_, err := io.WriteString(c.conn, b.String()+body)
		return err
	}
	if _, err := io.WriteString(c.conn, b.String()); err != nil {
		return err
	}
	for len(body) > 0 {
		n := min(len(body), 16<<10)
		if _, err := fmt.Fprintf(c.conn, "%x\r\n%s\r\n", n, body[:n]); err != nil {
			return err
		}
		body = body[n:]
	}
	_, err := io.WriteString(c.conn, "0\r\n\r\n")
	return err
}

// read reads the answer, after the interim ones.
func (got *reply) read(in *bufio.Reader, method string, began time.Time) {
	for {
		r, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			got.Failed = err
			return
		}
		if r.StatusCode == 0 {
			got.Failed = fmt.Errorf("the status is %q", r.Status)
			return
		}
		if r.StatusCode >= 100 && r.StatusCode < 200 && r.StatusCode != http.StatusSwitchingProtocols {
			got.Interim++
			continue
		}
		got.Status, got.Header = r.StatusCode, r.Header
		if r.Close {
			got.Header.Set("Connection", "close") // ReadResponse takes it out
		}
		if r.StatusCode == http.StatusSwitchingProtocols {
			return
		}
		got.body(r.Body, began)
		_ = r.Body.Close()
		return
	}
}

// answerKept is what is kept of an answer's body, in octets.
const answerKept = 4096

// body reads the answer's body to its end.
func (got *reply) body(from io.Reader, began time.Time) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && got.Size == 0 {
			got.First = time.Since(began)
		}
		if room := answerKept - len(got.Body); room > 0 {
			got.Body += string(buf[:min(room, n)])
		}
		got.Size += int64(n)
		if err != nil {
			if !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				got.Broken = err
			}
			return
		}
	}
}

// closes reports whether the connection ends after the answer.
func (got *reply) closes() bool {
	return got.Header != nil && strings.EqualFold(got.Header.Get("Connection"), "close")
}

// String shows the answer in a few words.
func (got *reply) String() string {
	var timeout net.Error
	switch {
	case got.Status != 0 && got.Broken != nil:
		return fmt.Sprintf("%d, cut after %d bytes", got.Status, got.Size)
	case got.Status != 0:
		return fmt.Sprint(got.Status)
	case errors.As(got.Failed, &timeout) && timeout.Timeout():
		return fmt.Sprintf("no answer in %v", patience)
	case errors.Is(got.Failed, io.EOF) || errors.Is(got.Failed, io.ErrUnexpectedEOF) || strings.Contains(got.Failed.Error(), "reset"):
		return "closed without an answer"
	}
	return "no HTTP: " + got.Failed.Error()
}
