package gateway

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/whygate/whygate/internal/conn"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/listener"
)

// doorEvery is how often a reason for a failed handshake is logged at most: a scanner must not fill the disk.
const doorEvery = time.Second

// door counts the TLS handshakes with clients that failed, by reason.
type door struct {
	failed   [listener.Reasons]atomic.Uint64
	logged   [listener.Reasons]atomic.Int64 // when each was logged last, in conn.Now's terms; 0 for never
	unlogged [listener.Reasons]atomic.Uint64
}

// doorAdvice says what to do about each reason. Nothing is to be done about a client that says nothing.
var doorAdvice = [listener.Reasons]string{
	listener.PlainHTTP:     "use https:// with this port; a load balancer in front must speak TLS to it",
	listener.NotTLS:        "see what that client is: the port speaks TLS only",
	listener.NoCommonWays:  "update the client: TLS 1.2 is the least",
	listener.AlertReceived: "the client refuses us: see that the certificate's chain is whole, covers the name, and is from an authority it trusts",
	listener.LeftHalfway:   "the client gave up: a time limit of its own, or it does not want the certificate",
	listener.TooSlow:       "a slow line or a client that hangs; limits.head_time bounds the handshake",
}

// handshakeFailed counts a failed handshake and, at most once a second for each reason, logs it.
func (g *Gateway) handshakeFailed(h *listener.Handshake) {
	d := &g.door
	d.failed[h.Reason].Add(1)
	if h.Reason == listener.Silent {
		return
	}
	now, last := conn.Now(), d.logged[h.Reason].Load()
	if last != 0 && now-last < int64(doorEvery) || !d.logged[h.Reason].CompareAndSwap(last, now) {
		d.unlogged[h.Reason].Add(1)
		return
	}
	args := []any{"reason", h.Reason.String(), "client", h.Client, "address", h.Local, "detail", h.Detail, "do", doorAdvice[h.Reason]}
	if h.Reason == listener.NotTLS {
		args = append(args, "first_bytes", strconv.QuoteToASCII(string(fault.Redact(h.First))))
	}
	if n := d.unlogged[h.Reason].Swap(0); n > 0 {
		args = append(args, "unlogged_before", n)
	}
	g.log.Warn("TLS handshake failed", args...)
}

// handshakes are the counts by reason, for the metrics.
func (d *door) handshakes() map[string]uint64 {
	out := make(map[string]uint64, listener.Reasons)
	for r := range d.failed {
		out[listener.Reason(r).String()] = d.failed[r].Load()
	}
	return out
}
