package upstream

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/mono"
)

// suspicion is what a target in clear that has never answered is asked beside its requests: whether it speaks TLS.
type suspicion struct {
	answered atomic.Bool // a response head came from it once: it speaks HTTP
	tls      atomic.Bool // it answered a handshake in TLS
	asked    mono.Atomic // when it was asked last, on mono's clock; 0 for never
}

const (
	suspectTime  = time.Second      // what the first exchange that meets such an endpoint waits for the truth
	suspectEvery = 30 * time.Second // and when it is asked again, should it still never have answered
)

// Suspect looks whether an attempt that ended before an answer met a port that speaks TLS: many TLS servers close without a word
// when they are asked in clear, and look like an application that crashed. Only an endpoint that never answered is asked, by
// one exchange, for a second at most; what it says is kept for those that follow. It sets Evidence.Told, and reports whether
// it did.
func (a *Attempt) Suspect() bool {
	t, ev := a.target, &a.Evidence
	silent := ev.Got == 0 && (ev.End == fault.Closed || ev.End == fault.Reset) && ev.Stage >= fault.Write
	if t.Secure || ev.Reused || !silent || t.suspicion.answered.Load() {
		return false
	}
	s := &t.suspicion
	now, before := mono.Now(), s.asked.Load()
	if before == 0 || now.Sub(before) > suspectEvery {
		if s.asked.CompareAndSwap(before, now) {
			ctx, cancel := context.WithTimeout(context.Background(), suspectTime)
			speaks, err := SpeaksTLS(ctx, ev.Addr)
			cancel()
			s.tls.Store(err == nil && speaks)
		}
	}
	if !s.tls.Load() {
		return false
	}
	ev.Told = fault.CausePlainToTLSPort
	return true
}
