package lint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/topology"
)

// setting is a keyword of a section, with the one of "defaults" where it has none; nil if there is none.
func setting(r *route, name string) *Node { return r.Setting(name) }

// haproxyHTTP reports whether a section is of mode http.
func haproxyHTTP(r *route) bool { return setting(r, "mode").Text() == "http" }

func checkTimeouts(c *check) {
	for r := range c.routes("haproxy") {
		var missing []string
		for _, name := range []string{"connect", "server"} {
			if topology.HAProxyTimer(r, name).Off {
				missing = append(missing, name)
			}
		}
		if len(missing) > 0 && len(r.Members()) > 0 {
			c.risk(r.Node, fmt.Sprintf("%s %s has no timeout %s: requests to an application that hangs wait for ever, and add up.", r.Node.Name, r.Group.Name, strings.Join(missing, ", no timeout ")), timeoutFix(missing))
		}
	}
}

func timeoutFix(missing []string) string {
	var lines []string
	for _, name := range missing {
		lines = append(lines, "timeout "+name+map[string]string{"connect": " 5s", "server": " 60s"}[name])
	}
	return strings.Join(lines, "\n")
}

func checkUnits(c *check) {
	for p := range c.proxies("haproxy") {
		for _, s := range p.Tree {
			for _, l := range s.Kids {
				if l.Name != "timeout" || !slices.Contains([]string{"connect", "server", "client", "queue", "http-request"}, l.Text()) {
					continue
				}
				if n, err := strconv.Atoi(l.Arg(1)); err == nil && n > 0 && n < 500 {
					c.fault(l, fmt.Sprintf("this is %d milliseconds: hardly a request is done in that time.", n), l.Words()+"s")
				}
			}
		}
	}
}

func checkNoCheck(c *check) {
	for r := range c.routes("haproxy") {
		members := alive(r.Group)
		if len(members) < 2 || slices.ContainsFunc(members, func(u *upstream) bool {
			w := r.ServerWords(u)
			return slices.Contains(w, "check") || slices.Contains(w, "track") || slices.Contains(w, "agent-check") || slices.Contains(w, "observe")
		}) {
			continue
		}
		c.risk(members[0].Node, fmt.Sprintf("a server of %s that is down goes on to get its share of the requests, which fail with 503.", r.Group.Name), members[0].Node.Words()+" check")
	}
}

// checked reports whether a backend's servers are checked by HTTP, and the line that says so.
func checked(r *route) *Node {
	for _, o := range r.Inherit("option") {
		if o.Text() == "httpchk" {
			return o
		}
	}
	for i := len(r.Scope) - 1; i >= 0; i-- {
		for _, n := range r.Scope[i].Named("option") {
			if n.Text() == "httpchk" {
				return n
			}
		}
	}
	return nil
}

// sendsHost reports whether "http-check send" lines send a Host header.
func sendsHost(r *route) bool {
	for _, level := range r.Scope {
		for _, n := range level.Nodes {
			if n.Name == "http-check" && slices.ContainsFunc(n.Args, func(a string) bool { return strings.EqualFold(a, "host") }) {
				return true
			}
		}
	}
	return false
}

func checkCheckHost(c *check) {
	for r := range c.routes("haproxy") {
		o := checked(r)
		if o == nil || sendsHost(r) || strings.Contains(strings.ToLower(o.Words()), "host:") {
			continue
		}
		eleven := strings.Contains(o.Words(), "HTTP/1.1")
		where := o
		for _, level := range r.Scope {
			for _, n := range level.Nodes {
				if n.Name == "http-check" && n.Text() == "send" && slices.Contains(n.Args, "HTTP/1.1") {
					eleven, where = true, n
				}
			}
		}
		if eleven {
			c.fault(where, fmt.Sprintf("the check of %s is HTTP/1.1 without Host: every server answers 400, and all are taken out.", r.Group.Name), "option httpchk\nhttp-check send meth GET uri /health ver HTTP/1.1 hdr Host "+hostOf(r))
		}
	}
}

// hostOf is a name to send to a backend.
func hostOf(r *route) string {
	for _, u := range r.Members() {
		if topology.IsName(u.Host) {
			return u.Host
		}
	}
	return "shop.example.com"
}

func checkCheckOptions(c *check) {
	for r := range c.routes("haproxy") {
		o := checked(r)
		if o == nil || len(o.Args) > 1 {
			continue
		}
		sends := false
		for _, level := range r.Scope {
			for _, n := range level.Nodes {
				sends = sends || n.Name == "http-check" && n.Text() == "send"
			}
		}
		if !sends {
			c.note(o, fmt.Sprintf("the servers of %s are asked OPTIONS / HTTP/1.0 without Host, which many applications refuse.", r.Group.Name), "option httpchk GET /health\nhttp-check send hdr Host "+hostOf(r))
		}
	}
}

func checkCheckPort(c *check) {
	for r := range c.routes("haproxy") {
		if !haproxyHTTP(r) {
			continue
		}
		for _, u := range r.Members() {
			words := r.ServerWords(u)
			port := topology.Option(words, "port")
			if port == "" || !slices.Contains(words, "check") || port == u.Port || u.Port == "" || slices.Contains(words, "check-send-proxy") {
				continue
			}
			c.note(u.Node, fmt.Sprintf("traffic goes to %s, and the check to port %s: a dead application may look well.", at(u), port), strings.Replace(u.Node.Words(), " port "+port, "", 1))
			break
		}
	}
}

func checkTLSCA(c *check) {
	for p := range c.proxies("haproxy") {
		for _, s := range p.Tree {
			if s.Name == "global" && s.Get("ssl-server-verify").Text() == "none" {
				return
			}
		}
	}
	for r := range c.routes("haproxy") {
		for _, u := range r.Members() {
			words := r.ServerWords(u)
			if slices.Contains(words, "ssl") && !slices.Contains(words, "verify") && !slices.Contains(words, "ca-file") {
				c.fault(u.Node, "HAProxy does not start: there is TLS to this server, and neither \"verify\" nor \"ca-file\".", u.Node.Words()+" verify required ca-file @system-ca")
				break
			}
		}
	}
}

func checkHAProxySNI(c *check) {
	for r := range c.routes("haproxy") {
		for _, u := range r.Members() {
			words := r.ServerWords(u)
			if !slices.Contains(words, "ssl") || slices.Contains(words, "sni") || slices.Contains(words, "no-sni-auto") || !topology.IsName(u.Host) || !strings.Contains(u.Host, ".") {
				continue
			}
			c.add(publicly(u.Host), u.Node, fmt.Sprintf("%s is spoken to by TLS without its name.", at(u)), fmt.Sprintf("%s sni str(%s) check-sni %s", u.Node.Words(), u.Host, u.Host)).of(r, u)
			break
		}
	}
}

func checkModes(c *check) {
	for p := range c.proxies("haproxy") {
		modes := p.Modes()
		backends := map[string]*Node{}
		for _, b := range p.Tree {
			if b.Name == "backend" || b.Name == "listen" {
				backends[b.Text()] = b
			}
		}
		for _, s := range p.Tree {
			if s.Name != "frontend" && s.Name != "listen" || modes[s] != "http" {
				continue
			}
			for _, l := range s.Kids {
				b := backends[l.Text()]
				if (l.Name == "default_backend" || l.Name == "use_backend") && b != nil && modes[b] == "tcp" { // the other way is allowed
					c.fault(l, fmt.Sprintf("HAProxy does not start: %s is of mode http, and %s of mode tcp (%v).", s.Text(), b.Text(), b.Place), "mode http")
				}
			}
		}
	}
}

func checkBackendUnknown(c *check) {
	for p := range c.proxies("haproxy") {
		known := map[string]bool{}
		for _, s := range p.Tree {
			if s.Name == "backend" || s.Name == "listen" {
				known[s.Text()] = true
			}
		}
		if len(known) == 0 {
			continue // the backends are in a file that was not named
		}
		for _, s := range p.Tree {
			for _, l := range s.Kids {
				if (l.Name == "default_backend" || l.Name == "use_backend") && l.Text() != "" && !known[l.Text()] && !strings.ContainsAny(l.Text(), "%$") {
					c.fault(l, fmt.Sprintf("HAProxy does not start: no backend is called %q.", l.Text()), "backend "+l.Text())
				}
			}
		}
	}
}

func checkHAProxyRetries(c *check) {
	safe := map[*proxy]bool{}
	for p := range c.proxies("haproxy") {
		for _, s := range p.Tree {
			for _, l := range s.Kids {
				safe[p] = safe[p] || l.Name == "http-request" && l.Text() == "disable-l7-retry"
			}
		}
	}
	for r := range c.routes("haproxy") {
		on := setting(r, "retry-on")
		if on == nil || !slices.ContainsFunc(on.Args, func(a string) bool {
			return a == "all-retryable-errors" || a == "empty-response" || a == "response-timeout" || a == "junk-response"
		}) {
			continue
		}
		if !safe[r.Proxy] {
			c.risk(on, fmt.Sprintf("a POST to %s whose answer was late or empty is sent again.", r.Group.Name), "http-request disable-l7-retry if METH_POST")
		}
	}
}

func checkObserve(c *check) {
	for r := range c.routes("haproxy") {
		members := alive(r.Group)
		if len(members) == 0 {
			continue
		}
		words := r.ServerWords(members[0])
		if topology.Option(words, "observe") == "layer7" && topology.Option(words, "on-error") == "mark-down" {
			limit := topology.Option(words, "error-limit")
			if limit == "" {
				limit = "10"
			}
			c.risk(members[0].Node, fmt.Sprintf("%s answers of 5xx in a row, of one broken page, take each server of %s down.", limit, r.Group.Name), strings.Replace(members[0].Node.Words(), "on-error mark-down", "on-error fail-check", 1))
		}
	}
}

func checkAllDisabled(c *check) {
	for r := range c.routes("haproxy") {
		if m := r.Members(); len(m) > 0 && len(alive(r.Group)) == 0 && r.Node.Get("server-template") == nil {
			c.fault(m[0].Node, fmt.Sprintf("every server of %s is disabled: every request gets 503.", r.Group.Name), strings.Replace(m[0].Node.Words(), " disabled", "", 1))
		}
	}
}

func checkBufsize(c *check) {
	for p := range c.proxies("haproxy") {
		for _, s := range p.Tree {
			n := s.Get("tune.bufsize")
			if size, ok := topology.Size(n.Text()); s.Name == "global" && n != nil && ok && size < 16384 {
				c.risk(n, fmt.Sprintf("headers of more than about %d bytes do not fit: the request or the response fails.", max(size-1024, 0)), "tune.bufsize 16384")
			}
		}
	}
}

func checkQueueTime(c *check) {
	for r := range c.routes("haproxy") {
		if !topology.HAProxyTimer(r, "queue").Off {
			continue
		}
		for _, u := range r.Members() {
			if m := topology.Option(r.ServerWords(u), "maxconn"); m != "" {
				c.note(u.Node, fmt.Sprintf("with %s requests at this server, the next waits in a queue for as long as connecting may take, and gets 503 then.", m), "timeout queue 10s")
				break
			}
		}
	}
}

func checkTunnel(c *check) {
	for r := range c.routes("haproxy") {
		if t := topology.HAProxyTimer(r, "server"); haproxyHTTP(r) && topology.HAProxyTimer(r, "tunnel").Off && !t.Off && t.Time < 10*time.Minute && dedicated.MatchString(r.Group.Name) {
			c.note(r.Node, fmt.Sprintf("a WebSocket that is silent for %s is closed.", shown(t.Time)), "timeout tunnel 1h")
		}
	}
}
