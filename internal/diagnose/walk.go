package diagnose

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/fingerprint"
	"github.com/whygate/whygate/internal/machine"
)

// addressesMax is how many addresses of a name are looked at.
const addressesMax = 8

// Run walks the path and judges it. An error means that there is nothing to walk: a URL that is none.
func Run(ctx context.Context, o *Options) (*Report, error) {
	front, err := ParseTarget(o)
	if err != nil {
		return nil, err
	}
	targets, err := upstreamTargets(o, &front)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, o.budget())
	defer cancel()
	r := &Report{Schema: SchemaVersion, URL: front.URL, Began: time.Now(), SaidBy: []fingerprint.Match{}, Upstreams: []*Walk{}}
	run := &runner{o: o, report: r, tally: &tally{}}
	proxy := run.lookHere(ctx, front)
	main := run.walker(front)
	r.Walk = main.walk
	main.begin(ctx)
	run.addHere(ctx, proxy, &front, &targets)
	run.walked = run.walkUpstreams(ctx, targets)
	main.end(ctx)
	run.tellUpstreams()
	run.saidBy()
	if r.Here != nil {
		if r.Here.Again != nil {
			r.Here.Again(ctx, r.Began)
		}
		r.Here.Redact()
	}
	r.Sent = run.tally.lines()
	r.Cut = ctx.Err() != nil || slices.ContainsFunc(append([]*Walk{r.Walk}, r.Upstreams...), (*Walk).cut)
	r.Verdict = Judge(r)
	advise(r, o.Advice)
	r.Took = Millis(time.Since(r.Began))
	return r, nil
}

// runner is one run.
type runner struct {
	o      *Options
	report *Report
	tally  *tally
	walked <-chan struct{} // closed when the walks to the upstreams have ended: until then they are their goroutines'

	mu sync.Mutex // guards report.Steps and the calls of o.Step
}

// step notes a step and tells of it.
func (r *runner) step(s Step) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Steps = append(r.report.Steps, s)
	if r.o.Step != nil {
		r.o.Step(s)
	}
}

// saidBy finds who made the answer.
func (r *runner) saidBy() {
	h := r.report.Walk.HTTP
	if h == nil || !h.Main.answered() {
		return
	}
	if chain := fingerprint.Chain(&h.Main.answer); chain != nil {
		r.report.SaidBy = chain
	}
	r.report.Said = fingerprint.Sentence(&h.Main.answer)
	r.step(saidStep(r.report))
}

// walker walks one target.
type walker struct {
	*runner
	walk    *Walk
	open    []netip.AddrPort // addresses that can be connected to
	watches []*ttlWatch      // one for each path, until the walk's end
	client  *client          // nil where nothing can be asked
}

func (r *runner) walker(t Target) *walker { return &walker{runner: r, walk: &Walk{Target: t}} }

// row tells of a step of the walk. The steps of an upstream are told in one row, at its end.
func (w *walker) row(s Step) {
	if !w.walk.Target.Upstream {
		w.step(s)
	}
}

// begin walks as far as the main request: what a step needs of the one before is there, or the walk ends.
func (w *walker) begin(ctx context.Context) {
	defer func() { w.walk.Waterfall = waterfall(w.walk) }()
	unix := w.walk.Target.Network == "unix"
	addresses := w.resolve(ctx)
	if unix {
		w.walk.Path = []*Path{probeUnix(ctx, w.walk.Target.Host, w.o)}
	} else if len(addresses) == 0 {
		return
	}
	w.open = w.connect(ctx, addresses)
	if w.walk.goodPath() == nil || w.walk.Target.found && !w.o.safe() {
		return // a request that may change something goes only where somebody sends it
	}
	if name := w.walk.Target.speaks; name != "" {
		w.walk.Speaks = w.shaker().speaks(ctx, nil)
		w.walk.Speaks.Wanted = name
		w.tally.add(len(greetings), "connection without a request")
		return
	}
	pinned := netip.AddrPort{}
	if w.walk.Target.Address.IsValid() {
		pinned = w.open[0]
	}
	w.client = newClient(ctx, &w.walk.Target, w.o, pinned, w.tally)
	w.ask(ctx)
	if w.walk.Target.assumed {
		w.guessScheme(ctx, pinned)
	}
}

// guessScheme asks by https after all, where a target that was given without a scheme speaks TLS.
func (w *walker) guessScheme(ctx context.Context, pinned netip.AddrPort) {
	x := w.walk.HTTP.Main
	if x.cut || !x.broken() && !saysTLSPort(x) || w.walk.Target.Network == "unix" || !w.o.safe() {
		return
	}
	s := w.shaker()
	w.tally.add(1, "TLS handshake without a request")
	if !s.try(ctx, "TLS", s.config()).OK {
		return
	}
	w.client.close()
	w.walk.Target.as(true)
	w.client = newClient(ctx, &w.walk.Target, w.o, pinned, w.tally)
	w.ask(ctx)
}

// end asks what tells more: in other ways, and again.
func (w *walker) end(ctx context.Context) {
	defer w.unwatch()
	if w.client == nil {
		return
	}
	defer w.client.close()
	x := w.walk.HTTP.Main
	again := ctx.Err() == nil && w.o.count() > 0 && w.o.safe()
	if again && time.Duration(x.Took) > slow {
		var group sync.WaitGroup
		group.Go(func() { w.askMore(ctx) })
		w.walk.Again = w.probeAgain(ctx, x)
		group.Wait()
	} else if ctx.Err() == nil {
		w.askMore(ctx)
		if again {
			w.walk.Again = w.probeAgain(ctx, x)
		}
	}
	if f := judgeAnswer(w.walk); w.walk.Name != nil && ctx.Err() == nil && (x.Status == 404 || f != nil && (f.cause == fault.CauseWrongHost || f.cause == fault.CauseNoRoute)) {
		before := w.walk.Name.asked
		w.walk.Name.Wildcard = w.walk.Name.probeWildcard(ctx)
		w.tally.add(w.walk.Name.asked-before, "DNS question")
	}
	if len(w.open) > 0 && ctx.Err() == nil && w.walk.suspicious() {
		w.walk.Loss = w.shaker().probeLoss(ctx)
		w.tally.add(w.walk.Loss.Tried, "connection without a request")
	}
	w.row(httpStep(w.walk))
	if w.walk.Again != nil {
		w.row(againStep(w.walk))
	}
	if ctx.Err() == nil {
		if w.walk.Race = w.probeRace(ctx); w.walk.Race != nil && len(w.walk.Race.Pauses) > 0 {
			w.row(raceStep(w.walk.Race))
		}
	}
	if w.o.IdleProbe > 0 && w.o.safe() && x.answered() && !w.walk.Target.Upstream {
		w.walk.Idle = w.shaker().probeIdle(ctx, w.client.request(query{method: w.o.method()}), w.o.IdleProbe)
		w.row(idleStep(w.walk.Idle))
	}
}

// unwatch ends what looks at packets, and notes what was seen and sent.
func (w *walker) unwatch() {
	for i, p := range w.walk.Path {
		if i < len(w.watches) {
			w.watches[i].close()
			p.TTL = w.watches[i].seen()
		}
		if p.TTL != nil && p.TTL.Answer == 0 && p.Echo != nil && p.Echo.TTL > 0 {
			p.TTL.Answer, p.TTL.Ping = p.Echo.TTL, true
		}
		w.tally.add(p.syns, "SYN of a traceroute")
		w.tally.add(p.pings, "ping")
	}
}

// resolve finds the addresses of the target.
func (w *walker) resolve(ctx context.Context) []netip.AddrPort {
	t := &w.walk.Target
	port, err := strconv.ParseUint(t.Port, 10, 16)
	if t.Network == "unix" || err != nil {
		return nil
	}
	if t.Address.IsValid() {
		return []netip.AddrPort{netip.AddrPortFrom(t.Address.Unmap(), uint16(port))}
	}
	if a, err := netip.ParseAddr(t.Host); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(a.Unmap(), uint16(port))}
	}
	w.walk.Name = probeName(ctx, t.Host, w.o.timeout(), w.o.Servers)
	w.tally.add(w.walk.Name.asked, "DNS question")
	w.row(nameStep(w.walk.Name))
	if w.walk.Name.Cause != fault.CauseNone {
		return nil
	}
	var all []netip.AddrPort
	for _, text := range w.walk.Name.Addresses[:min(len(w.walk.Name.Addresses), addressesMax)] {
		if a, err := netip.ParseAddr(text); err == nil {
			all = append(all, netip.AddrPortFrom(a, uint16(port)))
		}
	}
	return all
}

// connect connects to every address at once and gives those that are open.
func (w *walker) connect(ctx context.Context, addresses []netip.AddrPort) (open []netip.AddrPort) {
	if len(w.walk.Path) == 0 {
		w.walk.Path, w.watches = make([]*Path, len(addresses)), make([]*ttlWatch, len(addresses))
		var group sync.WaitGroup
		for i, at := range addresses {
			group.Go(func() {
				if !machine.IsLocal(at.Addr()) {
					w.watches[i] = watchTTL(at)
				}
				w.walk.Path[i] = probePath(ctx, at, w.o)
			})
		}
		group.Wait()
		w.tally.add(len(addresses), "connection without a request")
		for _, p := range w.walk.Path {
			w.tally.add(len(p.Beside), "connection without a request")
		}
	}
	for i, p := range w.walk.Path {
		if p.Cause == fault.CauseNone && i < len(addresses) {
			open = append(open, addresses[i])
		}
	}
	w.row(pathStep(w.walk))
	return open
}

// shaker makes handshakes with the first open address.
func (w *walker) shaker() *shaker {
	s := &shaker{network: "tcp", target: &w.walk.Target, o: w.o}
	if len(w.open) == 0 {
		s.network, s.address = "unix", w.walk.Target.Host
		return s
	}
	s.address = w.open[0].String()
	return s
}

// ask makes the main request, and looks at the way and at TLS beside it.
func (w *walker) ask(ctx context.Context) {
	h := &HTTP{}
	w.walk.HTTP = h
	var group sync.WaitGroup
	group.Go(func() { h.Main = w.client.ask(query{label: "as a gateway asks", method: w.o.method()}) })
	if len(w.open) > 0 {
		path := w.pathOf(w.open[0])
		group.Go(func() { path.look(ctx, w.open[0], w.o) })
	}
	if w.walk.Target.Secure {
		group.Go(func() { w.walk.TLS = w.shaker().probe(ctx) })
	}
	group.Wait()
	if t := w.walk.TLS; t != nil {
		w.tally.add(2+len(t.Versions), "TLS handshake without a request")
		w.row(tlsStep(w.walk))
	}
}

func (w *walker) pathOf(at netip.AddrPort) *Path {
	for _, p := range w.walk.Path {
		if p.Address == at.String() {
			return p
		}
	}
	return &Path{}
}

// askMore asks in other ways, as far as they tell something after what the main request showed: all at once.
func (w *walker) askMore(ctx context.Context) {
	h := w.walk.HTTP
	x := h.Main
	method := w.o.method()
	if x.answered() {
		h.Limits = x.limits()
		w.follow(ctx, h)
	}
	var group sync.WaitGroup
	defer group.Wait()
	if doubtful(x) && !h.reachedNobody() && w.o.safe() {
		if method == "GET" {
			group.Go(func() { h.Head = w.client.ask(query{label: "by HEAD", method: "HEAD"}) })
		}
		group.Go(func() { h.Browser = w.client.ask(query{label: "as a browser", method: method, agent: browserAgent}) })
		if path, _, has := strings.Cut(w.walk.Target.Path, "?"); has {
			group.Go(func() { h.Bare = w.client.ask(query{label: "without its query", method: method, path: path}) })
		}
	}
	if x.answered() && x.Status < 300 && method == "GET" && w.o.safe() && !w.o.gives("Accept-Encoding") && !w.walk.Target.Upstream {
		group.Go(func() {
			q := query{label: "compressed", method: method, coded: true}
			if h.Coded = w.client.ask(q); failed(h.Coded) && !h.Coded.cut {
				h.Coded = w.client.ask(q) // one failure may be chance
			}
		})
		if other, _, sure := x.otherSite(siteAsked(w.walk)); other != "" && !sure {
			group.Go(func() {
				h.Stranger = w.client.ask(query{label: "for nobody's name", method: method, host: strangerHost, elsewhere: true})
			})
		}
	}
	w.askSockets(ctx, &group)
	if w.walk.TLS != nil && w.walk.TLS.ALPN == "h2" && !w.o.HTTP1 && w.o.safe() && (x.answered() || !h.reachedNobody()) {
		fields := w.client.fields(query{})
		group.Go(func() {
			h.H2 = w.shaker().probeH2(ctx, fields)
			for range h.H2.Tries {
				w.tally.request(method, w.walk.Target.label())
			}
		})
	}
}

// askSockets makes the probes that look at the octets beneath HTTP, where the main request had none that explain it.
func (w *walker) askSockets(ctx context.Context, group *sync.WaitGroup) {
	h, x := w.walk.HTTP, w.walk.HTTP.Main
	if x.answered() || !x.broken() {
		return
	}
	s := w.shaker()
	if !w.walk.Target.Secure && !h.reachedNobody() {
		group.Go(func() {
			tried := s.try(ctx, "TLS", s.config())
			h.TLSWorks = &tried
		})
		group.Go(func() { h.Spoke = s.listen(ctx) })
		w.tally.add(2, "connection without a request")
		if mute(x) {
			var request []byte
			if w.o.safe() {
				request = w.client.request(query{method: w.o.method()})
				w.tally.request(w.o.method(), w.walk.Target.label())
			}
			group.Go(func() { w.walk.Speaks = s.speaks(ctx, request, "http") })
			w.tally.add(len(greetings)-1, "connection without a request")
		}
	}
	if silent(x) && w.o.safe() && len(w.open) > 0 && !local(w.open[0].Addr().String()) {
		group.Go(func() { h.Clamped = s.clamped(ctx, w.client.request(query{method: w.o.method()})) })
		w.tally.request(w.o.method(), w.walk.Target.label())
	}
}

// reachedNobody reports whether the main request ended before it was sent: other requests would end there too.
func (h *HTTP) reachedNobody() bool { return h.Main.Evidence.Stage < fault.Write }

// doubtful reports whether another way to ask may be answered differently. What a gateway answers slowly is about its upstream.
func doubtful(x *Exchange) bool {
	return x.broken() || x.Status >= 400 && (x.Status < 500 || time.Duration(x.Took) < slow)
}

// mute reports whether a port took a request, or the connection at least, and said nothing: it may speak another protocol.
func mute(x *Exchange) bool {
	e := x.Evidence
	return e.Stage >= fault.Write && e.Got == 0 && (e.End == fault.Closed || e.End == fault.Reset || e.End == fault.Timeout)
}

// silent reports whether octets were waited for in vain.
func silent(x *Exchange) bool {
	e := x.Evidence
	return e.End == fault.Timeout && e.Stage >= fault.TLS
}

// waterfall draws the main request, or as far as it came.
func waterfall(w *Walk) []Bar {
	stages := [...]struct {
		name   string
		stages []fault.Stage
	}{
		{"name", []fault.Stage{fault.Resolve}},
		{"connect", []fault.Stage{fault.Dial}},
		{"tls", []fault.Stage{fault.TLS}},
		{"wait", []fault.Stage{fault.Write, fault.FirstByte}},
		{"transfer", []fault.Stage{fault.Head, fault.Body}},
	}
	e := w.evidence()
	bars := make([]Bar, 0, len(stages))
	at := Millis(0)
	failed := false
	for _, s := range stages {
		if s.name == "tls" && !w.Target.Secure || s.name == "name" && w.Target.literal() {
			continue
		}
		b := Bar{Name: s.name, From: at, Reached: !failed}
		for _, stage := range s.stages {
			if e != nil && !failed {
				b.Took += Millis(e.Spent[stage])
			}
			if e != nil && e.End != fault.Completed && e.Stage == stage {
				b.Failed = true
			}
		}
		failed = failed || b.Failed
		at += b.Took
		bars = append(bars, b)
	}
	return bars
}

// evidence is that of the main request, or of the step that kept it from being made. What came before it is in it.
func (w *Walk) evidence() *fault.Evidence {
	switch {
	case w.HTTP != nil && w.HTTP.Main != nil:
		return w.HTTP.Main.Evidence
	case len(w.Path) > 0:
		e := *w.worstPath().Evidence
		if w.Name != nil {
			e.Spent[fault.Resolve] = time.Duration(w.Name.Took)
		}
		return &e
	case w.Name != nil:
		return w.Name.Evidence
	}
	return nil
}

// cut reports whether the budget ended a request of the walk.
func (w *Walk) cut() bool {
	x := w.main()
	return x != nil && x.cut || w.Again != nil && w.Again.cut
}

// worstPath gives the path that failed most tellingly, the first where none did.
func (w *Walk) worstPath() *Path {
	var worst *Path
	for _, p := range w.Path {
		if p.Cause != fault.CauseNone && (worst == nil || rank(p) > rank(worst)) {
			worst = p
		}
	}
	if worst == nil && len(w.Path) > 0 {
		return w.Path[0]
	}
	return worst
}

// rank orders failures of addresses by what they tell: as upstream does for a name whose every address fails.
func rank(p *Path) int {
	if p.NoFamily {
		return 0
	}
	return p.Evidence.End.Rank()
}

// host is the address's host without its port.
func hostOf(address string) string {
	if h, _, err := net.SplitHostPort(address); err == nil {
		return h
	}
	return address
}
