package adoption

import (
	"context"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/topology"
)

// apache is the files of one Apache on their way.
type apache struct {
	d     *draft
	root  string  // relative paths start there
	tree  []*node // of all files
	hosts []*apacheHost
	plain map[string]bool // ports
	tls   map[string]bool

	limits   []bodyLimit
	opened   []*listen // by Listen lines
	patterns bool      // some host has a name that is a pattern: it may take another's from who takes the rest
}

// apacheHost is a virtual host, or the main server.
type apacheHost struct {
	*apache
	node    *node
	kids    []*node
	listens []topology.Listen
	names   []serverName
	ways    []nginxWay
	mark    []Note
	lost    bool   // who may ask cannot be said for any of it
	blocked bool   // nor for what comes after the rewrite rules
	before  bool   // what is added is answered before anybody is asked who they are
	program string // the address of the application for programs among files; empty for none
}

// fromApache translates files of Apache: they are one configuration.
func fromApache(ctx context.Context, d *draft, all []*topology.Proxy) error {
	a := &apache{d: d, root: filepath.Dir(all[0].File), plain: map[string]bool{}, tls: map[string]bool{}}
	for _, p := range all {
		a.tree = append(a.tree, p.Tree...)
	}
	for _, n := range a.tree {
		switch strings.ToLower(n.Name) {
		case "serverroot":
			a.root = n.Text()
		case "virtualhost":
			a.hosts = append(a.hosts, a.host(n))
		case "remoteiptrustedproxy", "remoteipinternalproxy":
			a.trust(n)
		}
	}
	a.clients()
	unread := apacheUnread(a.tree)
	a.account(a.tree, &d.notes)
	a.server()
	a.order()
	for _, h := range a.hosts {
		if err := ctx.Err(); err != nil {
			return err
		}
		d.at = h.node.Place
		h.lost = h.lost || unread != nil || apacheUnread(h.kids) != nil
		h.routes()
		d.notes, h.mark = append(d.notes, h.mark...), nil
	}
	d.sortByHost()
	if len(a.limits) > 0 {
		d.largest(a.limits)
	}
	return nil
}

// host reads a virtual host's names and addresses.
func (a *apache) host(n *node) *apacheHost {
	h := &apacheHost{apache: a, node: n, kids: n.Kids}
	for _, k := range n.Kids {
		switch strings.ToLower(k.Name) {
		case "servername", "serveralias":
			for _, name := range k.Args {
				h.name(k, strings.ToLower(name))
			}
		case "remoteiptrustedproxy", "remoteipinternalproxy":
			a.trust(k)
		}
	}
	on := n.Get("SSLEngine").Text()
	for _, address := range n.Args {
		l := topology.Listen{Node: n, TLS: strings.EqualFold(on, "on")}
		if l.Host, l.Port = topology.HostPort(address); topology.Everywhere(l.Host) || l.Host == "_default_" || l.Host == "*" {
			l.Host = ""
		}
		h.listens = append(h.listens, l)
	}
	return h
}

// name takes a name of a host.
func (h *apacheHost) name(at *node, name string) {
	if _, rest, found := strings.Cut(name, "://"); found {
		name = rest
	}
	name, _ = topology.HostPort(name)
	switch bare := strings.TrimPrefix(name, "*."); {
	case name == "" || name == "*":
	case strings.ContainsAny(name, "${"):
		h.d.note(&h.mark, at, "the name %s", name)
	case !strings.ContainsAny(bare, "*?"):
		h.names = append(h.names, serverName{text: name})
	default:
		text := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(name))
		h.names = append(h.names, serverName{"~(?i)^" + text + "(:[0-9]+)?$", true})
	}
}

// trust takes proxies in front.
func (a *apache) trust(n *node) {
	for _, text := range n.Args {
		if p, ok := apacheNetwork(text); ok {
			text = p
		}
		a.d.trust(n, text)
	}
}

// clients looks by what Apache learns clients' addresses.
func (a *apache) clients() {
	all := slices.Clone(a.tree)
	for _, n := range a.tree {
		if strings.EqualFold(n.Name, "VirtualHost") {
			all = append(all, n.Kids...)
		}
	}
	for _, n := range all {
		switch strings.ToLower(n.Name) {
		case "remoteipheader":
			if !strings.EqualFold(n.Text(), "X-Forwarded-For") {
				a.d.unseen(&a.d.notes, n, "addresses from another header than X-Forwarded-For")
			} else if len(a2all(all, "RemoteIPTrustedProxy", "RemoteIPInternalProxy")) == 0 {
				a.d.unseen(&a.d.notes, n, "a header that is taken from everybody")
			}
		case "remoteiptrustedproxylist", "remoteipinternalproxylist":
			a.d.unseen(&a.d.notes, n, "a file of addresses; write them to trusted_proxies")
		case "remoteipproxyprotocol":
			if !strings.EqualFold(n.Text(), "off") {
				a.d.unseen(&a.d.notes, n, "the PROXY protocol; write proxy_protocol: on, and trusted_proxies")
			}
		}
	}
}

// server adds the main server, where a port has no virtual host.
func (a *apache) server() {
	var main *apacheHost
	for _, n := range a.tree {
		if !strings.EqualFold(n.Name, "Listen") {
			continue
		}
		l := topology.Listen{Node: n}
		if l.Host, l.Port = topology.HostPort(n.Text()); l.Port == "" {
			l.Host, l.Port = "", n.Text()
		}
		if topology.Everywhere(l.Host) {
			l.Host = ""
		}
		taken := slices.ContainsFunc(a.hosts, func(h *apacheHost) bool {
			return slices.ContainsFunc(h.listens, func(o topology.Listen) bool { return o.Port == l.Port || o.Port == "" || o.Port == "*" })
		})
		if l.Port == "443" && !taken { // Debian's has it for a module that may not be loaded
			continue
		}
		a.d.at = n.Place
		a.opened = append(a.opened, a.d.listenOn(l.Host+":"+l.Port))
		if taken {
			continue
		}
		if main == nil {
			main = &apacheHost{apache: a, node: &node{Name: "Listen", Args: n.Args, Place: n.Place}, kids: slices.DeleteFunc(slices.Clone(a.tree), func(k *node) bool { return strings.EqualFold(k.Name, "VirtualHost") })}
			a.hosts = append(a.hosts, main)
		}
		l.TLS = slices.ContainsFunc(a.tree, func(k *node) bool { return strings.EqualFold(k.Name, "SSLEngine") && strings.EqualFold(k.Text(), "on") })
		main.listens = append(main.listens, l)
	}
}

// listen gives the listeners of an address of a host: those that Listen lines open, or its own where there is none for the port.
func (a *apache) listen(l topology.Listen) (all []*listen) {
	for _, o := range a.opened {
		if host, port := topology.HostPort(o.address); port == l.Port && (l.Host == "" || host == "" || host == l.Host) {
			all = append(all, o)
		}
	}
	if all == nil {
		all = []*listen{a.d.listenOn(l.Host + ":" + l.Port)}
	}
	return all
}

// narrow leaves out the addresses of hosts on whose ports others are reached by more clients.
func (a *apache) narrow() {
	wide := reaches{}
	for _, h := range a.hosts {
		for _, l := range h.listens {
			for _, at := range a.listen(l) {
				host, _ := topology.HostPort(at.address)
				if l.Host != "" {
					host = l.Host
				}
				wide.on(host, l.Port)
			}
		}
	}
	for _, h := range a.hosts {
		h.listens = slices.DeleteFunc(h.listens, func(l topology.Listen) bool {
			hosts := []string{l.Host}
			if l.Host == "" {
				hosts = nil
				for _, at := range a.listen(l) {
					host, _ := topology.HostPort(at.address)
					hosts = append(hosts, host)
				}
			}
			for _, other := range h.listens {
				if other.Port == l.Port && other.Host != "" {
					hosts = append(hosts, other.Host)
				}
			}
			if !wide.narrow(l.Port, hosts) {
				return false
			}
			a.d.note(&a.d.notes, h.node, narrowly, l.Port)
			return true
		})
	}
}

// order says which host takes what comes for no name, opens listeners, and gives them certificates.
func (a *apache) order() {
	a.narrow()
	first := map[string]*apacheHost{}
	for _, h := range a.hosts {
		h.listens = slices.DeleteFunc(h.listens, func(l topology.Listen) bool {
			if _, err := strconv.Atoi(l.Port); err != nil {
				a.d.note(&h.mark, l.Node, "an address without a port")
				return true
			}
			return false
		})
		for _, l := range h.listens {
			if l.Host != "" && slices.ContainsFunc(a.hosts, func(o *apacheHost) bool {
				return slices.ContainsFunc(o.listens, func(other topology.Listen) bool { return other.Port == l.Port && other.Host != l.Host })
			}) {
				a.d.note(&h.mark, h.node, "routes look at the port alone, and not at the address %s", l.Host)
			}
			if key := l.Host + ":" + l.Port; first[key] == nil {
				first[key] = h
			}
			if l.TLS {
				a.tls[l.Port] = true
			} else {
				a.plain[l.Port] = true
			}
			a.d.at = h.node.Place
			for _, at := range a.listen(l) {
				if l.TLS {
					h.certificates(at)
				}
			}
		}
	}
	plain := 0
	for port := range a.plain {
		if a.plain[port] && !a.tls[port] {
			plain++
		}
	}
	for _, h := range a.hosts {
		var mine, others []topology.Listen
		for _, l := range h.listens {
			if first[l.Host+":"+l.Port] == h {
				mine = append(mine, l)
			} else {
				others = append(others, l)
			}
		}
		for _, listens := range [][]topology.Listen{mine, others} {
			if len(listens) > 0 {
				h.ways = append(h.ways, nginxWay{way(listens, plain, len(a.tls)), len(mine) > 0 && &listens[0] == &mine[0]})
			}
		}
		a.patterns = a.patterns || slices.ContainsFunc(h.names, func(s serverName) bool { return s.regex || strings.HasPrefix(s.text, "*") })
		h.agree()
	}
}

// certificates gives a listener those of the host.
func (h *apacheHost) certificates(at *listen) {
	asks, refused := h.asks()
	h.lost = h.lost || refused
	at.demand(asks)
	certs, keys := h.all("SSLCertificateFile"), h.all("SSLCertificateKeyFile")
	for i, c := range certs {
		key := c
		if i < len(keys) {
			key = keys[i]
		}
		at.cert(h.path(c.Text()), h.path(key.Text()))
	}
	if len(certs) > 0 {
		return
	}
	for _, k := range a2all(h.tree, "MDomain", "MDomainSet", "<MDomainSet") {
		for _, name := range h.names {
			if k.Has(name.text) {
				h.d.issues(at, k, config.IssueAuto)
				for _, s := range []pair{{"MDContactEmail", "email"}, {"MDCertificateAuthority", "directory"}} {
					if say := a2all(h.tree, s.key); len(say) > 0 && (s.key != "MDCertificateAuthority" || strings.Contains(say[0].Text(), "://")) {
						h.d.authority(say[0], s.value, say[0].Text())
					}
				}
				return
			}
		}
	}
	h.d.note(&at.notes, &node{Name: h.node.Name, Args: h.node.Args, Place: h.node.Place}, "TLS without an SSLCertificateFile; add one: tls: {cert: ..., key: ...}")
}

// a2all are the directives of some names in a block.
func a2all(block []*node, names ...string) (found []*node) {
	for _, k := range block {
		if slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, k.Name) }) {
			found = append(found, k)
		}
	}
	return found
}

// all are the directives of a name of the host, or those of the main server.
func (h *apacheHost) all(name string) []*node {
	if own := a2all(h.kids, name); len(own) > 0 {
		return own
	}
	return a2all(h.tree, name)
}

// get is the last directive of a name that holds; nil if there is none.
func (h *apacheHost) get(name string) *node {
	if all := h.all(name); len(all) > 0 {
		return all[len(all)-1]
	}
	return nil
}

// path is a path as Apache takes it: from ServerRoot.
func (a *apache) path(name string) string { return beside(filepath.Join(a.root, "x"), name) }

// asks is what the host asks of clients in the handshake. refused: it cannot be said.
func (h *apacheHost) asks() (asks clientDemand, refused bool) {
	verify := h.get("SSLVerifyClient")
	if verify == nil || strings.EqualFold(verify.Text(), "none") {
		return clientDemand{}, false
	}
	auth := map[string]string{"require": config.ClientRequired, "optional": config.ClientOptional}[strings.ToLower(verify.Text())]
	ca := h.get("SSLCACertificateFile")
	for _, name := range []string{"SSLCACertificatePath", "SSLCARevocationFile", "SSLCARevocationPath", "SSLOCSPEnable"} {
		if k := h.get(name); k != nil && !strings.EqualFold(k.Text(), "off") {
			ca = nil
		}
	}
	if auth == "" || ca == nil {
		h.d.note(&h.mark, verify, "certificates of clients in a way without a counterpart; the host is answered 501")
		return clientDemand{}, true
	}
	if depth := h.get("SSLVerifyDepth"); depth != nil {
		h.d.note(&h.mark, depth, "chains of any length are accepted")
	}
	return clientDemand{h.path(ca.Text()), auth}, false
}

// agree looks whether the listeners can ask clients for what the host does.
func (h *apacheHost) agree() {
	if h.lost {
		return
	}
	for _, l := range h.listens {
		if asks, _ := h.asks(); l.TLS && asks.ca != "" && slices.ContainsFunc(h.listen(l), func(at *listen) bool { return !at.agreed() }) {
			h.d.note(&h.mark, h.get("SSLVerifyClient"), "other hosts of the listener ask clients for something else, or it has no certificate; the host is answered 501")
			h.lost = true
			return
		}
	}
}

// add adds a route for each name of the host, or for any where it takes what is for none.
func (h *apacheHost) add(r *route) {
	if r.refused || h.lost || h.blocked && !h.before {
		r.refuse()
	}
	r.notes, h.mark = append(h.mark, r.notes...), nil
	for _, w := range h.ways {
		h.addWay(r, w)
	}
}

// addWay adds a route for each name that is asked for at some of the host's addresses.
func (h *apacheHost) addWay(r *route, w nginxWay) {
	obtained := slices.ContainsFunc(h.listens, func(l topology.Listen) bool { return l.TLS && h.listen(l)[0].issue != "" })
	hosts := slices.Clone(h.names)
	switch {
	case w.main && !h.patterns && !obtained:
		hosts = []serverName{{}} // what is for no other name: its own are among that
	case w.main || len(hosts) == 0:
		hosts = append(hosts, serverName{})
	}
	h.d.addFor(r, hosts, w.match, h.node, func(name serverName) int {
		if name.text == "" {
			return 1002
		}
		return r.rank
	})
}

// timeouts are how long a pool or an application is waited for.
func (h *apacheHost) timeouts(args []string) string {
	var out []pair
	option := func(name string) (time.Duration, bool) {
		for _, a := range args {
			if v, found := strings.CutPrefix(a, name+"="); found {
				return topology.Duration(v, time.Second)
			}
		}
		return 0, false
	}
	if d, ok := option("connectiontimeout"); ok && d > 0 && d <= maxConnect {
		out = append(out, pair{"connect", d.String()})
	}
	d, ok := option("timeout")
	for _, name := range []string{"ProxyTimeout", "Timeout"} {
		if k := h.get(name); k != nil && !ok {
			d, ok = topology.Duration(k.Text(), time.Second)
		}
	}
	if ok && d > 0 && d <= 24*time.Hour {
		for _, key := range []string{"write", "head", "read"} {
			out = append(out, pair{key, d.String()})
		}
	}
	if len(out) == 0 {
		return ""
	}
	return mapping(out)
}

// bodies keeps the limit on request bodies, of which there is one for all routes: the largest.
func (h *apacheHost) bodies(levels [][]*node) {
	for _, level := range slices.Backward(levels) {
		found := a2all(level, "LimitRequestBody")
		if len(found) == 0 {
			continue
		}
		n, err := strconv.ParseInt(found[0].Text(), 10, 64)
		if err != nil || n < 0 {
			h.d.note(&h.mark, found[0], "")
			return
		}
		h.limits = append(h.limits, bodyLimit{found[0], n})
		return
	}
}
