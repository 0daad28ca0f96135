package upstream

import (
	"time"

	"github.com/whygate/whygate/internal/mono"
)

// pause is where one goroutine at a time waits for another, or for a moment. A wait may end without a cause: whoever waits looks
// again at what it waits for.
//
// The timer is armed late and not stopped: exchanges are short and their bounds long, so that one which was set for an exchange
// before this one is early enough for this one too, and wakes it for nothing once.
type pause struct {
	woken chan struct{} // room for one
	timer *time.Timer
	armed mono.Time // when the timer fires, or fired
}

// poke wakes who waits, or will.
func (p *pause) poke() {
	select {
	case p.woken <- struct{}{}:
	default:
	}
}

// wait waits, at the latest until then; 0 is for ever.
func (p *pause) wait(until mono.Time) {
	if until != 0 {
		p.arm(until)
	}
	<-p.woken
}

func (p *pause) arm(until mono.Time) {
	now := mono.Now()
	if now < p.armed && p.armed <= until {
		return
	}
	p.armed = until
	if p.timer == nil {
		p.timer = time.AfterFunc(until.Sub(now), p.poke)
		return
	}
	p.timer.Reset(until.Sub(now))
}
