package diagnose

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// Idle is how long the server keeps an idle connection.
type Idle struct {
	Announced string `json:"announced,omitempty"` // what Keep-Alive said
	Waited    Millis `json:"waited_ms"`
	Closed    bool   `json:"closed"` // the server ended it after so long
	Reset     bool   `json:"reset,omitempty"`
	Error     string `json:"error,omitempty"`
}

// probeIdle asks once, keeps the connection, and waits for the server to close it.
func (s *shaker) probeIdle(ctx context.Context, request []byte, patience time.Duration) *Idle {
	i := &Idle{}
	nc, err := s.open(ctx)
	if err != nil {
		i.Error = err.Error()
		return i
	}
	defer nc.Close()
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_ = nc.SetDeadline(time.Now().Add(2 * s.o.timeout()))
	if _, err := nc.Write(request); err != nil {
		i.Error = err.Error()
		return i
	}
	in := bufio.NewReader(io.LimitReader(nc, messageMax))
	res, err := readResponse(in, s.o.method())
	if err == nil {
		_, err = io.Copy(io.Discard, io.LimitReader(res.Body, bodyMax))
	}
	if err != nil {
		i.Error = err.Error()
		return i
	}
	if i.Announced = res.Header.Get("Keep-Alive"); res.Close {
		i.Closed = true
		return i
	}
	began := time.Now()
	_ = nc.SetDeadline(began.Add(patience))
	_, err = in.ReadByte()
	i.Waited = Millis(time.Since(began))
	i.Reset = errors.Is(err, syscall.ECONNRESET)
	i.Closed = errors.Is(err, io.EOF) || i.Reset || err == nil
	return i
}

// messageMax is how much of an answer is read where the standard library reads it, in octets: it bounds no head by itself.
const messageMax = headMax + bodyMax

// readResponse reads the head of the final response.
func readResponse(in *bufio.Reader, method string) (*http.Response, error) {
	for range interimMax {
		res, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil || res.StatusCode >= 200 {
			return res, err
		}
	}
	return nil, errors.New("too many interim responses")
}

// open opens a connection as the target wants it.
func (s *shaker) open(ctx context.Context) (net.Conn, error) {
	d := net.Dialer{Timeout: s.o.timeout()}
	nc, err := d.DialContext(ctx, s.network, s.address)
	if err != nil || !s.target.Secure {
		return nc, err
	}
	c := s.config()
	c.NextProtos = []string{"http/1.1"}
	session := tls.Client(nc, c)
	if err := session.HandshakeContext(ctx); err != nil {
		_ = nc.Close()
		return nil, err
	}
	return session, nil
}

// smallSegments is the TCP segment size of a connection that must pass every path, in octets.
const smallSegments = 480

// clamped asks once more on a connection with small segments. If that is answered where another was not, large packets
// vanish on the way. Nil if it cannot be asked so; its status is 0 if there was no answer.
func (s *shaker) clamped(ctx context.Context, request []byte) *Exchange {
	x := &Exchange{Label: "small segments", Method: s.o.method(), Address: s.address}
	began := time.Now()
	d := net.Dialer{Timeout: s.o.timeout(), Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		if err := c.Control(func(fd uintptr) { failed = clampSegments(fd, smallSegments) }); err != nil {
			return err
		}
		return failed
	}}
	nc, err := d.DialContext(ctx, s.network, s.address)
	if err != nil {
		return nil
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(s.o.timeout()))
	var rw net.Conn = nc
	if s.target.Secure {
		c := s.config()
		c.NextProtos = []string{"http/1.1"}
		rw = tls.Client(nc, c)
	}
	x.Evidence = &fault.Evidence{Stage: fault.FirstByte, End: fault.Timeout, Endpoint: s.address, Declared: -1}
	_, err = rw.Write(request)
	var res *http.Response
	if err == nil {
		res, err = readResponse(bufio.NewReader(io.LimitReader(rw, messageMax)), s.o.method())
	}
	x.Took = Millis(time.Since(began))
	if err != nil {
		return x
	}
	x.Evidence.Stage, x.Evidence.End = fault.Done, fault.Completed
	x.Status = res.StatusCode
	x.BodySize, _ = io.Copy(io.Discard, io.LimitReader(res.Body, bodyMax))
	return x
}

// Spoke is what a server does on a connection before it is asked anything.
type Spoke struct {
	First    string         `json:"first,omitempty"`
	Protocol fault.Protocol `json:"protocol"`
	Closed   bool           `json:"closed,omitempty"`
	Reset    bool           `json:"reset,omitempty"`
	sample   []byte
}

// listenTime is how long a server is given to speak by itself. Those that greet do so at once.
const listenTime = 400 * time.Millisecond

// listen connects and says nothing: an HTTP server waits, others greet, and some close.
func (s *shaker) listen(ctx context.Context) *Spoke {
	d := net.Dialer{Timeout: s.o.timeout()}
	nc, err := d.DialContext(ctx, s.network, s.address)
	if err != nil {
		return nil
	}
	defer nc.Close()
	_ = nc.SetReadDeadline(time.Now().Add(listenTime))
	b := make([]byte, plainMax)
	n, err := nc.Read(b)
	p := &Spoke{sample: b[:n]}
	p.Reset = errors.Is(err, syscall.ECONNRESET)
	p.Closed = errors.Is(err, io.EOF)
	if n > 0 {
		p.First, p.Protocol = firstLine(p.sample), fault.Recognise(p.sample)
	}
	return p
}
