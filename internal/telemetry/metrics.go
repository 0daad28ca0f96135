package telemetry

import (
	"maps"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/whygate/whygate/internal/fault"
)

// Metrics counts exchanges. Counting takes a few atomic additions on memory that few connections share; it is summed when
// somebody scrapes. Labels come from fixed lists, except pool, which comes from the configuration. The zero value is ready.
type Metrics struct {
	Open, Busy func() int64                                // client connections, exchanges under way
	Idle       func() map[string]int                       // idle upstream connections by pool
	Dropped    func() uint64                               // access log lines lost
	Unsent     func() (dropped uint64, failing, used bool) // what a collector was not told of, whether it fails, and whether there is one; nil for none
	Unkept     func() uint64                               // incidents that were counted and not kept as examples, since too many waited
	Unstored   func() bool                                 // the store of incidents cannot be written to at the moment
	Handshakes func() map[string]uint64                    // failed TLS handshakes with clients, by reason
	Endpoints  func() []EndpointState                      // how the endpoints stand; nil for none
	Certs      func() []CertificateEnd                     // when certificates end; nil for none
	Queues     func() map[string]int64                     // requests that wait for an endpoint, by pool; nil for none
	Resolved   func() []ResolveState                       // how the names of pools are followed; nil for none

	pools    atomic.Pointer[map[string]*Pool] // replaced as a whole, never changed
	unrouted Pool                             // what came to no pool
	versions [shards]versionCounts
	routes   atomic.Pointer[map[string]*routeCounts]

	mu   sync.Mutex // guards replacing pools, and gone
	gone []*Pool    // those that the configuration has no more, and that are still scraped
}

// EndpointState is how an endpoint stands.
type EndpointState struct {
	Pool, Endpoint, State string
	InFlight              int64
	Limit                 int64 // requests whose answer has not begun, 0 for no limit
}

// ResolveState is how the names of a pool are followed in the DNS.
type ResolveState struct {
	Pool      string
	Endpoints int    // that they stand for
	Failures  uint64 // look-ups that failed
	Failing   bool   // the last one did
}

// CertificateEnd is when a certificate ends.
type CertificateEnd struct {
	Source   string // file, acme or upstream
	Name     string // the file, the name, or the endpoint
	NotAfter time.Time
	OCSP     bool // its authority's OCSP responder is asked about it
	Stapled  bool // and clients are shown its answer
	Revoked  bool // or it says that the certificate was revoked
}

// Pool is one pool's counters. It costs next to nothing before the first exchange: what counts is made when there is something to
// count, since a configuration may have thousands of pools, and faults come in few kinds.
type Pool struct {
	name   string
	shards [shards]atomic.Pointer[counters]

	quiet time.Time // guarded by Metrics.mu, as seen is: since when a pool that is gone has counted nothing
	seen  uint64    // requests by then
}

// Pool finds the counters of a pool, made when it is first asked for.
//
// hot: once per request.
func (m *Metrics) Pool(name string) *Pool {
	if pools := m.pools.Load(); pools != nil {
		if p := (*pools)[name]; p != nil {
			return p
		}
	}
	return m.add(name)
}

// add makes the counters of a pool that Use did not name: an exchange that began under a configuration long gone.
func (m *Metrics) add(name string) *Pool {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := map[string]*Pool{}
	if pools := m.pools.Load(); pools != nil {
		if p := (*pools)[name]; p != nil {
			return p
		}
		next = maps.Clone(*pools)
	}
	p := &Pool{name: name, quiet: time.Now()}
	next[name] = p
	m.gone = append(m.gone, p)
	m.pools.Store(&next)
	return p
}

// Use says which pools there are. The counters of those that go are still counted and scraped until they have been quiet for so
// long that everybody has scraped the last of them (Forget).
func (m *Metrics) Use(names []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := map[string]*Pool{}
	if pools := m.pools.Load(); pools != nil {
		old = *pools
	}
	next := make(map[string]*Pool, len(names))
	for _, name := range names {
		if next[name] = old[name]; next[name] == nil {
			next[name] = &Pool{name: name}
		}
	}
	m.gone = nil
	for name, p := range old {
		if next[name] == nil {
			next[name] = p
			if p.quiet.IsZero() {
				p.quiet, p.seen = time.Now(), p.total()
			}
			m.gone = append(m.gone, p)
		}
	}
	for _, name := range names {
		next[name].quiet = time.Time{}
	}
	m.pools.Store(&next)
}

// forgetAfter is how long the counters of a pool that is gone are kept after its last exchange: many scrapes.
const forgetAfter = 10 * time.Minute

// Forget frees the counters of pools that have been gone and quiet for long enough. Call it now and then.
func (m *Metrics) Forget(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.gone) == 0 {
		return
	}
	var kept []*Pool
	next := maps.Clone(*m.pools.Load())
	for _, p := range m.gone {
		if n := p.total(); n != p.seen {
			p.quiet, p.seen = now, n
		}
		if now.Sub(p.quiet) < forgetAfter {
			kept = append(kept, p)
			continue
		}
		delete(next, p.name)
	}
	if len(kept) < len(m.gone) {
		m.gone = kept
		m.pools.Store(&next)
	}
}

// total is how many exchanges were counted.
func (p *Pool) total() (n uint64) {
	for _, c := range p.counters() {
		for by := range makers {
			for class := range classes {
				n += c.requests[by][class].Load()
			}
		}
	}
	return n
}

// counters are the shards that have counted anything.
func (p *Pool) counters() []*counters {
	var out []*counters
	for i := range p.shards {
		if c := p.shards[i].Load(); c != nil {
			out = append(out, c)
		}
	}
	return out
}

// Count counts one exchange. p is nil where it came to no pool.
//
// hot: once per request.
func (m *Metrics) Count(p *Pool, r *Record) {
	if p == nil {
		p = &m.unrouted
	}
	shard := byte(0)
	if len(r.ID) > 0 {
		shard = r.ID[0]
	}
	c := filled(&p.shards[shard%shards])
	c.requests[r.By][min(r.Status/100, classes-1)].Add(1)
	c.sent.Add(uint64(r.Sent))
	m.versions[shard%shards][r.Version].Add(1)
	m.countRoute(r)
	if r.Hedge != NotHedged {
		c.hedges[r.Hedge].Add(1)
	}
	if status, is := r.GRPC.Status(); is {
		filled(&c.grpc)[min(status, grpcCodes-1)].Add(1)
	}
	c.duration.observe(r.Duration)
	for i := range r.Attempts {
		c.attempt(r.Attempts[i])
	}
	if !r.Fault.Is() {
		return
	}
	f := c.fault(kind{r.Fault.Cause, r.Fault.Type})
	f.faults.Add(1)
	if r.Incident != "" {
		f.last.Store(&exemplar{r.Incident, time.Now()})
	}
	if r.Saved {
		f.saved.Add(1)
	}
}

// The descriptions of what is scraped.
var (
	descRequests   = prometheus.NewDesc("whygate_requests_total", "Requests answered, by pool, by who made the answer, and by the first digit of its status.", []string{"pool", "by", "class"}, nil)
	descGRPC       = prometheus.NewDesc("whygate_grpc_calls_total", "Calls of gRPC that ended with a status, by pool and status (https://grpc.io/docs/guides/status-codes/).", []string{"pool", "status"}, nil)
	descFaults     = prometheus.NewDesc("whygate_faults_total", "Faults, by pool, RFC 9209 error type and cause. Those that a retry saved the client from are among them.", []string{"pool", "type", "cause"}, nil)
	descSaved      = prometheus.NewDesc("whygate_retries_saved_total", "Requests that a retry saved from a fault the client would have seen, by pool and cause.", []string{"pool", "cause"}, nil)
	descAttempts   = prometheus.NewDesc("whygate_attempts_total", "Attempts made at endpoints, by pool and by whether the connection was reused.", []string{"pool", "reused"}, nil)
	descHedges     = prometheus.NewDesc("whygate_hedges_total", "Requests sent a second time beside the first, which took long, by pool and by whether the second was answered first (won) or not (lost).", []string{"pool", "outcome"}, nil)
	descSent       = prometheus.NewDesc("whygate_response_bytes_total", "Bytes of answers given to the kernel, by pool.", []string{"pool"}, nil)
	descDuration   = prometheus.NewDesc("whygate_request_duration_seconds", "From a request's first byte to its answer's last, by pool.", []string{"pool"}, nil)
	descStage      = prometheus.NewDesc("whygate_stage_duration_seconds", "Time an attempt spent in a stage, by pool and stage. A stage that was not entered is not counted.", []string{"pool", "stage"}, nil)
	descOpen       = prometheus.NewDesc("whygate_client_connections", "Open client connections.", nil, nil)
	descBusy       = prometheus.NewDesc("whygate_exchanges", "Exchanges under way.", nil, nil)
	descIdle       = prometheus.NewDesc("whygate_upstream_idle_connections", "Idle upstream connections kept for another request, by pool.", []string{"pool"}, nil)
	descHandshakes = prometheus.NewDesc("whygate_tls_handshake_failures_total", "TLS handshakes with clients that failed, by reason. A client that left without a byte is silent.", []string{"reason"}, nil)
	descEndpoint   = prometheus.NewDesc("whygate_endpoint_state", "1 for the state that an endpoint is in: up, ejected (its own traffic failed), down (checks failed) or drained.", []string{"pool", "endpoint", "state"}, nil)
	descInFlight   = prometheus.NewDesc("whygate_endpoint_in_flight", "Requests in flight at an endpoint.", []string{"pool", "endpoint"}, nil)
	descLimit      = prometheus.NewDesc("whygate_endpoint_limit", "Requests that may be at an endpoint before their answer has begun: set (limits.requests) or learned (overload.adaptive).", []string{"pool", "endpoint"}, nil)
	descCert       = prometheus.NewDesc("whygate_certificate_not_after_seconds", "When a certificate ends, in seconds since 1970, by where it is from (file, acme, or an upstream, which stands for its whole chain) and its file, name or endpoint.", []string{"source", "name"}, nil)
	descStapled    = prometheus.NewDesc("whygate_certificate_ocsp_stapled", "1 while clients are shown an OCSP response that says that a certificate is not revoked, 0 while there is none, by where it is from (file or acme) and its file or name. Certificates that name no responder have none.", []string{"source", "name"}, nil)
	descRevoked    = prometheus.NewDesc("whygate_certificate_revoked", "1 while the OCSP responder of a certificate's authority says that the certificate was revoked, else 0, by where it is from (file or acme) and its file or name. Certificates that name no responder have none.", []string{"source", "name"}, nil)
	descQueue      = prometheus.NewDesc("whygate_queue_length", "Requests that wait for an endpoint to have room, by pool.", []string{"pool"}, nil)
	descResolved   = prometheus.NewDesc("whygate_resolve_endpoints", "Endpoints that the names of a pool stand for, by pool, where they are followed (resolve).", []string{"pool"}, nil)
	descResolving  = prometheus.NewDesc("whygate_resolve_failing", "1 while a name of a pool cannot be looked up: the last endpoints stay.", []string{"pool"}, nil)

	descResolveFailures = prometheus.NewDesc("whygate_resolve_failures_total", "Look-ups of a pool's names that failed, by pool, where they are followed (resolve).", []string{"pool"}, nil)

	descDropped  = prometheus.NewDesc("whygate_log_lines_dropped_total", "Access log lines lost because the log's writer did not keep up.", nil, nil)
	descUnkept   = prometheus.NewDesc("whygate_incidents_dropped_total", "Incidents that were counted but not kept, because too many waited for the store.", nil, nil)
	descUnsent   = prometheus.NewDesc("whygate_otlp_dropped_total", "Incidents and exchanges that the OpenTelemetry collector was not told of, because too many waited or it refused them.", nil, nil)
	descUntaken  = prometheus.NewDesc("whygate_otlp_failing", "1 while the OpenTelemetry collector does not take what is sent.", nil, nil)
	descUnstored = prometheus.NewDesc("whygate_incident_store_failing", "1 while the store of incidents cannot be written to: they wait in memory.", nil, nil)
)

// Describe is for prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descRequests, descVersions, descGRPC, descFaults, descSaved, descAttempts, descHedges, descSent, descDuration, descStage, descOpen, descBusy, descIdle, descDropped, descUnkept, descUnstored, descUnsent, descUntaken, descHandshakes, descEndpoint, descInFlight, descLimit, descQueue, descRoutes, descCert, descStapled, descRevoked, descResolved, descResolving, descResolveFailures} {
		ch <- d
	}
}

// oneIf is a gauge of what is so or not.
func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// Collect is for prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	m.unrouted.collect(ch, "")
	m.collectRoutes(ch)
	m.collectVersions(ch)
	if pools := m.pools.Load(); pools != nil {
		for name, p := range *pools {
			p.collect(ch, name)
		}
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	if m.Open != nil {
		gauge(descOpen, float64(m.Open()))
		gauge(descBusy, float64(m.Busy()))
	}
	if m.Handshakes != nil {
		for reason, n := range m.Handshakes() {
			ch <- prometheus.MustNewConstMetric(descHandshakes, prometheus.CounterValue, float64(n), reason)
		}
	}
	if m.Idle != nil {
		for pool, n := range m.Idle() {
			gauge(descIdle, float64(n), pool)
		}
	}
	if m.Endpoints != nil {
		for _, e := range m.Endpoints() {
			gauge(descEndpoint, 1, e.Pool, e.Endpoint, e.State)
			gauge(descInFlight, float64(e.InFlight), e.Pool, e.Endpoint)
			if e.Limit > 0 {
				gauge(descLimit, float64(e.Limit), e.Pool, e.Endpoint)
			}
		}
	}
	if m.Certs != nil {
		for _, c := range m.Certs() {
			gauge(descCert, float64(c.NotAfter.Unix()), c.Source, c.Name)
			if c.OCSP {
				gauge(descStapled, oneIf(c.Stapled), c.Source, c.Name)
				gauge(descRevoked, oneIf(c.Revoked), c.Source, c.Name)
			}
		}
	}
	if m.Queues != nil {
		for pool, n := range m.Queues() {
			gauge(descQueue, float64(n), pool)
		}
	}
	if m.Resolved != nil {
		for _, r := range m.Resolved() {
			failing := 0.0
			if r.Failing {
				failing = 1
			}
			gauge(descResolving, failing, r.Pool)
			gauge(descResolved, float64(r.Endpoints), r.Pool)
			ch <- prometheus.MustNewConstMetric(descResolveFailures, prometheus.CounterValue, float64(r.Failures), r.Pool)
		}
	}
	if m.Unsent != nil {
		if dropped, failing, used := m.Unsent(); used {
			ch <- prometheus.MustNewConstMetric(descUnsent, prometheus.CounterValue, float64(dropped))
			ch <- prometheus.MustNewConstMetric(descUntaken, prometheus.GaugeValue, map[bool]float64{true: 1}[failing])
		}
	}
	if m.Unkept != nil {
		ch <- prometheus.MustNewConstMetric(descUnkept, prometheus.CounterValue, float64(m.Unkept()))
	}
	if m.Unstored != nil {
		failing := 0.0
		if m.Unstored() {
			failing = 1
		}
		ch <- prometheus.MustNewConstMetric(descUnstored, prometheus.GaugeValue, failing)
	}
	if m.Dropped != nil {
		ch <- prometheus.MustNewConstMetric(descDropped, prometheus.CounterValue, float64(m.Dropped()))
	}
}

// collect sends one pool's counters that were ever counted.
func (p *Pool) collect(ch chan<- prometheus.Metric, name string) {
	all := p.counters()
	if len(all) == 0 {
		return
	}
	sum := func(at func(c *counters) *atomic.Uint64) float64 {
		var n uint64
		for _, c := range all {
			n += at(c).Load()
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
	for _, h := range []Hedge{HedgeWon, HedgeLost} {
		counter(descHedges, sum(func(c *counters) *atomic.Uint64 { return &c.hedges[h] }), name, h.String())
	}
	for status := range grpcCodes {
		n := sum(func(c *counters) *atomic.Uint64 {
			if all := c.grpc.Load(); all != nil {
				return &all[status]
			}
			return &noCalls
		})
		label := strconv.Itoa(status)
		if status == grpcCodes-1 {
			label = "other"
		}
		counter(descGRPC, n, name, label)
	}
	faults, saved, last := map[kind]uint64{}, map[fault.Cause]uint64{}, map[kind]*exemplar{}
	for _, c := range all {
		for f := c.faults.Load(); f != nil; f = f.next {
			faults[f.kind] += f.faults.Load()
			saved[f.cause] += f.saved.Load()
			if e := f.last.Load(); e != nil && (last[f.kind] == nil || e.at.After(last[f.kind].at)) {
				last[f.kind] = e
			}
		}
	}
	for k, n := range faults {
		ch <- exemplified(prometheus.MustNewConstMetric(descFaults, prometheus.CounterValue, float64(n), name, k.typ.String(), k.cause.String()), last[k])
	}
	for cause, n := range saved {
		counter(descSaved, float64(n), name, cause.String())
	}
	attempts := sum(func(c *counters) *atomic.Uint64 { return &c.attempts })
	reused := sum(func(c *counters) *atomic.Uint64 { return &c.reused })
	counter(descAttempts, reused, name, "true")
	counter(descAttempts, attempts-reused, name, "false")
	counter(descSent, sum(func(c *counters) *atomic.Uint64 { return &c.sent }), name)
	collectHistogram(ch, all, descDuration, func(c *counters) *histogram { return &c.duration }, name)
	for i, s := range timed {
		collectHistogram(ch, all, descStage, func(c *counters) *histogram { return c.stages[i].Load() }, name, s.String())
	}
}

// noCalls stays 0: it stands for the counters that a shard has not.
var noCalls atomic.Uint64

// exemplified is a metric with the newest incident that it counts, as an exemplar: scrapers that ask for OpenMetrics get it.
func exemplified(m prometheus.Metric, e *exemplar) prometheus.Metric {
	if e == nil {
		return m
	}
	with, err := prometheus.NewMetricWithExemplars(m, prometheus.Exemplar{Value: 1, Labels: prometheus.Labels{"incident": e.incident}, Timestamp: e.at})
	if err != nil { // an id that is no UTF-8, or too long: there is none
		return m
	}
	return with
}

// collectHistogram sends one histogram, summed over the shards that have it.
func collectHistogram(ch chan<- prometheus.Metric, all []*counters, d *prometheus.Desc, at func(c *counters) *histogram, labels ...string) {
	var count [buckets]uint64
	var total, sum uint64
	for _, c := range all {
		h := at(c)
		if h == nil {
			continue
		}
		for b := range buckets {
			count[b] += h.count[b].Load()
		}
		sum += h.sum.Load()
	}
	cumulative := make(map[float64]uint64, buckets)
	for b, n := range count {
		total += n
		if b < buckets-1 {
			cumulative[float64(uint64(1)<<b)/1e6] = total
		}
	}
	if total > 0 {
		ch <- prometheus.MustNewConstHistogram(d, total, float64(sum)/1e9, cumulative, labels...)
	}
}
