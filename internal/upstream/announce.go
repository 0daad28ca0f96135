package upstream

import (
	"net"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/proxyproto"
)

// announcement is what a connection for the attempt begins with: who the client is, in the PROXY protocol. It is empty where the endpoint
// is told nothing.
func (a *Attempt) announcement() []byte {
	if a.target.Announce == 0 {
		return nil
	}
	var h proxyproto.Header // of a check: it speaks for itself
	if a.Client != nil {
		h = *a.Client
	}
	return h.Append(nil, a.target.Announce)
}

// announce writes what a connection begins with. On a failure, which is the dial's, it is closed.
func (t *Target) announce(nc net.Conn, first []byte, ev *fault.Evidence) bool {
	if len(first) == 0 {
		return true
	}
	_ = nc.SetWriteDeadline(deadlineTime(t.Connect))
	_, err := nc.Write(first)
	_ = nc.SetWriteDeadline(deadlineTime(0))
	if err == nil {
		return true
	}
	_ = nc.Close()
	ev.End, ev.Errno = dialEnd(err)
	ev.Detail = err.Error()
	if ev.End == fault.Timeout && ev.Errno == 0 {
		ev.Timer, ev.After = fault.TimerConnect, t.Connect
	}
	return false
}
