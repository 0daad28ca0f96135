package upstream

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/whygate/whygate/internal/mono"
)

// at is so many seconds after some moment, on mono's clock.
func at(seconds int) mono.Time { return mono.Time(time.Hour).Add(time.Duration(seconds) * time.Second) }

// A name that moves: its old address's connections go once it has been missing for a minute, not before.
func TestVanished(t *testing.T) {
	target := targetOf(t, "http://app.test:80", nil)
	put := func(addr string) { target.put(piped(t, target, addr), mono.Now()) }
	old, late := "10.0.0.1:80", piped(t, target, "10.0.0.1:80") // late is in use all the while
	target.learn(addrs("10.0.0.1", "2001:db8::1"), at(0))
	put(old)
	put("[2001:db8::1]:80")
	for s := 10; s <= 50; s += 10 { // it is missed from the first of these on
		target.learn(addrs("10.0.0.2"), at(s))
		put("10.0.0.2:80")
	}
	if target.Sweep(); target.IdleCount() != 7 {
		t.Errorf("%d connections after 40 s, want all 7", target.IdleCount())
	}
	target.learn(addrs("10.0.0.2"), at(70))
	if target.Sweep(); target.IdleCount() != 5 {
		t.Errorf("%d connections after a minute, want the 5 to the new address", target.IdleCount())
	}
	if target.put(late, mono.Now()); target.IdleCount() != 5 {
		t.Error("a connection in use came back, though its address is gone")
	}
	if got := target.Refresh(context.Background()); !slices.Equal(got, addrs("10.0.0.1", "2001:db8::1")) {
		t.Errorf("told that %v are gone", got)
	}
	if got := target.Refresh(context.Background()); got != nil {
		t.Errorf("told again that %v are gone", got)
	}
	target.learn(addrs("10.0.0.1", "10.0.0.2"), at(80)) // it comes back
	if put(old); target.IdleCount() != 6 {
		t.Error("an address that came back is not used again")
	}
}

// Time without answers, because nobody asked or nobody answered, does not count against an address.
func TestAnswersAfterAPause(t *testing.T) {
	target := targetOf(t, "http://app.test:80", nil)
	target.learn(addrs("10.0.0.1", "10.0.0.2"), at(0))
	target.put(piped(t, target, "10.0.0.2:80"), mono.Now())
	for _, s := range []int{3600, 3659} {
		target.learn(addrs("10.0.0.1"), at(s))
		if target.Sweep(); target.IdleCount() != 1 {
			t.Fatalf("given up after %d s", s-3600)
		}
	}
	target.learn(addrs("10.0.0.1"), at(3660))
	if target.Sweep(); target.IdleCount() != 0 {
		t.Error("kept after a minute of answers without it")
	}
}

// Some name servers give a part of the addresses each time: none of them goes.
func TestAnswersInParts(t *testing.T) {
	target := targetOf(t, "http://app.test:80", nil)
	for s := range 300 {
		target.learn(addrs(fmt.Sprintf("10.0.0.%d", 1+s%5)), at(10*s))
	}
	for n := range 5 {
		target.put(piped(t, target, fmt.Sprintf("10.0.0.%d:80", 1+n)), mono.Now())
	}
	if target.IdleCount() != 5 {
		t.Errorf("%d of 5 are kept", target.IdleCount())
	}
	for s := range 1000 { // ever new ones, many at once
		target.learn(slices.Repeat([]netip.Addr{netip.AddrFrom4([4]byte{10, 1, byte(s >> 8), byte(s)}), netip.AddrFrom4([4]byte{10, 2, byte(s >> 8), byte(s)})}, 300), at(4000+10*s))
		if n := len(target.names.known); n > knownAddressesMax {
			t.Fatalf("%d addresses are remembered", n)
		}
	}
}

// A name is asked again while connections to it are used, not more often than it should, and a failure changes nothing.
func TestRefresh(t *testing.T) {
	var broken atomic.Bool
	server, asked := nameServer(t, func(w dns.ResponseWriter, m *dns.Msg) {
		if broken.Load() {
			_ = w.WriteMsg(reply(m, dns.RcodeServerFailure, ""))
			return
		}
		_ = w.WriteMsg(reply(m, dns.RcodeSuccess, "10.0.0.2"))
	})
	with := func(o *Options) { o.Resolver = NewResolver([]string{server}, patience) }
	ctx := context.Background()

	target := targetOf(t, "http://app.test.:80", with)
	if target.Refresh(ctx); asked.Load() != 0 {
		t.Error("a name that nobody uses was asked for")
	}
	target.learn(addrs("10.0.0.1"), mono.Now().Add(-2*vanishAfter))
	target.learn(addrs("10.0.0.2"), mono.Now().Add(-vanishAfter))
	target.put(piped(t, target, "10.0.0.1:80"), mono.Now())
	if got := target.Refresh(ctx); !slices.Equal(got, addrs("10.0.0.1")) || asked.Load() != 1 {
		t.Errorf("%v are gone, %d questions", got, asked.Load())
	}
	if target.Sweep(); target.IdleCount() != 0 {
		t.Error("a connection to an address that is gone was kept")
	}
	target.put(piped(t, target, "10.0.0.2:80"), mono.Now())
	if target.Refresh(ctx); asked.Load() != 1 {
		t.Error("asked again at once")
	}

	broken.Store(true)
	failing := targetOf(t, "http://app.test.:80", with)
	failing.learn(addrs("10.0.0.1"), mono.Now().Add(-2*vanishAfter))
	failing.learn(addrs("10.0.0.2"), mono.Now().Add(-vanishAfter))
	failing.put(piped(t, failing, "10.0.0.1:80"), mono.Now())
	got := failing.Refresh(ctx)
	if failing.Sweep(); len(got) > 0 || failing.IdleCount() != 1 {
		t.Errorf("a name server that fails took %v away", got)
	}

	literal := targetOf(t, "http://127.0.0.1:80", with)
	literal.put(piped(t, literal, "127.0.0.1:80"), mono.Now())
	before := asked.Load()
	if literal.Refresh(ctx); asked.Load() != before {
		t.Error("an address was asked for")
	}
}
