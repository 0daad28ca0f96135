package resilience

import (
	"sync"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/mono"
)

const second = mono.Time(time.Second)

// spend counts how many retries are granted at that moment, up to a thousand.
func spend(b *Budget, now mono.Time) (granted int) {
	for range 1000 {
		if b.Retry(now) {
			granted++
		}
	}
	return granted
}

func requests(b *Budget, now mono.Time, n int) {
	for range n {
		b.Request(now)
	}
}

func TestBudget(t *testing.T) {
	tests := []struct {
		name     string
		percent  int
		requests int
		want     int
	}{
		{"floor without traffic", 20, 0, 3},
		{"floor in little traffic", 20, 10, 3},
		{"a fifth", 20, 100, 20},
		{"a half", 50, 100, 50},
		{"everything", 100, 100, 100},
		{"only the floor", 0, 1000, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := NewBudget(tt.percent)
			requests(b, 100*second, tt.requests)
			if got := spend(b, 100*second); got != tt.want {
				t.Errorf("granted %d, want %d", got, tt.want)
			}
		})
	}
}

func TestBudgetWindowSlides(t *testing.T) {
	b := NewBudget(20)
	requests(b, 100*second, 100)
	if got := spend(b, 105*second); got != 20 {
		t.Fatalf("granted %d five seconds later, want 20", got)
	}
	requests(b, 109*second, 50)
	// The hundred requests are out of the window, the twenty retries are still in it.
	if got := spend(b, 110*second); got != 0 {
		t.Errorf("granted %d, want 0: the retries still count", got)
	}
	if got := spend(b, 115*second); got != 10 {
		t.Errorf("granted %d, want 10: a fifth of 50", got)
	}
	if got := spend(b, 1000*second); got != budgetFloor {
		t.Errorf("granted %d long after, want the floor", got)
	}
}

func TestBudgetConcurrently(t *testing.T) {
	b := NewBudget(20)
	requests(b, 0, 500)
	var granted sync.Map
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			n := 0
			for range 100 {
				b.Request(0)
				if b.Retry(0) {
					n++
				}
			}
			granted.Store(i, n)
		})
	}
	wg.Wait()
	total := 0
	granted.Range(func(_, n any) bool { total += n.(int); return true })
	if total > 1300*20/100 {
		t.Errorf("granted %d of 1300 requests", total)
	}
}

func TestBudgetAllocates(t *testing.T) {
	b := NewBudget(20)
	now := mono.Time(0)
	if n := testing.AllocsPerRun(100, func() { now += second / 3; b.Request(now); b.Retry(now) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkBudgetRequest(b *testing.B) {
	budget := NewBudget(20)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			budget.Request(second)
		}
	})
}
