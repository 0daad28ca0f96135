//go:build !race

// The simulation is one goroutine with a clock of its own: there is nothing for the race detector, which makes it twenty times as slow.

package overload

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/whygate/whygate/internal/mono"
)

// The simulator: discrete events on a virtual clock, Poisson arrivals, endpoints with some slots and an unbounded queue that goes on
// working for clients that have left. It uses the Limiter and the Queue as they are.

// job is one request.
type job struct {
	gateway  *simGateway
	class    int
	service  time.Duration
	arrived  mono.Time
	sent     mono.Time
	endpoint int
	admitted int64
	state    int
	waiter   *Waiter
}

// The states of a job.
const (
	inQueue = iota
	atEndpoint
	over
)

type simEvent struct {
	at mono.Time
	do func()
	n  int // so that events of one moment come in the order they were made
}

type simEvents []simEvent

func (h simEvents) Len() int { return len(h) }
func (h simEvents) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].n < h[j].n
}
func (h simEvents) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *simEvents) Push(x any)   { *h = append(*h, x.(simEvent)) }
func (h *simEvents) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// simEndpoint has slots, and a queue that knows of no client.
type simEndpoint struct {
	slots, busy int
	waiting     []*job
}

type simGateway struct {
	limiter *Limiter
	queue   Queue
	waiters map[*Waiter]*job
	counted counted
}

// counted is what happened in the measured time.
type counted struct {
	offered, good, refused, late int
	byPriority                   [Priorities]int
	took                         []time.Duration
}

// sim is one run.
type sim struct {
	rnd       *rand.Rand
	now       mono.Time
	events    simEvents
	n         int
	endpoints []*simEndpoint
	gateways  []*simGateway
	patience  time.Duration
	leavers   float64   // the share of clients whose patience is 300 ms
	from      mono.Time // what arrives or is answered earlier is not counted
	priority  func(*rand.Rand) int
}

// service draws the class of a request and how long it takes.
type service func(*rand.Rand) (class int, took time.Duration)

func newSim(seed uint64, gateways, endpoints, slots int) *sim {
	s := &sim{rnd: rand.New(rand.NewPCG(seed, 77)), now: 1, patience: 5 * time.Second}
	for range endpoints {
		s.endpoints = append(s.endpoints, &simEndpoint{slots: slots})
	}
	for range gateways {
		s.gateways = append(s.gateways, &simGateway{limiter: New(endpoints, 100*time.Millisecond, s.now), waiters: map[*Waiter]*job{}})
	}
	return s
}

func (s *sim) at(t mono.Time, do func()) {
	s.n++
	heap.Push(&s.events, simEvent{t, do, s.n})
}

// offer makes requests arrive at a gateway, rate per second, between two moments in seconds.
func (s *sim) offer(g *simGateway, rate, from, until float64, draw service) {
	var next func()
	next = func() {
		if s.now >= sec(until) {
			return
		}
		class, took := draw(s.rnd)
		s.arrive(g, class, took)
		s.at(s.now+mono.Time(s.rnd.ExpFloat64()/rate*1e9), next)
	}
	s.at(sec(from)+mono.Time(s.rnd.ExpFloat64()/rate*1e9), next)
}

// run plays until a moment in seconds.
func (s *sim) run(until float64) {
	end := sec(until)
	for _, g := range s.gateways {
		var tick func()
		n := 0
		tick = func() {
			if n++; n%10 == 0 {
				g.limiter.Tick(s.now)
			}
			s.serve(g)
			s.at(s.now.Add(TickEvery/10), tick)
		}
		s.at(s.now.Add(TickEvery/10), tick)
	}
	for len(s.events) > 0 {
		e := heap.Pop(&s.events).(simEvent)
		if e.at > end {
			heap.Push(&s.events, e)
			break
		}
		s.now = e.at
		e.do()
	}
	s.now = end
}

func (s *sim) measured() bool { return s.now >= s.from }

func (s *sim) arrive(g *simGateway, class int, took time.Duration) {
	j := &job{gateway: g, class: class, service: took, arrived: s.now}
	if s.measured() {
		g.counted.offered++
	}
	patience := s.patience
	if s.rnd.Float64() < s.leavers {
		patience = 300 * time.Millisecond
	}
	s.at(s.now.Add(patience), func() { s.leave(j) })
	j.waiter = &Waiter{}
	if s.priority != nil {
		j.waiter.Priority = s.priority(s.rnd)
	}
	if g.queue.Length() == 0 {
		if i := s.pick(g); i >= 0 {
			s.send(j, i)
			return
		}
	}
	most := int64(queueMost)
	if !g.limiter.Calm(s.now) {
		most = g.limiter.Limits(queueMost)
	}
	g.waiters[j.waiter] = j
	evicted, ok := g.queue.Enter(j.waiter, most, s.now)
	if evicted != nil {
		s.refuse(g, evicted)
	}
	if !ok {
		s.refuse(g, j.waiter)
		return
	}
	s.serve(g)
}

func (s *sim) refuse(g *simGateway, w *Waiter) {
	g.waiters[w].state = over
	delete(g.waiters, w)
	if s.measured() {
		g.counted.refused++
	}
}

// pick is the endpoint with the fewest in flight that has room, -1 if there is none.
func (s *sim) pick(g *simGateway) int {
	best := -1
	start := s.rnd.IntN(len(s.endpoints))
	for k := range s.endpoints {
		i := (start + k) % len(s.endpoints)
		e := g.limiter.endpoints[i]
		if !g.limiter.Room(i) {
			e.full.Store(true)
			continue
		}
		if best < 0 || e.inFlight.Load() < g.limiter.endpoints[best].inFlight.Load() {
			best = i
		}
	}
	return best
}

// serve sends on what the queue has, as far as there is room, and turns away what has waited for too long.
func (s *sim) serve(g *simGateway) {
	for g.queue.Length() > 0 {
		wait := g.queue.Wait(Calm(g.limiter.Calm(s.now)), 100*time.Millisecond, s.now)
		if w := g.queue.Expired(wait, s.now); w != nil {
			s.refuse(g, w)
			continue
		}
		i := s.pick(g)
		if i < 0 {
			return
		}
		w := g.queue.Next(s.now)
		j := g.waiters[w]
		delete(g.waiters, w)
		s.send(j, i)
	}
}

func (s *sim) send(j *job, i int) {
	j.state, j.endpoint, j.sent = atEndpoint, i, s.now
	j.admitted, _ = j.gateway.limiter.Enter(i)
	e := s.endpoints[i]
	e.waiting = append(e.waiting, j)
	s.work(e)
}

func (s *sim) work(e *simEndpoint) {
	for e.busy < e.slots && len(e.waiting) > 0 {
		j := e.waiting[0]
		e.waiting = e.waiting[1:]
		e.busy++
		s.at(s.now.Add(j.service), func() {
			e.busy--
			s.answer(j)
			s.work(e)
		})
	}
}

func (j *job) sample(now mono.Time) *Sample {
	return &Sample{Class: j.class, Took: now.Sub(j.sent), Admitted: j.admitted, Sent: j.sent}
}

func (s *sim) answer(j *job) {
	if j.state != atEndpoint {
		return
	}
	g := j.gateway
	j.state = over
	g.limiter.Answered(j.endpoint, j.sample(s.now))
	if s.measured() {
		g.counted.good++
		g.counted.byPriority[j.waiter.Priority]++
		g.counted.took = append(g.counted.took, s.now.Sub(j.arrived))
	}
	s.serve(g)
}

func (s *sim) leave(j *job) {
	g := j.gateway
	switch j.state {
	case over:
		return
	case inQueue:
		g.queue.Remove(j.waiter)
		delete(g.waiters, j.waiter)
	case atEndpoint:
		g.limiter.Left(j.endpoint, j.sample(s.now))
	}
	j.state = over
	if s.measured() {
		g.counted.late++
	}
}

// The services, of 50 ms on average.
func det(*rand.Rand) (int, time.Duration) { return 0, 50 * time.Millisecond }

func exp(r *rand.Rand) (int, time.Duration) {
	return 0, time.Duration(r.ExpFloat64() * float64(50*time.Millisecond))
}

func logn(r *rand.Rand) (int, time.Duration) {
	const sigma = 1.5
	return 0, time.Duration(50e6 * math.Exp(sigma*r.NormFloat64()-sigma*sigma/2))
}

func bi2(r *rand.Rand) (int, time.Duration) {
	if r.Float64() < 0.05 {
		return 1, time.Second
	}
	return 2, time.Millisecond
}

func mix(r *rand.Rand) (int, time.Duration) {
	if r.Float64() < 0.2 {
		return 1, time.Duration(r.ExpFloat64() * float64(210*time.Millisecond))
	}
	return 2, time.Duration(r.ExpFloat64() * float64(10*time.Millisecond))
}

// times makes a service slower.
func times(f float64, of service) service {
	return func(r *rand.Rand) (int, time.Duration) {
		class, d := of(r)
		return class, time.Duration(f * float64(d))
	}
}

// result is what a run came to, in percent and milliseconds.
type result struct{ goodput, refused, p50, p99 float64 }

// resultOf sums up what was counted in so many seconds. capacity is in requests per second.
func resultOf(seconds, capacity float64, all ...*simGateway) result {
	var c counted
	for _, g := range all {
		c.offered += g.counted.offered
		c.good += g.counted.good
		c.refused += g.counted.refused
		c.took = append(c.took, g.counted.took...)
	}
	r := result{goodput: 100 * float64(c.good) / min(float64(c.offered), capacity*seconds), refused: 100 * float64(c.refused) / float64(c.offered)}
	if len(c.took) > 0 {
		slices.Sort(c.took)
		r.p50 = float64(c.took[len(c.took)/2]) / 1e6
		r.p99 = float64(c.took[len(c.took)*99/100]) / 1e6
	}
	return r
}
