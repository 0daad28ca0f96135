package upstream

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/mono"
)

// Panic is a panic of another goroutine, which the one that waited for it raises again: the exchange pays for a bug of ours,
// not the process.
type Panic struct {
	Reason any
	Stack  []byte // of the goroutine that panicked first
}

// String is the reason, for whoever prints a recovered value.
func (p *Panic) String() string { return fmt.Sprint(p.Reason) }

// caught puts the panic of a goroutine, if there is one, where its owner finds it. It is deferred there.
func caught(p **Panic) {
	switch r := recover().(type) {
	case nil:
	case *Panic: // of a goroutine further down
		*p = r
	default:
		*p = &Panic{r, debug.Stack()}
	}
}

// lookEvery is how often a dial asks whether the client still waits.
const lookEvery = time.Second

// abandoned is why nobody waits for a connection any more.
type abandoned uint8

const (
	wanted   abandoned = iota // somebody does
	drained                   // the gateway's time to drain is over
	left                      // the client has left
	overtime                  // timeouts.response is over
)

// open makes a new connection. Resolving, dialing and the handshake happen on a goroutine of its own, so that their deep stacks
// do not stay with the caller. Besides their own timers, three things end them: the bound on the whole response, a.Stop, and
// gone, which is asked once a second and may be nil.
func (a *Attempt) open(gone func() bool) *Conn {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var c *Conn
	var bug *Panic
	done := make(chan struct{})
	go func() { // ends by its own timers, or with ctx; the loop below waits for it
		defer close(done)
		defer caught(&bug)
		c = a.target.dialAll(ctx, &a.Evidence, a.began)
	}()
	why := a.await(done, gone)
	if why != wanted {
		cancel()
		<-done
	}
	switch {
	case bug != nil:
		panic(bug)
	case why == wanted:
		return c
	case c != nil: // it came at the last moment
		c.Close()
	}
	a.abandon(why)
	return nil
}

// await waits until done is closed, and says why it stopped waiting if that came first.
func (a *Attempt) await(done <-chan struct{}, gone func() bool) abandoned {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	var over <-chan time.Time
	if a.Whole.Until != 0 {
		t := time.NewTimer(time.Duration(a.Whole.Until - mono.Now()))
		defer t.Stop()
		over = t.C
	}
	for {
		select {
		case <-done:
			return wanted
		case <-a.Stop:
			return drained
		case <-over:
			return overtime
		case <-look.C:
			if gone != nil && gone() {
				return left
			}
		}
	}
}

// abandon is the evidence of a connection that nobody waited for to the end. The stage it had come to stays.
func (a *Attempt) abandon(why abandoned) {
	ev := &a.Evidence
	ev.Errno, ev.Detail, ev.Rule, ev.Alert, ev.Tried = 0, "", fault.RuleNone, 0, nil
	ev.Timer, ev.After, ev.DNS, ev.Cert, ev.Sample = fault.TimerNone, 0, nil, nil, nil
	switch why {
	case drained:
		ev.End, ev.Rule = fault.Unavailable, fault.RuleDraining
	case left:
		ev.End = fault.Canceled
	default:
		ev.End, ev.Timer, ev.After = fault.Timeout, fault.TimerResponse, a.Whole.Setting
	}
}

// stopped reports whether the gateway's time to drain is over.
func (a *Attempt) stopped() bool {
	select {
	case <-a.Stop:
		return true
	default:
		return false
	}
}
