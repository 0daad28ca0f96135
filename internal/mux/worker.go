package mux

import (
	"math"
	"sync"
	"time"
)

// workers is a pool of goroutines, last in, first out: the next stream runs on a stack that has grown already and is in the
// cache. Each is owned by the pool and ends when close is called, or when it had nothing to do for idleTime.
type workers struct {
	mu     sync.Mutex // guards the fields below
	idle   []*worker  // the one that ran last at the end
	closed bool
	all    sync.WaitGroup
}

const (
	idleWorkers = 4096            // the most that wait
	idleTime    = 2 * time.Second // how long one waits
)

// worker is one goroutine. job has room for one, so that nobody waits who hands one over.
type worker struct {
	job   chan job
	since time.Time
}

// job is a stream to be served, or a connection whose output is to be written.
type job struct {
	stream *Stream
	flush  *mux
}

func (j job) run() {
	if j.stream != nil {
		j.stream.serve()
		return
	}
	j.flush.flushUpTo(math.MaxInt)
}

// start gives a job to a worker. It never waits.
//
// hot: once per stream.
func (p *workers) start(j job) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		w := p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		w.job <- j
		return
	}
	p.all.Add(1)
	p.mu.Unlock()
	w := &worker{job: make(chan job, 1)}
	go p.work(w, j)
}

// work runs jobs until its worker is not wanted any more.
func (p *workers) work(w *worker, j job) {
	defer p.all.Done()
	for ok := true; ok; j, ok = <-w.job {
		j.run()
		if !p.rest(w) {
			return
		}
	}
}

// rest puts a worker among the idle ones, where there is room.
func (p *workers) rest(w *worker) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle) == idleWorkers {
		return false
	}
	w.since = time.Now()
	p.idle = append(p.idle, w)
	return true
}

// sweep ends workers that have been idle for long: they are at the front.
func (p *workers) sweep(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for n < len(p.idle) && now.Sub(p.idle[n].since) > idleTime {
		close(p.idle[n].job)
		n++
	}
	p.idle = append(p.idle[:0], p.idle[n:]...)
}

// close ends all workers, and waits for those that run.
func (p *workers) close() {
	p.mu.Lock()
	p.closed = true
	for _, w := range p.idle {
		close(w.job)
	}
	p.idle = nil
	p.mu.Unlock()
	p.all.Wait()
}
