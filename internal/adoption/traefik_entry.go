package adoption

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Traefik's entry points: where it listens, and which of them a router is for.

// traefikEntry is an entry point.
type traefikEntry struct {
	node     *node
	listen   *listen
	host     string
	port     string
	narrow   bool // others on its port are reached by more clients: what it leads to is left out
	tls      bool // its routers are for TLS, whatever they say
	secure   bool // it speaks TLS
	standard bool // it is for routers that name none
}

// entry opens a listener.
func (t *traefik) entry(e *node) {
	t.d.at = e.Place
	address := strings.TrimSuffix(e.Get("address").Text(), "/tcp")
	i := strings.LastIndexByte(address, ':')
	port := address[i+1:]
	if _, err := strconv.Atoi(port); i < 0 || err != nil {
		t.d.note(&t.d.notes, e, "an address of that kind")
		return
	}
	l := t.d.listenOn(address)
	tls := e.At("http", "tls") != nil
	for k := range e.Keys() {
		switch strings.ToLower(k.Name) {
		case "address", "asdefault":
		case "http":
			for h := range k.Keys() {
				switch strings.ToLower(h.Name) {
				case "middlewares", "tls", "redirections":
				default:
					t.d.note(&l.notes, h, "")
				}
			}
		case "transport":
			t.transportOf(k, l)
		case "forwardedheaders":
			for h := range k.Keys() {
				if !strings.EqualFold(h.Name, "trustedIPs") {
					t.d.note(&l.notes, h, "write trusted_proxies")
					continue
				}
				for ip := range h.Items() {
					t.d.trust(h, ip.Text())
				}
			}
		case "proxyprotocol":
			t.d.unseen(&l.notes, k, "the PROXY protocol; write proxy_protocol: on, and trusted_proxies")
		case "http2", "reuseport", "observability", "allowacmebypass":
			t.d.needless["entryPoints: "+k.Name] = true
		default:
			t.d.note(&l.notes, k, "")
		}
	}
	t.entries = append(t.entries, traefikEntry{node: e, listen: l, host: address[:i], port: port, tls: tls})
}

// narrow finds the entry points on whose ports others are reached by more clients, and tells of others on another address of one port.
func (t *traefik) narrow() {
	wide := reaches{}
	for _, e := range t.entries {
		wide.on(e.host, e.port)
	}
	for i := range t.entries {
		e := &t.entries[i]
		if e.narrow = wide.narrow(e.port, []string{e.host}); e.narrow {
			t.d.note(&t.d.notes, e.node, narrowly, e.port)
			continue
		}
		if t.shared(e, func(o *traefikEntry) bool { return o.host != e.host && !o.narrow }) {
			t.d.note(&e.listen.notes, e.node, "another entry point has port %s of another address; routes look at the port alone", e.port)
		}
	}
}

// shared reports whether some other entry point on the port of one is like that.
func (t *traefik) shared(e *traefikEntry, is func(*traefikEntry) bool) bool {
	for i := range t.entries {
		if o := &t.entries[i]; o != e && o.port == e.port && is(o) {
			return true
		}
	}
	return false
}

// guardsOf are the middlewares that an entry point puts before its routers.
func (e *traefikEntry) guardsOf() (names []string) {
	for m := range e.node.At("http", "middlewares").Items() {
		names = append(names, m.Text())
	}
	return names
}

// transportOf takes how long an entry point waits for clients.
func (t *traefik) transportOf(k *node, l *listen) {
	for one := range k.Keys() {
		if !strings.EqualFold(one.Name, "respondingTimeouts") {
			t.d.needless["transport: "+one.Name] = true
			continue
		}
		for time := range one.Keys() {
			if strings.EqualFold(time.Name, "idleTimeout") {
				t.d.limitTime(&l.notes, time, "idle", time.Text(), second)
			} else {
				t.d.note(&l.notes, time, "a time for all of a request")
			}
		}
	}
}

// standard says which entry points are for routers that name none: those that say so, or all.
func (t *traefik) standard() {
	says := func(e traefikEntry) bool { return e.node.Get("asDefault").Text() == "true" }
	some := slices.ContainsFunc(t.entries, says)
	for i, e := range t.entries {
		t.entries[i].standard = !some || says(e)
	}
}

// redirections adds the routes of entry points that send everything to another one.
func (t *traefik) redirections() {
	for _, e := range t.entries {
		r := e.node.At("http", "redirections", "entryPoint")
		if r == nil || e.narrow {
			continue
		}
		to := strings.TrimPrefix(r.Get("to").Text(), ":")
		for _, other := range t.entries {
			if other.node.Name == to {
				to = other.port
			}
		}
		scheme, behind, status := cmp.Or(r.Get("scheme").Text(), "https"), "", "301"
		if _, err := strconv.Atoi(to); err == nil && to != map[string]string{"https": "443", "http": "80"}[scheme] {
			behind = ":" + to
		}
		if r.Get("permanent").Text() == "false" {
			status = "302"
		}
		t.d.add(&route{at: e.node.Place, keys: []pair{{"scheme", map[bool]string{true: "https", false: "http"}[e.tls]}, {"port", "[" + e.port + "]"}, {"redirect", mapping([]pair{{"to", quote(scheme + "://$host" + behind + "$uri")}, {"status", status}})}}})
	}
}

// traefikWay is some of a router's entry points: what a route must match for them, and middlewares that they put before.
type traefikWay struct {
	match   []pair
	before  []*node
	entries []*traefikEntry
}

// ways are a router's entry points: those that it names, or those that are for routers which name none.
func (t *traefik) ways(r *node, notes *[]Note) []traefikWay {
	scheme := func(tls bool) pair {
		return pair{"scheme", map[bool]string{true: "https", false: "http"}[tls || r.Get("tls") != nil]}
	}
	var mine []*traefikEntry
	for name := range r.Get("entryPoints").Items() {
		if !slices.ContainsFunc(t.entries, func(e traefikEntry) bool { return e.node.Name == name.Text() }) {
			t.d.note(notes, name, "the entry point %s is not in the files; the router is for every port", name.Text())
			return []traefikWay{{match: []pair{scheme(false)}}}
		}
	}
	for i := range t.entries {
		if own, any := t.named(r, &t.entries[i]); own || any {
			mine = append(mine, &t.entries[i])
		}
	}
	if len(mine) == 0 {
		return []traefikWay{{match: []pair{scheme(false)}}}
	}
	mine = slices.DeleteFunc(mine, func(e *traefikEntry) bool { return e.narrow })
	apart := func(e *traefikEntry) bool { return e.node.At("http", "middlewares") != nil || e.tls }
	if len(mine) == len(t.entries) && !slices.ContainsFunc(mine, apart) {
		return []traefikWay{{match: []pair{scheme(false)}, entries: mine}}
	}
	var out []traefikWay
	for _, e := range mine {
		out = append(out, traefikWay{[]pair{scheme(e.tls), {"port", "[" + e.port + "]"}}, slices.Collect(e.node.At("http", "middlewares").Items()), []*traefikEntry{e}})
	}
	return out
}
