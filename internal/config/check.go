package config

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// check finds what is wrong between keys, after each was read by itself. It warns only of a file that has no errors: what
// an error left out of the Config would make it warn of things that are not there.
func (d *decoder) check(c *Config) {
	d.checkListen(c)
	d.checkACME(c)
	for i := range c.Notify {
		d.checkNotify(&c.Notify[i], fmt.Sprintf("notify[%d]", i))
	}
	for i := range c.Routes {
		d.checkRoute(c, i)
	}
	for i := range c.Pools {
		_, c.Pools[i].Check.On = d.positions["pools."+c.Pools[i].Name+".check"]
		d.checkResolve(&c.Pools[i])
		d.checkAnnounce(&c.Pools[i])
		d.checkHealthService(&c.Pools[i])
		path := "pools." + c.Pools[i].Name + ".tls"
		d.checkPair(path, false)
		if at, given := d.positions[path+".crl"]; given && !c.Pools[i].TLS.Verify {
			d.fail(at, path+".crl", "with verify: false no certificate is looked at, and so none is found in a list", "remove verify: false, or crl")
		}
	}
	if _, given := d.positions["console.tls"]; given {
		d.checkPair("console.tls", true)
	}
	if _, pools := d.positions["pools"]; !pools && !d.full() && slices.ContainsFunc(c.Routes, func(r Route) bool { return r.Pool != "" }) {
		d.fail(position{1, 1}, "pools", "the key "+quote("pools")+" is missing", "add pools: "+root.child("pools").shown())
	}
	if d.problems.Failed() {
		return
	}
	if c.Admin.Exposed() && c.Console.PasswordFile == "" && c.Console.TLS.ClientCA == "" {
		d.warn(d.positions["admin"], "admin", "the admin address "+d.shown("admin", c.Admin.String())+exposedWarning, exposedHint)
	}
	used := map[string]bool{}
	for i := range c.Routes {
		used[c.Routes[i].Pool] = true // "" for none
		d.warnRoute(c, i)
	}
	for i := range c.Pools {
		d.warnPool(&c.Pools[i], c.Zone, used)
	}
}

// checkAnnounce refuses the PROXY protocol before HTTP/2, whose connections many clients share.
func (d *decoder) checkAnnounce(p *Pool) {
	path := "pools." + p.Name + ".proxy_protocol"
	if p.ProxyProtocol == Off || p.ProxyProtocol == "" {
		return
	}
	if p.Protocol == ProtocolHTTP2 || slices.ContainsFunc(p.Endpoints, func(e Endpoint) bool { return e.Scheme == "h2c" }) {
		d.fail(d.positions[path], path, "a connection that begins with one client's address cannot be shared, and HTTP/2 is spoken to these endpoints", "write protocol: h1 and http:// endpoints, or remove proxy_protocol")
	}
}

// checkHealthService wants HTTP/2 where gRPC's health service is asked, and no key that is about answers of HTTP.
func (d *decoder) checkHealthService(p *Pool) {
	if p.Check.Type != CheckGRPC {
		return
	}
	path := "pools." + p.Name + ".check"
	if at, given := d.positions[path+".status"]; given {
		d.fail(at, path+".status", "a check of type grpc is answered by the health service, not by a status code", "remove status, or write type: http")
	}
	if strings.Contains(p.Check.Path, "?") {
		d.fail(d.positions[path+".path"], path+".path", "for a check of type grpc this is a slash and the name of a service, and a name has no query", "write path: /shop.Cart, or leave it out for the server as a whole")
	}
	const hint = "write h2c:// in its endpoints, or protocol: h2"
	switch {
	case p.ProxyProtocol != Off && p.ProxyProtocol != "":
		d.fail(d.positions[path+".type"], path+".type", "gRPC needs HTTP/2, which is not spoken to endpoints that proxy_protocol is for", "write type: tcp")
	case p.Protocol == ProtocolHTTP1:
		d.fail(d.positions[path+".type"], path+".type", "gRPC needs HTTP/2, and the pool's protocol is "+ProtocolHTTP1, "remove protocol: "+ProtocolHTTP1)
	case p.Protocol != ProtocolHTTP2 && slices.ContainsFunc(p.Endpoints, func(e Endpoint) bool { return e.Scheme == "http" || e.Scheme == "unix" }):
		d.fail(d.positions[path+".type"], path+".type", "gRPC needs HTTP/2, and an endpoint without TLS is spoken to in HTTP/1.1 here", hint)
	}
}

// checkNotify wants a webhook or a command, and a key where PagerDuty is told.
func (d *decoder) checkNotify(n *Notify, path string) {
	at := d.positions[path]
	_, hook := d.positions[path+".webhook"]
	_, command := d.positions[path+".command"]
	switch {
	case hook && command:
		d.fail(at, path, "a webhook and a command are two: one is told, or the other", "make two items of it")
	case !hook && !command:
		d.fail(at, path, "there is nobody to tell", "add webhook: https://host/path, or command: [/path/of/a/program]")
	case n.Format == "pagerduty" && n.KeyFile == "":
		d.fail(at, path+".key_file", "PagerDuty needs the routing key of a service", "write the key into a file, and its path as key_file")
	}
}

// What is said of an admin address that others reach.
const (
	exposedWarning = " can be reached by others: without a password it shows them health and metrics, and nobody the console and the incidents"
	exposedHint    = "set console.password_file or console.tls.client_ca, or write 127.0.0.1:9502, or unix:/path, which only those who may open the file reach"
)

// Exposed reports whether others than users of this machine may reach the address. What systemd passes is not known.
func (a Address) Exposed() bool {
	host, _, err := net.SplitHostPort(a.Address)
	if err != nil || a.Network != "tcp" || host == "localhost" {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return err != nil || !ip.IsLoopback()
}

// checkListen wants a certificate with each key, and no address twice.
func (d *decoder) checkListen(c *Config) {
	for i, l := range c.Listen {
		path := fmt.Sprintf("listen[%d]", i)
		d.checkListenTLS(&l.TLS, path+".tls")
		if at, given := d.positions[path+".proxy_protocol"]; given && l.ProxyProtocol == On && len(c.TrustedProxies) == 0 && l.Address.Network != "unix" && !d.problems.Failed() {
			d.fail(at, path+".proxy_protocol", "nobody is trusted to say who the client is, so every connection would be closed", "add trusted_proxies: [the load balancer's address]")
		}
		d.checkH3(&l, path)
		for j, other := range c.Listen[:i] {
			if overlap(l.Address, other.Address) {
				line := d.lineWords(d.positions[fmt.Sprintf("listen[%d].address", j)].line)
				d.fail(d.positions[path+".address"], path+".address", fmt.Sprintf("%s is already listened on in %s", d.shown(path+".address", l.Address.String()), line), "remove one of the two")
				break
			}
		}
		if overlap(l.Address, c.Admin) {
			at, ok := d.positions["admin"]
			hint := "give the admin address another port"
			if !ok {
				at, hint = d.positions[path+".address"], "choose another port, or set admin to another one"
			}
			d.fail(at, "admin", fmt.Sprintf("the admin address %s and the listener %s cannot both be had", d.shown("admin", c.Admin.String()), d.shown(path+".address", l.Address.String())), hint)
		}
	}
}

// checkH3 refuses HTTP/3 where there is no TLS, no UDP port, or a load balancer of TCP in front.
func (d *decoder) checkH3(l *Listen, path string) {
	at, given := d.positions[path+".h3"]
	if !given || l.H3 != On || d.problems.Failed() {
		return
	}
	switch {
	case !l.TLS.On():
		d.fail(at, path+".h3", "HTTP/3 is spoken over TLS only, and this listener speaks in clear", "add tls, or remove h3")
	case l.Address.Network == "unix":
		d.fail(at, path+".h3", "HTTP/3 needs a UDP port, and a unix socket has none", "listen on host:port, or remove h3")
	case l.ProxyProtocol == On:
		d.fail(at, path+".h3", "the PROXY protocol is not spoken over UDP, so HTTP/3 clients would be taken for the load balancer", "give HTTP/3 a listener of its own that clients reach directly, or remove proxy_protocol or h3")
	}
}

// overlap reports whether the system would refuse to give both addresses: they are the same, or one covers the other.
func overlap(a, b Address) bool {
	if a.Network != b.Network || a.Network == "" {
		return false
	}
	if a.Network != "tcp" {
		return a.Address == b.Address
	}
	hostA, portA, _ := net.SplitHostPort(a.Address)
	hostB, portB, _ := net.SplitHostPort(b.Address)
	if portA != portB || portA == "0" {
		return false
	}
	if hostA == hostB {
		return true
	}
	// An empty host and [::] take IPv4 and IPv6 alike, 0.0.0.0 only IPv4.
	all := func(host string) bool { return host == "" || host == "::" }
	four := func(host string) bool { return host == "0.0.0.0" }
	six := func(host string) bool { return strings.Contains(host, ":") }
	return all(hostA) || all(hostB) || four(hostA) && !six(hostB) || four(hostB) && !six(hostA)
}

// checkRoute wants a pool that exists and a strip that can happen.
func (d *decoder) checkRoute(c *Config, i int) {
	r, path := &c.Routes[i], fmt.Sprintf("routes[%d]", i)
	d.checkAnswer(r, path)
	_, pools := d.positions["pools"] // without them, that is the error
	if _, exists := d.positions["pools."+r.Pool]; r.Pool != "" && pools && !exists && !d.full() {
		d.fail(d.positions[path+".pool"], path+".pool", "there is no pool "+quote(d.shown(path+".pool", r.Pool)), poolHint(c, r.Pool))
	}
	if r.Strip != "" && !strippable(r.Path, r.Strip) {
		d.fail(d.positions[path+".strip"], path+".strip", "no path that the route matches begins with "+d.shown(path+".strip", r.Strip), "match it: path: "+d.shown(path+".strip", r.Strip)+"/*")
	}
}

// checkAnswer wants one thing that answers a route's requests.
func (d *decoder) checkAnswer(r *Route, path string) {
	var given []string
	for i, name := range answering {
		if d.answers[path]&(1<<i) != 0 {
			given = append(given, name)
		}
	}
	switch {
	case len(given) == 0 && d.answers[path]&misspeltKey == 0:
		d.fail(d.positions[path], path+".pool", quote("pool")+" is missing in "+path, "add pool: web, or redirect, respond, files or fastcgi")
	case len(given) > 1:
		d.fail(d.positions[path+"."+given[1]], path+"."+given[1], "a route has one of pool, redirect, respond, files and fastcgi, and here are "+strings.Join(given, " and "), "make two routes of it")
	}
	for _, name := range []string{"strip", "rewrite"} {
		if at, ok := d.positions[path+"."+name]; ok && r.Pool == "" && len(given) == 1 && !(name == "strip" && given[0] == "files") && given[0] != "fastcgi" {
			d.fail(at, path+"."+name, quote(name)+" is about what a pool is asked for, and the route has none", "remove it")
		}
	}
	if at, ok := d.positions[path+".compress"]; ok && r.Compress == On && r.Pool == "" && len(given) == 1 {
		d.fail(at, path+".compress", "compress is about what a pool answers, and the route has none", "remove it")
	}
	_, strip := d.positions[path+".strip"]
	if at, ok := d.positions[path+".rewrite"]; ok && strip {
		d.fail(at, path+".rewrite", "rewrite and strip are two answers to the same question", "write rewrite: /$rest in the place of strip")
	}
	if at, ok := d.positions[path+".redirect.status"]; ok && slices.Contains([]int{304, 305, 306}, r.Redirect.Status) {
		d.fail(at, path+".redirect.status", "a redirect cannot have the status "+fmt.Sprint(r.Redirect.Status), "write 301, 302, 303, 307 or 308")
	}
	if at, ok := d.positions[path+".timeouts"]; ok && len(given) == 1 && given[0] != "pool" && given[0] != "fastcgi" {
		d.fail(at, path+".timeouts", "timeouts are about a pool or an application, and "+given[0]+" asks none", "remove them")
	}
	d.routeTimeouts(&r.Timeouts, path+".timeouts")
	if at, ok := d.positions[path+".respond.body"]; ok && slices.Contains([]int{204, 304}, r.Respond.Status) {
		d.fail(at, path+".respond.body", fmt.Sprintf("an answer %d has no body", r.Respond.Status), "remove the body")
	}
}

// routeTimeouts tells a time-out of 0 from one that is not there.
func (d *decoder) routeTimeouts(t *RouteTimeouts, path string) {
	own := *t
	*t = poolsTimeouts
	if _, ok := d.positions[path]; !ok {
		return
	}
	for _, one := range []struct {
		name string
		from time.Duration
		to   *time.Duration
	}{{"connect", own.Connect, &t.Connect}, {"write", own.Write, &t.Write}, {"head", own.Head, &t.Head}, {"read", own.Read, &t.Read}, {"response", own.Response, &t.Response}} {
		if _, ok := d.positions[path+"."+one.name]; ok {
			*one.to = one.from
		}
	}
}

// poolHint says which pool was meant.
func poolHint(c *Config, name string) string {
	names := make([]string, len(c.Pools))
	for i := range c.Pools {
		names[i] = c.Pools[i].Name
	}
	if near := nearest(name, names); near != "" {
		return "did you mean " + quote(near) + "?"
	}
	if len(names) == 0 || len(names) > 20 {
		return ""
	}
	return "the pools are " + strings.Join(names, ", ")
}

// warnRoute tells of a route that an earlier one takes everything from.
func (d *decoder) warnRoute(c *Config, i int) {
	path := fmt.Sprintf("routes[%d]", i)
	for j := range c.Routes[:min(i, shadowMax)] {
		if d.compared += 1 + len(c.Routes[j].Methods) + len(c.Routes[i].Methods); d.compared > comparedMax {
			return
		}
		if covers(&c.Routes[j], &c.Routes[i]) {
			line := d.lineWords(d.positions[fmt.Sprintf("routes[%d]", j)].line)
			d.warn(d.positions[path], path, fmt.Sprintf("this route is never reached: the one in %s takes everything it matches", line), "the first match wins; put the narrower route first")
			return
		}
	}
}

// comparedMax bounds all comparisons of routes, and of their methods: some tenth of a second.
const comparedMax = 2_000_000

// shadowMax bounds the comparison of routes with each other. A catch-all this far down the file goes unnoticed.
const shadowMax = 1000

// strippable reports whether some path of the route begins with the prefix.
func strippable(path, strip string) bool {
	stem, _ := strings.CutSuffix(path, "*")
	return path == "" || path[0] == '~' || stem == strip || strings.HasPrefix(stem, strip+"/") || strings.HasSuffix(path, "*") && strings.HasPrefix(strip+"/", stem)
}

// covers reports whether a matches everything that b does.
func covers(a, b *Route) bool {
	if a.Scheme != "" && a.Scheme != b.Scheme || len(a.Ports) > 0 && !slices.Equal(a.Ports, b.Ports) {
		return false
	}
	if a.Files.Root != "" && a.Files.Missing == MissingNext { // it leaves requests to others
		return false
	}
	return len(a.Header)+len(a.Query) == 0 && coversHost(a.Host, b.Host) && coversPath(a.Path, b.Path) && coversMethods(a.Methods, b.Methods)
}

func coversHost(a, b string) bool {
	if a == "" || a == b {
		return true
	}
	suffix, wild := strings.CutPrefix(a, "*")
	return wild && strings.HasSuffix(b, suffix)
}

func coversPath(a, b string) bool {
	if a == "" || a == b {
		return true
	}
	stem, wild := strings.CutSuffix(a, "*")
	if a[0] == '~' || strings.HasPrefix(b, "~") { // what an expression takes is not worked out
		return a == "/*"
	}
	return wild && (strings.HasPrefix(b, stem) || stem == "/")
}

func coversMethods(a, b []string) bool {
	if len(a) == 0 {
		return true
	}
	has := map[string]bool{}
	for _, m := range a {
		has[m] = true
	}
	for _, m := range b {
		if !has[m] {
			return false
		}
	}
	return len(b) > 0
}

// warnPool tells of a pool that nothing leads to, of endpoints that are the same, and of TLS settings without effect.
func (d *decoder) warnPool(p *Pool, zone string, used map[string]bool) {
	path := "pools." + p.Name
	if !used[p.Name] {
		d.warn(d.positions[path], path, "no route leads to the pool "+quote(p.Name), "")
	}
	secure, h2c := false, false
	seen := map[string]bool{}
	for i, e := range p.Endpoints {
		secure, h2c = secure || e.Scheme == "https", h2c || e.Scheme == "h2c"
		if seen[e.String()] {
			at := fmt.Sprintf("%s.endpoints[%d]", path, i)
			d.warn(d.positions[at], at, "the endpoint "+d.shown(at, e.String())+" is listed twice", "remove one; it would get twice the requests")
		}
		seen[e.String()] = true
	}
	if at, ok := d.positions[path+".protocol"]; ok && h2c && p.Protocol == ProtocolHTTP1 {
		d.warn(at, path+".protocol", "an h2c:// endpoint is spoken to in HTTP/2 whatever this says", "write http:// in its endpoints")
	}
	if at, ok := d.positions[path+".hash"]; ok && p.Balance != ByHash {
		d.warn(at, path+".hash", "the pool's balance is "+p.Balance+", so this has no effect", "write balance: hash")
	}
	if len(p.Endpoints) > 0 && !slices.ContainsFunc(p.Endpoints, func(e Endpoint) bool { return !e.Backup }) {
		d.warn(d.positions[path+".endpoints"], path+".endpoints", "every endpoint of the pool is a backup", "remove backup: true from those that are to be asked first")
	}
	if i := slices.IndexFunc(p.Endpoints, func(e Endpoint) bool { return e.Zone != "" }); i >= 0 && zone == "" {
		at := fmt.Sprintf("%s.endpoints[%d].zone", path, i)
		d.warn(d.positions[at], at, "nothing says in which zone the gateway is, so that no zone is preferred", "add zone: "+quote(p.Endpoints[i].Zone)+" at the top level")
	}
	if at, ok := d.positions[path+".hedge"]; ok && p.Hedge != 0 && len(p.Endpoints) == 1 && !p.Resolve.On {
		d.warn(at, path+".hedge", "the pool has one endpoint, and a hedge goes to another", "add an endpoint, or remove hedge")
	}
	if at, ok := d.positions[path+".tls"]; ok && !secure && !p.Resolve.Secure() {
		d.warn(at, path+".tls", "the pool has no https endpoint, so this has no effect", "write https:// in its endpoints")
	}
}

// checkPair wants a certificate and its key together. A listener's tls section needs them, a pool's may do without both.
func (d *decoder) checkPair(path string, needed bool) {
	at, given := d.positions[path]
	_, cert := d.positions[path+".cert"]
	_, key := d.positions[path+".key"]
	if !given || !needed && !cert && !key {
		return
	}
	const hint = "a certificate and its private key go together"
	if !cert {
		d.fail(at, path+".cert", quote("cert")+" is missing in "+path, hint)
	}
	if !key {
		d.fail(at, path+".key", quote("key")+" is missing in "+path, hint)
	}
}

// forbiddenField tells why a field cannot be set, empty if it can. section is one of set_request, set_response, make_request and make_response.
func forbiddenField(section, name string) (message, hint string) {
	switch strings.ToLower(name) {
	// RFC 9110 section 7.6.1: these belong to one connection, and the gateway makes its own.
	case "connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade", "via", "cdn-loop", "max-forwards":
		return "the header " + quote(name) + " cannot be set: it is between the gateway and its neighbour", "remove it; the gateway writes it where needed"
	// RFC 9112 section 6: these say where the message ends, and only the gateway knows that.
	case "content-length", "trailer":
		return "the header " + quote(name) + " cannot be set: it frames the message", "remove it; the gateway writes it where needed"
	case "host":
		if strings.HasSuffix(section, "_request") {
			return "the header " + quote(name) + " cannot be set here", "set the Host header in the pool: host: client, endpoint or a name"
		}
	}
	return "", ""
}
