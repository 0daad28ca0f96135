package certs

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// Bounds of what is done for OCSP responses (RFC 6960).
const (
	staplesMax      = 20_000           // certificates that responses are kept for
	staplesAtOnce   = 8                // responders that are asked at once
	stapleRest      = time.Minute      // how long run rests at most: a machine that slept must notice
	stapleSoonest   = 5 * time.Minute  // between two responses for a certificate
	stapleUnbounded = 24 * time.Hour   // how long a response holds that says nothing of it
	stapleStoreTime = 5 * time.Second  // for reading or writing a stored response
	stapleAskTime   = 10 * time.Second // for one responder's answer
)

// pausesStaple are the times between two tries, the first after the first failure.
var pausesStaple = [...]time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour}

// StapleStatus is how the OCSP response for a certificate stands.
type StapleStatus struct {
	Responder  string
	MustStaple bool // the certificate asks clients to want a response: RFC 7633
	Until      time.Time
	// Err is why the last try brought nothing to show: a *RevokedError, or what was wrong with the responder or its answer. Revoked it
	// stays until a responder says otherwise.
	Err  error
	Next time.Time // when it is asked again
}

// Holds reports whether clients are shown a response.
func (s *StapleStatus) Holds(now time.Time) bool { return now.Before(s.Until) }

// Stapled is something that came of a certificate's response: it cannot be had, or can again.
type Stapled struct {
	Leaf *x509.Certificate
	StapleStatus
}

// Stapler gets responses from the authorities' OCSP responders that say that certificates are not revoked, keeps them, and has them shown
// in handshakes (RFC 6066, section 8). Nothing waits for it: a certificate is shown without a response until there is one.
type Stapler struct {
	dir    string // where responses for certificates from files are kept; empty: nowhere
	told   func(*Stapled)
	log    *slog.Logger
	client *http.Client
	shown  sync.Map // *tls.Certificate to *stapledPair; what handshakes look at
	turns  chan struct{}
	wake   chan struct{}
	ctx    context.Context
	stop   context.CancelFunc
	wait   sync.WaitGroup

	mu    sync.Mutex // guards the fields below
	files storage    // below dir, nil until it is needed
	uses  map[any]map[*tls.Certificate]struct{}
	all   map[string]*staple // by the hash of the leaf
}

// stapledPair is a certificate with a response, and until when that holds.
type stapledPair struct {
	cert  *tls.Certificate
	until time.Time
}

// staple is a certificate whose authority has a responder. Stapler.mu guards it, except what does not change.
type staple struct {
	key        string // in the storage; does not change, as the next two lines
	leaf       *x509.Certificate
	responders []string

	issuer  *x509.Certificate        // nil while no pair has it in its chain
	store   storage                  // nil: nowhere
	pairs   map[*tls.Certificate]int // by how many owners each is used
	raw     []byte                   // the response that is shown, nil if there is none
	status  StapleStatus
	due     time.Time
	failed  int       // tries in a row
	toldAt  time.Time // when a failure was told of last; zero if none has been since the last success
	working bool
	read    bool // the storage was looked at
}

// NewStapler makes a Stapler that works until Close. dir is where responses for certificates from files are kept, made when it is needed;
// empty: nowhere. told is called from several goroutines.
func NewStapler(dir string, told func(*Stapled), log *slog.Logger) *Stapler {
	s := &Stapler{
		dir: dir, told: told, log: log, client: responderClient(), turns: make(chan struct{}, staplesAtOnce), wake: make(chan struct{}, 1),
		uses: map[any]map[*tls.Certificate]struct{}{}, all: map[string]*staple{},
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.wait.Go(s.run) // ends with Close
	return s
}

// Close ends what is under way, and waits for it.
func (s *Stapler) Close() {
	s.stop()
	s.wait.Wait()
	s.client.CloseIdleConnections()
}

// With is a certificate as clients are shown it: with a response, if there is one. A nil *Stapler has none.
//
// hot: once per handshake.
func (s *Stapler) With(cert *tls.Certificate) *tls.Certificate {
	if s == nil || cert == nil {
		return cert
	}
	if v, found := s.shown.Load(cert); found {
		if p := v.(*stapledPair); time.Now().Before(p.until) {
			return p.cert
		}
	}
	return cert
}

// Status says how the response for a certificate stands, and reports whether one is wanted.
func (s *Stapler) Status(leaf *x509.Certificate) (StapleStatus, bool) {
	if s == nil || leaf == nil {
		return StapleStatus{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.all[stapleKey(leaf)]
	if e == nil {
		return StapleStatus{}, false
	}
	return e.status, true
}

// use makes these the certificates that an owner shows, in place of those before; nil once it shows none. Responses are kept in
// store, where it is not nil. What is stored for a certificate that another took the place of is removed.
func (s *Stapler) use(owner any, store storage, certs []*tls.Certificate) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	before, now := s.uses[owner], map[*tls.Certificate]struct{}{}
	for _, cert := range certs {
		if !staplable(cert.Leaf) {
			continue
		}
		if _, known := before[cert]; !known && !s.add(store, cert) {
			continue
		}
		now[cert] = struct{}{}
	}
	for cert := range before {
		if _, stays := now[cert]; !stays {
			s.leave(cert, len(certs) > 0)
		}
	}
	if s.uses[owner] = now; len(now) == 0 {
		delete(s.uses, owner)
	}
	signal(s.wake)
}

// add takes a certificate up, and reports whether there was room. s.mu is held.
func (s *Stapler) add(store storage, cert *tls.Certificate) bool {
	key := stapleKey(cert.Leaf)
	e := s.all[key]
	if e == nil {
		if len(s.all) >= staplesMax {
			return false
		}
		e = &staple{key: "ocsp/" + key, leaf: cert.Leaf, pairs: map[*tls.Certificate]int{}, due: time.Now()}
		e.status.MustStaple = mustStaple(cert.Leaf)
		e.responders = respondersOf(cert.Leaf)
		if len(e.responders) > 0 {
			e.status.Responder = e.responders[0]
		}
		s.all[key] = e
	}
	if e.issuer == nil { // another file may have it, or the same one by now
		if e.issuer = issuerOf(cert); e.issuer != nil {
			e.due, e.failed = time.Now(), 0
		}
	}
	if store != nil { // that of the owner before may be closed soon
		e.store = store
	} else if e.store == nil {
		e.store = s.ownFiles()
	}
	e.pairs[cert]++
	s.show(cert, e)
	return true
}

// show has handshakes show what there is for a certificate. s.mu is held.
func (s *Stapler) show(cert *tls.Certificate, e *staple) {
	if e.raw == nil {
		s.shown.Delete(cert)
		return
	}
	with := *cert
	with.OCSPStaple = e.raw
	s.shown.Store(cert, &stapledPair{&with, e.status.Until})
}

// leave gives one use of a certificate up; replaced says that its owner shows another. s.mu is held.
func (s *Stapler) leave(cert *tls.Certificate, replaced bool) {
	key := stapleKey(cert.Leaf)
	e := s.all[key]
	if e.pairs[cert]--; e.pairs[cert] > 0 {
		return
	}
	delete(e.pairs, cert)
	s.shown.Delete(cert)
	if len(e.pairs) > 0 {
		return
	}
	delete(s.all, key)
	if replaced && e.raw != nil {
		s.wait.Go(func() { s.forget(e.store, e.key) }) // ends after stapleStoreTime
	}
}

// forget removes a response from a storage. What stays is small, and checked before it is used.
func (s *Stapler) forget(store storage, key string) {
	if store == nil {
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, stapleStoreTime)
	defer cancel()
	_ = store.Delete(ctx, key)
}

// ownFiles is where responses are kept for certificates from files, nil for nowhere. s.mu is held.
func (s *Stapler) ownFiles() storage {
	if s.files == nil && s.dir != "" {
		made, err := openFiles(s.dir)
		if err != nil {
			s.log.Warn("OCSP responses are not kept over a restart", "error", err)
			s.dir = ""
			return nil
		}
		s.files = made
	}
	return s.files
}

// stapleKey names a certificate.
func stapleKey(leaf *x509.Certificate) string {
	sum := sha256.Sum256(leaf.Raw)
	return hex.EncodeToString(sum[:])
}

// run asks for what is due.
func (s *Stapler) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-s.wake:
		case <-timer.C:
		}
		timer.Reset(s.start(time.Now()))
	}
}

// start begins a try for each response that is due, as far as there is a turn, and says when to look again.
func (s *Stapler) start(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	rest := stapleRest
	for _, e := range s.all {
		if e.working {
			continue
		}
		if left := e.due.Sub(now); left > 0 {
			rest = min(rest, left)
			continue
		}
		select {
		case s.turns <- struct{}{}:
		default: // whoever ends signals
			return rest
		}
		e.working = true
		s.wait.Go(func() { // ends with s.ctx, or after the bounds above
			s.try(e)
			s.mu.Lock()
			e.working = false
			s.mu.Unlock()
			<-s.turns
			signal(s.wake)
		})
	}
	return rest
}

// try gets a response, from the storage the first time, and has it shown. One for a certificate is under way at most.
func (s *Stapler) try(e *staple) {
	s.mu.Lock()
	store, issuer := e.store, e.issuer
	first := !e.read && issuer != nil
	e.read = e.read || first
	s.mu.Unlock()
	if first {
		if kept := s.stored(store, e, issuer); kept != nil {
			s.came(e, kept, nil)
			if time.Now().Before(kept.refresh()) {
				return
			}
		}
	}
	answer, err := s.fetch(s.ctx, e, issuer)
	if s.ctx.Err() != nil {
		return
	}
	s.came(e, answer, err)
	var revoked *RevokedError
	switch {
	case err == nil:
		s.keep(store, e, answer)
	case errors.As(err, &revoked):
		s.forget(store, e.key)
	}
}

// came notes what a try brought.
func (s *Stapler) came(e *staple, answer *response, err error) {
	now := time.Now()
	var revoked *RevokedError
	s.mu.Lock()
	tell := false
	if err == nil {
		tell = !e.toldAt.IsZero()
		e.raw, e.failed, e.toldAt = answer.raw, 0, time.Time{}
		e.status.Until, e.status.Err = answer.until, nil
		e.due = laterOf(answer.refresh(), now.Add(stapleSoonest))
	} else {
		e.due = now.Add(pausesStaple[min(e.failed, len(pausesStaple)-1)])
		e.failed++
		known := errors.As(e.status.Err, &revoked)
		is := errors.As(err, &revoked)
		if is || !known { // who cannot be asked takes nothing back
			e.status.Err = err
		}
		if is || !e.status.Holds(now) {
			e.raw, e.status.Until = nil, time.Time{}
		}
		if tell = is && !known || now.Sub(e.toldAt) >= 24*time.Hour; tell {
			e.toldAt = now
		}
	}
	e.status.Next = e.due
	for cert := range e.pairs {
		s.show(cert, e)
	}
	news := &Stapled{e.leaf, e.status}
	tell = tell && len(e.pairs) > 0
	s.mu.Unlock()
	if tell {
		s.told(news)
	}
}

func laterOf(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// stored is the response that the storage has, nil if it has none that holds.
func (s *Stapler) stored(store storage, e *staple, issuer *x509.Certificate) *response {
	if store == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(s.ctx, stapleStoreTime)
	defer cancel()
	b, err := store.Load(ctx, e.key)
	if err != nil {
		return nil
	}
	answer, err := checkResponse(b, e.leaf, issuer, time.Now())
	if err != nil {
		return nil
	}
	return answer
}

// keep stores a response, if the certificate is used still.
func (s *Stapler) keep(store storage, e *staple, answer *response) {
	s.mu.Lock()
	used := len(e.pairs) > 0
	s.mu.Unlock()
	if store == nil || !used {
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, stapleStoreTime)
	defer cancel()
	if err := store.Store(ctx, e.key, answer.raw); err != nil && s.ctx.Err() == nil {
		s.log.Warn("an OCSP response cannot be kept over a restart", "certificate", e.leaf.Subject.String(), "error", err)
	}
}
