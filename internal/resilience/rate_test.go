package resilience

import (
	"testing"
	"time"

	"github.com/whygate/whygate/internal/mono"
)

func TestRate(t *testing.T) {
	r := NewRate(10, time.Second, ManyKeys)
	now := mono.Time(100 * second)
	allowed := 0
	for range 100 {
		if _, ok := r.Allow(7, now); ok {
			allowed++
		}
	}
	if allowed != 10 {
		t.Errorf("%d at once, want 10", allowed)
	}
	if wait, ok := r.Allow(7, now); ok || wait <= 0 || wait > 100*time.Millisecond {
		t.Errorf("told to wait for %v", wait)
	}
	if _, ok := r.Allow(8, now); !ok {
		t.Error("another key pays for it")
	}
	allowed = 0
	for k := range mono.Time(1000) { // ten seconds, ten times the limit
		if _, ok := r.Allow(9, now+k*second/100); ok {
			allowed++
		}
	}
	if allowed < 105 || allowed > 110 {
		t.Errorf("%d in ten seconds, want about 110: ten at once and ten in each second", allowed)
	}
}

// However many keys there are, the memory stays the same, and who is at the limit is not forgotten for the sake of those who come once.
func TestRateForgetsTheQuiet(t *testing.T) {
	r := NewRate(10, time.Second, ManyKeys)
	now := mono.Time(100 * second)
	refused := 0
	for k := range uint64(200_000) {
		if _, ok := r.Allow(rateSets*k+1, now); !ok { // all in one set
			t.Fatal("a new key is refused")
		}
		if _, ok := r.Allow(1<<63+1, now); !ok {
			refused++
		}
		now += second / 1000
	}
	if refused < 150_000 {
		t.Errorf("%d of 200,000 requests at a hundred times the limit were refused", refused)
	}
	if n := testing.AllocsPerRun(100, func() { r.Allow(uint64(now), now); now += second }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A limit for one key has no memory for others.
func TestRateOfOneKey(t *testing.T) {
	r := NewRate(2, time.Second, OneKey)
	now := mono.Time(100 * second)
	for k, want := range []bool{true, true, false} {
		if _, ok := r.Allow(1, now); ok != want {
			t.Errorf("request %d: allowed: %v", k, ok)
		}
	}
	if len(r.sets) != 1 {
		t.Errorf("%d sets", len(r.sets))
	}
}
