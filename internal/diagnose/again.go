package diagnose

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// Again is whether it lasts: the same request several times.
type Again struct {
	Asked     int          `json:"asked"`
	Failed    int          `json:"failed"`
	Pattern   Pattern      `json:"pattern"`
	Exchanges []*Exchange  `json:"exchanges"`
	Addresses []*AddressIs `json:"addresses,omitempty"` // where the name has several
	Why       string       `json:"why_more,omitempty"`  // what made it worth asking more often, though the first answers were all good

	cut  bool // the budget ended some of it, which is left out
	good bool // some were answered well
}

// AddressIs is how one address of the name answers.
type AddressIs struct {
	Address string      `json:"address"`
	Cause   fault.Cause `json:"cause"`
	Status  int         `json:"status,omitempty"`
	Failed  bool        `json:"failed"`

	cut bool // the budget ended the request: it tells nothing
}

// Pattern is when it fails.
type Pattern uint8

const (
	Never       Pattern = iota // it never fails
	Always                     // each time
	Sometimes                  // some of the times, without a rule that shows
	KeptOnly                   // only on connections that had carried a request before
	AddressOnly                // only on some address of the name
)

var patternNames = [...]string{"never", "always", "sometimes", "kept connections only", "some address only"}

// String gives the name as JSON spells it.
func (p Pattern) String() string { return patternNames[p] }

// MarshalText makes JSON show the name.
func (p Pattern) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// Spacing of repeated requests. A request that took longer than slow is repeated beside others, fewer times.
const (
	spacing     = 120 * time.Millisecond
	slow        = 400 * time.Millisecond
	slowRepeats = 2
)

// probeAgain repeats the main request, on fresh and on kept connections in turn, and once on each other address.
func (w *walker) probeAgain(ctx context.Context, main *Exchange) *Again {
	a := &Again{}
	count := w.o.count()
	var group sync.WaitGroup
	if len(w.open) > 1 {
		a.Addresses = make([]*AddressIs, len(w.open))
		for i, at := range w.open {
			group.Go(func() { a.Addresses[i] = w.askAddress(ctx, at) })
		}
	}
	if time.Duration(main.Took) > slow {
		a.Exchanges = make([]*Exchange, min(count, slowRepeats))
		for i := range a.Exchanges {
			group.Go(func() { a.Exchanges[i] = w.client.ask(query{label: "again", method: w.o.method()}) })
		}
	} else {
		group.Go(func() { a.Exchanges = w.inTurn(ctx, count) })
	}
	group.Wait()
	a.judge(main)
	if a.Pattern == Never && !w.walk.Target.Upstream && !failed(main) {
		a.Why = w.walk.unstable(a)
	}
	if (a.mixed() || a.Why != "") && ctx.Err() == nil {
		w.askAgain(ctx, a, main)
	}
	return a
}

// Bounds of the second round, after a first one that was not unanimous.
const (
	moreRepeats = 8
	requestsMax = 25 // of a run, to the URL or to one upstream
	moreTime    = 4 * time.Second
)

// mixed reports whether the answers of the first round differ: how often it fails is worth a second one.
func (a *Again) mixed() bool {
	return a.Pattern == Sometimes || a.Pattern == KeptOnly || a.Pattern == AddressOnly && a.Failed > 0 && a.Failed < a.Asked
}

// askAgain asks more often, so that "one of three" is a number, within the bounds of a run.
func (w *walker) askAgain(ctx context.Context, a *Again, main *Exchange) {
	more := min(moreRepeats, requestsMax-w.tally.sent(w.walk.Target.label())-askedBeside)
	if more <= 0 || w.o.count() > DefaultCount {
		return // whoever gave a count has said how often
	}
	ctx, cancel := context.WithTimeout(ctx, moreTime)
	defer cancel()
	a.Exchanges = append(a.Exchanges, w.inTurn(ctx, more)...)
	a.judge(main)
}

// askedBeside is how many requests may be made beside: by HEAD, as a browser, without a query, with small segments, compressed, by HTTP/2
// twice.
const askedBeside = 7

// inTurn asks one after the other, with a pause between.
func (w *walker) inTurn(ctx context.Context, count int) (all []*Exchange) {
	for i := range count {
		select {
		case <-time.After(spacing):
		case <-ctx.Done():
			return all
		}
		if ctx.Err() != nil {
			return all
		}
		q := query{label: "again", method: w.o.method(), kept: i%2 == 1}
		all = append(all, w.client.ask(q))
	}
	return all
}

// askAddress asks one address of the name.
func (w *walker) askAddress(ctx context.Context, at netip.AddrPort) *AddressIs {
	c := newClient(ctx, &w.walk.Target, w.o, at, w.tally)
	defer c.close()
	x := c.ask(query{label: "at " + at.String(), method: w.o.method()})
	return &AddressIs{Address: at.String(), Cause: x.Cause, Status: x.Status, Failed: failed(x), cut: x.cut}
}

// failed reports whether an exchange is one that a person would call failed.
func failed(x *Exchange) bool {
	return x.broken() || x.Status >= 500 || x.Status == 429 || soft(x) != nil
}

// failed reports whether an exchange of the several failed: what is not found, or forbidden, while others of the same request are
// answered well, has met another server than they.
func (a *Again) failed(x *Exchange) bool {
	return failed(x) || a.good && x.answered() && (x.Status == 404 || x.Status == 403 || x.Status == 410 || x.Status == 400)
}

// judge finds the pattern.
func (a *Again) judge(main *Exchange) {
	a.Asked, a.Failed = 0, 0
	a.good = slices.ContainsFunc(append([]*Exchange{main}, a.Exchanges...), func(x *Exchange) bool { return x.answered() && !x.broken() && x.Status < 400 })
	asked := len(a.Exchanges) + len(a.Addresses)
	a.Exchanges = slices.DeleteFunc(a.Exchanges, func(x *Exchange) bool { return x.cut })
	a.Addresses = slices.DeleteFunc(a.Addresses, func(at *AddressIs) bool { return at.cut })
	a.cut = a.cut || len(a.Exchanges)+len(a.Addresses) < asked
	all := append([]*Exchange{main}, a.Exchanges...)
	kept, keptFailed, freshFailed := 0, 0, 0
	for _, x := range all {
		a.Asked++
		if x.Reused {
			kept++
		}
		if !a.failed(x) {
			continue
		}
		a.Failed++
		if x.Reused {
			keptFailed++
		} else {
			freshFailed++
		}
	}
	bad := 0
	for _, at := range a.Addresses {
		if at.Failed {
			bad++
		}
	}
	switch {
	case a.Failed == 0 && bad == 0:
		a.Pattern = Never
	case bad > 0 && bad < len(a.Addresses):
		a.Pattern = AddressOnly
	case a.Failed == a.Asked:
		a.Pattern = Always
	case freshFailed == 0 && kept > 0 && keptFailed == kept:
		a.Pattern = KeptOnly
	default:
		a.Pattern = Sometimes
	}
}

// Words say the pattern with its numbers.
func (a *Again) Words() string {
	switch a.Pattern {
	case Always:
		if a.Asked == 1 {
			return "the one time it was asked"
		}
		return fmt.Sprintf("always: %d of %d", a.Failed, a.Asked)
	case Sometimes:
		return fmt.Sprintf("sometimes: %d of %d", a.Failed, a.Asked)
	case KeptOnly:
		return fmt.Sprintf("only on kept connections: %d of %d requests", a.Failed, a.Asked)
	case AddressOnly:
		text := "only on "
		for _, at := range a.Addresses {
			if at.Failed {
				if text != "only on " {
					text += ", "
				}
				text += at.Address
			}
		}
		return text
	}
	return fmt.Sprintf("never: 0 of %d", a.Asked)
}

// worst gives the first exchange of the repeated ones that failed, nil if none did.
func (a *Again) worst() *Exchange {
	if a == nil {
		return nil
	}
	for _, x := range a.Exchanges {
		if a.failed(x) {
			return x
		}
	}
	return nil
}

// hangsUp reports whether the server closes each connection after its answer, and does not say so.
func (a *Again) hangsUp(main *Exchange) bool {
	if a == nil || a.Failed > 0 || !main.keeps {
		return false
	}
	wanted := 0
	for _, x := range a.Exchanges {
		if x.Reused || !x.keeps {
			return false
		}
		if x.wanted {
			wanted++
		}
	}
	return wanted >= 2
}
