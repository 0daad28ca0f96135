package telemetry

import (
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/whygate/whygate/internal/fault"
)

// Metrics counts exchanges. Counting takes a few atomic additions on memory that few connections share; it is summed when
// somebody scrapes. Every label is from a fixed list, but for the pool, which is from the configuration.
type Metrics struct {
	Open, Busy func() int64            // client connections, exchanges under way
	Idle       func() map[string]int   // idle upstream connections by pool
	Dropped    func() uint64           // access log lines lost
	pools      atomic.Pointer[[]*Pool] // those that were ever used, in the order they came
	unrouted   Pool                    // what came to no pool
}

// Pool is one pool's counters. The proxy's snapshot keeps it, so that counting looks nothing up.
type Pool struct {
	name   string
	shards [shards]counters
}

const (
	shards  = 4
	buckets = 28 // powers of two of a microsecond: up to 134 s
	makers  = 3
	classes = 6 // 1xx to 5xx by their first digit
)

// timed are the stages with a histogram of their own.
var timed = [...]fault.Stage{fault.Resolve, fault.Dial, fault.TLS, fault.Write, fault.FirstByte, fault.Head, fault.Body}

type counters struct {
	requests [makers][classes]atomic.Uint64
	faults   [fault.Causes]cell
	saved    [fault.Causes]atomic.Uint64
	attempts atomic.Uint64
	reused   atomic.Uint64
	sent     atomic.Uint64
	duration histogram
	stages   [len(timed)]histogram
	_        [64]byte // keeps shards off each other's cache lines
}

// cell counts one cause, by the few types it can have.
type cell [fault.Types]atomic.Uint64

// histogram counts durations by powers of two of a microsecond.
type histogram struct {
	count [buckets]atomic.Uint64
	sum   atomic.Uint64 // nanoseconds
}

func (h *histogram) observe(d time.Duration) {
	ns := uint64(max(d, 0))
	h.count[min(bits.Len64(ns/1000), buckets-1)].Add(1)
	h.sum.Add(ns)
}

// Pool finds the counters of a pool, made when it is first asked for. A reload that names the pool again finds the same.
func (m *Metrics) Pool(name string) *Pool {
	for {
		old := m.pools.Load()
		var list []*Pool
		if old != nil {
			for _, p := range *old {
				if p.name == name {
					return p
				}
			}
			list = *old
		}
		p := &Pool{name: name}
		next := append(list[:len(list):len(list)], p)
		if m.pools.CompareAndSwap(old, &next) {
			return p
		}
	}
}

// Count counts one exchange. p is nil where it came to no pool.
//
// hot: once per request.
func (m *Metrics) Count(p *Pool, r *Record) {
	if p == nil {
		p = &m.unrouted
	}
	c := &p.shards[r.ID[0]%shards]
	c.requests[r.By][min(r.Status/100, classes-1)].Add(1)
	c.sent.Add(uint64(r.Sent))
	c.duration.observe(r.Duration)
	for i := range r.Attempts {
		c.attempt(r.Attempts[i])
	}
	if !r.Fault.Is() {
		return
	}
	c.faults[r.Fault.Cause][r.Fault.Type].Add(1)
	if r.Saved {
		c.saved[r.Fault.Cause].Add(1)
	}
}

func (c *counters) attempt(e *fault.Evidence) {
	c.attempts.Add(1)
	if e.Reused {
		c.reused.Add(1)
	}
	for i, s := range timed {
		if d := e.Spent[s]; d > 0 {
			c.stages[i].observe(d)
		}
	}
}

// The descriptions of what is scraped.
var (
	descRequests = prometheus.NewDesc("whygate_requests_total", "Requests answered, by pool, by who made the answer, and by the first digit of its status.", []string{"pool", "by", "class"}, nil)
	descFaults   = prometheus.NewDesc("whygate_faults_total", "Faults, by pool, RFC 9209 error type and cause. Those that a retry saved the client from are among them.", []string{"pool", "type", "cause"}, nil)
	descSaved    = prometheus.NewDesc("whygate_retries_saved_total", "Requests that a retry saved from a fault the client would have seen, by pool and cause.", []string{"pool", "cause"}, nil)
	descAttempts = prometheus.NewDesc("whygate_attempts_total", "Attempts made at endpoints, by pool and by whether the connection was reused.", []string{"pool", "reused"}, nil)
	descSent     = prometheus.NewDesc("whygate_response_bytes_total", "Octets of answers given to the kernel, by pool.", []string{"pool"}, nil)
	descDuration = prometheus.NewDesc("whygate_request_duration_seconds", "From a request's first octet to its answer's last, by pool.", []string{"pool"}, nil)
	descStage    = prometheus.NewDesc("whygate_stage_duration_seconds", "Time an attempt spent in a stage, by pool and stage. A stage that was not entered is not counted.", []string{"pool", "stage"}, nil)
	descOpen     = prometheus.NewDesc("whygate_client_connections", "Open client connections.", nil, nil)
	descBusy     = prometheus.NewDesc("whygate_exchanges", "Exchanges under way.", nil, nil)
	descIdle     = prometheus.NewDesc("whygate_upstream_idle_connections", "Idle upstream connections kept for another request, by pool.", []string{"pool"}, nil)
	descDropped  = prometheus.NewDesc("whygate_log_lines_dropped_total", "Access log lines lost because the log's writer did not keep up.", nil, nil)
)

// Describe is for prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descRequests, descFaults, descSaved, descAttempts, descSent, descDuration, descStage, descOpen, descBusy, descIdle, descDropped} {
		ch <- d
	}
}

// Collect is for prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	m.unrouted.collect(ch, "")
	if pools := m.pools.Load(); pools != nil {
		for _, p := range *pools {
			p.collect(ch, p.name)
		}
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	if m.Open != nil {
		gauge(descOpen, float64(m.Open()))
		gauge(descBusy, float64(m.Busy()))
	}
	if m.Idle != nil {
		for pool, n := range m.Idle() {
			gauge(descIdle, float64(n), pool)
		}
	}
	if m.Dropped != nil {
		ch <- prometheus.MustNewConstMetric(descDropped, prometheus.CounterValue, float64(m.Dropped()))
	}
}

// collect sends one pool's counters that were ever counted.
func (p *Pool) collect(ch chan<- prometheus.Metric, name string) {
	sum := func(at func(c *counters) *atomic.Uint64) float64 {
		var n uint64
		for i := range p.shards {
			n += at(&p.shards[i]).Load()
		}
		return float64(n)
	}
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		if v > 0 {
			ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
		}
	}
	for by := range makers {
		for class := range classes {
			n := sum(func(c *counters) *atomic.Uint64 { return &c.requests[by][class] })
			counter(descRequests, n, name, Maker(by).String(), string(rune('0'+class))+"xx")
		}
	}
	for cause := range fault.Causes {
		for kind := range fault.Types {
			n := sum(func(c *counters) *atomic.Uint64 { return &c.faults[cause][kind] })
			counter(descFaults, n, name, fault.Type(kind).String(), fault.Cause(cause).String())
		}
		counter(descSaved, sum(func(c *counters) *atomic.Uint64 { return &c.saved[cause] }), name, fault.Cause(cause).String())
	}
	attempts := sum(func(c *counters) *atomic.Uint64 { return &c.attempts })
	reused := sum(func(c *counters) *atomic.Uint64 { return &c.reused })
	counter(descAttempts, reused, name, "true")
	counter(descAttempts, attempts-reused, name, "false")
	counter(descSent, sum(func(c *counters) *atomic.Uint64 { return &c.sent }), name)
	p.histogram(ch, descDuration, func(c *counters) *histogram { return &c.duration }, name)
	for i, s := range timed {
		p.histogram(ch, descStage, func(c *counters) *histogram { return &c.stages[i] }, name, s.String())
	}
}

// histogram sends one histogram, summed over the shards.
func (p *Pool) histogram(ch chan<- prometheus.Metric, d *prometheus.Desc, at func(c *counters) *histogram, labels ...string) {
	var total, sum uint64
	cumulative := make(map[float64]uint64, buckets)
	for b := range buckets {
		for i := range p.shards {
			total += at(&p.shards[i]).count[b].Load()
		}
		if b < buckets-1 {
			cumulative[float64(uint64(1)<<b)/1e6] = total
		}
	}
	for i := range p.shards {
		sum += at(&p.shards[i]).sum.Load()
	}
	if total > 0 {
		ch <- prometheus.MustNewConstHistogram(d, total, float64(sum)/1e9, cumulative, labels...)
	}
}
