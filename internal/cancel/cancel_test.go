package cancel

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/whygate/whygate/internal/mono"
)

func TestTheFirstReasonCounts(t *testing.T) {
	var c Cancel
	woken := 0
	w := &Waiter{Wake: func() { woken++ }}
	c.Join(w)
	if c.Reason() != None || c.Ask() {
		t.Errorf("it begins with %s", c.Reason())
	}
	if !c.Cancel(ClientLeft) || c.Cancel(BodyBroke) || c.Reason() != ClientLeft || woken != 1 {
		t.Errorf("reason %s, woken %d times", c.Reason(), woken)
	}
	c.Reset()
	c.Leave(w)
	if c.Reason() != None || !c.Cancel(Drained) || woken != 1 {
		t.Errorf("after a reset: %s, woken %d times", c.Reason(), woken)
	}
	c.Reset()
	if c.Reason() != Drained {
		t.Error("a gateway that drained goes on draining")
	}
	if c.Clear(); c.Reason() != None {
		t.Errorf("cleared: %s", c.Reason())
	}
	c.Cancel(BodyBroke)
	if c.Cancel(Drained) || c.Reason() != BodyBroke {
		t.Errorf("the first reason is %s", c.Reason())
	}
	if c.Reset(); c.Reason() != Drained {
		t.Errorf("the exchange after it: %s", c.Reason())
	}
	<-c.Done()
}

func TestNilEndsNothing(t *testing.T) {
	var c *Cancel
	if c.Reason() != None || c.Late() != 0 || c.Watched() || c.Ask() || c.Done() != nil {
		t.Error("a nil Cancel has a reason")
	}
}

func TestDone(t *testing.T) {
	var early, late Cancel
	done := early.Done()
	early.Cancel(NotWanted)
	<-done
	late.Cancel(NotWanted)
	<-late.Done()
	early.Reset()
	select {
	case <-early.Done():
		t.Error("it is done after a reset")
	default:
	}
}

func TestLate(t *testing.T) {
	var c Cancel
	woken := 0
	c.Join(&Waiter{Wake: func() { woken++ }})
	at := mono.Now()
	c.LateAt(at)
	if c.Late() != at || woken != 1 || c.Reason() != None {
		t.Errorf("late at %d, woken %d, %s", c.Late(), woken, c.Reason())
	}
	c.LateAt(0)
	if c.Late() != 0 || woken != 1 {
		t.Errorf("never late again: %d, woken %d", c.Late(), woken)
	}
	c.LateAt(at)
	c.Reset()
	if c.Late() != 0 {
		t.Error("a reset left the moment")
	}
}

func TestWatch(t *testing.T) {
	var c Cancel
	gone := false
	c.Watch(func() bool { return gone })
	if !c.Watched() || c.Ask() {
		t.Error("nobody has left")
	}
	if gone = true; !c.Ask() || c.Reason() != ClientLeft {
		t.Errorf("the client has left: %s", c.Reason())
	}
}

func TestFollow(t *testing.T) {
	var parent, child Cancel
	w := child.Follow(&parent)
	parent.Join(w)
	parent.LateAt(1)
	if child.Reason() != None {
		t.Errorf("a moment is no reason: %s", child.Reason())
	}
	parent.Cancel(Drained)
	if child.Reason() != Drained {
		t.Errorf("the child has %s", child.Reason())
	}
}

func TestTooMany(t *testing.T) {
	var c Cancel
	for range waitsMax {
		c.Join(&Waiter{Wake: func() {}})
	}
	defer func() {
		if recover() == nil {
			t.Error("one more was taken")
		}
	}()
	c.Join(&Waiter{})
}

// Whoever joins and then looks, or is woken after it, learns of the reason: no wake-up is lost.
func TestNoReasonIsMissed(t *testing.T) {
	for range 2000 {
		var c Cancel
		var told atomic.Bool
		var wg sync.WaitGroup
		wg.Go(func() { c.Cancel(ClientLeft) })
		w := &Waiter{Wake: func() { told.Store(true) }}
		c.Join(w)
		saw := c.Reason() != None
		wg.Wait()
		if !saw && !told.Load() {
			t.Fatal("neither seen nor told")
		}
	}
}

// Whoever asks for Done while a reason is given gets a channel that is closed, once.
func TestDoneWhileAReasonComes(t *testing.T) {
	const rounds = 50_000
	all := make([]Cancel, rounds)
	var round atomic.Int64 // both sides meet at each
	var wg sync.WaitGroup
	meet := func(i int) {
		for round.Add(1); round.Load() < 2*int64(i)+2; {
			runtime.Gosched()
		}
	}
	wg.Go(func() {
		for i := range all {
			meet(i)
			all[i].Cancel(Drained)
		}
	})
	for i := range all {
		meet(i)
		<-all[i].Done()
	}
	wg.Wait()
}
