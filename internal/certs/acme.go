package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
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
	demandedMax   = 10_000 // names that came on demand, over all
	pollTime      = 90 * time.Second
)

// ACMEOptions are what an ACME works by. They do not change; the names do.
type ACMEOptions struct {
	Directory string // URL; empty: LetsEncrypt
	Email     string
	CA        string // a PEM file of the authorities to trust for the directory; empty: the system's
	Challenge string // ChallengeTLS, ChallengeHTTP or ChallengeDNS
	DNS       []string
	Storage   string // a directory, made where it is not there
	Agent     string // User-Agent

	OnDemand bool     // names that are asked for in a handshake may get a certificate
	Suffixes []string // those that end so; empty: Ask decides alone
	Ask      string   // a URL that answers 200 for a name that may, with ?domain=NAME; empty: Suffixes decide alone
	// Routed reports whether requests for a host lead anywhere: for no other is there an order.
	Routed func(host string) bool

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
	storage *files
	magic   *certmagic.Config
	cache   *certmagic.Cache // certmagic wants one; it stays empty
	client  *acmez.Client
	ask     *http.Client

	shown atomic.Pointer[shelf] // what handshakes are served with
	turns chan struct{}         // triesAtOnce
	asks  chan struct{}         // askedAtOnce
	wake  chan struct{}
	ctx   context.Context // ends with Close
	stop  context.CancelFunc
	wait  sync.WaitGroup

	solving challenges

	mu     sync.Mutex // guards the fields below
	names  map[string]*managed
	denied map[string]time.Time // names that may have none, and until when that holds
	came   []time.Time          // when the last newMax names came on demand
}

// managed is a name and how far it is. ACME.mu guards it.
type managed struct {
	name     string
	demand   bool // it came in a handshake
	cert     *tls.Certificate
	window   acme.RenewalInfo
	due      time.Time // when something is to be done next
	renew    time.Time // when the certificate is renewed; zero without one
	force    bool      // it is renewed now
	failed   int       // tries in a row
	failure  *Failure  // why the last try failed
	tried    bool      // once at least
	working  bool
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
	storage, err := openFiles(o.Storage)
	if err != nil {
		return nil, err
	}
	a := &ACME{
		options: o, storage: storage, names: map[string]*managed{}, denied: map[string]time.Time{},
		turns: make(chan struct{}, triesAtOnce), asks: make(chan struct{}, askedAtOnce), wake: make(chan struct{}, 1),
		ask: &http.Client{Timeout: askTime, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
	a.solving.byName, a.solving.byToken = map[string]*tls.Certificate{}, map[string]string{}
	a.shown.Store(&shelf{byName: map[string][]*tls.Certificate{}})
	a.ctx, a.stop = context.WithCancel(context.Background())
	a.client = &acmez.Client{
		Client: &acme.Client{
			Directory: o.Directory, UserAgent: o.Agent, PollTimeout: pollTime,
			HTTPClient: &http.Client{Transport: transport, Timeout: 30 * time.Second},
		},
		ChallengeSolvers: map[string]acmez.Solver{o.Challenge: a.solver()},
	}
	a.useMagic()
	a.wait.Go(a.run) // ends with ctx
	return a, nil
}

// Close ends what is under way, and waits for it.
func (a *ACME) Close() {
	a.stop()
	a.wait.Wait()
	a.cache.Stop()
	a.client.HTTPClient.CloseIdleConnections()
	a.ask.CloseIdleConnections()
}

// Manage makes these the names that certificates are kept for. Those that were there before go on as they are; those that came on demand
// stay while requests for them lead anywhere.
func (a *ACME) Manage(names []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	want := map[string]bool{}
	for _, name := range names {
		name = strings.ToLower(name)
		want[name] = true
		if m := a.names[name]; m != nil {
			m.demand = false
			continue
		}
		a.add(name, false)
	}
	for name, m := range a.names {
		if !want[name] && (!m.demand || !a.options.Routed(name)) {
			delete(a.names, name)
		}
	}
	a.arrange()
	a.nudge()
}

// add takes a name up. a.mu is held.
func (a *ACME) add(name string, demand bool) *managed {
	m := &managed{name: name, demand: demand, due: time.Now(), finished: make(chan struct{})}
	a.names[name] = m
	return m
}

// arrange puts what there is on a new shelf. a.mu is held.
func (a *ACME) arrange() {
	next := &shelf{byName: map[string][]*tls.Certificate{}}
	names := make([]string, 0, len(a.names))
	for name := range a.names {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if c := a.names[name].cert; c != nil {
			next.put(c)
		}
	}
	a.shown.Store(next)
}

// nudge makes run look what is due.
func (a *ACME) nudge() {
	select {
	case a.wake <- struct{}{}:
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
		case <-a.ctx.Done():
			return
		case <-a.wake:
		case <-timer.C:
		}
		timer.Reset(a.start(time.Now()))
	}
}

// start begins a try for each name that is due, as far as there is a turn, and says when to look again.
func (a *ACME) start(now time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	rest := lookMost
	for _, m := range a.names {
		if m.working {
			continue
		}
		if left := m.due.Sub(now); left > 0 {
			rest = min(rest, left)
			continue
		}
		select {
		case a.turns <- struct{}{}:
			m.working = true
			a.wait.Go(func() { // ends with a.ctx, or after tryTime
				a.try(m)
				<-a.turns
				a.nudge()
			})
		default: // whoever ends nudges
			return lookMost
		}
	}
	for name, until := range a.denied {
		if now.After(until) {
			delete(a.denied, name)
		}
	}
	return rest
}

// try does what is due for a name, and writes down what came of it.
func (a *ACME) try(m *managed) {
	ctx, cancel := context.WithTimeout(a.ctx, tryTime)
	defer cancel()
	a.mu.Lock()
	had, force := m.cert, m.force
	due := had != nil && !time.Now().Before(m.renew)
	a.mu.Unlock()
	cert, err := a.loaded(ctx, m.name)
	switch {
	case err != nil && !errors.Is(err, errNoCertificate):
	case cert == nil:
		if err = a.magic.ObtainCertSync(ctx, m.name); err == nil {
			cert, err = a.loaded(ctx, m.name)
		}
	case force, time.Now().After(renewalOf(cert.Leaf)), due && same(had, cert): // else another gateway has renewed it
		err = a.magic.RenewCertSync(context.WithValue(ctx, replacing{}, cert.Leaf), m.name, true)
		if err == nil {
			cert, err = a.loaded(ctx, m.name)
		}
	}
	var window acme.RenewalInfo
	if err == nil {
		window = a.renewalInfo(ctx, cert.Leaf)
	}
	if a.ctx.Err() != nil {
		return // it is us who leave
	}
	a.ended(m, cert, window, err)
}

// ended writes down how a try ended, and tells of it.
func (a *ACME) ended(m *managed, cert *tls.Certificate, window acme.RenewalInfo, err error) {
	now := time.Now()
	a.mu.Lock()
	h := &Happening{Name: m.name, Renewed: m.cert != nil}
	news := true
	m.working, m.tried = false, true
	if cert != nil {
		news = m.cert == nil || !same(m.cert, cert)
		m.cert = cert
		m.renew = renewalOf(cert.Leaf)
		h.NotAfter = cert.Leaf.NotAfter
	}
	if err == nil {
		m.force, m.failed, m.failure, m.window = false, 0, nil, window
		m.schedule(now)
	} else {
		m.force = false
		m.failure = a.failureOf(m.name, err)
		m.failure.At = now
		m.due = now.Add(pause(m.failed, m.failure))
		m.failure.Next = m.due
		m.failed++
		h.Failure, news = m.failure, true
	}
	close(m.finished)
	m.finished = make(chan struct{})
	if m.demand && m.cert == nil {
		delete(a.names, m.name) // a name that nobody vouches for is not tried again by itself
		a.denied[m.name] = m.due
	}
	a.arrange()
	a.mu.Unlock()
	if news {
		a.options.Told(h)
	}
}

// schedule sets when the certificate is renewed, and when the authority is asked again for when that is. a.mu is held.
func (m *managed) schedule(now time.Time) {
	if at := m.window.SelectedTime; !at.IsZero() && at.Before(m.cert.Leaf.NotAfter) {
		m.renew = at
	}
	m.due = m.renew
	ask := now.Add(windowEvery)
	if m.window.RetryAfter != nil {
		ask = *m.window.RetryAfter
	}
	if ask.Before(m.due) {
		m.due = ask
	}
	if least := now.Add(time.Minute); m.due.Before(least) { // whatever an authority says, it is asked no more often
		m.due = least
	}
}

// windowEvery is how often an authority is asked when to renew, where it does not say (RFC 9773, section 4.3.3).
const windowEvery = 6 * time.Hour

// renewalOf is when a certificate is renewed where the authority does not say: when a third of its time is left, a little of it by chance
// earlier, the same each time.
func renewalOf(leaf *x509.Certificate) time.Time {
	life := leaf.NotAfter.Sub(leaf.NotBefore)
	spread := time.Duration(leaf.SerialNumber.Uint64()%1000) * (life / 30_000)
	return leaf.NotAfter.Add(-life/3 - spread)
}

// The times between two tries, the first after the first failure. What an authority refused is counted by it (Let's Encrypt: five in an
// hour); one that could not be asked is asked again soon.
var (
	pausesRefused = [...]time.Duration{time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour}
	pausesUnheard = [...]time.Duration{2 * time.Second, 10 * time.Second, 30 * time.Second, 2 * time.Minute, 5 * time.Minute}
)

// pause is how long to wait after so many failures before this one: less or more by a fifth.
func pause(failed int, f *Failure) time.Duration {
	list := pausesRefused[:]
	switch f.Problem {
	case "", "badNonce", "serverInternal": // the name was not judged
		list = pausesUnheard[:]
	}
	d := list[min(failed, len(list)-1)]
	if f.Problem == "rateLimited" {
		d = max(d, time.Hour)
	}
	return d + time.Duration((rand.Float64()-0.5)*0.4*float64(d))
}

// CertificateStatus is how a name stands.
type CertificateStatus struct {
	Name      string
	Issuer    string // of the certificate; empty without one
	NotAfter  time.Time
	Renewal   time.Time // when it is renewed, or tried again after a failure
	OnDemand  bool
	UnderWay  bool
	Failure   *Failure // why the last try failed, nil if it did not
	NotBefore time.Time
}

// Status is how each name stands, in order.
func (a *ACME) Status() []CertificateStatus {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []CertificateStatus
	for _, m := range a.names {
		s := CertificateStatus{Name: m.name, OnDemand: m.demand, UnderWay: m.working, Failure: m.failure, Renewal: m.renew}
		if m.cert != nil {
			s.Issuer, s.NotAfter, s.NotBefore = m.cert.Leaf.Issuer.String(), m.cert.Leaf.NotAfter, m.cert.Leaf.NotBefore
		}
		if m.failure != nil {
			s.Renewal = m.failure.Next
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b CertificateStatus) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// ErrUnknownName is that no certificate is kept for a name.
var ErrUnknownName = errors.New("no certificate is kept for that name")

// Renew obtains the certificate of a name anew, and waits for it. The error is a *Failure, ErrUnknownName or the context's.
func (a *ACME) Renew(ctx context.Context, name string) error {
	name = strings.ToLower(name)
	a.mu.Lock()
	m := a.names[name]
	if m == nil {
		a.mu.Unlock()
		return fmt.Errorf("%s: %w", name, ErrUnknownName)
	}
	m.force, m.due = m.cert != nil, time.Now()
	finished := m.finished
	a.mu.Unlock()
	a.nudge()
	select {
	case <-finished:
	case <-ctx.Done():
		return ctx.Err()
	case <-a.ctx.Done():
		return context.Canceled
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if m.failure != nil {
		return m.failure
	}
	return nil
}
