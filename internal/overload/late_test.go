package overload

import (
	"testing"
	"time"

	"github.com/whygate/whygate/internal/mono"
)

// TestOurOwnLagIsNotTheEndpoints: answers that come late since the gateway is busy move no limit; the same without a lag do.
func TestOurOwnLagIsNotTheEndpoints(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lag time.Duration
		cut bool
	}{"ours": {400 * time.Millisecond, false}, "the endpoint's": {0, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := mono.Time(time.Hour)
			l := New(1, 100*time.Millisecond, now)
			play := func(took, lag time.Duration) {
				for range 8 {
					now = now.Add(TickEvery)
					l.Late(lag)
					var admitted []int64
					for {
						n, ok := l.Enter(0)
						if !ok {
							break
						}
						admitted = append(admitted, n)
					}
					for _, n := range admitted {
						l.Answered(0, &Sample{Took: took, Admitted: n, Sent: now})
					}
					l.Tick(now)
				}
			}
			play(5*time.Millisecond, 0) // what they take by themselves
			play(400*time.Millisecond, c.lag)
			if l.Calm(now) == c.cut {
				t.Errorf("cut: %v, the limit is %d", !l.Calm(now), l.Limit(0))
			}
		})
	}
}

// TestLagFades: the longest counts for about a second, and not for ever.
func TestLagFades(t *testing.T) {
	t.Parallel()
	l := New(1, 100*time.Millisecond, 0)
	l.Late(80 * time.Millisecond)
	l.Late(10 * time.Millisecond)
	if got := time.Duration(l.lag.Load()); got != 70*time.Millisecond {
		t.Errorf("%v", got)
	}
	for range 100 {
		l.Late(0)
	}
	if got := time.Duration(l.lag.Load()); got > time.Microsecond {
		t.Errorf("after ten seconds: %v", got)
	}
}
