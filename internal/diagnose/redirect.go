package diagnose

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// redirectsMax is how many redirects are followed: browsers take twenty, and a loop shows in three.
const redirectsMax = 4

// visitsMax is how often one URL is asked where each answer sets another cookie.
const visitsMax = 3

// follow follows the redirects within the target's own host, until one goes round in a circle. A redirect that sets a cookie may
// lead to its own URL: the cookie is sent then, as a browser does. An upstream's redirect to another scheme or port is the
// gateway's to follow: that port is not the upstream's.
func (w *walker) follow(ctx context.Context, h *HTTP) {
	t := w.walk.Target
	at, err := url.Parse(t.scheme() + "://" + t.Authority + t.Path)
	if err != nil || t.Network == "unix" || !w.o.safe() {
		return
	}
	origin := originOf(at)
	cookies := &jar{}
	cookies.take(h.Main)
	seen := map[string]bool{canonical(at) + " ": true}
	visits := map[string]int{canonical(at): 1}
	for x := h.Main; len(h.Follow) < redirectsMax && isRedirect(x) && ctx.Err() == nil; {
		next, err := at.Parse(x.field("Location"))
		if err != nil || x.field("Location") == "" {
			return
		}
		if !strings.EqualFold(next.Hostname(), at.Hostname()) || next.Scheme != "http" && next.Scheme != "https" {
			return // somebody else's
		}
		elsewhere := originOf(next) != origin
		if elsewhere && t.Upstream {
			return
		}
		key := canonical(next) + " " + cookies.value()
		if visits[canonical(next)]++; seen[key] || visits[canonical(next)] > visitsMax {
			h.Loop = next.Scheme + "://" + next.Host + RedactPath(next.RequestURI())
			return
		}
		seen[key] = true
		x = w.askRedirected(ctx, &t, next, query{cookie: cookies.value(), elsewhere: elsewhere})
		cookies.take(x)
		h.Follow = append(h.Follow, x)
		at = next
	}
}

// askRedirected asks the URL of a redirect at the target's own address.
func (w *walker) askRedirected(ctx context.Context, t *Target, next *url.URL, q query) *Exchange {
	to := *t
	to.Secure = next.Scheme == "https"
	to.Authority, to.Path = next.Host, next.RequestURI()
	if to.Port = next.Port(); to.Port == "" {
		to.Port = map[bool]string{false: "80", true: "443"}[to.Secure]
	}
	at := netip.AddrPort{}
	if port, err := strconv.ParseUint(to.Port, 10, 16); err == nil && t.address.IsValid() {
		at = netip.AddrPortFrom(t.address.Unmap(), uint16(port))
	}
	c := newClient(ctx, &to, w.o, at, w.tally)
	defer c.close()
	q.label, q.method = "redirected to "+next.Scheme+"://"+next.Host+RedactPath(to.Path), w.o.method()
	return c.ask(q)
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

// value is the Cookie field.
func (j *jar) value() string {
	pairs := make([]string, len(j.cookies))
	for i, c := range j.cookies {
		pairs[i] = c.Name + "=" + c.Value
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
