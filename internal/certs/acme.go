package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

// LetsEncrypt is the directory of the authority that is asked where none is named.
const LetsEncrypt = certmagic.LetsEncryptProductionCA

// The challenges by which an authority sees that a name leads here: RFC 8737; RFC 8555, sections 8.3 and 8.4.
const (
	ChallengeTLS  = acme.ChallengeTypeTLSALPN01
	ChallengeHTTP = acme.ChallengeTypeHTTP01
	ChallengeDNS  = acme.ChallengeTypeDNS01
)

// Bounds of what is done for certificates.
const (
	handshakeWait = 8 * time.Second // how long a handshake waits for a certificate that is being obtained
	tryTime       = 5 * time.Minute // how long one try may take
	triesAtOnce   = 4               // orders under way
	askedAtOnce   = 8               // decisions under way
	newEach       = time.Minute     // in which newMax names may come on demand
	newMax        = 10
	demandedMax   = 10_000              // names that came on demand, over all
	unusedMax     = 30 * 24 * time.Hour // how long a name that came on demand stays without being asked for
	pollTime      = 90 * time.Second
)

// ACMEOptions are what an ACME works by. They do not change; the names do.
type ACMEOptions struct {
	Directory string // URL; empty: LetsEncrypt
	Email     string
	CA        string // a PEM file of the authorities to trust for the directory; empty: the system's
	Challenge string // ChallengeTLS, ChallengeHTTP or ChallengeDNS
	DNS       []string
	Storage   string // a directory, made where it is not there, or postgres://user@host/database for many gateways
	Agent     string // User-Agent

	OnDemand bool     // names that are asked for in a handshake may get a certificate
	Suffixes []string // those that end so; empty: Ask decides alone
	Ask      string   // a URL that answers 200 for a name that may, with ?domain=NAME; empty: Suffixes decide alone
	// Routed reports whether requests for a host lead anywhere: for no other is there an order.
	Routed func(host string) bool

	Stapler *Stapler // nil for none

	Told func(*Happening)
	Log  *slog.Logger // for what is wrong here and not with a name; nil for none
}

// Happening is something that came of a name: a certificate, or why there is none.
type Happening struct {
	Name     string
	Renewed  bool     // there was one before
	Failure  *Failure // nil where a certificate was obtained
	NotAfter time.Time
}

// ACME obtains certificates from an authority (RFC 8555), keeps them, and renews them when the authority says (RFC 9773), or in the last
// third of their time. Nothing is obtained for a name that Manage was not given, except on demand.
//
// Each try is our own: certmagic is asked to do it once, so that it is known why it failed and when the next one comes.
type ACME struct {
	options ACMEOptions
	storage storage
	magic   *certmagic.Config
	cache   *certmagic.Cache // certmagic wants one; it stays empty
	client  *acmez.Client
	ask     *http.Client

	shown  atomic.Pointer[shelf] // what handshakes are served with
	turns  chan struct{}         // triesAtOnce
	asks   chan struct{}         // askedAtOnce
	looks  chan struct{}         // looksAtOnce, for promises
	reads  chan struct{}         // looksAtOnce, for handshakes
	wake   chan struct{}         // something may be due
	held   chan struct{}         // a certificate is there that the authority was not asked about
	ctx    context.Context       // ends with Close
	stop   context.CancelFunc
	begins context.Context // ends with Quiet
	quiet  context.CancelFunc
	wait   sync.WaitGroup

	solving challenges

	mu      sync.Mutex // guards the fields below
	names   map[string]*managed
	denied  map[string]time.Time // names that may have none, and until when that holds
	refused map[string]refusal   // names that came on demand, and whose orders failed
	came    []time.Time          // when the last newMax names came on demand
	demands int                  // tries under way for names that came on demand
	silence silence
}

// managed is a name and how far it is. ACME.mu guards it.
type managed struct {
	name     string
	demand   bool          // it came in a handshake
	used     *atomic.Int64 // when it was asked for last, in seconds since 1970; nothing guards it
	cert     *tls.Certificate
	window   acme.RenewalInfo
	ask      time.Time // when the authority is asked when to renew
	due      time.Time // when something is to be done next
	renew    time.Time // when the certificate is renewed; zero without one
	revoked  time.Time // when it was found that the certificate was revoked; zero for one that is good as far as is known
	replaced time.Time // when another took the place of one that was; zero for never
	asked    *renewal  // somebody wants it renewed now, and no try has begun since; else nil
	failed   int       // tries in a row
	failure  *Failure  // why the last try failed
	tried    time.Time // when the last try ended; zero if none has
	working  bool
	asks     bool          // the try under way has asked the authority, or could not read the storage: what came of that concerns all names
	missed   time.Time     // when nothing was found that another gateway had promised for it
	finished chan struct{} // closed when the try under way, or the next one, has ended
}

// NewACME makes an ACME that does nothing before Manage. The error says what of its options cannot be used.
func NewACME(o ACMEOptions) (*ACME, error) {
	if o.Directory == "" {
		o.Directory = LetsEncrypt
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 2
	if o.CA != "" {
		pool, err := LoadPool(o.CA)
		if err != nil {
			return nil, err
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	storage, err := openStorage(o.Storage)
	if err != nil {
		return nil, err
	}
	a := &ACME{
		options: o, storage: storage, names: map[string]*managed{}, denied: map[string]time.Time{}, refused: map[string]refusal{},
		turns: make(chan struct{}, triesAtOnce), asks: make(chan struct{}, askedAtOnce), looks: make(chan struct{}, looksAtOnce), reads: make(chan struct{}, looksAtOnce), wake: make(chan struct{}, 1), held: make(chan struct{}, 1),
		ask: &http.Client{Timeout: askTime, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
	a.solving.byName, a.solving.byToken = map[string]*tls.Certificate{}, map[string]string{}
	a.shown.Store(&shelf{byName: map[string][]*tls.Certificate{}})
	a.ctx, a.stop = context.WithCancel(context.Background())
	a.begins, a.quiet = context.WithCancel(a.ctx)
	a.client = &acmez.Client{
		Client: &acme.Client{
			Directory: o.Directory, UserAgent: o.Agent, PollTimeout: pollTime,
			HTTPClient: &http.Client{Transport: transport, Timeout: 30 * time.Second},
		},
		ChallengeSolvers: map[string]acmez.Solver{o.Challenge: a.solver()},
	}
	a.useMagic()
	a.wait.Go(a.run)     // ends with begins
	a.wait.Go(a.inquire) // ends with begins
	return a, nil
}

// Quiet has nothing new begin: challenges may lead to another process now. What is under way goes on.
func (a *ACME) Quiet() { a.quiet() }

// Close ends what is under way, and waits for it: some seconds, where a DNS command takes a record out.
func (a *ACME) Close() {
	a.stop()
	a.wait.Wait()
	a.options.Stapler.use(a, nil, nil)
	a.cache.Stop()
	a.storage.close()
	a.client.HTTPClient.CloseIdleConnections()
	a.ask.CloseIdleConnections()
}

// Manage makes these the names that certificates are kept for. Those that were there before go on as they are; those that came on demand
// stay while requests for them lead anywhere. What the storage has for new ones is shown when Manage returns; nobody is asked before.
func (a *ACME) Manage(names []string) {
	want := map[string]*tls.Certificate{}
	for _, name := range names {
		want[strings.ToLower(name)] = nil
	}
	a.mu.Lock()
	var others []string
	for name := range want {
		if a.names[name] == nil {
			others = append(others, name)
		}
	}
	a.mu.Unlock()
	for _, name := range others {
		cert, err := a.valid(a.ctx, name)
		if want[name] = cert; errors.Is(err, context.DeadlineExceeded) {
			break // the storage is silent: whoever waits for us must not wait for it once more for each name
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for name, cert := range want {
		if m := a.names[name]; m != nil {
			m.demand = false
		} else {
			a.add(name, cert)
		}
	}
	for name, m := range a.names {
		if _, wanted := want[name]; !wanted && (!m.demand || !a.options.Routed(name)) {
			a.remove(m)
		}
	}
	a.arrange()
	a.nudge()
}

// valid is what the storage has for a name and is good now, nil if there is nothing. Where it is damaged a try sees to it. The error says why
// there is nothing.
func (a *ACME) valid(ctx context.Context, name string) (*tls.Certificate, error) {
	cert, err := a.stored(ctx, name)
	if err != nil || time.Now().After(cert.Leaf.NotAfter) {
		return nil, err
	}
	return cert, nil
}

// add takes a name up, with its certificate, nil if there is none yet. a.mu is held.
func (a *ACME) add(name string, cert *tls.Certificate) *managed {
	now := time.Now()
	m := &managed{name: name, used: &atomic.Int64{}, due: now, finished: make(chan struct{})}
	m.used.Store(now.Unix())
	a.names[name] = m
	if cert != nil {
		m.hold(cert, now)
		signal(a.held)
	}
	return m
}

// remove gives a name up. a.mu is held.
func (a *ACME) remove(m *managed) {
	delete(a.names, m.name)
	m.asked.end(fmt.Errorf("%s: %w", m.name, ErrUnknownName))
	m.asked = nil
	if !m.working {
		close(m.finished)
	}
}

// arrange puts what there is on a new shelf. a.mu is held.
func (a *ACME) arrange() {
	next := &shelf{byName: map[string][]*tls.Certificate{}, used: map[string]*atomic.Int64{}}
	names := make([]string, 0, len(a.names))
	for name := range a.names {
		names = append(names, name)
	}
	slices.Sort(names)
	var all []*tls.Certificate
	for _, name := range names {
		m := a.names[name]
		if m.cert != nil {
			next.put(m.cert)
			all = append(all, m.cert)
		}
		if m.demand {
			next.used[name] = m.used
		}
	}
	a.options.Stapler.use(a, a.storage, all)
	a.shown.Store(next)
}

// nudge makes run look what is due.
func (a *ACME) nudge() { signal(a.wake) }

// signal wakes who waits for a channel of one place.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// lookMost is how long run rests at most: a machine that slept, or whose clock was set, must notice.
const lookMost = time.Minute

// run starts what is due.
func (a *ACME) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-a.begins.Done():
			return
		case <-a.wake:
		case <-timer.C:
		}
		timer.Reset(a.start(time.Now()))
	}
}

// start begins a try for each name that is due, as far as there is a turn, and says when to look again. One turn is left to the names that
// are configured, whatever is asked for.
func (a *ACME) start(now time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.begins.Err() != nil {
		return lookMost
	}
	a.forget(now)
	rest := lookMost
	for _, m := range a.names {
		if m.working {
			continue
		}
		if left := m.due.Sub(now); left > 0 {
			rest = min(rest, left)
			continue
		}
		if a.holdsBack(m, now) {
			if left := m.due.Sub(now); left > 0 {
				rest = min(rest, left)
			}
			continue
		}
		if m.demand && a.demands >= triesAtOnce-1 {
			continue // whoever ends nudges
		}
		select {
		case a.turns <- struct{}{}:
		default: // whoever ends nudges
			return lookMost
		}
		m.working = true
		if a.silence.failed > 0 && a.silence.prober == nil {
			a.silence.prober = m
		}
		demands := 0
		if m.demand {
			demands = 1
		}
		a.demands += demands
		a.wait.Go(func() { // ends with a.ctx, or after tryTime
			a.try(m)
			a.mu.Lock()
			a.demands -= demands
			a.mu.Unlock()
			<-a.turns
			a.nudge()
		})
	}
	return rest
}

// errLeaves is that a name is no longer one that certificates are obtained for.
var errLeaves = errors.New("it is given up")

// try does what is due for a name, and writes down what came of it.
func (a *ACME) try(m *managed) {
	ctx, cancel := context.WithTimeout(a.ctx, tryTime)
	defer cancel()
	a.mu.Lock()
	had, asked := m.cert, m.asked
	m.asked = nil
	due := had != nil && !time.Now().Before(m.renew)
	a.mu.Unlock()
	cert, err := a.loaded(ctx, m.name)
	var order func() error
	switch {
	case err != nil && !errors.Is(err, errNoCertificate):
		a.mu.Lock()
		m.asks = true
		a.mu.Unlock()
	case cert == nil:
		order = func() error { return a.magic.ObtainCertSync(ctx, m.name) }
	case asked != nil && had != nil && !same(had, cert) && !cert.Leaf.NotAfter.Before(had.Leaf.NotAfter): // another gateway has renewed it
	case asked != nil, had != nil && same(had, cert) && due, (had == nil || !same(had, cert)) && time.Now().After(renewalOf(cert.Leaf)): // else another gateway has renewed it
		ctx := context.WithValue(ctx, replacing{}, cert.Leaf)
		order = func() error { return a.magic.RenewCertSync(ctx, m.name, true) }
	}
	if order != nil {
		if err = a.mayOrder(ctx, m, had != nil); err == nil {
			a.mu.Lock()
			m.asks = true
			a.mu.Unlock()
			if err = order(); errors.Is(err, errRenewed) {
				err = nil
			}
		}
		if err == nil {
			cert, err = a.loaded(ctx, m.name)
		}
	}
	if a.ctx.Err() != nil {
		return // it is us who leave
	}
	a.ended(m, cert, asked, err)
}

// ended writes down how a try ended, and tells of it. asked is who wanted it, nil for nobody. Whoever waits for the try is told when handshakes
// are served with what came of it, not before: the shelf has no lock.
func (a *ACME) ended(m *managed, cert *tls.Certificate, asked *renewal, err error) {
	now := time.Now()
	a.mu.Lock()
	h := &Happening{Name: m.name, Renewed: m.cert != nil}
	news := true
	m.working, m.tried = false, now
	finished := m.finished
	m.finished = make(chan struct{})
	var outcome error
	known := a.names[m.name] == m // another try may be for one that was given up, and taken up again
	switch {
	case errors.Is(err, errLeaves):
		news = false
		m.due = now // it may have been configured since
		if known && m.demand {
			a.remove(m)
			a.deny(m.name, now)
		}
		outcome = fmt.Errorf("%s: %w", m.name, ErrUnknownName)
	case err == nil:
		news = m.cert == nil || !same(m.cert, cert)
		m.failed, m.failure = 0, nil
		delete(a.refused, m.name)
	default:
		m.failure = a.failureOf(m.name, err)
		m.failure.At = now
		m.due = now.Add(pause(m.failed, m.failure))
		m.failure.Next = m.due
		m.failed++
		h.Failure = m.failure
		outcome = m.failure
	}
	a.heard(m, err, now)
	if cert != nil && (m.cert == nil || err == nil || !same(m.cert, cert)) {
		m.hold(cert, now)
		signal(a.held)
	}
	if m.cert != nil {
		h.NotAfter = m.cert.Leaf.NotAfter
	}
	if known && m.demand && m.cert == nil && m.failure != nil { // a name that nobody vouches for is not tried again by itself
		a.remove(m)
		a.refuse(m)
	}
	if m.asked != nil { // while this try was under way
		m.due = now
	}
	a.arrange()
	close(finished)
	asked.end(outcome)
	a.mu.Unlock()
	if news {
		a.options.Told(h)
	}
}
