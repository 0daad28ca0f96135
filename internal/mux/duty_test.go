package mux

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/h2"
	"github.com/whygate/whygate/internal/httpmsg"
)

// Who writes for all is not held for as long as another stream has something to be written: its own answer goes on.
func TestNobodyWritesForOthersForLong(t *testing.T) {
	const ticks = 200
	ticked := make(chan bool)
	w := listen(t, false, Config{Handler: func(st *Stream) {
		_ = st.WriteHead(200, nil, httpmsg.LengthUnknown)
		if string(st.Request().Path) == "/ticks" {
			defer close(ticked)
			for range ticks {
				_ = st.Write([]byte("tick"))
				st.Flush()
			}
			_ = st.End(nil)
			return
		}
		piece := bytes.Repeat([]byte("x"), 64<<10)
		for st.Write(piece) == nil { // until the client leaves
		}
	}})
	c := w.dial(t)
	c.send(frame(h2.SettingsFrame, 0, 0, "\x00\x04\x7f\xff\xff\xff") + frame(h2.WindowUpdate, 0, 0, u32(1<<31-1-65535)))
	c.send(request(1, "GET", "/large", true))
	c.send(request(3, "GET", "/ticks", true))
	go func() { _, _ = io.Copy(io.Discard, c.nc) }() // ends with the connection
	began := time.Now()
	select {
	case <-ticked:
		t.Logf("%d ticks took %v", ticks, time.Since(began))
	case <-time.After(patience / 4):
		t.Error("a stream writes for another and cannot go on")
	}
	_ = c.nc.Close()
}
