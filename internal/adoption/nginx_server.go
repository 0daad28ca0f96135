package adoption

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/whygate/whygate/internal/topology"
)

// nginx's servers: their names and addresses, and which of them takes what comes to a port.

// nginxServer is a server block.
type nginxServer struct {
	node    *node
	scope   scope
	names   []serverName
	listens []topology.Listen
	quic    []topology.Listen // those of HTTP/3
	ways    []nginxWay
	mark    []Note // what waits for a route to stand before

	whole    []*location // as locations lists them, once asked for
	keepers  []keeper    // those that may keep people out, likewise
	programs map[string]program
	looked   bool // passes is known
	passes   bool
	lost     bool // who may ask cannot be said for any of it
	unread   bool // some of it could not be read
	narrow   bool // others take all of its ports
	clients  bool // it wants certificates of clients, and its listener cannot ask for them
}

// nginxWay is some of a server's addresses: what a route must match for them.
type nginxWay struct {
	match []pair
	main  bool // it takes what comes there for no other name
}

// serverName is one name: an exact one, *. and one, or a regular expression for the Host header.
type serverName struct {
	text  string
	regex bool
}

// read takes a server's names and addresses.
func (n *nginx) read(b *node, s scope) *nginxServer {
	v := &nginxServer{node: b, scope: s, programs: map[string]program{}}
	for _, names := range s.own("server_name") {
		for _, name := range names.Args {
			n.name(v, names, strings.ToLower(name))
		}
	}
	for _, l := range s.own("listen") {
		at := topology.Listen{Node: l, TLS: l.Has("ssl") || overQUIC(l)}
		if path, ok := strings.CutPrefix(l.Text(), "unix:"); ok {
			at.Unix = path
		} else if at.Host, at.Port = topology.HostPort(l.Text()); at.Port == "" {
			if _, err := strconv.Atoi(at.Host); err == nil {
				at.Host, at.Port = "", at.Host
			} else {
				at.Port = "80"
			}
		}
		if l.Has("proxy_protocol") {
			n.d.note(&v.mark, l, "the PROXY protocol")
		}
		if overQUIC(l) {
			v.quic = append(v.quic, at)
		}
		if !overQUIC(l) || l.Has("ssl") {
			v.listens = append(v.listens, at)
		}
	}
	n.overQUICAlone(v)
	if len(v.listens) == 0 {
		v.listens = []topology.Listen{{Port: "80", Node: b}}
	}
	if on := s.get("ssl"); on != nil && on.Text() == "on" {
		for i := range v.listens {
			v.listens[i].TLS = true
		}
	}
	return v
}

// name takes one name of a server.
func (n *nginx) name(v *nginxServer, at *node, name string) {
	switch {
	case name == "_" || name == "" || name == "localhost" && len(at.Args) == 1 || name == "*":
		if name == "localhost" {
			v.names = append(v.names, serverName{text: name})
		}
	case strings.HasPrefix(name, "~"):
		expression := at.Args[slices.IndexFunc(at.Args, func(a string) bool { return strings.EqualFold(a, name) })][1:]
		if _, err := regexp.Compile(expression); err != nil {
			n.d.note(&v.mark, at, "the regular expression needs what RE2 has not")
			return
		}
		expression = strings.TrimSuffix(expression, "$")
		v.names = append(v.names, serverName{"~(?i)" + expression + "(:[0-9]+)?$", true})
	case strings.HasPrefix(name, "."):
		v.names = append(v.names, serverName{text: name[1:]}, serverName{text: "*" + name})
	case strings.HasSuffix(name, ".*"):
		v.names = append(v.names, serverName{"~(?i)^" + regexp.QuoteMeta(name[:len(name)-1]) + `[^:]+(:[0-9]+)?$`, true})
	case strings.Contains(strings.TrimPrefix(name, "*."), "*") || strings.Contains(name, "$"):
		n.d.note(&v.mark, at, "the name %s", name)
	default:
		v.names = append(v.names, serverName{text: name})
	}
}

// order says which server takes what comes to a port for no name, and which way each of them is for.
func (n *nginx) order() {
	n.narrow()
	first, said := map[string]*nginxServer{}, map[string]bool{}
	plain, secure := map[string]bool{}, map[string]bool{}
	var late []func() // of servers for HTTP/3 alone: over TCP another one comes first
	for _, v := range n.servers {
		for _, l := range v.listens {
			key := addressOf(l)
			says := l.Node.Has("default_server") || l.Node.Has("default")
			switch {
			case !overTCP(l):
				late = append(late, func() { first[key] = cmp.Or(first[key], v) })
			case first[key] == nil || says && !said[key]:
				first[key], said[key] = v, says
			}
			if l.TLS {
				secure[l.Port] = true
			} else {
				plain[l.Port] = true
			}
			n.d.at = v.node.Place
			n.listen(l)
		}
	}
	for _, claim := range late {
		claim()
	}
	n.secure(first)
	n.speakQUIC()
	for _, v := range n.servers {
		n.patterns = n.patterns || slices.ContainsFunc(v.names, func(s serverName) bool { return s.regex || strings.HasPrefix(s.text, "*") })
		var mine, others []topology.Listen
		for _, l := range v.listens {
			if first[addressOf(l)] == v {
				mine = append(mine, l)
			} else {
				others = append(others, l)
			}
		}
		for _, listens := range [][]topology.Listen{mine, others} {
			portless := !slices.ContainsFunc(listens, func(l topology.Listen) bool { return l.Port != "" })
			switch {
			case len(listens) == 0:
			case portless && len(plain)+len(secure) > 1: // its routes would be everybody's
				n.d.note(&n.d.notes, listens[0].Node, "a unix socket beside ports: routes cannot tell it from them, and those of its server are left out")
			default:
				v.ways = append(v.ways, nginxWay{way(listens, len(plain), len(secure)), first[addressOf(listens[0])] == v})
			}
		}
	}
	n.sameAddresses()
}

// narrow leaves out the addresses of servers on whose ports others are reached by more clients.
func (n *nginx) narrow() {
	wide := reaches{}
	for _, v := range n.servers {
		for _, l := range v.listens {
			wide.on(l.Host, l.Port)
		}
	}
	for _, v := range n.servers {
		before := len(v.listens)
		hosts := map[string][]string{}
		for _, l := range v.listens {
			hosts[l.Port] = append(hosts[l.Port], l.Host)
		}
		v.listens = slices.DeleteFunc(v.listens, func(l topology.Listen) bool {
			if l.Port == "" || !wide.narrow(l.Port, hosts[l.Port]) {
				return false
			}
			n.d.note(&n.d.notes, l.Node, narrowly, l.Port)
			return true
		})
		v.narrow = before > 0 && len(v.listens) == 0
	}
}

// addressOf is what servers share whose names are compared.
func addressOf(l topology.Listen) string {
	if l.Host == "*" || l.Host == "0.0.0.0" || l.Host == "[::]" || l.Host == "::" {
		return ":" + l.Port
	}
	return l.Host + ":" + l.Port + l.Unix
}

// sameAddresses tells of servers that one address of a port has and another has not: routes look at the port alone.
func (n *nginx) sameAddresses() {
	ports := map[string]map[string][]*nginxServer{}
	for _, v := range n.servers {
		for _, l := range v.listens {
			if l.Port == "" {
				continue
			}
			if ports[l.Port] == nil {
				ports[l.Port] = map[string][]*nginxServer{}
			}
			ports[l.Port][addressOf(l)] = append(ports[l.Port][addressOf(l)], v)
		}
	}
	for _, v := range n.servers {
		for _, l := range v.listens {
			mine := ports[l.Port][addressOf(l)]
			for _, theirs := range ports[l.Port] {
				if !slices.Equal(mine, theirs) {
					n.d.note(&v.mark, l.Node, "other servers have port %s of another address; routes look at the port alone", l.Port)
					n.patterns = true // several take what is for no name
					break
				}
			}
		}
	}
}

// way says which scheme, or which ports, addresses are of, where not all are.
func way(listens []topology.Listen, plain, secure int) []pair {
	if plain+secure < 2 {
		return nil
	}
	var ports []string
	tls, clear := false, false
	for _, l := range listens {
		tls, clear = tls || l.TLS, clear || !l.TLS
		if l.Port != "" && !slices.Contains(ports, l.Port) {
			ports = append(ports, l.Port)
		}
	}
	switch {
	case plain <= 1 && secure <= 1 && tls && clear || len(ports) == plain+secure:
	case plain <= 1 && secure <= 1 && tls:
		return []pair{{"scheme", "https"}}
	case plain <= 1 && secure <= 1:
		return []pair{{"scheme", "http"}}
	case len(ports) > 0:
		return []pair{{"port", "[" + strings.Join(ports, ", ") + "]"}}
	}
	return nil
}

// server translates one server block.
func (n *nginx) server(ctx context.Context, v *nginxServer) error {
	n.d.at = v.node.Place
	v.unread = n.unread || unreadLine(v.node.Kids) != nil
	n.account(v.scope[len(v.scope)-1], &v.mark)
	for _, b := range v.scope.own("set_real_ip_from") {
		n.trust(b)
	}
	whole := n.locations(v)
	if n.always(v) {
		return nil
	}
	v.lost = n.conditions(v, nil, v.scope) || v.lost
	catchAll := false
	for _, l := range whole {
		if err := ctx.Err(); err != nil {
			return err
		}
		catchAll = catchAll || l.path == "" && l.kind == prefixLocation
		n.location(v, l)
	}
	if !catchAll {
		n.location(v, &location{node: v.node, scope: v.scope, kind: prefixLocation})
	}
	return nil
}

// always translates a "return" or "rewrite" that stands in the server itself: they come before every location.
func (n *nginx) always(v *nginxServer) bool {
	for _, b := range v.scope.own("rewrite") {
		n.rewriteAlways(v, b)
	}
	returns := v.scope.own("return")
	if len(returns) == 0 {
		return false
	}
	if n.conditions(v, nil, v.scope) || v.lost {
		n.refuses(v, nil)
		return true
	}
	n.answer(v, nil, returns[0], v.scope)
	return true
}

// add adds a route for each of the server's names, or for any where it takes what is for none.
func (n *nginx) add(v *nginxServer, r *route) {
	if r.refused || v.clients || v.unread {
		r.refuse()
	}
	r.notes, v.mark = append(v.mark, r.notes...), nil
	for _, w := range v.ways {
		hosts := slices.Clone(v.names)
		switch {
		case w.main && !n.patterns:
			hosts = []serverName{{}} // what is for no other name: its own are among that
		case w.main:
			hosts = append(hosts, serverName{})
		}
		n.d.addFor(r, hosts, w.match, v.node, rank)
	}
}

// addHost asks for a Host header beside other conditions of the route. False means that the route asks for another one.
func addHost(keys []pair, expression string) ([]pair, bool) {
	for i, k := range keys {
		if k.key == "header" {
			if named(k.value, "{Host: ") {
				return keys, false
			}
			keys = slices.Clone(keys)
			keys[i].value = "{Host: " + quote(expression) + ", " + k.value[1:]
			return keys, true
		}
	}
	return append([]pair{{"header", "{Host: " + quote(expression) + "}"}}, keys...), true
}

// sortByHost puts the routes into the order in which servers are chosen.
func (d *draft) sortByHost() {
	slices.SortStableFunc(d.routes, func(a, b *route) int { return cmp.Compare(a.rank, b.rank) })
}
