package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/whygate/whygate/internal/admin"
	"github.com/whygate/whygate/internal/alert"
	"github.com/whygate/whygate/internal/certs"
	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/health"
	"github.com/whygate/whygate/internal/incident"
	"github.com/whygate/whygate/internal/listener"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/otlp"
	"github.com/whygate/whygate/internal/proxy"
	"github.com/whygate/whygate/internal/store"
	"github.com/whygate/whygate/internal/telemetry"
)

// Options are what a Gateway takes from the world.
type Options struct {
	Stdout   io.Writer
	Stderr   io.Writer
	Readable bool                                     // the access log is for a person at a terminal
	Color    bool                                     // and in colour
	Load     func() (*config.Config, config.Problems) // reads the configuration again; nil if there is none to read
	Version  string
	Log      *slog.Logger // what happens to the gateway itself; nil for lines of text on Stderr

	Store        store.Place // where incidents are kept, where the configuration does not say it
	State        string      // the directory for what outlives the process, such as certificates; empty if there is none
	Flags        bool        // the configuration was made of the flags of whygate proxy, in whose terms advice is then given
	AnyAdminPort bool        // where the admin address is in use, another port of loopback does as well
}

// Gateway is a running gateway.
type Gateway struct {
	options  Options
	log      *slog.Logger // what happens to the gateway itself; requests are in the access log
	proxy    *proxy.Proxy
	server   *listener.Server
	metrics  *telemetry.Metrics
	recorder *incident.Recorder
	store    atomic.Pointer[store.Store]
	baseline incident.Baseline
	rates    rates
	notifier atomic.Pointer[alert.Notifier]
	otlp     atomic.Pointer[otlp.Exporter] // nil inside: nothing is sent
	instance string
	file     string // the configuration file's absolute path, empty if there is none to read again

	access     atomic.Pointer[accessLog]
	lostLines  atomic.Uint64 // by access logs that are closed
	limits     atomic.Pointer[listener.Limits]
	served     atomic.Pointer[config.Config]
	ready      atomic.Bool
	clock      atomic.Pointer[clock]
	readyAsked mono.Atomic // when readiness was last asked for, on mono's clock; 0 for never
	bugs       seldom
	latest     atomic.Pointer[generation] // current, for who must not wait for mu: whoever holds that may wait for them
	door       door
	untold     certificateIncidents // which names had one of late
	refused    seldom
	proving    atomic.Pointer[certs.ACME] // what answers http-01, nil while nothing does
	activated  *activation
	inherited  *inherited
	tag        listener.Tag // of this process's connections over QUIC
	stapler    *certs.Stapler
	admin      *admin.Server
	adminCerts *certs.Server // nil where the admin address speaks no TLS

	reloading sync.Mutex // held over a reload
	mu        sync.Mutex // guards the fields below
	current   *generation
	acme      *certs.ACME  // nil while no listener wants it
	local     *certs.Local // nil until a listener wants it
	replaced  []replacedGate
	sockets   []*socket
	serving   sync.WaitGroup
	leaving   sync.WaitGroup // what obtained certificates and is being closed
	stop      chan struct{}
	failed    chan error
	changes   chan health.Event // of endpoints, on their way to the log
}

// New makes a gateway of a configuration and opens its sockets. Nothing is served before Start.
func New(cfg *config.Config, o Options) (*Gateway, error) {
	g := &Gateway{
		options: o, proxy: &proxy.Proxy{}, metrics: &telemetry.Metrics{}, recorder: &incident.Recorder{},
		instance: strconv.FormatUint(rand.Uint64()>>34|1<<29, 36), stop: make(chan struct{}), failed: make(chan error, 8), changes: make(chan health.Event, changesMax),
		log: o.Log,
	}
	if g.log == nil {
		g.log = slog.New(slog.NewTextHandler(o.Stderr, nil))
	}
	var err error
	if o.Load != nil {
		if g.file, err = filepath.Abs(cfg.File); err != nil {
			return nil, err
		}
	}
	if g.activated, err = passed(); err != nil {
		return nil, err
	}
	if g.inherited, err = inherit(); err != nil {
		return nil, err
	}
	g.tag = listener.Tag{byte(rand.Uint32()), byte(rand.Uint32())}
	raiseDescriptors()
	g.clock.Store(readClock())
	g.proxy.Observe = g.observe
	g.proxy.Panicked = func(reason any, stack []byte) { g.bugAt("an exchange panicked", reason, stack) }
	g.server = &listener.Server{Serve: g.serveRequest, Refuse: g.proxy.Refuse, Limits: func() listener.Limits { return *g.limits.Load() }}
	g.server.Failed, g.server.Panicked = g.handshakeFailed, func(reason any, stack []byte) { g.bugAt("a connection panicked", reason, stack) }
	g.metrics.Handshakes, g.metrics.Endpoints, g.metrics.Queues = g.door.handshakes, g.endpointMetrics, g.queueMetrics
	g.metrics.Certs, g.metrics.Resolved = g.certificateMetrics, g.resolveMetrics
	g.metrics.Open, g.metrics.Busy, g.metrics.Idle, g.metrics.Dropped = g.server.Open, g.server.Busy, g.idle, g.droppedLines
	g.metrics.Unsent = func() (dropped uint64, failing, used bool) {
		x := g.otlp.Load()
		return x.Dropped(), x.Failing(), x != nil
	}
	g.metrics.Unkept = func() uint64 { return g.store.Load().Dropped() }
	g.metrics.Unstored = func() bool { _, err := g.store.Load().Failing(); return err != nil }
	g.stapler = certs.NewStapler(stapleDirectory(o.State), g.stapled, g.log)
	if err := g.apply(cfg, g.followFirst(cfg)); err != nil {
		g.stapler.Close()
		return nil, err
	}
	if g.admin, err = g.openAdmin(cfg); err != nil {
		g.closeSockets(g.sockets)
		if g.acme != nil {
			g.acme.Close()
		}
		g.stapler.Close()
		g.current.retire(&generation{})
		g.closeLog(g.access.Load())
		g.store.Load().Close()
		g.notifier.Load().Close()
		return nil, err
	}
	return g, nil
}

// Start serves until Stop.
func (g *Gateway) Start() {
	g.mu.Lock()
	for _, s := range g.sockets {
		g.serve(s)
	}
	g.ownPaths()
	g.inherited.tag = nil // ports that are opened from here on are nobody else's
	g.mu.Unlock()
	if g.admin != nil {
		g.serving.Go(func() { g.failing(g.admin.Serve()) })
	}
	g.serving.Go(g.tellChanges) // ends with stop
	g.serving.Go(g.decide)      // ends with stop
	g.serving.Go(g.sweep)       // ends with stop
	g.serving.Go(g.refresh)     // ends soon after stop
	g.serving.Go(g.follow)      // ends soon after stop
	g.ready.Store(true)
	g.Changed(changeStart, g.file, "started, version "+g.options.Version)
	g.inherited.serves()
	notify("READY=1")
}

// serve serves one socket on a goroutine of its own, which ends when the socket is closed.
func (g *Gateway) serve(s *socket) {
	g.serving.Go(func() {
		err := errors.New("BUG: the goroutine that accepts connections ended")
		g.guarded("a listener", func() {
			err = g.server.ListenAs(s.net, listener.Spoken{TLS: s.config, H2C: s.h2c.Load, AltSvc: s.alternative})
		})
		g.failing(err)
	})
	g.serveQUIC(s)
}

func (g *Gateway) failing(err error) {
	if err != nil {
		select {
		case g.failed <- err:
		default:
		}
	}
}

// Failed gives the error of a socket that cannot be served any more.
func (g *Gateway) Failed() <-chan error { return g.failed }

// parkAfter is how long a client's connection may rest before it gives its goroutine up. To take it up again costs about as much as a
// request's share of the scheduler, so it is longer than most pauses between the requests of one page.
const parkAfter = 2 * time.Second

// sweepEvery is how often idle upstream connections are looked at.
const sweepEvery = time.Second

// clock is one moment on both clocks, so that a line of the log need not ask for the time. It is read anew each second,
// since the wall clock may be set.
type clock struct {
	wall time.Time
	mono mono.Time
}

func readClock() *clock { return &clock{time.Now(), mono.Now()} }

// tidy gives memory back after many connections have become idle: their goroutines' stacks grew with the requests, and go
// only in a garbage collection, which an idle gateway has no other reason for.
type tidy struct{ open, parked level }

// level is a number of connections: as it was a look ago, and when memory was given back last.
type level struct{ before, done int64 }

// tidyMin is how many connections make it worth a collection.
const tidyMin = 500

// look collects once when the numbers of connections, and of those without a goroutine, have come to rest, one of them far from where it was
// when it collected last.
func (t *tidy) look(open, parked, busy int64) {
	openRests, parkedRests := t.open.rests(open), t.parked.rests(parked)
	if openRests && parkedRests && busy <= open/10 && (t.open.moved(open) || t.parked.moved(parked)) {
		t.open.done, t.parked.done = open, parked
		debug.FreeOSMemory()
	}
}

// rests reports whether a number is about what it was a look ago.
func (l *level) rests(n int64) bool {
	change := max(n, l.before) - min(n, l.before)
	l.before = n
	return change <= n/100
}

// moved reports whether a number is large, or was, and has changed by more than a tenth since memory was given back.
func (l *level) moved(n int64) bool {
	return max(n, l.done) >= tidyMin && max(n, l.done)-min(n, l.done) > n/10
}

func (g *Gateway) sweep() {
	var t tidy
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-g.stop:
			return
		case <-tick.C:
			g.mu.Lock()
			current := g.current
			g.mu.Unlock()
			g.clock.Store(readClock())
			t.look(g.server.Open(), int64(g.server.Parked()), g.server.Busy())
			g.rates.note(g, time.Now())
			g.guarded("idle connections could not be looked at", func() {
				g.metrics.Forget(time.Now())
				current.sweep()
			})
		}
	}
}

// refresh keeps what is known of names fresh, beside sweep: a name server may be slow.
func (g *Gateway) refresh() {
	ctx, cancel := context.WithCancel(context.Background())
	g.serving.Go(func() { <-g.stop; cancel() })
	told, ending := map[string]time.Time{}, endings{}
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			g.mu.Lock()
			current := g.current
			g.mu.Unlock()
			g.guarded("names could not be looked up again", func() {
				current.outdated(g.log, told)
				current.refresh(ctx, g)
				ending.look(g, time.Now())
			})
		}
	}
}

// generation is the one that is served.
func (g *Gateway) generation() *generation {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.current
}

// apply makes cfg what is served, with what its names were found to stand for. On an error nothing has changed.
func (g *Gateway) apply(cfg *config.Config, follow follows) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	next, problems := build(cfg, g.current, follow, g.instance, g.endpointChanged)
	for _, p := range problems {
		g.log.LogAttrs(context.Background(), slog.LevelError, "a pool cannot serve: its routes answer 503", problemKeys(p)...)
	}
	access, err := g.openLog(cfg.AccessLog)
	if err != nil {
		return err
	}
	before := g.acme
	sockets, err := g.reconcileWithACME(cfg)
	if err != nil {
		if access != g.access.Load() {
			g.closeLog(access)
		}
		return err
	}
	err = g.useAlerts(cfg)
	if err == nil {
		err = g.useStore(cfg)
	}
	if err == nil {
		g.useCollector(cfg)
	}
	if err != nil {
		sockets.undo()
		g.backToACME(before)
		if access != g.access.Load() {
			g.closeLog(access)
		}
		return err
	}
	g.limits.Store(&listener.Limits{
		Connections: int(cfg.Limits.Connections), RequestHead: int(cfg.Limits.RequestHead), HeadTime: cfg.Limits.HeadTime,
		RequestBody: cfg.Limits.RequestBody, Idle: cfg.Limits.Idle, Park: parkAfter,
	})
	g.metrics.Use(slices.Collect(maps.Keys(next.pools)))
	g.metrics.UseRoutes(routeNames(next.cfg))
	old := g.current
	g.current, g.sockets = next, sockets.all
	g.served.Store(cfg)
	g.certify(cfg)
	g.latest.Store(next)
	next.watch(g.log, g.latest.Load, old)
	g.secure(sockets.secured)
	g.proxy.Use(next.snapshot)
	if before := g.access.Swap(access); before != nil {
		if before != access {
			defer g.closeLog(before) // it may have to wait for its writer
		}
	}
	g.leaveACME(before)
	if old != nil {
		g.replaces(old, mono.Now())
		for _, s := range sockets.opened {
			g.serve(s)
		}
		for _, s := range sockets.closed {
			g.server.CloseListener(s.net)
			g.closeQUIC(s) // its connections of TCP go on too
			s.close()
		}
		old.retire(next)
		next.unchecked()
	}
	return nil
}

// secure has sockets that stay open speak what the configuration says from now on: TLS, the PROXY protocol, HTTP/3. g.mu is held.
func (g *Gateway) secure(all []securing) {
	for _, s := range all {
		g.takeHeaders(s.socket, &s.listen)
		s.socket.use(&s.listen, s.server)
		switch {
		case s.udp != nil:
			if err := g.openQUIC(s.socket, s.udp); err != nil {
				g.log.Error("HTTP/3 could not begin", "error", err)
				break
			}
			g.serveQUIC(s.socket)
		case s.listen.H3 != config.On:
			g.closeQUIC(s.socket)
		}
	}
}

// change is what a configuration asks of the sockets: those it goes on with, those it adds, those it ends, and what
// those that go on speak from now on.
type change struct {
	all, opened, closed []*socket
	secured             []securing
}

type securing struct {
	socket *socket
	listen config.Listen
	server *certs.Server
	udp    net.PacketConn // the port for HTTP/3 where it begins, else nil
}

// undo ends what was opened for a change that does not take place.
func (c *change) undo() {
	for _, s := range c.opened {
		s.close()
	}
	for _, s := range c.secured {
		if s.server != nil {
			s.server.Close()
		}
		if s.udp != nil {
			_ = s.udp.Close()
		}
	}
}

// reconcile opens what cfg has and the gateway has not. anew says that certificates are obtained in another way than before. Nothing that serves is touched yet.
func (g *Gateway) reconcile(cfg *config.Config, anew bool) (c *change, err error) {
	c = &change{}
	have := map[config.Address][]*socket{}
	for _, s := range g.sockets {
		have[s.address] = append(have[s.address], s)
	}
	for i, l := range cfg.Listen {
		kept := have[l.Address]
		delete(have, l.Address)
		if kept == nil {
			flag := "--from"
			if cfg.Auto() && !l.TLS.On() {
				flag = "--from, or leave it alone with --no-redirect"
			}
			if kept, err = g.open(l, g.options.where(cfg, "listen["+strconv.Itoa(i)+"].address", flag)); err != nil {
				c.undo()
				return nil, err
			}
			c.opened = append(c.opened, kept...)
		}
		c.all = append(c.all, kept...)
		for _, s := range kept {
			if reflect.DeepEqual(s.tls, l.TLS) && s.h2c.Load() == l.H2C && (s.quic != nil) == (l.H3 == config.On) && s.proxied == (l.ProxyProtocol == config.On) && (!anew || l.TLS.Issue == "") {
				continue
			}
			server, err := g.serverTLS(&l.TLS)
			if err != nil {
				c.undo()
				return nil, err
			}
			c.secured = append(c.secured, securing{s, l, server, nil})
			if l.H3 == config.On && s.quic == nil {
				if c.secured[len(c.secured)-1].udp, err = g.bindQUIC(s.net, l.Address, "listen["+strconv.Itoa(i)+"].h3"); err != nil {
					c.undo()
					return nil, err
				}
			}
		}
	}
	for _, s := range have {
		c.closed = append(c.closed, s...)
	}
	return c, nil
}

func (g *Gateway) closeSockets(list []*socket) {
	for _, s := range list {
		s.close()
	}
}

// readyWatched is how long ago readiness was asked for at most, if somebody watches it. Checks come every ten seconds or so.
const readyWatched = time.Minute

// quietTime is how long clients have to leave by themselves when another process has taken over.
const quietTime = 2 * time.Second

// Retire is Stop for a gateway whose sockets another process has: readiness is that one's to tell, and there is nobody to announce to.
func (g *Gateway) Retire(bound time.Duration) bool {
	g.quietACME()
	g.server.Quiet(quietTime)
	return g.Stop(0, bound)
}

// Stop drains: readiness fails first, then no new connections, then Connection: close, then a bounded wait. It reports
// whether every exchange ended in time. The time between the first two is for balancers, which send on until they have looked
// again; where nobody looks at readiness there is none.
func (g *Gateway) Stop(announce, bound time.Duration) bool {
	g.ready.Store(false)
	notify("STOPPING=1")
	if asked := g.readyAsked.Load(); asked != 0 && mono.Now().Sub(asked) < readyWatched {
		time.Sleep(announce)
	}
	g.quietACME()
	clean := g.server.Drain(bound)
	close(g.stop)
	if g.admin != nil {
		g.admin.Close()
	}
	if g.adminCerts != nil {
		g.adminCerts.Close()
	}
	g.endACME()
	g.serving.Wait()
	g.awaitACME()
	g.stapler.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closeSockets(g.sockets)
	g.current.retire(&generation{})
	g.closeLog(g.access.Load())
	g.store.Load().Close()
	g.notifier.Load().Close()
	g.otlp.Load().Close()
	return clean
}

func (g *Gateway) idle() map[string]int {
	g.mu.Lock()
	current := g.current
	g.mu.Unlock()
	out := map[string]int{}
	for name, b := range current.pools {
		for _, t := range b.targets {
			out[name] += t.IdleCount()
		}
	}
	return out
}

// observe counts and logs an exchange, and keeps it if it failed. A bug of ours in it costs the one line.
//
// hot: once per request.
func (g *Gateway) observe(r *telemetry.Record) {
	defer func() {
		if reason := recover(); reason != nil {
			g.bug("an exchange could not be counted and logged", reason)
		}
	}()
	var p *telemetry.Pool
	if r.Pool != "" {
		p = g.metrics.Pool(r.Pool)
	}
	g.metrics.Count(p, r)
	if r.Incident != "" {
		if keepsIncidents {
			g.record(newIncident(r))
		}
	} else if !r.Fault.Is() && g.baseline.Wants(r.Began) {
		g.sample(r)
	}
	if x := g.otlp.Load(); x.Takes(r) {
		c := g.clock.Load()
		r.At = c.wall.Add(r.Began.Sub(c.mono))
		x.Exchange(r)
	}
	g.writeLog(r)
}

// Addresses are those that are listened on.
func (g *Gateway) Addresses() []Listening {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []Listening
	for _, s := range g.sockets {
		out = append(out, Listening{Address: s.net.Addr().String(), Network: s.net.Addr().Network(), TLS: s.server.Load() != nil})
	}
	return out
}

// Listening is one socket that is open.
type Listening struct {
	Network, Address string
	TLS              bool
}

// Admin is the admin address, empty if there is none.
func (g *Gateway) Admin() string {
	if g.admin == nil {
		return ""
	}
	return g.admin.Addr().String()
}

// raiseDescriptors raises the soft limit on descriptors to the hard one: each exchange takes two.
func raiseDescriptors() {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) == nil && l.Cur < l.Max {
		l.Cur = l.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l) // the runtime does so too, on most systems
	}
}

func monotonicMicroseconds() int64 {
	var b [64]byte
	f, err := os.Open("/proc/uptime")
	if err != nil {
		return 0
	}
	defer f.Close()
	n, _ := f.Read(b[:])
	var up float64
	_, _ = fmt.Sscan(string(b[:n]), &up)
	return int64(up * 1e6)
}
