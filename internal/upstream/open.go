package upstream

import (
	"context"
	"crypto/tls"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/whygate/whygate/internal/cancel"
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

// Caught puts the panic of a goroutine, if there is one, where its owner finds it. It is deferred there.
func Caught(p **Panic) {
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

// open makes a new connection. Resolving, dialing and the handshake happen on a goroutine of its own, so that their deep stacks
// do not stay with the caller. Besides their own timers, the bound on the whole response and a.Cancel end them.
func (a *Attempt) open() *Conn { return a.openWith(a.target.tlsConf) }

// openWith is open with other TLS settings, as for an endpoint that may speak HTTP/2.
func (a *Attempt) openWith(conf *tls.Config) *Conn {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var c *Conn
	var bug *Panic
	done := make(chan struct{})
	go func() { // ends by its own timers, or with ctx; the loop below waits for it
		defer close(done)
		defer Caught(&bug)
		c = a.target.dialAll(ctx, conf, &a.Evidence, a.began, a.announcement())
	}()
	made := a.await(done)
	if !made {
		stop()
		<-done
	}
	switch {
	case bug != nil:
		panic(bug)
	case made:
		return c
	case c != nil: // it came at the last moment
		c.Close()
	}
	a.abandon()
	return nil
}

// await waits until done is closed. It is false if there was a reason to stop waiting first.
func (a *Attempt) await(done <-chan struct{}) bool {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	var over <-chan time.Time
	if a.Whole.Until != 0 {
		t := time.NewTimer(a.Whole.Until.Sub(mono.Now()))
		defer t.Stop()
		over = t.C
	}
	for {
		select {
		case <-done:
			return true
		case <-a.Cancel.Done():
			return false
		case <-over:
			return false
		case <-look.C:
			if a.Cancel.Ask() {
				return false
			}
		}
	}
}

// abandon is the evidence of a connection that nobody waited for to the end. The stage it had come to stays.
func (a *Attempt) abandon() {
	ev := &a.Evidence
	ev.Errno, ev.Detail, ev.Rule, ev.Alert, ev.Tried = 0, "", fault.RuleNone, 0, nil
	ev.Timer, ev.After, ev.DNS, ev.Cert, ev.Sample = fault.TimerNone, 0, nil, nil, nil
	if a.Cancel.Reason() == cancel.None {
		ev.End = fault.Timeout
		a.Whole.over(ev)
		return
	}
	a.canceled()
}

// canceled notes that a wait was ended by a.Cancel.
func (a *Attempt) canceled() {
	ev := &a.Evidence
	if a.Cancel.Reason() == cancel.Drained {
		ev.End, ev.Rule, ev.By = fault.Unavailable, fault.RuleDraining, fault.PartyGateway
		return
	}
	ev.End, ev.By = fault.Canceled, fault.PartyClient
}
