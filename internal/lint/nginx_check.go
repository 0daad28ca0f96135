package lint

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/topology"
)

// hostPart is what a target has between scheme and path.
func hostPart(target string) (host, path string) {
	_, rest, found := strings.Cut(target, "://")
	if !found {
		rest = target
	}
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		return rest[:i], rest[i:]
	}
	return rest, ""
}

func checkResolver(c *check) {
	for r := range c.routes("nginx") {
		host, _ := hostPart(r.Target)
		if !strings.Contains(host, "$") || !r.Proxy.Whole && r.Server == nil || r.Setting("resolver") != nil {
			continue
		}
		u := r.Members()[0]
		if r.Group.Name != "" || u.Host == "" || u.Unix != "" || net.ParseIP(u.Host) != nil {
			continue
		}
		if r.Proxy.Whole && !unread(r) {
			c.fault(r.Node, fmt.Sprintf("%s holds the name %s, which nginx resolves for each request, and no resolver is set: every request gets 502.", r.Target, u.Host), "resolver 127.0.0.11 valid=10s;")
		} else {
			c.add(absent(r, Risk), r.Node, fmt.Sprintf("%s holds the name %s, which nginx resolves for each request: unless another file sets a resolver, every request gets 502.", r.Target, u.Host), "resolver 127.0.0.11 valid=10s;")
		}
	}
}

// unread reports whether something that is included around a route could not be read.
func unread(r *route) bool {
	for _, level := range r.Scope {
		if len(level.Named("include")) > 0 {
			return true
		}
	}
	return false
}

// absent is a severity for what is missing around a route: a note where it may stand in a file that could not be read.
func absent(r *route, s Severity) Severity {
	if unread(r) {
		return Note
	}
	return s
}

func checkVariablePath(c *check) {
	for r := range c.routes("nginx") {
		host, path := hostPart(r.Target)
		if r.Node.Name != "proxy_pass" || !strings.Contains(host, "$") || path == "" || strings.Contains(path, "$") || rewritten(r) {
			continue
		}
		if fixed, isExact := strings.CutPrefix(r.Path, "= "); isExact && fixed != "" {
			continue // one path is all that comes here
		}
		if namedLocation(r) || oneEndpoint(r.Path, path) {
			continue
		}
		severity := Fault
		if strings.HasPrefix(r.Path, "~") { // what it takes may be one path
			severity = Risk
		}
		c.add(severity, r.Node, fmt.Sprintf("with a variable in it, proxy_pass asks for %s whatever the client asked for.", path), "proxy_pass "+strings.TrimSuffix(r.Target, path)+"$request_uri;")
	}
}

// oneEndpoint reports whether a location is that of one path, and not of those below it: a pattern or a prefix that ends as the path does.
func oneEndpoint(location, path string) bool {
	return !strings.HasSuffix(location, "/") && strings.HasSuffix(strings.Trim(location, "/$"), strings.Trim(path, "/")) && strings.Trim(path, "/") != ""
}

// rewritten reports whether a rewrite stands beside the route.
func rewritten(r *route) bool { return len(r.Scope) > 0 && r.Setting("rewrite") != nil }

// namedLocation reports whether a location is one that only other lines lead to: an internal one, or one of auth_request.
func namedLocation(r *route) bool {
	if strings.HasPrefix(r.Path, "@") {
		return true
	}
	return len(r.Scope[len(r.Scope)-1].Named("internal")) > 0
}

func checkJoined(c *check) {
	for r := range c.routes("nginx") {
		_, path := hostPart(r.Target)
		if r.Node.Name != "proxy_pass" || path == "" || strings.Contains(r.Target, "$") || strings.Contains(r.Target, "unix:") {
			continue
		}
		location := strings.TrimPrefix(r.Path, "^~ ")
		if !strings.HasPrefix(location, "/") || location == "/" || rewritten(r) || namedLocation(r) || filePath(location) {
			continue // an exact location, a pattern, the root
		}
		inner, outer := strings.HasSuffix(path, "/"), strings.HasSuffix(location, "/")
		switch {
		case inner && !outer:
			c.risk(r.Node, fmt.Sprintf("location %s and proxy_pass with %s make %s/x into %s/x.", location, path, location, path), "location "+location+"/ {")
		case outer && !inner:
			c.risk(r.Node, fmt.Sprintf("location %s and proxy_pass with %s make %sx into %sx.", location, path, location, path), "proxy_pass "+r.Target+"/;")
		}
	}
}

// filePath reports whether a location is one file: /robots.txt.
func filePath(location string) bool {
	last := location[strings.LastIndexByte(location, '/')+1:]
	return strings.Contains(last, ".")
}

// alive are the members of a group that get requests.
func alive(g *topology.Group) (members []*upstream) {
	for _, u := range g.Members {
		if !u.Down {
			members = append(members, u)
		}
	}
	return members
}

// used are the groups that a route leads to.
func used(p *proxy) (all []*topology.Group) {
	seen := map[*topology.Group]bool{}
	for _, r := range p.Routes {
		if r.Group.Name != "" && !seen[r.Group] {
			seen[r.Group] = true
			all = append(all, r.Group)
		}
	}
	return all
}

// parameter is a server line's parameter: name=value.
func parameter(n *Node, name string) string {
	for _, a := range n.Args {
		if v, ok := strings.CutPrefix(a, name+"="); ok {
			return v
		}
	}
	return ""
}

func checkEject(c *check) {
	for r := range c.routes("nginx") {
		module := strings.TrimSuffix(r.Node.Name, "_pass")
		next := r.Setting(module + "_next_upstream")
		if next == nil || len(alive(r.Group)) < 2 {
			continue
		}
		i := slices.IndexFunc(next.Args, func(a string) bool {
			return a == "http_500" || a == "http_502" || a == "http_503" || a == "http_504" || a == "http_429"
		})
		if i < 0 || slices.ContainsFunc(alive(r.Group), func(u *upstream) bool {
			n, err := strconv.Atoi(parameter(u.Node, "max_fails"))
			return err == nil && (n == 0 || n > 2)
		}) {
			continue
		}
		c.risk(next, fmt.Sprintf("two requests to which the application answers %s take every server of %q out: all others get 502 meanwhile.", strings.TrimPrefix(next.Args[i], "http_"), r.Group.Name),
			module+"_next_upstream error timeout;")
	}
}

func checkMaxFails(c *check) {
	for p := range c.proxies("nginx") {
		for _, g := range used(p) {
			members := alive(g)
			if len(members) < 2 {
				continue
			}
			every := true
			for _, u := range members {
				d, ok := topology.Duration(parameter(u.Node, "fail_timeout"), time.Second)
				every = every && parameter(u.Node, "max_fails") == "1" && ok && d >= 30*time.Second
			}
			if every {
				c.risk(members[0].Node, fmt.Sprintf("one failure takes a server of %q out for %s, and one bad request can fail at each of them: then everybody gets 502 that long.", g.Name, parameter(members[0].Node, "fail_timeout")),
					strings.NewReplacer("max_fails=1", "max_fails=3", "fail_timeout="+parameter(members[0].Node, "fail_timeout"), "fail_timeout=10s").Replace(members[0].Node.Words())+";")
			}
		}
	}
}

func checkRetriesPost(c *check) {
	for r := range c.routes("nginx") {
		next := r.Setting(strings.TrimSuffix(r.Node.Name, "_pass") + "_next_upstream")
		if next.Has("non_idempotent") && (len(alive(r.Group)) > 1 || next.Has("timeout")) && len(alive(r.Group)) > 1 {
			c.risk(next, fmt.Sprintf("a POST that one server of %q was slow with, or had begun, is sent to the next one as well.", r.Group.Name), strings.Replace(next.Words(), " non_idempotent", "", 1)+";")
		}
	}
}

func checkNeverRetries(c *check) {
	for r := range c.routes("nginx") {
		next := r.Setting(strings.TrimSuffix(r.Node.Name, "_pass") + "_next_upstream")
		if next.Text() == "off" && len(alive(r.Group)) > 1 {
			c.risk(next, fmt.Sprintf("while one of the %d servers of %q restarts, its share of the requests gets 502.", len(alive(r.Group)), r.Group.Name), next.Name+" error timeout;")
		}
	}
}

func checkAllDown(c *check) {
	for p := range c.proxies("nginx") {
		for _, g := range used(p) {
			if len(g.Members) > 0 && len(alive(g)) == 0 {
				c.fault(g.Members[0].Node, fmt.Sprintf("every server of %q is marked down: every request to it gets 502.", g.Name), strings.Replace(g.Members[0].Node.Words(), " down", "", 1)+";")
			}
		}
	}
}

func checkGRPC(c *check) {
	for r := range c.routes("nginx") {
		if r.Node.Name != "grpc_pass" || r.Server == nil || r.Setting("http2").Text() == "on" {
			continue
		}
		if slices.ContainsFunc(r.Server.Listen, func(l topology.Listen) bool { return l.Node.Has("http2") || l.Node.Has("quic") }) {
			continue
		}
		if len(sharedListen(r.Proxy, r.Server)) > 0 {
			continue
		}
		severity, unless := Fault, ""
		if !r.Proxy.Whole {
			severity, unless = Risk, ", unless another file says http2"
		}
		c.add(absent(r, severity), r.Server.Listen[0].Node, fmt.Sprintf("gRPC is passed on here (%v), and this server speaks only HTTP/1.1 to clients%s: every call fails.", r.Node.Place, unless), "http2 on; (before nginx 1.25.1: "+strings.TrimSuffix(r.Server.Listen[0].Node.Words(), ";")+" http2;)")
	}
}

// sharedListen are the listens of other servers at the same addresses that speak HTTP/2: it holds for all of an address's servers.
func sharedListen(p *proxy, server *topology.Server) (all []*Node) {
	for _, s := range p.Servers {
		for _, l := range s.Listen {
			if !l.Node.Has("http2") {
				continue
			}
			for _, mine := range server.Listen {
				if mine.Port == l.Port {
					all = append(all, l.Node)
				}
			}
		}
	}
	return all
}

func checkGRPCPort(c *check) {
	for r := range c.routes("nginx") {
		for _, u := range r.Members() {
			if r.Node.Name == "proxy_pass" && (u.Port == "50051" || u.Port == "50052") {
				c.risk(r.Node, fmt.Sprintf("%s is the usual port of gRPC, and proxy_pass speaks HTTP/1: if gRPC listens there, every call fails.", at(u)), "grpc_pass grpc://"+at(u)+";").of(r, u)
				break
			}
		}
	}
}

func checkCacheErrors(c *check) {
	for r := range c.routes("nginx") {
		module := strings.TrimSuffix(r.Node.Name, "_pass")
		on := r.Setting(module + "_cache")
		if on == nil || on.Text() == "off" {
			continue
		}
		for _, v := range r.Inherit(module + "_cache_valid") {
			if len(v.Args) < 2 {
				continue
			}
			d, ok := topology.Duration(v.Args[len(v.Args)-1], time.Second)
			bad := slices.ContainsFunc(v.Args[:len(v.Args)-1], func(a string) bool { return a == "any" || strings.HasPrefix(a, "5") })
			if ok && bad && d > 10*time.Second {
				c.risk(v, fmt.Sprintf("an error of the application is given to everybody for %s.", shown(d)), module+"_cache_valid 200 301 302 "+v.Args[len(v.Args)-1]+";")
			}
		}
	}
}

func checkBurst(c *check) {
	for r := range c.routes("nginx") {
		for _, l := range r.Inherit("limit_req") {
			if parameter(l, "burst") != "" || !pages(r.Path) {
				continue
			}
			c.risk(l, "requests that come at the same moment, as those of one page do, get 503 but for the first.", l.Words()+" burst=20 nodelay;")
		}
	}
}

// pages reports whether a location serves pages with what belongs to them, and not one form or one file.
func pages(location string) bool { return location == "" || location == "/" }

func checkDescriptors(c *check) {
	for p := range c.proxies("nginx") {
		var limit, connections *Node
		for _, d := range p.Tree {
			switch d.Name {
			case "worker_rlimit_nofile":
				limit = d
			case "events":
				connections = d.Get("worker_connections")
			}
		}
		if limit == nil || connections == nil {
			continue
		}
		n, ok := topology.Size(connections.Text())
		files, isNumber := topology.Size(limit.Text())
		if ok && isNumber && files < n {
			c.risk(limit, fmt.Sprintf("a worker may have %d connections (%v) with %d descriptors: under load they run out.", n, connections.Place, files), fmt.Sprintf("worker_rlimit_nofile %d;", 2*n))
		}
	}
}

func checkSmallBuffer(c *check) {
	for r := range c.routes("nginx") {
		module := strings.TrimSuffix(r.Node.Name, "_pass")
		n := r.Setting(module + "_buffer_size")
		size, ok := topology.Size(n.Text())
		if n != nil && ok && size > 0 && size < 4<<10 {
			c.risk(n, fmt.Sprintf("a response with more than %d bytes of headers gets 502: the default is larger.", size), module+"_buffer_size 16k;")
		}
	}
}

// upgrades reports whether a route passes WebSockets on.
func upgrades(r *route) *Node {
	for _, h := range r.Inherit("proxy_set_header") {
		if strings.EqualFold(h.Text(), "Upgrade") && h.Arg(1) == "$http_upgrade" {
			return h
		}
	}
	return nil
}

// dedicated tells a location for WebSockets from one through which they come among others.
var dedicated = regexp.MustCompile(`(?i)(^|[/ ~^])(ws|wss|websocket|websockets|cable|socket)(/|$)`)

func checkWebSocketTime(c *check) {
	for r := range c.routes("nginx") {
		if u := upgrades(r); u != nil && r.Read.Node == nil && dedicated.MatchString(r.Path) {
			c.note(r.Node, "a WebSocket that is silent for 60 s is closed.", "proxy_read_timeout 1h;")
		}
	}
}

var eventPath = regexp.MustCompile(`(?i)/(sse|events?|stream|event-stream)(/|$)`)

func checkEvents(c *check) {
	for r := range c.routes("nginx") {
		if r.Node.Name == "proxy_pass" && eventPath.MatchString(r.Path) && r.Setting("proxy_buffering").Text() != "off" {
			c.note(r.Node, "events wait in nginx's buffer, unless the application sends X-Accel-Buffering: no.", "proxy_buffering off;")
		}
	}
}

func checkErrorPage(c *check) {
	for r := range c.routes("nginx") {
		if r.Path != "/" || r.Server == nil || r.Node.Name != "proxy_pass" {
			continue
		}
		for _, e := range r.Inherit("error_page") {
			page := ""
			if len(e.Args) > 1 {
				page = e.Args[len(e.Args)-1]
			}
			if !slices.ContainsFunc(e.Args, func(a string) bool { return a == "502" || a == "504" }) || !strings.HasPrefix(page, "/") {
				continue
			}
			if !slices.ContainsFunc(r.Server.Node.Kids, func(n *Node) bool {
				return n.Name == "location" && len(n.Args) > 0 && (n.Args[0] == "~" || n.Args[0] == "~*" || strings.HasPrefix(page, n.Args[len(n.Args)-1]) && n.Args[len(n.Args)-1] != "/")
			}) {
				c.note(e, page+" is asked for at the application that is down.", "location = "+page+" { root /usr/share/nginx/html; internal; }")
			}
		}
	}
}

func checkConnectTime(c *check) {
	for r := range c.routes("nginx") {
		n := r.Setting(strings.TrimSuffix(r.Node.Name, "_pass") + "_connect_timeout")
		if d, ok := topology.Duration(n.Text(), time.Second); n != nil && ok && d > 75*time.Second {
			c.note(n, fmt.Sprintf("the kernel gives up before %s: a host that does not answer makes clients wait for more than a minute.", shown(d)), n.Name+" 5s;")
		}
	}
}

func checkResolverValid(c *check) {
	for r := range c.routes("nginx") {
		n := r.Setting("resolver")
		if n == nil || !strings.Contains(r.Target, "$") {
			continue
		}
		if d, ok := topology.Duration(parameter(n, "valid"), time.Second); ok && d > 10*time.Minute {
			c.note(n, fmt.Sprintf("an address that changed is asked for %s on.", shown(d)), strings.Replace(n.Words(), "valid="+parameter(n, "valid"), "valid=10s", 1)+";")
		}
	}
}

// cloudflareWaits is about when Cloudflare gives up.
const cloudflareWaits = 2 * time.Minute

func checkCloudflare(c *check) {
	for r := range c.routes("nginx") {
		if r.Read.Node != nil && r.Read.Time > cloudflareWaits && strings.EqualFold(r.Setting("real_ip_header").Text(), "CF-Connecting-IP") {
			c.note(r.Read.Node, fmt.Sprintf("nginx waits %s, and Cloudflare, which is before it, about %s: then it is logged as 499.", shown(r.Read.Time), shown(cloudflareWaits)), r.Read.Node.Name+" 100s;")
		}
	}
}
