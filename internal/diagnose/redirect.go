package diagnose

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/redact"
)

// redirectsMax is how many redirects are followed: browsers take twenty, a login takes some five, and a loop shows in three.
const redirectsMax = 6

// visitsMax is how often one URL is asked where each answer sets another cookie.
const visitsMax = 3

// follow follows the redirects as a browser does, to other hosts as well, until an answer is none or one goes round in a circle. A
// redirect that sets a cookie may lead to its own URL: the cookie is sent then. An upstream's redirect to another scheme, host or port
// is the gateway's to follow: that is not the upstream's. Where an address was given to dial, another site's name is not asked:
// what DNS says of it is not what was asked about. Another host gets nothing that was given for the first, and nobody is sent to an
// address that is closer to this machine than the first.
func (w *walker) follow(ctx context.Context, h *HTTP) {
	t := w.walk.Target
	at, err := url.Parse(t.scheme() + "://" + t.Authority + t.Path)
	if err != nil || t.Network == "unix" || !w.o.safe() {
		return
	}
	first := at
	cookies := &jar{}
	cookies.take(h.Main)
	watch := guardOf(h.Main)
	seen := map[string]bool{canonical(at) + " ": true}
	visits := map[string]int{canonical(at): 1}
	for x := h.Main; len(h.Follow) < redirectsMax && isRedirect(x) && ctx.Err() == nil; {
		next, err := locate(at, x.field("Location"))
		if err != nil || x.field("Location") == "" || next.Hostname() == "" || next.Scheme != "http" && next.Scheme != "https" {
			return
		}
		o := w.o
		q := query{elsewhere: originOf(next) != originOf(first), cookie: cookies.value(next)}
		if !strings.EqualFold(next.Hostname(), first.Hostname()) {
			if t.Upstream || t.Address.IsValid() && !sameSite(strings.ToLower(next.Hostname()), strings.ToLower(first.Hostname())) || inward(next, first) {
				return
			}
			q.elsewhere, q.cookie = true, "" // cookies stay with the host that set them
			o = o.forStrangers()
		} else if q.elsewhere && t.Upstream {
			return
		}
		key := canonical(next) + " " + cookies.value(next)
		if visits[canonical(next)]++; seen[key] || visits[canonical(next)] > visitsMax {
			h.Loop = next.Scheme + "://" + next.Host + redact.Query(next.RequestURI())
			return
		}
		seen[key] = true
		to := redirectTarget(&t, next)
		if x = w.askRedirected(ctx, &to, o, watch, q); x == nil {
			h.NotFollowed = watch.refused(&to)
			return
		}
		if strings.EqualFold(next.Hostname(), first.Hostname()) {
			cookies.take(x)
		}
		h.Follow = append(h.Follow, x)
		at = next
	}
}

// inward reports whether a redirect leads to the machine of whoever follows it, and the URL does not: it is not followed, since this
// machine's own port is no answer.
func inward(next, first *url.URL) bool {
	return loopbackName(next.Hostname()) && !loopbackName(first.Hostname())
}

func loopbackName(host string) bool {
	return strings.EqualFold(host, "localhost") || strings.HasSuffix(strings.ToLower(host), ".localhost") || local(host)
}

// redirectTarget is where a redirect leads.
func redirectTarget(t *Target, next *url.URL) Target {
	to := *t
	if !strings.EqualFold(next.Hostname(), t.Host) && !strings.EqualFold(next.Hostname(), hostOf(t.Authority)) {
		to.Host, to.ServerName, to.login = next.Hostname(), next.Hostname(), ""
	}
	to.Secure = next.Scheme == "https"
	to.Authority, to.Path = next.Host, requestTarget(next)
	if to.Port = next.Port(); to.Port == "" {
		to.Port = map[bool]string{false: "80", true: "443"}[to.Secure]
	}
	to.URL = next.Scheme + "://" + next.Host + redact.Query(to.Path)
	return to
}

// requestTarget is the request target of a URL that an answer gave, escaped as browsers do: the special-query percent-encode set of the
// URL standard.
func requestTarget(u *url.URL) string {
	out := *u
	out.RawQuery = escapeQuery(u.RawQuery, `"'<>`)
	return out.RequestURI()
}

// forStrangers are the options for another host than the URL's: without the fields and the certificate that were given for the URL.
func (o *Options) forStrangers() *Options {
	out := *o
	out.Fields, out.Certificate = nil, nil
	return &out
}

// askRedirected asks the URL of a redirect, nil where the guard refuses its address.
func (w *walker) askRedirected(ctx context.Context, to *Target, o *Options, g *guard, q query) *Exchange {
	at := netip.AddrPort{}
	if port, err := strconv.ParseUint(to.Port, 10, 16); err == nil && to.Address.IsValid() {
		at = netip.AddrPortFrom(to.Address.Unmap(), uint16(port))
	}
	c := newClient(ctx, to, o, at, w.tally)
	defer c.close()
	c.watch(g)
	q.label, q.method = "redirected to "+to.URL, w.o.method()
	x := c.ask(q)
	if g.kept.Load() != nil {
		return nil
	}
	x.to = to
	return x
}

// judgeRedirected judges the place where the redirects end, and says how one came there.
func judgeRedirected(w *Walk) *finding {
	x := w.main()
	if !isRedirect(x) {
		return nil
	}
	if f := badLocation(w, x); f != nil {
		return f
	}
	hops := w.HTTP.Follow
	if len(hops) == 0 {
		return nil
	}
	last := hops[len(hops)-1]
	if last.cut {
		return nil
	}
	way := fmt.Sprintf("%s redirects to %s", w.Target.URL, strings.TrimPrefix(hops[0].Label, "redirected to "))
	for _, next := range hops[1:] {
		way += ", that to " + strings.TrimPrefix(next.Label, "redirected to ")
	}
	var f *finding
	there := w
	if last.to != nil {
		there = &Walk{Target: *last.to, HTTP: &HTTP{Main: last}}
	}
	switch {
	case last.broken():
		f = ofExchange(last)
		f.finish(there)
		f.walk, f.ruled, f.pattern = nil, nil, ""
		if !strings.EqualFold(there.Target.Host, w.Target.Host) && last.Evidence.Stage <= fault.Dial {
			f.confidence = Likely
			f.missing = append(f.missing, "whether a visitor's browser can reach "+there.Target.label()+": this machine cannot")
		}
	case last.Status == 404 || last.Status == 410:
		f = &finding{cause: fault.CauseNoRoute, confidence: Possible, evidence: last.Evidence, sentence: fmt.Sprintf("the answer is %d", last.Status)}
	case last.answered() && !isRedirect(last) && last.Status != 401 && last.Status != 403:
		if f = ofAnswer(there, last); f != nil && f.confidence == 0 {
			f.confidence = Certain
		}
	}
	if f == nil && refusedThere(last) {
		f = &finding{cause: fault.CauseUpstreamStatus, confidence: Possible, evidence: last.Evidence, sentence: fmt.Sprintf("the answer is %d", last.Status)}
	}
	if f == nil {
		return nil
	}
	f.sentence = way + ", and there: " + f.sentence
	f.proof = append(f.proof, fmt.Sprintf("%s answers %d with Location: %s", w.Target.label(), x.Status, redact.URL(x.field("Location"))))
	f.answer, f.at = x, there.Target.label()
	f.advice = append([]string{"If the redirect should not lead there, mend its Location where it is made; else mend what it leads to."}, f.advice...)
	return f
}

// refusedThere reports whether an answer is an error of the client's that a browser's redirect does not earn: no wish for a login, no
// refusal of this very visitor, no limit.
func refusedThere(x *Exchange) bool {
	switch x.Status {
	case 401, 403, 407, 429:
		return false
	}
	return x.Status >= 400 && x.Status < 500
}

// badLocation: a redirect that leads nowhere, or to the machine of whoever follows it.
func badLocation(w *Walk, x *Exchange) *finding {
	location := x.field("Location")
	f := &finding{cause: fault.CauseRouteBroken, answer: x, evidence: x.Evidence, confidence: Likely, proof: []string{fmt.Sprintf("the answer is %d, with Location: %s", x.Status, redact.URL(firstLine([]byte(location))))}}
	at, err := url.Parse(w.Target.scheme() + "://" + w.Target.Authority + w.Target.Path)
	if err != nil || w.Target.Upstream {
		return nil
	}
	next, err := locate(at, location)
	switch {
	case location == "":
		f.sentence = fmt.Sprintf("%s answers %d without a Location: nobody can follow it", w.Target.label(), x.Status)
		f.proof[0] = fmt.Sprintf("the answer is %d, and has no Location", x.Status)
	case err != nil || (next.Scheme == "http" || next.Scheme == "https") && next.Hostname() == "":
		f.sentence = fmt.Sprintf("%s redirects to what is no URL: %s", w.Target.label(), redact.URL(firstLine([]byte(location))))
	case inward(next, at):
		f.sentence = fmt.Sprintf("%s redirects to %s, which is the visitor's own machine", w.Target.label(), redact.URL(next.String()))
		f.advice = []string{"Tell the application its public address, or let the gateway rewrite Location (nginx: proxy_redirect), and pass Host and X-Forwarded-Proto on."}
	default:
		return notFollowed(w, f)
	}
	return f
}

// jar keeps the cookies that the answers of one walk set, for its own host.
type jar struct{ cookies []*http.Cookie }

// jarMax bounds what hostile answers make us send.
const jarMax = 20

func (j *jar) take(x *Exchange) {
	for _, f := range x.answer.Fields {
		if !strings.EqualFold(f.Name, "Set-Cookie") {
			continue
		}
		c, err := http.ParseSetCookie(f.Value)
		if err != nil || len(f.Value) > 4<<10 {
			continue
		}
		at := slices.IndexFunc(j.cookies, func(old *http.Cookie) bool { return old.Name == c.Name })
		if at < 0 && len(j.cookies) < jarMax {
			j.cookies = append(j.cookies, c)
		} else if at >= 0 {
			j.cookies[at] = c
		}
	}
}

// value is the Cookie field for a URL. A cookie that is Secure does not go in clear but to this machine: RFC 6265, section 5.4.
func (j *jar) value(to *url.URL) string {
	pairs := make([]string, 0, len(j.cookies))
	for _, c := range j.cookies {
		if !c.Secure || to.Scheme == "https" || loopbackName(to.Hostname()) {
			pairs = append(pairs, c.Name+"="+c.Value)
		}
	}
	return strings.Join(pairs, "; ")
}

// originOf is the scheme and the port that a URL leads to.
func originOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[bool]string{false: "80", true: "443"}[u.Scheme == "https"]
	}
	return u.Scheme + ":" + port
}

// canonical is a URL as it is compared: with its port, without a fragment.
func canonical(u *url.URL) string {
	host := strings.ToLower(u.Host)
	if u.Port() == "" {
		host += map[bool]string{false: ":80", true: ":443"}[u.Scheme == "https"]
	}
	return u.Scheme + "://" + host + u.RequestURI()
}

func isRedirect(x *Exchange) bool {
	switch x.Status {
	case 301, 302, 303, 307, 308:
		return true
	}
	return false
}
