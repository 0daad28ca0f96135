package resilience

import (
	"sync"
	"sync/atomic"
	"testing"
)

func TestGuard(t *testing.T) {
	g := NewGuard(2)
	if first, second := g.Enter(), g.Enter(); !first || !second {
		t.Fatal("refused below the limit")
	}
	if g.Enter() {
		t.Fatal("let in above the limit")
	}
	g.Leave()
	if !g.Enter() {
		t.Error("refused after one left")
	}
	if g.Inside() != 2 || g.Refused() != 1 {
		t.Errorf("inside %d, refused %d", g.Inside(), g.Refused())
	}
}

func TestGuardWithoutLimit(t *testing.T) {
	var g Guard
	for range 1000 {
		if !g.Enter() {
			t.Fatal("refused")
		}
	}
	if g.Inside() != 1000 {
		t.Errorf("inside %d", g.Inside())
	}
}

func TestGuardNewLimit(t *testing.T) {
	g := NewGuard(0)
	g.Enter()
	g.Enter()
	g.SetLimit(1)
	if g.Enter() {
		t.Error("let in above the new limit")
	}
	g.Leave()
	g.Leave()
	if !g.Enter() {
		t.Error("refused below the new limit")
	}
}

func TestGuardConcurrently(t *testing.T) {
	g := NewGuard(3)
	var inside, most atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 1000 {
				if !g.Enter() {
					continue
				}
				if n := inside.Add(1); n > most.Load() {
					most.Store(n)
				}
				inside.Add(-1)
				g.Leave()
			}
		})
	}
	wg.Wait()
	if most.Load() > 3 || g.Inside() != 0 {
		t.Errorf("at most %d inside, %d left", most.Load(), g.Inside())
	}
}
