package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

// plan sets when the certificate is renewed, by what the authority said of it, else by its time. a.mu is held.
func (m *managed) plan() {
	m.renew = renewalOf(m.cert.Leaf)
	if at := m.window.SelectedTime; !at.IsZero() && at.Before(m.cert.Leaf.NotAfter) {
		m.renew = at
	}
	if !m.revoked.IsZero() {
		m.renew = laterOf(m.revoked, m.replaced.Add(replaceEvery))
	}
	if m.failed > 0 || m.asked != nil {
		return // the pause after the failure holds, or somebody waits for it to be renewed now
	}
	m.due = m.renew
	if least := m.tried.Add(time.Minute); m.due.Before(least) { // whatever an authority says, it is asked no more often
		m.due = least
	}
}

// hold makes a certificate the one of a name, about which the authority has said nothing yet. a.mu is held.
func (m *managed) hold(cert *tls.Certificate, now time.Time) {
	if m.cert == nil || !same(m.cert, cert) {
		if !m.revoked.IsZero() {
			m.replaced = now
		}
		m.revoked = time.Time{}
	}
	m.cert, m.window, m.ask = cert, acme.RenewalInfo{}, now
	if m.failed == 0 { // it waited for the authority, and another gateway was faster
		m.failure = nil
	}
	m.plan()
}

// windowEvery is how often an authority is asked when to renew, where it does not say (RFC 9773, section 4.3.3).
const windowEvery = 6 * time.Hour

// inquire asks the authority when certificates should be renewed, one after the other: nothing waits for the answers.
func (a *ACME) inquire() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-a.begins.Done():
			return
		case <-a.held:
		case <-timer.C:
		}
		a.lookForRevoked(time.Now())
		for a.inquireNext(time.Now()) {
		}
		timer.Reset(lookMost)
	}
}

// replaceEvery is how often a revoked certificate is replaced at most: an authority that revokes each at once, or a responder that says so of all,
// is not asked for one after the other.
const replaceEvery = 24 * time.Hour

// lookForRevoked has certificates renewed now that were revoked, as their authority's OCSP responder says. The next one has a new key.
func (a *ACME) lookForRevoked(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, m := range a.names {
		if m.cert == nil || !m.revoked.IsZero() || !staplable(m.cert.Leaf) {
			continue
		}
		var revoked *RevokedError
		if s, _ := a.options.Stapler.Status(m.cert.Leaf); errors.As(s.Err, &revoked) {
			m.revoked = now
			m.plan()
			a.nudge()
		}
	}
}

// inquireNext asks about the certificate that has waited longest for it, and reports whether another may follow. Another gateway may have
// renewed it in the storage: then that one is taken up.
func (a *ACME) inquireNext(now time.Time) bool {
	a.mu.Lock()
	var m *managed
	for _, n := range a.names {
		if n.cert != nil && !n.working && !n.ask.After(now) && (m == nil || n.ask.Before(m.ask)) {
			m = n
		}
	}
	if m == nil {
		a.mu.Unlock()
		return false
	}
	had := m.cert
	a.mu.Unlock()
	ctx, cancel := context.WithTimeout(a.begins, askTime)
	defer cancel()
	cert, err := a.stored(ctx, m.name)
	if err != nil || same(cert, had) || cert.Leaf.NotAfter.Before(had.Leaf.NotAfter) {
		cert = had
	}
	window, heard, reached := a.renewalInfo(ctx, cert.Leaf)
	a.mu.Lock()
	defer a.mu.Unlock()
	if m.working || m.cert != had {
		return reached && ctx.Err() == nil // whoever gave it another has it asked about
	}
	if cert != had {
		m.hold(cert, now)
		a.arrange()
	}
	m.ask = now.Add(windowEvery)
	if window.RetryAfter != nil {
		m.ask = *window.RetryAfter
	}
	if least := now.Add(lookMost); m.ask.Before(least) {
		m.ask = least
	}
	if heard {
		m.window = window
		m.plan()
		a.nudge()
	}
	return reached && ctx.Err() == nil // one that is silent is left alone for a while
}

// renewalInfo asks the authority when a certificate should be renewed (RFC 9773), and reports whether it said so, and whether it could be
// asked at all.
func (a *ACME) renewalInfo(ctx context.Context, leaf *x509.Certificate) (info acme.RenewalInfo, heard, reached bool) {
	if len(leaf.AuthorityKeyId) == 0 {
		return info, false, true
	}
	dir, err := a.client.GetDirectory(ctx)
	if err != nil {
		return info, false, false
	}
	if dir.RenewalInfo == "" {
		return info, false, true
	}
	info, err = a.client.GetRenewalInfo(ctx, leaf)
	return info, err == nil, true
}

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
	if !f.heard() {
		list = pausesUnheard[:]
	}
	d := list[min(failed, len(list)-1)]
	if f.Problem == "rateLimited" {
		d = max(d, time.Hour)
	}
	return d + time.Duration((rand.Float64()-0.5)*0.4*float64(d))
}
