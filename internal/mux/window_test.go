package mux

import (
	"encoding/binary"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/h2"
)

// upload sends octets on a stream as far as the windows allow, and gives the largest credit that the stream got at once.
func (c *raw) upload(id uint32, octets int) (largest int64) {
	c.t.Helper()
	stream, all := int64(128<<10), int64(h2.WindowDefault) // Start adds to the connection's
	piece := strings.Repeat("x", h2.FrameMax)
	for {
		for octets > 0 && stream >= h2.FrameMax && all >= h2.FrameMax {
			c.send(frame(h2.Data, 0, id, piece))
			stream, all, octets = stream-h2.FrameMax, all-h2.FrameMax, octets-h2.FrameMax
		}
		if octets <= 0 {
			return largest
		}
		f := c.await(h2.WindowUpdate, 0)
		n := int64(binary.BigEndian.Uint32(f.Payload))
		if f.Stream == 0 {
			all += n
			continue
		}
		stream += n
		largest = max(largest, n)
	}
}

func swallow(st *Stream) {
	for end := false; !end; {
		var err error
		if _, end, err = st.Next(); err != nil {
			return
		}
	}
	_ = st.WriteHead(204, nil, 0)
	_ = st.End(nil)
}

// On a long way the window grows until it is no longer what the client waits for, within the memory there is.
func TestWindowGrows(t *testing.T) {
	for _, tt := range []struct {
		name   string
		rtt    time.Duration
		memory int64
		grows  bool
	}{{"long way", time.Hour, 256 << 20, true}, {"short way", 0, 256 << 20, false}, {"no memory", time.Hour, 512 << 10, false}} {
		t.Run(tt.name, func(t *testing.T) {
			w := listen(t, false, Config{Handler: swallow, Limits: Limits{Memory: tt.memory}})
			w.rtt = func(net.Conn) time.Duration { return tt.rtt }
			c := w.dial(t)
			c.send(request(1, "POST", "/", false))
			largest := c.upload(1, 16<<20)
			if grown := largest > 1<<20; grown != tt.grows {
				t.Errorf("credit of up to %d octets at once", largest)
			}
			if lent := w.lent.Load(); lent > tt.memory || tt.grows != (lent == windowMax-128<<10+allMax-192<<10) {
				t.Errorf("%d octets are lent", lent)
			}
			c.send(frame(h2.Data, h2.FlagEndStream, 1, ""))
			c.status(1)
			_ = c.nc.Close()
			eventually(t, "what was lent is not given back", func() bool { return w.lent.Load() == 0 })
		})
	}
}

// Many uploads share the connection's window: it grows though no stream uses up its own.
func TestConnectionsWindowGrows(t *testing.T) {
	w := listen(t, false, Config{Handler: swallow})
	w.rtt = func(net.Conn) time.Duration { return time.Hour }
	c := w.dial(t)
	// Each is whole when its handler begins, which takes it and never asks for more: the credit is for nobody to ask for.
	all := int64(h2.WindowDefault)
	for id := uint32(1); id < 400; id += 2 {
		for all < 10_000 {
			all += int64(binary.BigEndian.Uint32(c.await(h2.WindowUpdate, 0).Payload))
		}
		c.send(request(id, "POST", "/", false) + frame(h2.Data, h2.FlagEndStream, id, strings.Repeat("x", 10_000)))
		all -= 10_000
	}
	if lent := w.lent.Load(); lent == 0 {
		t.Errorf("%d octets are lent", lent)
	}
}

func TestRoundTripIsMeasured(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if rtt := rttOf(nc); rtt <= 0 || rtt > time.Second {
		t.Errorf("%v", rtt)
	}
}
