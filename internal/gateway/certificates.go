package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/admin"
	"github.com/whygate/whygate/internal/certs"
	"github.com/whygate/whygate/internal/telemetry"
)

// The places that a Certificate is from.
const (
	FromFile     = "file"
	FromACME     = "acme"
	FromUpstream = "upstream"
)

// Certificate is how a certificate stands that clients are shown, or that an endpoint showed.
type Certificate struct {
	From     string    `json:"from"`
	Name     string    `json:"name"`            // ACME's name, the file, or the endpoint
	Pool     string    `json:"pool,omitempty"`  // of the endpoint
	Names    []string  `json:"names,omitempty"` // that it is for, namesShown at most
	Issuer   string    `json:"issuer,omitempty"`
	NotAfter time.Time `json:"not_after,omitzero"` // of an endpoint's chain the first end
	DaysLeft int       `json:"days_left"`          // whole days; below 0 when it has ended
	Next     time.Time `json:"next,omitzero"`      // when it is renewed, or tried again
	Problem  string    `json:"problem,omitempty"`  // why the last try failed
	Do       string    `json:"do,omitempty"`
	OCSP     *OCSP     `json:"ocsp,omitempty"` // nil where the certificate names no responder and asks for no response

	notBefore time.Time
}

// namesShown bounds how many names of a certificate are shown.
const namesShown = 20

// certificates are all that are known, those of clients first.
func (g *Gateway) certificates() []Certificate {
	g.mu.Lock()
	sockets, current, acme := slices.Clone(g.sockets), g.current, g.acme
	g.mu.Unlock()
	var out []Certificate
	if acme != nil {
		for _, s := range acme.Status() {
			c := Certificate{From: FromACME, Name: s.Name, Names: []string{s.Name}, Issuer: s.Issuer, NotAfter: s.NotAfter, Next: s.Renewal, OCSP: g.ocspOf(s.Leaf), notBefore: s.NotBefore}
			if s.Failure != nil {
				c.Problem, c.Do = s.Failure.Error(), s.Failure.Do
			}
			out = append(out, c)
		}
	}
	seen := map[string]bool{}
	for _, s := range sockets {
		server := s.server.Load()
		if server == nil {
			continue
		}
		for file, leaf := range server.Leaves() {
			if seen[file] {
				continue
			}
			seen[file] = true
			names := leaf.DNSNames
			out = append(out, Certificate{
				From: FromFile, Name: file, Names: names[:min(len(names), namesShown)], Issuer: leaf.Issuer.String(), NotAfter: leaf.NotAfter, OCSP: g.ocspOf(leaf), notBefore: leaf.NotBefore,
			})
		}
	}
	for pool, b := range current.pools {
		for _, t := range b.targets { // of a route's own time-outs there are more of an endpoint
			if s, key := t.Shown(), pool+" "+t.Text; s != nil && !seen[key] {
				seen[key] = true
				out = append(out, Certificate{
					From: FromUpstream, Name: t.Text, Pool: pool, Names: s.Chain[0].Names, Issuer: s.Chain[0].Issuer, NotAfter: s.NotAfter, notBefore: s.Chain[0].NotBefore,
				})
			}
		}
	}
	for i := range out {
		if !out[i].NotAfter.IsZero() {
			out[i].DaysLeft = int(time.Until(out[i].NotAfter) / (24 * time.Hour))
			if time.Now().After(out[i].NotAfter) {
				out[i].DaysLeft--
			}
		}
	}
	slices.SortFunc(out, func(a, b Certificate) int {
		return strings.Compare(a.From+"\x00"+a.Pool+"\x00"+a.Name, b.From+"\x00"+b.Pool+"\x00"+b.Name)
	})
	return out
}

// certificateMetrics are the ends for a scrape.
func (g *Gateway) certificateMetrics() (out []telemetry.CertificateEnd) {
	seen := map[string]bool{}
	for _, c := range g.certificates() {
		if key := c.From + " " + c.Name; !c.NotAfter.IsZero() && !seen[key] { // an endpoint may be in two pools
			seen[key] = true
			out = append(out, telemetry.CertificateEnd{
				Source: c.From, Name: c.Name, NotAfter: c.NotAfter, OCSP: c.OCSP != nil, Stapled: c.OCSP != nil && c.OCSP.Status == OCSPGood, Revoked: c.OCSP != nil && c.OCSP.Status == OCSPRevoked,
			})
		}
	}
	return out
}

const (
	endingEvery = time.Minute    // how often it is looked for what ends soon
	endingAgain = 24 * time.Hour // how often each is told of
	endingSoon  = 14 * 24 * time.Hour
)

// soon is how long before its end a certificate is told of: two weeks, or the last fifth of its time where that is less.
func (c *Certificate) soon() time.Duration { return min(endingSoon, c.NotAfter.Sub(c.notBefore)/5) }

// endings are when it was last told of each certificate that it ends soon, by where it is from and its name.
type endings map[string]time.Time

// lookedAt is the key of when it was looked last.
const lookedAt = ""

// look tells of what ends soon. What an authority renews by itself has told already if it failed.
func (e endings) look(g *Gateway, now time.Time) {
	if now.Sub(e[lookedAt]) < endingEvery {
		return
	}
	e[lookedAt] = now
	known := map[string]bool{lookedAt: true}
	for _, c := range g.certificates() {
		key := c.From + " " + c.Pool + " " + c.Name
		known[key] = true
		left := c.NotAfter.Sub(now)
		if c.NotAfter.IsZero() || c.From == FromACME && c.Problem == "" || left > c.soon() || now.Sub(e[key]) < endingAgain {
			continue
		}
		e[key] = now
		g.tellEnding(&c, left)
	}
	for key := range e {
		if !known[key] {
			delete(e, key)
		}
	}
}

// tellEnding says that a certificate ends soon, or has ended, and what to do.
func (g *Gateway) tellEnding(c *Certificate, left time.Duration) {
	do := map[string]string{
		FromFile:     "put a new one into the file: it is read when it changes",
		FromACME:     c.Do,
		FromUpstream: "tell those who run the endpoint: after that its requests are answered 502",
	}[c.From]
	what := "a certificate ends soon"
	if left <= 0 {
		what = "a certificate has ended"
	}
	args := []any{"from", c.From, "name", c.Name, "until", c.NotAfter.UTC().Format(time.RFC3339), "days_left", c.DaysLeft, "issuer", c.Issuer, "do", do}
	if c.Pool != "" {
		args = append(args, "pool", c.Pool)
	}
	if left < urgent {
		g.log.Error(what, args...)
	} else {
		g.log.Warn(what, args...)
	}
	g.Changed(changeCertificate, c.Name, what+", on "+c.NotAfter.UTC().Format(time.DateOnly))
}

func (g *Gateway) listCertificates(w http.ResponseWriter, _ *http.Request) {
	list := g.certificates()
	if list == nil {
		list = []Certificate{}
	}
	admin.JSON(w, http.StatusOK, map[string]any{"certificates": list})
}

// renewTime bounds one renewal that was asked for.
const renewTime = 2 * time.Minute

// postCertificates renews one: {"renew": NAME}.
func (g *Gateway) postCertificates(w http.ResponseWriter, r *http.Request) {
	var o struct {
		Renew string `json:"renew"`
	}
	err := json.NewDecoder(io.LimitReader(r.Body, orderBodyMax)).Decode(&o)
	if err == nil && o.Renew == "" {
		err = errors.New("renew is missing")
	}
	if err != nil {
		admin.JSON(w, http.StatusBadRequest, map[string]any{"renewed": false, "error": `the body is not {"renew": NAME}: ` + err.Error()})
		return
	}
	g.log.Info("a renewal was asked for", "name", o.Renew, "by", admin.Who(r))
	ctx, cancel := context.WithTimeout(r.Context(), renewTime)
	defer cancel()
	err = g.RenewCertificate(ctx, o.Renew)
	if err == nil {
		admin.JSON(w, http.StatusOK, map[string]any{"renewed": true, "certificates": g.named(o.Renew)})
		return
	}
	status := http.StatusUnprocessableEntity
	if errors.Is(err, certs.ErrUnknownName) {
		status = http.StatusNotFound
	}
	answer := map[string]any{"renewed": false, "error": err.Error()}
	var hint *HintError
	if errors.As(err, &hint) {
		answer["hint"] = hint.Hint
	}
	admin.JSON(w, status, answer)
}

// named are the certificates of a name that an authority gave.
func (g *Gateway) named(name string) []Certificate {
	return slices.DeleteFunc(g.certificates(), func(c Certificate) bool { return c.From != FromACME || !strings.EqualFold(c.Name, name) })
}

func (g *Gateway) certificateChanged(file string, err error) {
	if err != nil {
		g.log.Error("certificate not reloaded: the old one stays in use", "file", file, "error", err)
		g.Changed(changeCertificate, file, "certificate not reloaded: "+err.Error())
		return
	}
	g.log.Info("certificate reloaded", "file", file)
	g.Changed(changeCertificate, file, "certificate reloaded")
}

func (g *Gateway) ticketKeysChanged(file string, err error) {
	if err != nil {
		g.log.Error("session ticket keys not reloaded: the old ones stay in use", "file", file, "error", err, "do", ticketKeysHint)
		g.Changed(changeCertificate, file, "session ticket keys not reloaded: "+err.Error())
		return
	}
	g.log.Info("session ticket keys reloaded", "file", file)
	g.Changed(changeCertificate, file, "session ticket keys reloaded")
}
