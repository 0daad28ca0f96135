package gateway

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/whygate/whygate/internal/certs"
	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/exchange"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/incident"
	"github.com/whygate/whygate/internal/proxy"
)

// useACME gives what obtains certificates for a configuration: the one that there is, where its settings are the same, or another one. It
// is nil where no listener wants it. g.mu is held.
func (g *Gateway) useACME(cfg *config.Config) (*certs.ACME, error) {
	if !cfg.Auto() {
		return nil, nil
	}
	if was := g.served.Load(); g.acme != nil && was != nil && sameACME(&was.ACME, &cfg.ACME) {
		return g.acme, nil
	}
	a := &cfg.ACME
	dir := a.Storage
	if dir == "" {
		if g.options.State == "" {
			return nil, &HintError{errors.New("acme.storage: there is no directory to keep certificates in: neither STATE_DIRECTORY nor a home directory is there"), "add acme: {storage: /var/lib/whygate/acme}"}
		}
		dir = filepath.Join(g.options.State, "acme")
	}
	made, err := certs.NewACME(certs.ACMEOptions{
		Directory: a.Directory, Email: a.Email, CA: a.CA, Challenge: a.Challenge, DNS: a.DNS.Command, Storage: dir, Agent: "whygate/" + g.options.Version,
		OnDemand: a.OnDemand.On(), Suffixes: a.OnDemand.Suffixes, Ask: a.OnDemand.Ask,
		Routed: func(host string) bool { return g.served.Load().Routed(host) },
		Told:   g.certificateCame, Log: g.log, Stapler: g.stapler,
	})
	if err != nil {
		return nil, &HintError{err, "acme.storage is a directory that the gateway alone may read, or postgres://user@host/database, and acme.ca a PEM file"}
	}
	return made, nil
}

// LocalDirectory is where the authority for development is in a state directory.
func LocalDirectory(state string) string { return filepath.Join(state, "local-authority") }

// localAuthority is the authority for development, made where there is none. g.mu is held.
func (g *Gateway) localAuthority() (*certs.Local, error) {
	if g.local != nil {
		return g.local, nil
	}
	if g.options.State == "" {
		return nil, &HintError{errors.New("tls: internal has no directory for its authority: neither STATE_DIRECTORY nor a home directory is there"), "set STATE_DIRECTORY, such as /var/lib/whygate"}
	}
	made, err := certs.OpenLocal(LocalDirectory(g.options.State))
	if err != nil {
		return nil, &HintError{err, "the directory is one that the gateway alone may read; without it a new authority is made, which has to be trusted anew"}
	}
	g.local = made
	return made, nil
}

// certify makes the names of a configuration those that certificates are obtained for. g.mu is held.
func (g *Gateway) certify(cfg *config.Config) {
	if g.acme == nil {
		g.proving.Store(nil)
		return
	}
	if cfg.ACME.Challenge == config.ChallengeHTTP {
		g.proving.Store(g.acme)
	} else {
		g.proving.Store(nil)
	}
	g.acme.Manage(cfg.CertificateNames())
}

// sameACME reports whether certificates are obtained in the same way: names may differ.
func sameACME(a, b *config.ACME) bool {
	x, y := *a, *b
	x.Names, y.Names = nil, nil
	return reflect.DeepEqual(x, y)
}

// reconcileWithACME is reconcile with what obtains certificates for cfg, which is g.acme then. On an error that is as it was.
func (g *Gateway) reconcileWithACME(cfg *config.Config) (*change, error) {
	before := g.acme
	acme, err := g.useACME(cfg)
	if err != nil {
		return nil, err
	}
	g.acme = acme
	c, err := g.reconcile(cfg, acme != before)
	if err != nil {
		g.backToACME(before)
	}
	return c, err
}

// backToACME takes back that another one obtains certificates.
func (g *Gateway) backToACME(before *certs.ACME) {
	not := g.acme
	g.acme = before
	g.leaveACME(not)
}

// leaveACME ends what obtained certificates before, which the listeners use no more.
func (g *Gateway) leaveACME(old *certs.ACME) {
	if old != nil && old != g.acme {
		g.leaving.Go(old.Close) // an order may be under way: it ends soon
	}
}

// quietACME has no order begin any more: the gateway is going, and challenges may lead to the one that follows it.
func (g *Gateway) quietACME() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.acme != nil {
		g.acme.Quiet()
	}
}

// endACME ends the orders that are under way, and does not wait for it: awaitACME does.
func (g *Gateway) endACME() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.acme != nil {
		g.leaving.Go(g.acme.Close) // ends soon: certs.ACME has bounds for all it does
	}
}

// acmeTime is how long Stop waits at most for orders that were ended, beyond its own bound.
const acmeTime = 5 * time.Second

// awaitACME waits for what endACME and leaveACME began, acmeTime at most: the process may end then.
func (g *Gateway) awaitACME() {
	done := make(chan struct{})
	go func() { g.leaving.Wait(); close(done) }() // ends with the orders, which have bounds
	timer := time.NewTimer(acmeTime)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		g.log.Warn("an order for a certificate has not ended, and is left behind")
	}
}

// certificateCame tells what came of a name: a certificate, or why there is none and what to do.
func (g *Gateway) certificateCame(h *certs.Happening) {
	f := h.Failure
	if f == nil {
		what := "certificate obtained"
		if h.Renewed {
			what = "certificate renewed"
		}
		g.log.Info(what, "name", h.Name, "until", h.NotAfter.UTC().Format(time.RFC3339))
		g.Changed(changeCertificate, h.Name, what+", until "+h.NotAfter.UTC().Format(time.DateOnly))
		return
	}
	args := []any{"name", h.Name, "problem", f.Problem, "detail", f.Detail, "do", f.Do, "next_try", f.Next.UTC().Format(time.RFC3339)}
	level, what := slog.LevelWarn, "no certificate obtained"
	if h.Renewed {
		left := time.Until(h.NotAfter)
		what = "certificate not renewed: the old one stays in use"
		args = append(args, "until", h.NotAfter.UTC().Format(time.RFC3339), "days_left", int(left.Hours()/24))
		if left < urgent {
			level = slog.LevelError
		}
	}
	g.log.Log(context.Background(), level, what, args...)
	g.Changed(changeCertificate, h.Name, what+": "+f.Error()+"; "+f.Do)
	if g.untold.take(h.Name, time.Now()) {
		g.record(certificateIncident(fault.CauseCertificateNotObtained, f.Name, f.Error(), f.Do, f.At))
	}
}

// Bounds of incidents about certificates: a thousand names of an authority that is down are one trouble.
const (
	certificateEvery = time.Hour // for each name
	certificateMost  = 20        // in that time, over all names
)

// certificateIncidents say for which names there was an incident of late. Its zero value is ready.
type certificateIncidents struct {
	mu   sync.Mutex // guards last
	last map[string]time.Time
}

// take reports whether there may be an incident for a name now, and notes it then.
func (c *certificateIncidents) take(name string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for other, at := range c.last {
		if now.Sub(at) >= certificateEvery {
			delete(c.last, other)
		}
	}
	if _, told := c.last[name]; told || len(c.last) >= certificateMost {
		return false
	}
	if c.last == nil {
		c.last = map[string]time.Time{}
	}
	c.last[name] = now
	return true
}

// certificateIncident is a certificate that could not be obtained, or was revoked, with the authority's words, and what to do. Nobody was answered:
// it has no status.
func certificateIncident(cause fault.Cause, name, detail, do string, at time.Time) *incident.Incident {
	e := fault.Evidence{Stage: fault.Select, End: fault.Misconfigured, By: fault.PartyGateway, Told: cause, Declared: -1, Detail: detail}
	verdict := fault.Classify(&e)
	entry := verdict.Cause.Entry()
	return &incident.Incident{
		ID: proxy.NewIncidentID(), At: at.UTC(), Type: verdict.Type, Cause: verdict.Cause, Family: verdict.Family(), Stage: verdict.Stage,
		Title: verdict.Title(), Sentence: verdict.Sentence(&e), Advice: append([]string{upperFirst(do) + "."}, entry.Advice...),
		Request: incident.Request{Host: name}, Evidence: &e,
	}
}

// upperFirst makes a line of advice begin as the catalogue's do.
func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// urgent is how little time may be left of a certificate that is not renewed before it is an error and no warning any more.
const urgent = 7 * 24 * time.Hour

// serveRequest answers a request: an authority's look at a challenge itself, everything else by the routes.
//
// hot: once per request.
func (g *Gateway) serveRequest(x *exchange.Exchange) {
	if a := g.proving.Load(); a != nil && g.prove(a, x) {
		return
	}
	g.proxy.Serve(x)
}

// prove answers an authority's look at a challenge, if its token is one of ours. Any other is routed on: it may be that of another client
// of ACME behind.
func (g *Gateway) prove(a *certs.ACME, x *exchange.Exchange) bool {
	q := &x.Request
	if len(q.Path) <= len(certs.HTTPChallengePath) || string(q.Path[:len(certs.HTTPChallengePath)]) != certs.HTTPChallengePath || q.Method != httpmsg.GET {
		return false
	}
	host, _, _ := strings.Cut(string(q.Authority), ":")
	answer := a.HTTPChallenge(host, string(q.Path[len(certs.HTTPChallengePath):]))
	if answer == "" {
		return false
	}
	var extra httpmsg.Fields
	extra.Append("Content-Type", []byte("text/plain"), httpmsg.ContentType)
	x.Head(&exchange.Head{Status: 200, Length: int64(len(answer)), Extra: &extra})
	x.Write([]byte(answer))
	x.End(nil)
	g.log.Info("the authority looked at a challenge", "name", host, "client", x.Peer.Client)
	return true
}

// RenewCertificate obtains the certificate of a name anew, and waits for it. The error says why it did not come, and what to do.
func (g *Gateway) RenewCertificate(ctx context.Context, name string) error {
	g.mu.Lock()
	a := g.acme
	g.mu.Unlock()
	if a == nil {
		return &HintError{errors.New("no listener gets its certificates from an authority"), "write tls: auto for the listener"}
	}
	err := a.Renew(ctx, name)
	var f *certs.Failure
	switch {
	case errors.As(err, &f):
		return &HintError{err, f.Do}
	case errors.Is(err, certs.ErrUnknownName):
		return &HintError{err, "whygate certificates lists the names"}
	}
	return err
}
