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
	if c := shown.find(name, hello); c != nil || hello.Conn == nil {
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
		if m.tried && !m.working {
			return nil // it failed, and is tried again later
		}
		return m.finished
	}
	until, denied := a.denied[name]
	a.mu.Unlock()
	if !a.options.OnDemand || denied && time.Now().Before(until) || !a.mayHave(ctx, name) {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if m := a.names[name]; m != nil { // somebody else was faster
		return m.finished
	}
	now := time.Now()
	for len(a.came) > 0 && now.Sub(a.came[0]) > newEach {
		a.came = a.came[1:]
	}
	if len(a.came) >= newMax || len(a.names) >= demandedMax {
		return nil
	}
	a.came = append(a.came, now)
	m = a.add(name, true)
	a.nudge()
	return m.finished
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
		if len(a.denied) < deniedMax {
			a.denied[name] = time.Now().Add(time.Minute)
		}
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
