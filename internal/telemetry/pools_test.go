package telemetry

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/whygate/whygate/internal/fault"
)

func heap() int64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

// Thousands of pools cost little before they have been used, and not much after.
func TestPoolsAreSmall(t *testing.T) {
	const pools, unusedMax, usedMax = 2000, 2 << 20, 20 << 20
	names := make([]string, pools)
	for i := range names {
		names[i] = fmt.Sprint("pool", i)
	}
	m := &Metrics{}
	before := heap()
	m.Use(names)
	if grown := heap() - before; grown > unusedMax {
		t.Errorf("%d pools take %d bytes before they are used", pools, grown)
	}
	for _, name := range names {
		for id := range byte(shards) {
			r := record()
			r.ID = []byte{id}
			m.Count(m.Pool(name), r)
		}
	}
	grown := heap() - before
	if grown > usedMax {
		t.Errorf("%d pools take %d bytes once each has counted a fault in every shard", pools, grown)
	}
	t.Logf("%d bytes a pool", grown/pools)
	runtime.KeepAlive(m)
}

// scraped are the pools that a scrape shows with requests.
func scraped(t *testing.T, m *Metrics) map[string]float64 {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(m)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		if f.GetName() == "whygate_requests_total" {
			for _, x := range f.Metric {
				for _, l := range x.Label {
					if l.GetName() == "pool" {
						got[l.GetValue()] += x.GetCounter().GetValue()
					}
				}
			}
		}
	}
	return got
}

// A pool that goes is counted to its last exchange, scraped a while longer, and freed then.
func TestPoolsThatGo(t *testing.T) {
	m := &Metrics{}
	m.Use([]string{"web", "api"})
	web := m.Pool("web")
	m.Count(web, record())
	m.Use([]string{"api"})
	now := time.Now()
	m.Forget(now.Add(forgetAfter - time.Minute))
	m.Count(m.Pool("web"), record()) // it was under way
	m.Forget(now.Add(forgetAfter + time.Minute))
	if got := scraped(t, m); got["web"] != 2 || got[""] != 0 {
		t.Errorf("a pool that has just gone: %v", got)
	}
	m.Use([]string{"web"})
	if m.Pool("web") != web {
		t.Error("a pool that comes back begins anew")
	}
	m.Use([]string{"api"})
	m.Forget(time.Now().Add(2 * forgetAfter))
	if got := scraped(t, m); len(got) != 0 || len(m.gone) != 0 || len(*m.pools.Load()) != 1 {
		t.Errorf("a pool that is long gone: %v", got)
	}
	m.Count(m.Pool("web"), record()) // an exchange that took so long
	if got := scraped(t, m); got["web"] != 1 {
		t.Errorf("of a pool that is long gone: %v", got)
	}
	m.Forget(time.Now().Add(2 * forgetAfter))
	m.Forget(time.Now().Add(4 * forgetAfter))
	if _, kept := (*m.pools.Load())["web"]; kept {
		t.Error("it is kept for ever")
	}
}

// Faults that are met for the first time at once are counted each.
func TestFaultsAtOnce(t *testing.T) {
	m := &Metrics{}
	m.Use([]string{"web"})
	causes := []fault.Cause{fault.CauseConnectionRefused, fault.CauseHeadTimeout, fault.CauseBodyShort, fault.CauseNotHTTP}
	const each = 200
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range each {
				for _, c := range causes {
					r := record()
					r.Fault.Cause = c
					m.Count(m.Pool("web"), r)
				}
			}
		})
	}
	wait.Wait()
	var seen []fault.Cause
	for _, c := range m.Pool("web").counters() {
		for f := c.faults.Load(); f != nil; f = f.next {
			if slices.Contains(seen, f.cause) || f.faults.Load() != 4*each {
				t.Errorf("%s: %d", f.cause, f.faults.Load())
			}
			seen = append(seen, f.cause)
		}
	}
	if len(seen) != len(causes) {
		t.Errorf("%v", seen)
	}
}

func BenchmarkCount(b *testing.B) {
	m := &Metrics{}
	m.Use([]string{"web"})
	r := record()
	r.Fault = fault.Fault{}
	b.ReportAllocs()
	for b.Loop() {
		m.Count(m.Pool("web"), r)
	}
}
