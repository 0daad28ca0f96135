package gateway

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/whygate/whygate/internal/balance"
	"github.com/whygate/whygate/internal/certs"
	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/health"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/overload"
	"github.com/whygate/whygate/internal/proxy"
	"github.com/whygate/whygate/internal/resilience"
	"github.com/whygate/whygate/internal/route"
	"github.com/whygate/whygate/internal/upstream"
)

// generation is one configuration as it is served: the snapshot, and what must be ended when the next one takes over.
type generation struct {
	cfg      *config.Config
	snapshot *proxy.Snapshot
	pools    map[string]*builtPool
	lists    lists
	resolver *upstream.Resolver
	event    func(health.Event)
}

// lists are the revocation lists that pools name, by their files: each is read once.
type lists map[string]*certs.Revocations

func (l lists) load(file string) (*certs.Revocations, error) {
	if r := l[file]; r != nil {
		return r, nil
	}
	r, err := certs.LoadRevocations(file)
	if err == nil {
		l[file] = r
	}
	return r, err
}

// builtPool is a pool with what a later generation takes over from it.
type builtPool struct {
	cfg      config.Pool
	pool     *proxy.Pool
	targets  map[string]*upstream.Target
	before   map[string]*upstream.Target // those of the generation before that may still be used
	past     map[string]*upstream.Target // all of the generation before
	tls      *tls.Config
	resolver *upstream.Resolver
	follow   *followed // what its names stand for; nil where nobody asks

	checks []*checking // guarded by Gateway.mu; nil before there are any, and after others took them over
}

// build makes a generation. What old has and cfg still wants in the same form goes on being used: open connections, the
// balance's memory, the budgets. Problems are of single pools, whose routes then answer 503; they do not keep the rest
// from serving.
func build(cfg *config.Config, old *generation, follow follows, instance string, event func(health.Event)) (*generation, config.Problems) {
	cfg = follow.expand(cfg)
	g := &generation{event: event, cfg: cfg, pools: map[string]*builtPool{}, lists: lists{}}
	var problems config.Problems
	sameResolver := old != nil && fmt.Sprint(old.cfg.Resolver) == fmt.Sprint(cfg.Resolver)
	if sameResolver {
		g.resolver = old.resolver
	} else {
		g.resolver = upstream.NewResolver(cfg.Resolver.Servers, cfg.Resolver.Timeout)
	}
	broken := map[string]string{}
	for _, p := range cfg.Pools {
		var before *builtPool
		if old != nil {
			before = old.pools[p.Name]
		}
		b, problem := g.buildPool(p, before)
		if problem != nil {
			problems = append(problems, *problem)
			broken[p.Name] = problem.Message
		}
		b.follow = follow[p.Name]
		g.pools[p.Name] = b
	}
	rules := make([]route.Rule, len(cfg.Routes))
	routes := make([]proxy.Route, len(cfg.Routes))
	for i, r := range cfg.Routes {
		rules[i] = ruleOf(r)
		var problem *config.Problem
		if routes[i], problem = g.routeOf(i, r, broken[r.Pool]); problem != nil {
			problems = append(problems, *problem)
		}
		if r.Rate.Limit.Requests > 0 {
			routes[i].Rate = rateOf(old, i, r)
			routes[i].RateKey, routes[i].RateName = rateKeyOf(r.Rate.Per), []byte(r.Rate.Per.Name)
		}
	}
	table, err := route.New(rules)
	if err != nil { // config has checked every rule
		panic("BUG: gateway: " + err.Error())
	}
	g.snapshot = (&proxy.Snapshot{
		Name: cfg.Name, Instance: instance, Disclosure: disclosure(cfg.ProxyStatus), PlainPages: cfg.ErrorPages == config.ErrorPagesPlain,
		Trusted: cfg.TrustedProxies, Table: table, Routes: routes, Ways: slices.ContainsFunc(cfg.Routes, func(r config.Route) bool { return r.Scheme != "" || len(r.Ports) > 0 }),
	}).Prepare()
	return g, problems
}

// buildPool makes one pool, with what before has of it. A pool whose files do not load is made all the same, so that its
// counters and its name exist.
func (g *generation) buildPool(p config.Pool, before *builtPool) (*builtPool, *config.Problem) {
	tlsConf, problem := clientTLS(g.cfg, p, g.lists)
	b := &builtPool{cfg: p, targets: map[string]*upstream.Target{}, resolver: g.resolver, tls: tlsConf}
	if before != nil {
		b.past = before.targets
		if sameOptions(before.cfg, p) && g.resolver == before.resolver {
			b.before = before.targets
		}
	}
	g.assemble(b, before)
	return b, problem
}

// assemble makes the pool that requests see, of endpoints that before may have had as well.
func (g *generation) assemble(b, before *builtPool) {
	p := b.cfg
	pool := &proxy.Pool{
		Name: p.Name, Balance: balance.New(len(p.Endpoints), policyOf(p.Balance)), Budget: resilience.NewBudget(p.Retry.Budget),
		Announce: announceVersion(p.ProxyProtocol) != 0, Attempts: p.Retry.Attempts, ReplayBody: int(p.Retry.ReplayBody), Read: p.Timeouts.Read, Response: p.Timeouts.Response,
	}
	switch p.Host {
	case config.HostClient:
	case config.HostEndpoint:
		pool.Host = proxy.HostEndpoint
	default:
		pool.Host, pool.HostName = proxy.HostFixed, []byte(p.Host)
	}
	from := make([]int, len(p.Endpoints))
	for i, e := range p.Endpoints {
		text := e.String()
		from[i] = -1
		for j := range endpointsOf(before) {
			if before.cfg.Endpoints[j].Place == e.Place && !slices.Contains(from[:i], j) { // one that is listed twice is two
				from[i] = j // how it stands, and what was said of it, is the same whatever the settings are
				b.targets[text] = b.before[text]
				break
			}
		}
		if b.targets[text] == nil {
			b.targets[text] = b.newTarget(text, e, b.options(p.Timeouts, g.resolver))
		}
		guard := resilience.NewGuard(p.Limits.Connections)
		if from[i] >= 0 {
			guard = before.pool.Endpoints[from[i]].Guard
			guard.SetLimit(p.Limits.Connections)
		}
		pool.Endpoints = append(pool.Endpoints, proxy.Endpoint{Target: b.targets[text], Guard: guard, Token: token(text)})
	}
	g.chosen(b, pool, before, from)
	if before != nil {
		if before.cfg.Retry.Budget == p.Retry.Budget {
			pool.Budget = before.pool.Budget
		}
	}
	b.pool = pool
}

// newTarget is a target of an endpoint, which knows what one of that name has learned whose connections cannot be used any more.
func (b *builtPool) newTarget(name string, e config.Endpoint, o upstream.Options) *upstream.Target {
	t := upstream.New(endpointOf(e), o)
	if old := b.past[name]; old != nil && old.Endpoint == t.Endpoint {
		t.Inherit(old)
	}
	return t
}

// options are how a pool's endpoints are spoken to.
func (b *builtPool) options(t config.Timeouts, resolver *upstream.Resolver) upstream.Options {
	idle, learn := t.Idle, upstream.IdleFixed
	if idle == config.IdleAuto {
		idle, learn = config.IdleMost, upstream.IdleLearned
	}
	return upstream.Options{
		Connect: t.Connect, TLS: t.TLS, Write: t.Write, Head: t.Head, Read: t.Read,
		Idle: idle, Learn: learn, HeadMax: int(b.cfg.Limits.ResponseHead), TLSConf: b.tls, Resolver: resolver,
		Protocol: protocol(b.cfg.Protocol), Announce: announceVersion(b.cfg.ProxyProtocol),
	}
}

// announceVersion is the version of the PROXY protocol that endpoints are spoken to in, 0 for none.
func announceVersion(text string) int {
	switch text {
	case config.ProxyV1:
		return 1
	case config.ProxyV2:
		return 2
	}
	return 0
}

// policyOf is the way of choosing that the configuration names.
func policyOf(name string) balance.Policy {
	switch name {
	case config.LeastRequests:
		return balance.LeastRequests
	case config.ByLatency:
		return balance.Latency
	case config.ByHash:
		return balance.Hash
	}
	return balance.RoundRobin
}

// gateOf is what bounds the requests at a pool's endpoints, nil if nothing does.
func gateOf(p *config.Pool) *overload.Gate {
	adaptive := p.Overload.Adaptive == config.On
	if !adaptive && p.Limits.Requests == 0 {
		return nil
	}
	l := overload.New(len(p.Endpoints), p.Overload.Delay, mono.Now())
	limitRequests(l, p)
	return overload.NewGate(l, p.Overload.Queue, p.Overload.Delay)
}

// limitRequests applies what the configuration says of the limits.
func limitRequests(l *overload.Limiter, p *config.Pool) {
	switch {
	case p.Overload.Adaptive == config.Off:
		l.Fix(p.Limits.Requests)
	case p.Limits.Requests > 0:
		l.Cap(p.Limits.Requests)
	}
}

// rateOf is a route's limit: the one of the generation before, if its route at the same place is the same, so that a reload is no way
// around it.
func rateOf(old *generation, i int, r config.Route) *resilience.Rate {
	if old != nil && i < len(old.cfg.Routes) && old.cfg.Routes[i].Rate == r.Rate && routeName(i, old.cfg.Routes[i]) == routeName(i, r) {
		return old.snapshot.Routes[i].Rate
	}
	keys := resilience.ManyKeys
	if rateKeyOf(r.Rate.Per) == proxy.RateRoute {
		keys = resilience.OneKey
	}
	return resilience.NewRate(r.Rate.Limit.Requests, r.Rate.Limit.In, keys)
}

func rateKeyOf(k config.RateKey) proxy.RateKey {
	switch k.By {
	case config.RateRoute:
		return proxy.RateRoute
	case config.RateHeader:
		return proxy.RateHeader
	}
	return proxy.RateClient
}

// keyOf is what requests are spread by under config.ByHash.
func keyOf(h config.HashKey) proxy.Key {
	switch h.By {
	case config.HashPath:
		return proxy.KeyPath
	case config.HashHeader:
		return proxy.KeyHeader
	case config.HashCookie:
		return proxy.KeyCookie
	}
	return proxy.KeyIP
}

// hedgeOf says when requests of a pool are hedged, nil for never. What was learned stays over a reload.
func hedgeOf(p *config.Pool, before *builtPool) *resilience.Hedge {
	switch {
	case p.Hedge == 0:
		return nil
	case before != nil && before.cfg.Hedge == p.Hedge:
		return before.pool.Hedge
	case p.Hedge == config.HedgeLearned:
		return resilience.NewHedge(resilience.HedgeLearned)
	}
	return resilience.NewHedge(p.Hedge)
}

// token is what a cookie of ours says of an endpoint: a hash, so that it tells no address.
func token(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return []byte(hex.EncodeToString(sum[:8]))
}

// chosen sets up what decides who gets a request: the balance's members, and who watches them. from is where each endpoint was in
// the pool before.
func (g *generation) chosen(b *builtPool, pool *proxy.Pool, before *builtPool, from []int) {
	p := &b.cfg
	members := make([]balance.Member, len(p.Endpoints))
	names := make([]string, len(p.Endpoints))
	for i, e := range p.Endpoints {
		members[i] = balance.Member{Weight: e.Weight, Near: e.Zone != "" && e.Zone == g.cfg.Zone}
		if e.Backup {
			members[i].Tier = max(e.Tier, 1)
		}
		names[i] = e.String()
	}
	pool.Balance.Describe(members)
	if before != nil {
		pool.Balance.Carry(before.pool.Balance, from, mono.Now())
	}
	if p.Balance == config.ByHash {
		pool.Key, pool.KeyName = keyOf(p.Hash), []byte(p.Hash.Name)
		for i := range names {
			sum := sha256.Sum256([]byte(names[i]))
			pool.Balance.Identify(i, binary.LittleEndian.Uint64(sum[:]))
		}
	}
	pool.Hedge = hedgeOf(p, before)
	if p.Sticky.Cookie != "" {
		pool.Sticky = []byte(p.Sticky.Cookie)
	}
	for _, r := range p.Retry.On {
		pool.RetryOn = append(pool.RetryOn, proxy.StatusRange(r))
	}
	pool.Maintenance = new(proxy.Maintenance)
	if before != nil {
		pool.Maintenance = before.pool.Maintenance
	}
	pool.Gate = gateOf(p)
	if pool.Gate != nil {
		pool.Gate.Open = pool.Balance.Open
	}
	if before != nil && pool.Gate != nil && before.pool.Gate != nil && p.Overload == before.cfg.Overload {
		pool.Gate.Limiter.Carry(before.pool.Gate.Limiter, from)
		limitRequests(pool.Gate.Limiter, p)
	}
	pool.Health = health.New(pool.Balance, health.Options{Pool: p.Name, Names: names, Passive: p.Eject == config.On, Event: g.event})
	if before != nil {
		pool.Health.Carry(before.pool.Health, from)
	}
}

// endpointsOf are the endpoints that a pool had, none if there was no pool.
func endpointsOf(b *builtPool) []config.Endpoint {
	if b == nil {
		return nil
	}
	return b.cfg.Endpoints
}

// sameOptions reports whether connections made under one pool's settings may be used under the other's. Certificate files
// may have changed under the same name, so a pool that has some starts anew.
func sameOptions(a, b config.Pool) bool {
	return a.Protocol == b.Protocol && a.ProxyProtocol == b.ProxyProtocol && a.TLS == b.TLS && a.TLS.CA+a.TLS.CRL+a.TLS.Cert == "" && a.Timeouts == b.Timeouts && a.Limits.ResponseHead == b.Limits.ResponseHead
}

// retire closes what the next generation did not take over.
func (g *generation) retire(next *generation) {
	for _, b := range g.pools {
		b.uncheck()
	}
	kept := map[*upstream.Target]bool{}
	for _, b := range next.pools {
		for _, t := range b.targets {
			kept[t] = true
		}
	}
	for _, b := range g.pools {
		for _, t := range b.targets {
			if !kept[t] {
				t.Close()
			}
		}
	}
	for _, r := range g.lists {
		r.Close()
	}
}

// watch begins to look at the files of revocation lists, and to check endpoints. It ends with retire.
func (g *generation) watch(log *slog.Logger, current func() *generation, old *generation) {
	for name, b := range g.pools {
		b.check(old.takeChecks(name, b))
	}
	for file, r := range g.lists {
		r.Watch(func(err error) {
			if err != nil {
				log.Error("revocation lists not reloaded: the old ones stay in use", "file", file, "error", err)
				return
			}
			log.Info("revocation lists reloaded", "file", file)
			for _, b := range current().pools { // names may have been found to stand for others since
				if b.cfg.TLS.CRL == file {
					for _, t := range b.targets {
						t.Renew()
					}
				}
			}
		})
	}
}

// outdated says once of each revocation list that it is out of date. told remembers which.
func (g *generation) outdated(log *slog.Logger, told map[string]time.Time) {
	for file, r := range g.lists {
		since, is := r.Outdated(time.Now())
		if is && !told[file].Equal(since) {
			log.Warn("a revocation list is out of date: what it names stays revoked, what was revoked later is not known", "file", file, "since", since.UTC())
			told[file] = since
		}
	}
}

// sweep looks after the idle connections of every target.
func (g *generation) sweep() {
	for _, b := range g.pools {
		for _, t := range b.targets {
			t.Sweep()
		}
		b.pool.Health.Tick(mono.Now())
	}
}

// refreshAtOnce is how many names are asked for at once: one that no server answers for must not keep the others waiting.
const refreshAtOnce = 8

// refresh asks for the addresses of every target's name again where it is time to, and says which have gone.
func (g *generation) refresh(ctx context.Context, of *Gateway) {
	var all sync.WaitGroup
	defer all.Wait()
	turn := make(chan struct{}, refreshAtOnce)
	for _, b := range g.pools {
		for _, t := range b.targets {
			select {
			case turn <- struct{}{}:
			case <-ctx.Done():
				return
			}
			all.Go(func() {
				defer func() { <-turn }()
				of.guarded("a name could not be looked up again", func() {
					if gone := t.Refresh(ctx); len(gone) > 0 {
						of.log.Info("addresses have gone from a name's answers: their connections are given up", "pool", b.cfg.Name, "endpoint", t.Text, "gone", gone)
						of.Changed(changeDNS, t.Text, fmt.Sprint("addresses have gone: ", gone))
					}
				})
			})
		}
	}
}

func endpointOf(e config.Endpoint) upstream.Endpoint {
	u := upstream.Endpoint{
		Text: e.String(), Network: "tcp", Host: e.Host, Port: strconv.Itoa(int(e.Port)), Secure: e.Scheme == "https", Prior: e.Scheme == "h2c",
	}
	if e.Scheme == "unix" {
		u.Network, u.Host, u.Port = "unix", e.Path, ""
	}
	if e.At != "" {
		u.At = netip.MustParseAddr(e.At) // it was one when it was found
	}
	return u
}

// protocol is what a pool's endpoints are spoken to in.
func protocol(text string) upstream.Protocol {
	switch text {
	case config.ProtocolHTTP1:
		return upstream.ProtocolHTTP1
	case config.ProtocolHTTP2:
		return upstream.ProtocolHTTP2
	}
	return upstream.ProtocolAuto
}

func edits(fields []config.Field) []proxy.Edit {
	var out []proxy.Edit
	for _, f := range fields {
		out = append(out, proxy.Edit{Name: f.Name, Value: f.Value})
	}
	return out
}

func disclosure(s string) fault.Disclosure {
	switch s {
	case config.ProxyStatusOff:
		return fault.DisclosureOff
	case config.ProxyStatusFull:
		return fault.DisclosureFull
	}
	return fault.DisclosureSafe
}

// clientTLS loads a pool's TLS settings. With a problem it has what could be loaded.
func clientTLS(cfg *config.Config, p config.Pool, known lists) (*tls.Config, *config.Problem) {
	settings := upstream.ClientTLS{ServerName: p.TLS.ServerName, Unverified: !p.TLS.Verify}
	path := "pools." + p.Name + ".tls"
	if p.TLS.CA != "" {
		pool, err := certs.LoadPool(p.TLS.CA)
		if err != nil {
			return settings.Config(), problemAt(cfg, path+".ca", err)
		}
		settings.Roots = pool
	}
	if p.TLS.Cert != "" {
		pair, err := certs.LoadPair(p.TLS.Cert, p.TLS.Key)
		if err != nil {
			return settings.Config(), problemAt(cfg, path+".cert", err)
		}
		settings.Certificate = pair
	}
	var revoked *certs.Revocations
	if p.TLS.CRL != "" {
		var err error
		if revoked, err = known.load(p.TLS.CRL); err != nil {
			return settings.Config(), problemAt(cfg, path+".crl", err)
		}
	}
	settings.Revoked = revoked.Verify // without a list, a stapled response counts
	return settings.Config(), nil
}
