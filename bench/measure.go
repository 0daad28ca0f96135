package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// warmUpS is how long a proxy is loaded before each timed run, in seconds: connections to the origin are open then, and
// the runtime's heap and the caches have their size. One second is the least that wrk can do.
const warmUpS = 1

// bench is one run of the benchmark.
type bench struct {
	opts     options
	machine  machine
	programs programs
	dir      string // temporary, removed at the end
	cert     certificate
	origin   string // its address
	php      string // php-fpm's socket, empty without a case for it
	port     int    // the last one that was given out
	progress io.Writer
}

// volume is what one timed run got done.
type volume struct {
	count    int64   // requests or transfers
	units    float64 // requests or GiB
	elapsed  time.Duration
	p50, p99 time.Duration
}

// benchmark prepares everything, runs the selected cases and cleans up. A case that fails is in the report; an error is
// what prevented all of them.
func benchmark(ctx context.Context, opts options, progress io.Writer) (*Report, error) {
	m, err := inspect()
	if err != nil {
		return nil, err
	}
	b := &bench{opts: opts, machine: m, progress: progress, port: firstPort()}
	if b.dir, err = os.MkdirTemp("", "whygate-bench-"); err != nil {
		return nil, err
	}
	defer os.RemoveAll(b.dir)
	if err := b.prepare(ctx); err != nil {
		return nil, err
	}
	origin, address, err := b.startOrigin(ctx)
	if err != nil {
		return nil, err
	}
	defer origin.stop()
	b.origin = address
	if slices.ContainsFunc(selectCases(opts.cases), func(c benchCase) bool { return c.php }) {
		php, err := b.startPHP(ctx)
		if err != nil {
			return nil, err
		}
		defer php.stop()
	}

	report := &Report{
		Machine: m, Versions: b.programs.versions(ctx),
		Rounds: opts.rounds, Seconds: opts.seconds, Peers: opts.peers,
	}
	for _, c := range selectCases(opts.cases) {
		result := b.measureCase(ctx, c)
		if ctx.Err() != nil {
			return nil, errors.New("interrupted")
		}
		report.Cases = append(report.Cases, result)
	}
	return report, nil
}

// prepare finds and builds the programs and moves this process out of the proxies' way.
func (b *bench) prepare(ctx context.Context) error {
	var err error
	if b.programs, err = findPrograms(ctx, b.opts.peers, selectCases(b.opts.cases), b.progress); err != nil {
		return err
	}
	builds := []string{whygate}
	if slices.ContainsFunc(selectCases(b.opts.cases), func(c benchCase) bool { return c.side > 0 }) {
		builds = append(builds, calm)
	}
	for _, name := range builds {
		fmt.Fprintln(b.progress, "building", name)
		if b.programs[name], err = buildWhygate(ctx, b.dir, name); err != nil {
			return err
		}
	}
	if b.opts.base != "" {
		b.programs[base] = b.opts.base
	}
	if b.cert, err = makeCertificate(b.dir); err != nil {
		return err
	}
	if b.opts.profile != "" {
		if err := b.prepareProfiles(); err != nil {
			return err
		}
	}
	_, err = output(ctx, "taskset", "-a", "-c", "-p", strconv.Itoa(b.machine.LoadCore), strconv.Itoa(os.Getpid()))
	return err
}

// measureCase starts the proxies of a case, runs its rounds and stops them again. The proxies run at the same time, but
// only one at a time has anything to do.
func (b *bench) measureCase(ctx context.Context, c benchCase) Result {
	result := Result{Case: c.name, Title: c.title, Unit: c.unit().name, figure: c.unit()}
	dir := filepath.Join(b.dir, c.name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		result.Error = err.Error()
		return result
	}
	defer os.RemoveAll(dir) // access logs grow large
	var proxies []*proxy
	for _, name := range c.proxies(b.opts.peers) {
		p, err := b.startProxy(ctx, name, c, dir)
		if err != nil {
			result.Error = err.Error()
			return result
		}
		defer p.stop()
		proxies = append(proxies, p)
	}
	var err error
	if c.load == idle {
		err = b.idleOnce(ctx, c, proxies, &result)
	} else {
		err = b.rounds(ctx, c, proxies, &result)
	}
	if err != nil {
		result.Error = err.Error()
	}
	return result
}

// idleOnce reads the memory of every proxy. Once is enough: a fresh process, and memory is not subject to noise.
func (b *bench) idleOnce(ctx context.Context, c benchCase, proxies []*proxy, result *Result) error {
	for _, p := range proxies {
		fmt.Fprintf(b.progress, "%s: %s\n", c.name, p.name)
		m, err := b.measureIdle(ctx, c, p)
		if err != nil {
			return errors.Join(err, p.alive())
		}
		m.LimitKiB = c.limitKiB
		result.Memory = append(result.Memory, m)
	}
	return nil
}

// rounds runs every proxy once per round, each round beginning with another one, and summarises.
func (b *bench) rounds(ctx context.Context, c benchCase, proxies []*proxy, result *Result) error {
	result.Series = make([]Series, len(proxies))
	for i, p := range proxies {
		result.Series[i].Proxy = p.name
	}
	for round := range b.opts.rounds {
		for turn := range proxies {
			i := (turn + round) % len(proxies)
			run, err := b.timedRun(ctx, c, proxies[i])
			if err != nil {
				return errors.Join(err, proxies[i].alive())
			}
			fmt.Fprintf(b.progress, "%s: round %d of %d: %s\n", c.name, round+1, b.opts.rounds, proxies[i].name)
			result.Series[i].Runs = append(result.Series[i].Runs, run)
		}
	}
	for i := range result.Series {
		result.Series[i].summarise()
	}
	result.compare(c.limits, c.limitP99)
	if b.opts.profile == "" {
		return nil
	}
	return b.profile(ctx, c, proxies[slices.IndexFunc(proxies, func(p *proxy) bool { return p.name == whygate })])
}

// timedRun warms a proxy up and then measures it.
func (b *bench) timedRun(ctx context.Context, c benchCase, p *proxy) (Run, error) {
	if _, err := b.drive(ctx, c, p, warmUpS); err != nil {
		return Run{}, fmt.Errorf("%s: warm-up: %w", p.name, err)
	}
	before, err := b.usage(p)
	if err != nil {
		return Run{}, err
	}
	v, err := b.drive(ctx, c, p, b.opts.seconds)
	if err != nil {
		return Run{}, fmt.Errorf("%s: %w", p.name, err)
	}
	after, err := b.usage(p)
	if err != nil {
		return Run{}, err
	}
	cpu := after.proxy - before.proxy
	wall := after.at.Sub(before.at)
	return Run{
		Count:     v.count,
		CPUS:      cpu.Seconds(),
		CPUUS:     micros(cpu) / v.units,
		PerSecond: float64(v.count) / v.elapsed.Seconds(),
		P50US:     micros(v.p50),
		P99US:     micros(v.p99),
		Busy:      cpu.Seconds() / wall.Seconds(),
		Others:    max(0, (after.core-before.core-cpu).Seconds()/wall.Seconds()),
	}, nil
}

// usage is what had been used up at some time.
type usage struct {
	at          time.Time
	proxy, core time.Duration // by the proxy on any core, and of the proxies' core by anybody
}

func (b *bench) usage(p *proxy) (usage, error) {
	proxy, err := cpuTime(p.members)
	if err != nil {
		return usage{}, err
	}
	core, err := coreTime(b.machine.ProxyCore)
	return usage{at: time.Now(), proxy: proxy, core: core}, err
}

// drive loads a proxy as the case has it.
func (b *bench) drive(ctx context.Context, c benchCase, p *proxy, seconds int) (volume, error) {
	switch {
	case c.load == transfers:
		return b.driveTransfers(ctx, c, p, seconds)
	case c.load == handshakes:
		return b.driveHandshakes(ctx, c, p, seconds)
	case c.streams > 0:
		return b.driveStreams(ctx, c, p, seconds)
	}
	if c.side == 0 {
		return b.driveRequests(ctx, c, p, seconds)
	}
	stop := b.beside(ctx, c, p)
	v, err := b.driveRequests(ctx, c, p, seconds)
	return v, errors.Join(err, stop())
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
