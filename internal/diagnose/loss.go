package diagnose

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/words"
)

// Loss is what a few connections without a request showed, after one had needed a second SYN.
type Loss struct {
	Tried int      `json:"tried"`
	Lost  int      `json:"lost"`    // those whose SYN, or the answer to it, was lost at least once, or that did not come about
	Took  []Millis `json:"took_ms"` // each
}

// synAgain is how long the kernel waits before it sends a SYN again (RFC 6298, section 2.1), less what a timer is early.
const synAgain = 950 * time.Millisecond

// lossTries is how many connections are opened to see whether packets are lost.
const lossTries = 8

// resent reports whether a connection's handshake, or what it sent, had to be sent anew.
func (x *Exchange) resent() bool {
	if x.Reused || x.Evidence == nil {
		return false
	}
	if x.Retransmits > 0 {
		return true
	}
	return runtime.GOOS != "linux" && x.Evidence.Spent[fault.Dial] >= synAgain
}

// fresh are the walk's exchanges on connections of their own, as far as they came about.
func (w *Walk) fresh() (all []*Exchange) {
	add := func(x *Exchange) {
		if x != nil && !x.Reused && !x.cut && x.Evidence != nil && (x.answered() || x.Evidence.Stage > fault.Dial) {
			all = append(all, x)
		}
	}
	add(w.main())
	if w.Again != nil {
		for _, x := range w.Again.Exchanges {
			add(x)
		}
	}
	return all
}

// suspicious reports whether a connection of the walk needed more than one SYN, or is as slow as if it had.
func (w *Walk) suspicious() bool {
	for _, x := range w.fresh() {
		if x.resent() || x.Evidence.Spent[fault.Dial] >= synAgain {
			return true
		}
	}
	for _, p := range w.Path {
		if p.Cause == fault.CauseNone && (p.resent || time.Duration(p.Took) >= synAgain) {
			return true
		}
	}
	return false
}

// probeLoss opens a few connections, a moment apart, and looks which of them needed a second SYN.
func (s *shaker) probeLoss(ctx context.Context) *Loss {
	l := &Loss{Took: make([]Millis, lossTries)}
	lost := make([]bool, lossTries)
	var group sync.WaitGroup
	for i := range lossTries {
		select {
		case <-ctx.Done():
		case <-time.After(spacing / 4):
		}
		if ctx.Err() != nil {
			break
		}
		l.Tried++
		group.Go(func() {
			d := net.Dialer{Timeout: s.o.timeout()}
			began := time.Now()
			nc, err := d.DialContext(ctx, s.network, s.address)
			l.Took[i] = Millis(time.Since(began))
			if err != nil {
				lost[i] = ctx.Err() == nil || errors.Is(err, syscall.ETIMEDOUT)
				return
			}
			defer nc.Close()
			if sc, is := nc.(syscall.Conn); is {
				if raw, err := sc.SyscallConn(); err == nil {
					_ = raw.Control(func(fd uintptr) { lost[i] = retransmits(fd) > 0 })
				}
			}
			lost[i] = lost[i] || runtime.GOOS != "linux" && time.Duration(l.Took[i]) >= synAgain
		})
	}
	group.Wait()
	l.Took = l.Took[:l.Tried]
	for _, was := range lost {
		if was {
			l.Lost++
		}
	}
	return l
}

// judgeLoss: everything is answered, and packets are lost on the way.
func judgeLoss(w *Walk) *finding {
	l := w.Loss
	if l == nil {
		return nil
	}
	tried, lost := l.Tried, l.Lost
	slowest, quickest := time.Duration(0), time.Hour
	note := func(d time.Duration) { slowest, quickest = max(slowest, d), min(quickest, d) }
	for _, took := range l.Took {
		note(time.Duration(took))
	}
	for _, x := range w.fresh() {
		tried++
		note(x.Evidence.Spent[fault.Dial])
		if x.resent() {
			lost++
		}
	}
	for _, p := range w.Path {
		if p.Cause == fault.CauseNone && p.resent {
			tried, lost = tried+1, lost+1
			note(time.Duration(p.Took))
		}
	}
	if lost < 2 {
		return nil
	}
	answered := ""
	if x := w.main(); x.answered() {
		answered = fmt.Sprintf("; it is answered %d, late", x.Status)
	}
	return &finding{
		cause: fault.CauseConnectionLost, kind: fault.TypeConnectionTimeout, confidence: Likely,
		sentence: fmt.Sprintf("packets to %s are lost: %d of %d connections had to send their SYN, or what followed, again%s", w.Target.label(), lost, tried, answered),
		proof: []string{
			fmt.Sprintf("connecting takes %s to %s; the kernel sends a SYN again after 1 s, then after 3 s and 7 s", mono.Words(quickest), mono.Words(slowest)),
			fmt.Sprintf("the kernel counts retransmissions on %d of %d connections (TCP_INFO)", lost, tried),
		},
		advice: []string{
			"Look where on the way packets are dropped: mtr -rwzc 100 " + hostOf(w.Target.label()) + " from here; on both ends ip -s link (drops, errors) and nstat -az TcpRetransSegs TcpExtListenOverflows.",
			"A limit on new connections (a firewall's SYN rate limit, conntrack that is full, an accept queue that overflows) looks the same: see whether kept connections are spared.",
		},
		missing: []string{"whether it is loss on the way or a limit on new connections: ping -c 50 -i 0.2 " + hostOf(w.Target.label())},
	}
}

// lossNote says of a loss that is no finding.
func lossNote(w *Walk) string {
	if w.Loss == nil || judgeLoss(w) != nil {
		return ""
	}
	return "one connection had to send its SYN again, and none of " + words.Count(w.Loss.Tried, "further one") + ": a packet was lost"
}
