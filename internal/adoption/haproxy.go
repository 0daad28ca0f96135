package adoption

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/topology"
)

// haproxy is one configuration of HAProxy on its way.
type haproxy struct {
	d        *draft
	file     string
	defaults map[*node][]*node
	backends map[string]*node
	users    map[string]*node
	fronts   map[*node]*haproxyFront
	ways     bool   // frontends have more than one address among them
	crts     string // directory of certificates whose path is relative; empty: that of the file
	cas      string // of authorities
}

// condition is what an acl asks of a request: alternatives, each of which is keys of a route.
type condition [][]pair

// fromHAProxy translates sections of HAProxy: each frontend's rules become routes, in order.
func fromHAProxy(d *draft, p *topology.Proxy) {
	h := &haproxy{d: d, file: p.File, backends: map[string]*node{}, users: map[string]*node{}, fronts: map[*node]*haproxyFront{}, defaults: topology.HAProxyDefaults(p.Tree)}
	fronts := 0
	for _, s := range p.Tree {
		switch s.Name {
		case "backend", "listen":
			h.backends[s.Text()] = s
		case "userlist":
			h.users[s.Text()] = s
		}
		if s.Name == "frontend" || s.Name == "listen" {
			fronts++
		}
		if s.Name == "global" {
			h.crts, h.cas = cmp.Or(s.Get("crt-base").Text(), h.crts), cmp.Or(s.Get("ca-base").Text(), h.cas)
		}
	}
	h.ways = fronts > 1
	for _, s := range p.Tree {
		if s.Name == "frontend" || s.Name == "listen" {
			h.binds(s)
		}
	}
	h.narrow(p.Tree)
	for _, s := range p.Tree {
		switch s.Name {
		case "frontend", "listen":
			h.front(s)
		case "global":
			for _, k := range s.Kids {
				h.global(k)
			}
		case "defaults":
			f := &haproxyFront{haproxy: h, node: s, acls: map[string]condition{}, broken: map[string]bool{}, touched: map[string]bool{}}
			for _, k := range s.Kids {
				if !haproxyRules[k.Name] {
					f.line(k)
				}
			}
			d.notes = append(d.notes, f.mark...)
		case "backend", "userlist":
		default:
			d.note(&d.notes, s, "a section of that kind")
		}
	}
}

// haproxyGlobal are lines of the global section that need no counterpart. Names that begin with "tune." need none either.
var haproxyGlobal = words(`log log-tag log-send-hostname daemon user group uid gid chroot pidfile maxconn maxconnrate maxsessrate maxsslconn maxsslrate maxpipes maxcomprate maxcompcpuusage maxzlibmem
	nbproc nbthread thread-groups thread-group cpu-map cpu-policy numa-cpu-mapping stats ssl-default-bind-ciphers ssl-default-bind-ciphersuites ssl-default-bind-curves ssl-default-bind-sigalgs
	ssl-default-server-ciphers ssl-default-server-ciphersuites ssl-default-server-options ssl-default-server-curves ssl-dh-param-file ssl-mode-async ssl-engine ssl-load-extra-files ssl-load-extra-del-ext
	ca-base crt-base description node ulimit-n fd-hard-limit master-worker mworker-max-reloads hard-stop-after close-spread-time grace spread-checks max-spread-checks server-state-base server-state-file localpeer
	strict-limits zero-warning set-dumpable insecure-fork-wanted insecure-setuid-wanted busy-polling nosplice nopoll noepoll nokqueue noevports nogetaddrinfo noreuseport profiling.tasks unix-bind
	expose-experimental-directives harden.reject-privileged-ports.tcp harden.reject-privileged-ports.quic presetenv setenv unsetenv resetenv limited-quic no-quic external-check quiet debug`)

// global takes a line of the global section.
func (h *haproxy) global(k *node) {
	name, why := k.Name, ""
	switch {
	case name == "no" && haproxyGlobal[k.Text()], strings.HasPrefix(name, "tune."), haproxyGlobal[name]:
		h.d.needless["global: "+name] = true
		return
	case name == "ssl-default-bind-options":
		newer := func(o string) bool {
			return strings.EqualFold(o, "TLSv1.3") || o == "no-tlsv12" || o == "force-tlsv13" || o == "force-tlsv12" || o == "strict-sni"
		}
		if !slices.ContainsFunc(k.Args, newer) {
			h.d.needless["global: "+name] = true
			return
		}
		why = "versions of TLS; write min_version"
	case name == "ssl-server-verify":
		why = "write tls: {verify: false} to the pools"
	}
	h.d.note(&h.d.notes, k, "%s", why)
}

// narrow leaves out the ports of frontends on which others are reached by more clients, and tells of others on another address of one port.
func (h *haproxy) narrow(tree []*node) {
	wide := reaches{}
	for _, f := range h.fronts {
		for port, hosts := range f.hosts {
			for _, host := range hosts {
				wide.on(host, port)
			}
		}
	}
	for _, s := range tree {
		f := h.fronts[s]
		if f == nil {
			continue
		}
		f.ports = slices.DeleteFunc(f.ports, func(port string) bool {
			if !wide.narrow(port, f.hosts[port]) {
				return false
			}
			h.d.note(&h.d.notes, s, narrowly, port)
			return true
		})
		for _, port := range f.ports {
			for _, other := range h.fronts {
				if hosts := other.hosts[port]; other != f && len(hosts) > 0 && !slices.Equal(hosts, f.hosts[port]) {
					h.d.note(&f.mark, s, "other frontends have port %s of another address; routes look at the port alone", port)
					break
				}
			}
		}
	}
}

// setting is the last line of a name, or of a name and its first word, that holds for a section.
func (h *haproxy) setting(s *node, name, word string) *node {
	var found *node
	for _, level := range [][]*node{h.defaults[s], s.Kids} {
		for _, k := range level {
			if k.Name == name && (word == "" || k.Text() == word) {
				found = k
			}
		}
	}
	return found
}

// binds opens the listeners of a frontend, or a listen, of HTTP.
func (h *haproxy) binds(s *node) {
	if mode := h.setting(s, "mode", ""); mode == nil || mode.Text() != "http" {
		return
	}
	h.d.at = s.Place
	f := &haproxyFront{haproxy: h, node: s, acls: map[string]condition{}, broken: map[string]bool{}, hosts: map[string][]string{}, touched: map[string]bool{}}
	for _, k := range s.Kids {
		if k.Name == "bind" {
			f.bind(k)
		}
	}
	h.fronts[s] = f
}

// front translates a frontend, or a listen.
func (h *haproxy) front(s *node) {
	f := h.fronts[s]
	h.d.at = s.Place
	if f == nil {
		h.d.note(&h.d.notes, s, "mode tcp")
		return
	}
	if h.ways && len(f.ports) == 0 { // its routes would be for the other frontends' ports too
		h.d.note(&h.d.notes, s, "none of its addresses has a port; its routes are left out")
		return
	}
	f.clients()
	if f.lost = f.lost || h.d.unread; h.d.unread {
		h.d.tell(&f.mark, s.Place, "a file could not be read; what comes to the frontend is answered 501")
	}
	for _, t := range []pair{{"client", "idle"}, {"http-request", "head_time"}} {
		if k := h.setting(s, "timeout", t.key); k != nil {
			f.d.limitTime(&f.mark, k, t.value, k.Arg(1), time.Millisecond)
		}
	}
	f.monitor()
	for _, k := range f.inOrder() {
		f.line(k)
	}
	target := s
	if s.Name == "frontend" {
		target = nil
		if b := h.setting(s, "default_backend", ""); b != nil {
			target = h.backends[b.Text()]
			if target == nil {
				h.d.note(&f.mark, b, "there is no such backend")
			}
		}
	}
	defer func() { h.d.notes = append(h.d.notes, f.mark...) }() // there was no route to stand before
	if target == nil {
		f.add(&route{keys: []pair{{"respond", "{status: 503}"}}})
		return
	}
	f.to(nil, target, target)
}

// inOrder are a frontend's lines in the order in which HAProxy runs them: the rules of its defaults, its own, redirects, and then what
// chooses a backend. Headers of answers come before, since they hold for all.
func (f *haproxyFront) inOrder() []*node {
	var lines []*node
	for _, k := range f.node.Kids { // an acl may stand behind the rules of the defaults alone
		if k.Name == "http-response" || k.Name == "http-after-response" {
			lines = append(lines, k)
		}
	}
	for _, name := range []string{"http-response", "http-after-response", "tcp-request", "http-request"} {
		for _, k := range f.defaults[f.node] {
			if k.Name == name {
				lines = append(lines, k)
			}
		}
	}
	place := map[string]int{"http-response": -1, "http-after-response": -1, "redirect": 1, "use_backend": 2}
	for i := range 3 {
		for _, k := range f.node.Kids {
			if place[k.Name] == i {
				lines = append(lines, k)
			}
		}
	}
	return lines
}

// monitor answers what is asked of HAProxy itself, before any rule.
func (f *haproxyFront) monitor() {
	k := f.setting(f.node, "monitor-uri", "")
	if k == nil {
		return
	}
	if !plainPath(k.Text()) {
		f.d.note(&f.mark, k, "")
		return
	}
	f.add(&route{keys: []pair{{"path", quote(k.Text())}, {"set_response", "{'Cache-Control': no-cache}"}, {"respond", "{status: 200, type: 'text/html', body: " + quote("<html><body><h1>200 OK</h1>\nService ready.\n</body></html>\n") + "}"}}})
}

// haproxyFront is a frontend on its way.
type haproxyFront struct {
	*haproxy
	node    *node
	ports   []string
	hosts   map[string][]string // addresses of each port
	within  []pair              // of a backend: what its requests match
	acls    map[string]condition
	broken  map[string]bool // acls that cannot be said
	set     []pair          // headers of the requests that come after the line that sets them
	made    []pair
	out     []pair // headers of the answers
	allow   []string
	deny    []string
	mark    []Note
	asks    []haproxyAsks
	lost    bool            // who may ask cannot be said: what comes after is answered 501
	who     []string        // acls that look at who asks
	touched map[string]bool // what lines have changed: path, method, "header NAME", or "header " for any
}

// bind opens listeners.
func (f *haproxyFront) bind(b *node) {
	for address := range strings.SplitSeq(b.Text(), ",") {
		address = strings.TrimPrefix(strings.TrimPrefix(address, "ipv4@"), "ipv6@")
		switch {
		case strings.HasPrefix(address, "/"), strings.HasPrefix(address, "unix@"):
			address = "unix:" + strings.TrimPrefix(address, "unix@")
		case strings.ContainsAny(address, "$@") || !strings.Contains(address, ":"):
			f.d.note(&f.d.notes, b, "an address of that kind")
			continue
		default:
			host, port := address[:strings.LastIndexByte(address, ':')], address[strings.LastIndexByte(address, ':')+1:]
			if _, err := strconv.Atoi(port); err != nil {
				f.d.note(&f.d.notes, b, "an address of that kind")
				continue
			}
			f.ports = append(f.ports, port)
			f.hosts[port] = append(f.hosts[port], host)
			if host == "*" || host == "0.0.0.0" || host == "::" || host == "[::]" {
				address = ":" + port
			}
		}
		l := f.d.listenOn(address)
		if b.Has("interface") || b.Has("namespace") {
			f.lost = true
			f.d.note(&l.notes, b, "a network of its own; what comes to the frontend is answered 501")
		}
		if b.Has("ssl") {
			f.certificates(l, b)
		} else if b.Has("accept-proxy") {
			f.d.unseen(&l.notes, b, "the PROXY protocol; write proxy_protocol: on, and trusted_proxies")
		}
	}
}

// haproxyHandled are lines that are translated where they hold.
var haproxyHandled = words(`bind mode balance server default-server default_backend http-check retries cookie retry-on description monitor-uri`)

// haproxyRules are lines of a defaults section that stand with each frontend and backend.
var haproxyRules = words(`http-request http-response http-after-response tcp-request`)

// haproxyNeedless are lines that need no counterpart.
var haproxyNeedless = words(`log maxconn id bind-process capture unique-id-format
	log-format log-tag backlog fullconn hash-type email-alert load-server-state-from-file`)

// line translates one line of a frontend.
func (f *haproxyFront) line(k *node) {
	switch k.Name {
	case "acl":
		f.acl(k)
	case "use_backend":
		target := f.backends[k.Text()]
		alternatives, ok := f.when(k.Args[min(1, len(k.Args)):])
		if target == nil || !ok {
			if f.turnsAway(target) {
				f.close(k, k.Args[min(1, len(k.Args)):], "a backend or a condition without a counterpart")
				return
			}
			f.d.note(&f.mark, k, "a backend or a condition without a counterpart")
			return
		}
		for _, keys := range alternatives {
			f.to(keys, target, target)
		}
	case "redirect":
		f.redirect(k, k.Args)
	case "http-request":
		f.request(k)
	case "http-response", "http-after-response":
		f.response(k)
	case "option":
		f.option(k)
	case "timeout":
		f.timeout(k)
	case "compression":
		f.compression(k)
	case "tcp-request":
		f.connection(k)
	case "no", "stats", "errorfile", "tcp-check", "errorloc", "errorloc302", "errorloc303", "filter", "tcp-response", "stick-table", "stick", "use-server", "monitor", "reqrep", "rspadd", "reqadd", "force-persist", "ignore-persist", "http-error", "errorfiles", "use-fcgi-app", "declare":
		f.d.note(&f.mark, k, "")
	default:
		if haproxyHandled[k.Name] {
			return
		}
		if haproxyNeedless[k.Name] {
			f.d.needless[k.Name] = true
			return
		}
		f.d.note(&f.mark, k, "")
	}
}

// timeout tells of times that have no counterpart. The others are looked for where they hold.
func (f *haproxyFront) timeout(k *node) {
	switch k.Text() {
	case "connect", "server", "check", "client", "http-request":
	case "http-keep-alive", "client-fin", "server-fin", "client-hs", "tarpit":
		f.d.needless["timeout "+k.Text()] = true
	case "queue":
		f.d.note(&f.mark, k, "what has to wait is the pool's overload")
	default:
		f.d.note(&f.mark, k, "")
	}
}

// connection translates "tcp-request connection reject": who is turned away before a request is read is answered 403.
func (f *haproxyFront) connection(k *node) {
	if k.Has("expect-proxy") || k.Has("expect-netscaler-cip") || k.Has("set-src") {
		f.d.unseen(&f.mark, k, "addresses of clients in another way")
		return
	}
	if !k.Has("reject") && !k.Has("silent-drop") {
		f.d.note(&f.mark, k, "")
		return
	}
	i := slices.IndexFunc(k.Args, func(a string) bool { return a == "if" || a == "unless" })
	if i < 0 {
		f.lost = true
		f.d.note(&f.mark, k, "what comes after it is answered 501")
		return
	}
	if alternatives, ok := f.when(k.Args[i:]); ok && f.refuse(alternatives) {
		return
	}
	f.close(k, k.Args[i:], "a condition without a counterpart")
}

func (f *haproxyFront) option(k *node) {
	switch k.Text() {
	case "forwardfor":
		for _, w := range k.Args[1:] {
			if w == "header" || w == "except" || w == "if-none" {
				f.d.note(&f.mark, k, "%s", w)
			}
		}
		f.d.needless["option forwardfor"] = true
	case "httplog", "dontlognull", "http-server-close", "http-keep-alive", "httpclose", "forceclose", "redispatch", "tcplog", "log-health-checks", "log-separate-errors", "dontlog-normal", "logasap",
		"tcpka", "clitcpka", "srvtcpka", "tcp-smart-accept", "tcp-smart-connect", "httpchk", "contstats", "splice-auto", "splice-request", "splice-response", "socket-stats", "prefer-last-server", "http-ignore-probes", "http-no-delay", "http-buffer-request", "abortonclose":
		f.d.needless["option "+k.Text()] = true
	default:
		f.d.note(&f.mark, k, "")
	}
}

// add adds a route, with what holds for the frontend. Tests of the client's address are allow and deny there, and only where the route
// answers 403 by itself.
func (f *haproxyFront) add(r *route) {
	r.notes, f.mark = append(f.mark, r.notes...), nil
	if f.within != nil {
		keys, fits := merge(f.within, r.keys)
		if !fits {
			f.lost = true
			f.d.tell(&f.mark, f.node.Place, "a rule of the backend "+f.node.Text()+" that looks at what led to it; what comes to it is answered 501")
			f.mark = append(f.mark, r.notes...)
			return
		}
		r.keys = keys
	}
	if f.ways && len(f.ports) > 0 && !slices.ContainsFunc(r.keys, func(k pair) bool { return k.key == "port" }) {
		r.keys = append([]pair{{"port", "[" + strings.Join(f.ports, ", ") + "]"}}, r.keys...)
	}
	if len(f.allow) > 0 {
		r.set("allow", list(f.allow))
	}
	if len(f.deny) > 0 {
		r.set("deny", list(f.deny))
	}
	if f.lost && slices.ContainsFunc(r.keys, func(k pair) bool { return k.key == "pool" }) {
		r.refuse()
	}
	f.d.add(r)
}
