package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"
)

// transfersMin is the least number of bodies that a timed run fetches, however short it is.
const transfersMin = 3

// client is one keep-alive connection without any cleverness, so that it costs the load core little.
type client struct {
	conn    net.Conn
	r       *bufio.Reader
	request []byte
	buf     []byte
}

// connect opens a connection that asks for one path, in clear where conf is nil. It is closed when ctx ends, or by close.
func connect(ctx context.Context, address, path string, conf *tls.Config, bufSize int) (c *client, close func(), err error) {
	conn, err := (&net.Dialer{Timeout: startupMax}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, nil, err
	}
	if conf != nil {
		session := tls.Client(conn, conf)
		if err := session.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, nil, err
		}
		conn = session
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	c = &client{
		conn:    conn,
		r:       bufio.NewReaderSize(conn, 512),
		request: fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, address),
		buf:     make([]byte, bufSize),
	}
	return c, func() { stop(); conn.Close() }, nil
}

// fetch sends the request, reads the answer and throws it away. It takes at most a minute.
func (c *client) fetch(size int64) error {
	if err := c.conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	if _, err := c.conn.Write(c.request); err != nil {
		return err
	}
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	// io.Discard alone would read in steps of 8 KiB.
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, res.Body, c.buf)
	if err != nil || res.StatusCode != http.StatusOK || n != size {
		return fmt.Errorf("status %d with %d octets, want 200 with %d (%v)", res.StatusCode, n, size, err)
	}
	return nil
}

// driveTransfers fetches the large body again and again for the given time.
func (b *bench) driveTransfers(ctx context.Context, c benchCase, p *proxy, seconds int) (volume, error) {
	cl, shut, err := connect(ctx, p.address, c.path, nil, 1<<20)
	if err != nil {
		return volume{}, err
	}
	defer shut()
	var took []time.Duration
	begin := time.Now()
	for len(took) < transfersMin || time.Since(begin) < time.Duration(seconds)*time.Second {
		t := time.Now()
		if err := cl.fetch(c.answer); err != nil {
			return volume{}, fmt.Errorf("%s: transfer: %w", p.name, err)
		}
		took = append(took, time.Since(t))
	}
	slices.Sort(took)
	return volume{
		count:   int64(len(took)),
		units:   float64(int64(len(took))*c.answer) / (1 << 30),
		elapsed: time.Since(begin),
		p50:     took[len(took)/2],
		p99:     took[len(took)*99/100],
	}, nil
}
