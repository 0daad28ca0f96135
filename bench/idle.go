package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"math"
	"sync"
	"time"
)

// Memory is what idle client connections cost one proxy. The sizes are resident memory, in KiB, of all its processes;
// the kernel's own memory for the sockets is not part of it.
type Memory struct {
	Proxy         string  `json:"proxy"`
	Connections   int     `json:"connections"`
	BeforeKiB     int     `json:"before_kib"`
	AtOnceKiB     int     `json:"at_once_kib"`
	After10sKiB   int     `json:"after_10s_kib,omitempty"` // 0 if it was not watched for so long
	MinKiB        int     `json:"min_kib"`
	WatchedS      int     `json:"watched_s"`
	PerConnection float64 `json:"kib_per_connection"` // from MinKiB
	LimitKiB      float64 `json:"limit_kib"`          // what Whygate may take for one
}

// Times of the idle case. Go's runtime gives memory back slowly, after a collection, hence the long watch; each second of
// --seconds stands for ten of it, up to half a minute.
const (
	settle      = 2 * time.Second
	sampleEvery = 500 * time.Millisecond
	watchMax    = 30 * time.Second
	openers     = 16  // clients that open connections at the same time
	checkEvery  = 100 // of the connections, this many'th must still answer at the end
)

// measureIdle opens many connections that each make one request and then do nothing, and watches the proxy's memory.
func (b *bench) measureIdle(ctx context.Context, c benchCase, p *proxy) (Memory, error) {
	m := Memory{Proxy: p.name, Connections: c.connections}
	warm, shut, err := connect(ctx, p.address, c.path, b.client(c), smallSize)
	if err != nil {
		return m, err
	}
	defer shut()
	// What a proxy sets up once, such as its buffers and its connections to the origin, is not what a client costs.
	for range 100 {
		if err := warm.fetch(c.answer); err != nil {
			return m, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	before, err := b.watch(ctx, p, settle)
	if err != nil {
		return m, err
	}
	m.BeforeKiB = before.min

	clients, closeAll, err := openIdle(ctx, c, p, b.client(c))
	defer closeAll()
	if err != nil {
		return m, err
	}
	length := min(watchMax, time.Duration(b.opts.seconds)*10*time.Second)
	after, err := b.watch(ctx, p, length)
	if err != nil {
		return m, err
	}
	for i := 0; i < len(clients); i += checkEvery {
		if err := clients[i].fetch(c.answer); err != nil {
			return m, fmt.Errorf("%s: connection %d did not stay open: %w", p.name, i, err)
		}
	}
	m.AtOnceKiB, m.After10sKiB, m.MinKiB = after.first, after.at10s, after.min
	m.WatchedS = int(length / time.Second)
	m.PerConnection = float64(m.MinKiB-m.BeforeKiB) / float64(c.connections)
	return m, nil
}

// openIdle opens the case's connections and makes one request on each. closeAll is never nil.
func openIdle(ctx context.Context, c benchCase, p *proxy, conf *tls.Config) (clients []*client, closeAll func(), err error) {
	clients = make([]*client, c.connections)
	shut := make([]func(), c.connections)
	errs := make([]error, openers)
	var wg sync.WaitGroup
	for o := range openers {
		// Each opener fills in its own places of the slices, and ends with them or at its first error.
		wg.Go(func() {
			for i := o; i < c.connections && errs[o] == nil; i += openers {
				clients[i], shut[i], errs[o] = connect(ctx, p.address, c.path, conf, smallSize)
				if errs[o] == nil {
					errs[o] = clients[i].fetch(c.answer)
				}
			}
		})
	}
	wg.Wait()
	closeAll = func() {
		for _, f := range shut {
			if f != nil {
				f()
			}
		}
	}
	for _, err := range errs {
		if err != nil {
			return nil, closeAll, fmt.Errorf("%s: idle connection: %w", p.name, err)
		}
	}
	return clients, closeAll, nil
}

// sizes are what watch saw, in KiB.
type sizes struct {
	first, at10s, min int
}

// watch samples the resident memory for some time.
func (b *bench) watch(ctx context.Context, p *proxy, length time.Duration) (sizes, error) {
	s := sizes{min: math.MaxInt}
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	for begin := time.Now(); time.Since(begin) < length; {
		select {
		case <-ctx.Done():
			return s, ctx.Err()
		case <-ticker.C:
		}
		kib, err := resident(p.members)
		if err != nil {
			return s, fmt.Errorf("%s: %w", p.name, err)
		}
		if s.first == 0 {
			s.first = kib
		}
		if s.at10s == 0 && time.Since(begin) > 10*time.Second-sampleEvery {
			s.at10s = kib
		}
		s.min = min(s.min, kib)
	}
	return s, nil
}
