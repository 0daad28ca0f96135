package lint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/topology"
)

var haproxyRules = []Rule{
	{
		ID: "haproxy-no-timeouts", Severity: Risk, Products: []string{"haproxy"}, Causes: []string{"head-timeout", "queue-full"},
		Title:   "No time-outs",
		Happens: "Without \"timeout server\" a request waits for ever on an application that hangs, without \"timeout client\" dead clients stay, without \"timeout connect\" a host that does not answer holds a request for minutes: connections add up until maxconn is reached and nobody is served. HAProxy warns at its start.",
		Fix:     "Put the three time-outs into \"defaults\".",
		Source:  "HAProxy: timeout connect, timeout client, timeout server (no default)",
		check:   checkTimeouts,
	},
	{
		ID: "haproxy-timeout-without-unit", Severity: Fault, Products: []string{"haproxy"}, Causes: []string{"connect-timeout", "head-timeout"},
		Title:   "A time-out without a unit is milliseconds",
		Happens: "\"timeout server 30\" gives the application 30 ms: nearly every request gets 504; \"timeout connect 5\" makes 503.",
		Fix:     "Write the unit.",
		Source:  "HAProxy: section 2.5, Time format: the default unit is the millisecond",
		check:   checkUnits,
	},
	{
		ID: "haproxy-no-check", Severity: Risk, Products: []string{"haproxy"}, Causes: []string{"connection-refused", "connect-timeout"},
		Title:   "Several servers, and none is checked",
		Happens: "While one of them is down, HAProxy goes on to send it its share of the requests: they get 503 after the retries.",
		Fix:     "Add \"check\" to the servers, and \"option redispatch\".",
		Source:  "HAProxy: server, check (off by default)",
		check:   checkNoCheck,
	},
	{
		ID: "haproxy-check-without-host", Severity: Fault, Products: []string{"haproxy"}, Causes: []string{"nobody-available"},
		Title:   "A check by HTTP/1.1 without Host",
		Happens: "Every server must answer 400 to it: all are taken out, and everybody gets 503 with well servers.",
		Fix:     "Send a Host header with the check.",
		Source:  "RFC 9112, section 3.2: 400 to a request of HTTP/1.1 without Host; HAProxy: option httpchk, http-check send",
		check:   checkCheckHost,
	},
	{
		ID: "haproxy-check-by-options", Severity: Note, Products: []string{"haproxy"}, Causes: []string{"nobody-available"},
		Title:   "The check asks by OPTIONS and HTTP/1.0",
		Happens: "\"option httpchk\" alone sends OPTIONS / HTTP/1.0: an application that refuses OPTIONS, or a server with several sites that wants a Host, answers 4xx, and is taken out though it is well.",
		Fix:     "Ask what traffic asks.",
		Source:  "HAProxy: option httpchk (default OPTIONS / HTTP/1.0)",
		check:   checkCheckOptions,
	},
	{
		ID: "haproxy-check-other-port", Severity: Note, Products: []string{"haproxy"}, Causes: []string{"connection-refused"},
		Title:   "The check asks another port than the traffic",
		Happens: "Unless what answers there knows how the other port is, as the agents of databases do: the checked port may answer while the other is dead: requests go on to it and get 503. And when only the checked one is dead, a well server is taken out.",
		Fix:     "Check the port of the traffic, or a page there that says how the application is.",
		Source:  "HAProxy: server, port",
		check:   checkCheckPort,
	},
	{
		ID: "haproxy-tls-without-ca", Severity: Fault, Products: []string{"haproxy"}, Causes: []string{"service-stopped"},
		Title:   "TLS to a server without an authority to verify it",
		Happens: "HAProxy refuses the configuration: \"verify is enabled by default but no CA file specified\".",
		Fix:     "Name the authorities, or say that nothing is verified.",
		Source:  "HAProxy: server, verify (default required), ca-file",
		check:   checkTLSCA,
	},
	{
		ID: "haproxy-sni-missing", Severity: Risk, Products: []string{"haproxy"}, Causes: []string{"tls-name-unknown", "tls-certificate-wrong-name"},
		Title:   "TLS to a name without SNI",
		Happens: "Before HAProxy 3.3, a server with several sites or behind a CDN refuses the handshake, or shows another site's certificate: 503.",
		Fix:     "Send the name, also with checks.",
		Source:  "HAProxy: server, sni, check-sni",
		check:   checkHAProxySNI,
	},
	{
		ID: "haproxy-modes-differ", Severity: Fault, Products: []string{"haproxy"}, Causes: []string{"service-stopped"},
		Title:   "A frontend of mode http leads to a backend of mode tcp",
		Happens: "HAProxy refuses the configuration: the two have incompatible modes. The mode is tcp where nothing says http.",
		Fix:     "Say \"mode http\" in \"defaults\".",
		Source:  "HAProxy: mode (default tcp)",
		check:   checkModes,
	},
	{
		ID: "haproxy-backend-unknown", Severity: Fault, Products: []string{"haproxy"}, Causes: []string{"service-stopped"},
		Title:   "A backend that there is not",
		Happens: "HAProxy refuses the configuration: \"unable to find required default_backend\" or \"use_backend\".",
		Fix:     "Write the name of a backend.",
		Source:  "HAProxy: default_backend, use_backend",
		check:   checkBackendUnknown,
	},
	{
		ID: "haproxy-retries-post", Severity: Risk, Products: []string{"haproxy"}, Causes: []string{"head-timeout", "closed-before-answer"},
		Title:   "A POST is sent again after a failure",
		Happens: "A POST whose answer was late or empty goes to a server again: an order is placed twice.",
		Fix:     "Leave POSTs out of the retries.",
		Source:  "HAProxy: retry-on: \"it is highly recommended to disable L7 retry for POST\"; http-request disable-l7-retry",
		check:   checkHAProxyRetries,
	},
	{
		ID: "haproxy-errors-eject-all", Severity: Risk, Products: []string{"haproxy"}, Causes: []string{"nobody-available"},
		Title:   "Answers of the application take servers down",
		Happens: "\"observe layer7\" counts answers of 5xx; with \"on-error mark-down\" a few of them in a row, of one broken page, take each server down: 503 for everybody.",
		Fix:     "Use fail-check, or observe layer4.",
		Source:  "HAProxy: server, observe, error-limit (default 10), on-error (default fail-check)",
		check:   checkObserve,
	},
	{
		ID: "haproxy-all-disabled", Severity: Fault, Products: []string{"haproxy"}, Causes: []string{"nobody-available"},
		Title:   "Every server of a backend is disabled",
		Happens: "Every request gets 503: no server is available.",
		Fix:     "Take \"disabled\" away from at least one.",
		Source:  "HAProxy: server, disabled",
		check:   checkAllDisabled,
	},
	{
		ID: "haproxy-small-buffer", Severity: Risk, Products: []string{"haproxy"}, Causes: []string{"head-too-large", "request-head-too-large"},
		Title:   "Buffers smaller than the default",
		Happens: "A response whose headers do not fit gets 500 or 502, a request 400 or 431: large cookies are enough.",
		Fix:     "Leave tune.bufsize at 16384, or above.",
		Source:  "HAProxy: tune.bufsize (default 16384), tune.maxrewrite",
		check:   checkBufsize,
	},
	{
		ID: "haproxy-queue-without-time", Severity: Note, Products: []string{"haproxy"}, Causes: []string{"queue-timeout"},
		Title:   "Requests queue for as long as connecting may take",
		Happens: "With maxconn on a server, further requests wait in a queue; without \"timeout queue\" they get 503 after \"timeout connect\", which is meant for something else.",
		Fix:     "Say how long a request may wait for its turn.",
		Source:  "HAProxy: timeout queue (default: timeout connect)",
		check:   checkQueueTime,
	},
	{
		ID: "haproxy-tunnel-without-time", Severity: Note, Products: []string{"haproxy"}, Causes: []string{"connection-lost"},
		Title:   "WebSockets are cut by the ordinary time-outs",
		Happens: "After an upgrade, \"timeout client\" and \"timeout server\" go on to hold: a WebSocket that is silent for that long is closed.",
		Fix:     "Set a longer time for tunnels.",
		Source:  "HAProxy: timeout tunnel",
		check:   checkTunnel,
	},
}

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
