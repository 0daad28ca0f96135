package gateway

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

// TestLagOfABusyProcess: goroutines that wait for a processor are seen, and a first look sees nothing.
func TestLagOfABusyProcess(t *testing.T) {
	m := newLagMeter()
	if lag := m.read(); lag != 0 {
		t.Errorf("at first: %v", lag)
	}
	var group sync.WaitGroup
	for range 50 * runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for began := time.Now(); time.Since(began) < time.Millisecond; {
			}
			runtime.Gosched()
		})
	}
	group.Wait()
	if lag := m.read(); lag < time.Millisecond {
		t.Errorf("50 goroutines of a millisecond for each processor: %v", lag)
	}
}
