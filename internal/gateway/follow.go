package gateway

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/resolve"
	"github.com/whygate/whygate/internal/upstream"
)

const (
	// followEvery is how often it is looked whether a name is due: the shortest resolve.every.
	followEvery = 100 * time.Millisecond
	// Bounds of resolve.every: ttl. A TTL of 0, of a name that shall not be remembered at all, must not make a query for each tick.
	ttlLeast   = time.Second
	ttlMost    = time.Hour
	ttlUnknown = 10 * time.Second // as long as a name is believed that is not followed
	// followAgain is how soon a name is asked for again at the latest that could not be looked up.
	followAgain = 5 * time.Second
	// followedMax bounds the endpoints that one pool's names may make: as many as a configuration may list.
	followedMax = 256
	// namesAtOnce bounds the names of one pool that are looked up at once: several that cannot be found must not hold up the others.
	namesAtOnce = 8
)

// followed is what the names of one pool stand for. It outlives reloads that leave the names as they are.
type followed struct {
	pool       string
	settings   config.Resolve
	configured []config.Endpoint
	servers    config.Resolver
	lookup     *resolve.Lookup
	asking     atomic.Bool // a look-up is under way
	due        mono.Atomic // when the next one is
	failures   atomic.Uint64

	mu      sync.Mutex // guards the fields below
	known   map[string][]config.Endpoint
	failing map[string]string // names that cannot be looked up, and why
	since   time.Time         // when the first of them began
	asked   time.Time
	beyond  int // endpoints that the names stand for beyond followedMax, and that get no request
}

// follows are those of all pools that have some, by the pool's name.
type follows map[string]*followed

// ResolveStatus is how the names of a pool are followed, as the admin address shows it.
type ResolveStatus struct {
	Asked    time.Time         `json:"asked"`             // when they were asked for last
	Failures uint64            `json:"failures"`          // look-ups that failed
	Failing  map[string]string `json:"failing,omitempty"` // names whose last look-up failed, and why
	Since    *time.Time        `json:"failing_since,omitempty"`
	Beyond   int               `json:"beyond,omitempty"` // endpoints that get no request, since there are too many
}

func (f *followed) status() *ResolveStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := &ResolveStatus{Asked: f.asked.UTC(), Failures: f.failures.Load(), Beyond: f.beyond}
	if len(f.failing) > 0 {
		since := f.since.UTC()
		s.Failing, s.Since = map[string]string{}, &since
		for name, why := range f.failing {
			s.Failing[name] = why
		}
	}
	return s
}

// followOf is what follows a pool's names: the one that does already, where they are the same.
func followOf(cfg *config.Config, p *config.Pool, before *builtPool) *followed {
	if before != nil && before.follow != nil {
		f := before.follow
		if f.settings == p.Resolve && slices.Equal(f.configured, p.Endpoints) && reflect.DeepEqual(f.servers, cfg.Resolver) {
			return f
		}
	}
	f := &followed{
		pool: p.Name, settings: p.Resolve, configured: p.Endpoints, servers: cfg.Resolver, lookup: resolve.NewLookup(cfg.Resolver.Servers, cfg.Resolver.Timeout),
		known: map[string][]config.Endpoint{}, failing: map[string]string{},
	}
	if before != nil && before.follow != nil {
		f.remember(before.follow)
	}
	return f
}

// remember takes over what the names stand for that another has looked up: a look-up that fails now is to change nothing.
func (f *followed) remember(other *followed) {
	other.mu.Lock()
	defer other.mu.Unlock()
	for _, name := range f.names() {
		if found, known := other.known[name]; known {
			f.known[name] = found
		}
	}
}

// followFirst looks up the names of pools that nobody looked up yet, for as long as a look-up may take. A name that cannot be found now does not
// keep the configuration from being served.
func (g *Gateway) followFirst(cfg *config.Config) follows {
	current := g.generation()
	all := follows{}
	ctx, cancel := context.WithTimeout(context.Background(), cfg.Resolver.Timeout)
	defer cancel()
	var asked sync.WaitGroup
	turn := make(chan struct{}, refreshAtOnce)
	for i := range cfg.Pools {
		p := &cfg.Pools[i]
		if !p.Resolve.On {
			continue
		}
		var before *builtPool
		if current != nil {
			before = current.pools[p.Name]
		}
		f := followOf(cfg, p, before)
		all[p.Name] = f
		if before != nil && before.follow == f {
			continue
		}
		asked.Go(func() { // ends with ctx
			turn <- struct{}{}
			defer func() { <-turn }()
			g.guarded("a pool's names could not be looked up", func() { g.tellFollowed(f, f.look(ctx)) })
		})
	}
	asked.Wait()
	return all
}

// expand is the configuration with what its names stand for in their place.
func (f follows) expand(cfg *config.Config) *config.Config {
	if len(f) == 0 {
		return cfg
	}
	c := *cfg
	c.Pools = slices.Clone(cfg.Pools)
	for i := range c.Pools {
		if one := f[c.Pools[i].Name]; one != nil {
			c.Pools[i].Endpoints = one.endpoints()
		}
	}
	return &c
}

// endpoints are what the names stand for, at most followedMax.
func (f *followed) endpoints() []config.Endpoint {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.all()
	return all[:min(len(all), followedMax)]
}

// all is what the names stand for, in an order that does not depend on that of the answers. A name that was never found is an endpoint itself,
// which says at each request why it cannot be. f.mu is held.
func (f *followed) all() []config.Endpoint {
	var all []config.Endpoint
	if f.settings.SRV != "" {
		all = slices.Clone(f.known[f.settings.SRV])
	}
	for _, e := range f.configured {
		found, known := f.known[e.Host]
		if !e.Followed() || !known {
			all = append(all, e)
			continue
		}
		for _, at := range found {
			e.At = at.At
			all = append(all, e)
		}
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(all, func(e config.Endpoint) bool {
		twice := seen[e.String()]
		seen[e.String()] = true
		return twice
	})
}

// looked is what a look-up found out that is news.
type looked struct {
	lost  map[string]string // names that cannot be looked up any more, and why
	found []string          // names that can be again
	many  int               // endpoints that the names stand for now, where they have become too many
}

// look looks all names up, and notes when it is to be done again.
func (f *followed) look(ctx context.Context) looked {
	var news looked
	wait := ttlMost
	if f.settings.Every != config.EveryTTL {
		wait = f.settings.Every
	}
	names := f.names()
	ttls, errs, bugs := make([]time.Duration, len(names)), make([]error, len(names)), make([]*upstream.Panic, len(names))
	var asked sync.WaitGroup
	turn := make(chan struct{}, namesAtOnce)
	for i, name := range names {
		turn <- struct{}{}
		asked.Go(func() { // ends with ctx, or after resolver.timeout
			defer func() { <-turn }()
			defer upstream.Caught(&bugs[i])
			ttls[i], errs[i] = f.lookOne(ctx, name)
		})
	}
	asked.Wait()
	for i, name := range names {
		if bugs[i] != nil {
			panic(bugs[i])
		}
		switch {
		case errs[i] != nil:
			wait = min(wait, followAgain)
		case f.settings.Every == config.EveryTTL:
			wait = min(wait, max(ttls[i], ttlLeast))
		}
		news.note(f, name, errs[i])
	}
	f.mu.Lock()
	f.asked = time.Now()
	all := len(f.all())
	beyond := max(all-followedMax, 0)
	if beyond > 0 && f.beyond == 0 {
		news.many = all
	}
	f.beyond = beyond
	f.mu.Unlock()
	f.due.Store(mono.Now().Add(wait))
	return news
}

// names are what is to be looked up, each once.
func (f *followed) names() []string {
	if f.settings.SRV != "" {
		return []string{f.settings.SRV}
	}
	var all []string
	for _, e := range f.configured {
		if e.Followed() && !slices.Contains(all, e.Host) {
			all = append(all, e.Host)
		}
	}
	return all
}

// lookOne looks one name up, and keeps what it stands for. An error changes nothing.
func (f *followed) lookOne(ctx context.Context, name string) (ttl time.Duration, err error) {
	var found []config.Endpoint
	if f.settings.SRV != "" {
		var records []resolve.Service
		if records, ttl, err = f.lookup.Services(ctx, name); err == nil {
			found, err = f.served(records)
		}
	} else {
		found, ttl, err = f.addresses(ctx, name)
	}
	if err != nil {
		f.failures.Add(1)
		return 0, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known[name] = found
	return ttl, nil
}

// addresses are a name's, as endpoints of which only the address counts, and for how long they hold.
func (f *followed) addresses(ctx context.Context, name string) (found []config.Endpoint, ttl time.Duration, err error) {
	bound, cancel := context.WithTimeout(ctx, f.servers.Timeout)
	defer cancel()
	all, err := f.lookup.Addresses(bound, name)
	if err != nil {
		return nil, 0, err
	}
	slices.SortFunc(all, netip.Addr.Compare)
	for _, a := range slices.Compact(all) {
		found = append(found, config.Endpoint{Place: config.Place{At: a.String()}})
	}
	if len(found) == 0 {
		return nil, 0, fmt.Errorf("%s has no address", name)
	}
	if f.settings.Every != config.EveryTTL {
		return found, 0, nil
	}
	ttl, known := f.lookup.TTL(ctx, name)
	if !known {
		ttl = ttlUnknown
	}
	return found, min(ttl, ttlMost), nil
}

// note keeps whether a name can be looked up, and what of it is news.
func (l *looked) note(f *followed, name string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, failed := f.failing[name]
	switch {
	case err != nil && !failed:
		if len(f.failing) == 0 {
			f.since = time.Now()
		}
		if l.lost == nil {
			l.lost = map[string]string{}
		}
		l.lost[name] = err.Error()
		f.failing[name] = err.Error()
	case err != nil:
		f.failing[name] = err.Error()
	case failed:
		l.found = append(l.found, name)
		delete(f.failing, name)
	}
}

// served are the endpoints of a service's records. Those of the lowest priority are tier 0, and what comes behind them are backups.
func (f *followed) served(records []resolve.Service) ([]config.Endpoint, error) {
	scheme := "http"
	if f.settings.Secure() {
		scheme = "https"
	}
	slices.SortFunc(records, func(a, b resolve.Service) int {
		if a.Priority != b.Priority {
			return int(a.Priority) - int(b.Priority)
		}
		return strings.Compare(fmt.Sprint(a.Target, a.Port), fmt.Sprint(b.Target, b.Port))
	})
	var all []config.Endpoint
	tier := 0
	for i, r := range records {
		if i > 0 && r.Priority != records[i-1].Priority {
			tier++
		}
		if !config.IsHost(r.Target) || r.Port == 0 {
			return nil, fmt.Errorf("a record of %s names what is no host and port: %q, %d", f.settings.SRV, r.Target, r.Port)
		}
		all = append(all, config.Endpoint{
			Place: config.Place{Scheme: scheme, Host: r.Target, Port: r.Port}, Weight: weightOf(r, records), Backup: tier > 0, Tier: tier,
		})
	}
	return all, nil
}

// weightOf is a record's share among those of its priority. One of 0 gets hardly anything beside others (RFC 2782), and its part where all have 0.
func weightOf(r resolve.Service, all []resolve.Service) int {
	const many = 100
	if r.Weight > 0 {
		return many * int(r.Weight)
	}
	for _, other := range all {
		if other.Priority == r.Priority && other.Weight > 0 {
			return 1
		}
	}
	return many
}
