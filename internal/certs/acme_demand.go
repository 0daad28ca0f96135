package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// askTime bounds one question, to the one who decides about a name or to the authority when to renew.
const askTime = 3 * time.Second

// get is the certificate for a handshake, nil if there is none. Where one is being obtained the handshake waits for it, handshakeWait at
// most; the order goes on behind. A hello without a connection is a look, and never waits.
func (a *ACME) get(hello *tls.ClientHelloInfo) *tls.Certificate {
	name := nameOf(hello)
	shown := a.shown.Load()
	if name == "" {
		return shown.first
	}
	c := shown.find(name, hello)
	if hello.Conn == nil {
		return c
	}
	if c != nil {
		if used := shown.used[name]; used != nil {
			used.Store(time.Now().Unix())
		}
		return c
	}
	finished := a.awaited(hello.Context(), name)
	if finished == nil {
		return nil
	}
	timer := time.NewTimer(handshakeWait)
	defer timer.Stop()
	select {
	case <-finished:
	case <-timer.C:
	case <-hello.Context().Done():
	}
	return a.shown.Load().find(name, hello)
}

// awaited is closed when the try for a name has ended; nil if nothing is to come of it now. A name that is not known is taken up if it may
// be.
func (a *ACME) awaited(ctx context.Context, name string) <-chan struct{} {
	a.mu.Lock()
	m := a.names[name]
	if m == nil {
		if dot := strings.IndexByte(name, '.'); dot > 0 {
			m = a.names["*"+name[dot:]]
		}
	}
	if m != nil {
		defer a.mu.Unlock()
		if !m.working && (!m.tried.IsZero() || m.failure != nil || m.cert != nil || a.begins.Err() != nil) {
			return nil // it failed, or the authority does not answer, and is tried again later
		}
		return m.finished
	}
	now := time.Now()
	denied := now.Before(a.denied[name]) || now.Before(a.refused[name].until)
	a.mu.Unlock()
	if !a.options.OnDemand || denied || a.begins.Err() != nil || !a.mayHave(ctx, name) {
		return nil
	}
	ctx, end, mine := turnToLook(ctx, a.reads)
	defer end()
	if !mine {
		return nil
	}
	cert, err := a.valid(ctx, name)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return nil
	}
	return a.demanded(name, cert)
}

// demanded takes up a name that may have a certificate, with the one that the storage has, nil if it has none. What is stored already costs
// the authority nothing, and is not counted. The channel is closed when there is something to show; it is nil if the name must wait.
func (a *ACME) demanded(name string, cert *tls.Certificate) <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if m := a.names[name]; m != nil { // somebody else was faster
		if m.cert != nil {
			return over()
		}
		return m.finished
	}
	n := 0
	for _, m := range a.names {
		if m.demand {
			n++
		}
	}
	if n >= demandedMax || !a.options.Routed(name) { // it was when it was decided, and that may be a while ago
		return nil
	}
	if cert == nil {
		now := time.Now()
		for len(a.came) > 0 && now.Sub(a.came[0]) > newEach {
			a.came = a.came[1:]
		}
		if len(a.came) >= newMax {
			return nil
		}
		a.came = append(a.came, now)
	}
	m := a.add(name, cert)
	m.demand, m.failed = true, a.refused[name].failed
	a.nudge()
	if cert == nil {
		return m.finished
	}
	a.arrange()
	return over()
}

// over is of something that has ended.
func over() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// askError is that whoever decides about names on demand could not be asked.
type askError struct {
	url string
	err error
}

func (e *askError) Error() string { return e.url + " could not be asked: " + e.err.Error() }

// mayOrder reports whether a name is still one to order a certificate for; errLeaves if it is not. Of one that came on demand, and is to be
// renewed, whoever decides is asked again.
func (a *ACME) mayOrder(ctx context.Context, m *managed, renew bool) error {
	a.mu.Lock()
	known, demand := a.names[m.name] == m, m.demand
	a.mu.Unlock()
	if !known || demand && !a.options.Routed(m.name) {
		return errLeaves
	}
	if !demand || !renew || a.options.Ask == "" {
		return nil
	}
	yes, err := a.decided(ctx, m.name)
	switch {
	case err != nil:
		return &askError{a.options.Ask, err}
	case !yes:
		return errLeaves
	}
	return nil
}

// refusal is what is remembered of a name that came on demand, and whose orders failed.
type refusal struct {
	until  time.Time // it is not ordered before
	failed int       // tries in a row
}

// Bounds of what is remembered of failed orders.
const (
	refusedMax  = 10_000
	refusedKeep = 24 * time.Hour // after the name could be ordered again
)

// refuse remembers that orders for a name failed. Where there are too many the one that could be ordered first is forgotten. a.mu is held.
func (a *ACME) refuse(m *managed) {
	if _, known := a.refused[m.name]; !known && len(a.refused) >= refusedMax {
		first := ""
		for name, r := range a.refused {
			if first == "" || r.until.Before(a.refused[first].until) {
				first = name
			}
		}
		delete(a.refused, first)
	}
	a.refused[m.name] = refusal{m.due, m.failed}
}

// deny remembers for a minute that a name may have no certificate. a.mu is held.
func (a *ACME) deny(name string, now time.Time) {
	if len(a.denied) < deniedMax {
		a.denied[name] = now.Add(time.Minute)
	}
}

// forget drops what is remembered no longer, and the names that came on demand and are asked for no more. a.mu is held.
func (a *ACME) forget(now time.Time) {
	for name, until := range a.denied {
		if now.After(until) {
			delete(a.denied, name)
		}
	}
	for name, r := range a.refused {
		if now.Sub(r.until) > refusedKeep {
			delete(a.refused, name)
		}
	}
	gone := false
	for _, m := range a.names {
		if m.demand && !m.working && now.Sub(time.Unix(m.used.Load(), 0)) > unusedMax {
			a.remove(m)
			gone = true
		}
	}
	if gone {
		a.arrange()
	}
}

// deniedMax bounds how many names it is remembered of that they may have no certificate.
const deniedMax = 10_000

// mayHave decides whether a name that was asked for in a handshake gets a certificate. Nothing is read or ordered before.
func (a *ACME) mayHave(ctx context.Context, name string) bool {
	o := &a.options
	if !publicName(name) || !o.Routed(name) || !suffixed(name, o.Suffixes) {
		return false
	}
	if o.Ask == "" {
		return len(o.Suffixes) > 0
	}
	select {
	case a.asks <- struct{}{}:
		defer func() { <-a.asks }()
	default:
		return false
	}
	yes, err := a.decided(ctx, name)
	if err != nil {
		a.log("it could not be asked whether a name may have a certificate", "name", name, "ask", o.Ask, "error", err)
		return false
	}
	if !yes {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.deny(name, time.Now())
	}
	return yes
}

// decided asks whoever decides: 200 is yes, every other status no.
func (a *ACME) decided(ctx context.Context, name string) (bool, error) {
	u, err := url.Parse(a.options.Ask)
	if err != nil {
		return false, errors.New("the URL cannot be read")
	}
	q := u.Query()
	q.Set("domain", name)
	u.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return false, err
	}
	res, err := a.ask.Do(req)
	if err != nil {
		return false, err
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, 4<<10)
	return res.StatusCode == http.StatusOK, nil
}

// suffixed reports whether a name is one of the suffixes, or below one. Without any, every name is.
func suffixed(name string, suffixes []string) bool {
	for _, s := range suffixes {
		s = strings.TrimPrefix(strings.TrimPrefix(s, "*"), ".")
		if name == s || strings.HasSuffix(name, "."+s) {
			return true
		}
	}
	return len(suffixes) == 0
}

// publicName reports whether an authority could give a certificate for the name: two labels or more of letters, digits and hyphens, and no
// address.
func publicName(name string) bool {
	if len(name) > 253 || strings.IndexByte(name, '.') < 0 {
		return false
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}
