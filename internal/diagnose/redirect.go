package diagnose

import (
	"context"
	"net/netip"
	"net/url"
	"strings"
)

// redirectsMax is how many redirects are followed: browsers take twenty, and a loop shows in three.
const redirectsMax = 4

// follow follows the redirects within the target's own host, until one goes round in a circle.
func (w *walker) follow(ctx context.Context, h *HTTP) {
	t := w.walk.Target
	at, err := url.Parse(t.scheme() + "://" + t.Authority + t.Path)
	if err != nil || t.Network == "unix" {
		return
	}
	seen := map[string]bool{canonical(at): true}
	for x := h.Main; len(h.Follow) < redirectsMax && isRedirect(x); {
		next, err := at.Parse(x.field("Location"))
		if err != nil || x.field("Location") == "" {
			return
		}
		if seen[canonical(next)] {
			h.Loop = next.Scheme + "://" + next.Host + RedactPath(next.RequestURI())
			return
		}
		seen[canonical(next)] = true
		if !strings.EqualFold(next.Hostname(), at.Hostname()) || next.Scheme != "http" && next.Scheme != "https" {
			return // somebody else's
		}
		x = w.askRedirected(ctx, &t, next)
		h.Follow = append(h.Follow, x)
		at = next
	}
}

// askRedirected asks the URL of a redirect at the target's own address.
func (w *walker) askRedirected(ctx context.Context, t *Target, next *url.URL) *Exchange {
	to := *t
	to.Secure = next.Scheme == "https"
	to.Authority, to.Path = next.Host, next.RequestURI()
	if to.Port = next.Port(); to.Port == "" {
		to.Port = map[bool]string{false: "80", true: "443"}[to.Secure]
	}
	c := newClient(ctx, &to, w.o, netip.AddrPort{}, w.tally)
	defer c.close()
	return c.ask(query{label: "redirected to " + next.Scheme + "://" + next.Host + RedactPath(to.Path), method: w.o.method()})
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
