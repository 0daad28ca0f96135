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

// nginxRules are about routes and groups of nginx.
var nginxRules = []Rule{
	{
		ID: "nginx-variable-without-resolver", Severity: Fault, Products: []string{"nginx"}, Causes: []string{"dns-no-resolver"},
		Title:   "A variable holds a name, and nginx has no resolver",
		Happens: "Every request gets 502: \"no resolver defined to resolve\". nginx reads the machine's name servers for no name that it finds at run time.",
		Fix:     "Name a resolver: that of the machine, 127.0.0.11 in Docker, the cluster's in Kubernetes.",
		Source:  "nginx: ngx_http_core_module, resolver; ngx_http_proxy_module, proxy_pass with variables",
		check:   checkResolver,
	},
	{
		ID: "nginx-variable-drops-path", Severity: Fault, Products: []string{"nginx"}, Causes: []string{"wrong-service"},
		Title:   "With a variable, the path in proxy_pass replaces the request's whole path",
		Happens: "Every request asks for the same path, whatever the client asked for: 404 for all but one page.",
		Fix:     "Leave the path out, and change it with rewrite where that is needed.",
		Source:  "nginx: ngx_http_proxy_module, proxy_pass: \"if URI is specified in the directive, it is passed to the server as is\"",
		check:   checkVariablePath,
	},
	{
		ID: "nginx-path-joined-wrong", Severity: Risk, Products: []string{"nginx"}, Causes: []string{"wrong-service"},
		Title:   "Location and proxy_pass do not both end with a slash",
		Happens: "nginx puts the rest of the path behind the URI of proxy_pass as it is: /api/users becomes //users, or /v1users. Applications answer 404, or redirect.",
		Fix:     "End both with a slash, or neither.",
		Source:  "nginx: ngx_http_proxy_module, proxy_pass: the part that matches the location is replaced",
		check:   checkJoined,
	},
	{
		ID: "nginx-errors-eject-all", Severity: Risk, Products: []string{"nginx"}, Causes: []string{"nobody-available"},
		Title:   "An answer of the application counts as the server's failure",
		Happens: "A request that makes the application answer 500 is tried at one server after the other, and takes each but the last out for fail_timeout; the next such request takes that one out as well: \"no live upstreams\", 502 for everybody, 10 s long by default.",
		Fix:     "Let only connection failures count, or set max_fails=0.",
		Source:  "nginx: proxy_next_upstream, max_fails (default 1): http_500, http_502, http_503, http_504 and http_429 count as unsuccessful attempts only if they are listed",
		check:   checkEject,
	},
	{
		ID: "nginx-max-fails-one", Severity: Risk, Products: []string{"nginx"}, Causes: []string{"nobody-available"},
		Title:   "One failure takes a server out for long",
		Happens: "After a single failure, such as one slow page, a server gets nothing for fail_timeout. One bad request that is tried at each server takes all out: 502 until the time is over.",
		Fix:     "Let more failures be needed, and the time be short.",
		Source:  "nginx: ngx_http_upstream_module, server: max_fails (default 1), fail_timeout (default 10s)",
		check:   checkMaxFails,
	},
	{
		ID: "nginx-retries-post", Severity: Risk, Products: []string{"nginx"}, Causes: []string{"head-timeout", "closed-before-answer"},
		Title:   "A POST is sent again after a time-out",
		Happens: "When the first server is slow or closes, the request goes to the next one as well: an order is placed twice, and an overloaded application gets twice the work.",
		Fix:     "Leave non_idempotent out.",
		Source:  "nginx: proxy_next_upstream, non_idempotent (since 1.9.13)",
		check:   checkRetriesPost,
	},
	{
		ID: "nginx-never-retries", Severity: Risk, Products: []string{"nginx"}, Causes: []string{"connection-refused"},
		Title:   "Several servers, and no second try",
		Happens: "While one of the servers restarts, its share of the requests gets 502, though the others are well: after max_fails it is left out, and every fail_timeout it gets one more.",
		Fix:     "Let connection failures go to the next server.",
		Source:  "nginx: proxy_next_upstream (default error timeout)",
		check:   checkNeverRetries,
	},
	{
		ID: "nginx-all-servers-down", Severity: Fault, Products: []string{"nginx"}, Causes: []string{"nobody-available"},
		Title:   "Every server of the group is marked down",
		Happens: "Every request gets 502: \"no live upstreams while connecting to upstream\".",
		Fix:     "Take \"down\" away from at least one server.",
		Source:  "nginx: ngx_http_upstream_module, server: down",
		check:   checkAllDown,
	},
	{
		ID: "nginx-grpc-without-http2", Severity: Fault, Products: []string{"nginx"}, Causes: []string{"grpc-over-http1"},
		Title:   "gRPC is passed on, and clients cannot speak HTTP/2",
		Happens: "gRPC needs HTTP/2 on both sides: clients fail at once, since the server speaks HTTP/1.1 to them.",
		Fix:     "Listen with http2 (http2 on; since nginx 1.25.1).",
		Source:  "nginx: ngx_http_grpc_module requires ngx_http_v2_module; gRPC over HTTP/2",
		check:   checkGRPC,
	},
	{
		ID: "nginx-grpc-by-http1", Severity: Risk, Products: []string{"nginx"}, Causes: []string{"http1-on-http2-port", "grpc-over-http1"},
		Title:   "proxy_pass to the usual port of gRPC",
		Happens: "proxy_pass speaks HTTP/1, which a gRPC server does not: 502, \"upstream sent invalid header\" or \"no valid HTTP/1.0 header\", if it is gRPC that listens there.",
		Fix:     "Use grpc_pass.",
		Source:  "nginx: ngx_http_grpc_module, grpc_pass",
		check:   checkGRPCPort,
	},
	{
		ID: "nginx-cache-keeps-errors", Severity: Risk, Products: []string{"nginx"}, Causes: []string{"cached-error"},
		Title:   "Errors of the application are kept in the cache",
		Happens: "One 500 or 502 of the application is given to everybody for as long as the cache keeps it, though the application is well again.",
		Fix:     "Keep good answers only, and errors for a second at most.",
		Source:  "nginx: proxy_cache_valid: \"any\" caches every answer",
		check:   checkCacheErrors,
	},
	{
		ID: "nginx-limit-without-burst", Severity: Risk, Products: []string{"nginx"}, Causes: []string{"rate-limited"},
		Title:   "A rate limit without a burst for pages",
		Happens: "A page with its images and scripts is a dozen requests at once: all that come sooner than the rate's interval after the one before get 503.",
		Fix:     "Allow a burst as large as a page, without delay.",
		Source:  "nginx: ngx_http_limit_req_module, limit_req: burst (default 0), limit_req_status (default 503)",
		check:   checkBurst,
	},
	{
		ID: "nginx-descriptors", Severity: Risk, Products: []string{"nginx"}, Causes: []string{"descriptors-exhausted"},
		Title:   "More connections than descriptors",
		Happens: "A proxied request takes two descriptors. When they run out, connections fail with \"Too many open files\": 500, or no answer at all.",
		Fix:     "Set worker_rlimit_nofile to at least twice worker_connections.",
		Source:  "nginx: worker_rlimit_nofile, worker_connections: the number includes connections to proxied servers",
		check:   checkDescriptors,
	},
	{
		ID: "nginx-response-buffer-small", Severity: Risk, Products: []string{"nginx"}, Causes: []string{"head-too-large"},
		Title:   "The buffer for the response's headers is smaller than the default",
		Happens: "A response whose headers do not fit gets 502, \"upstream sent too big header\": a login with several cookies is enough.",
		Fix:     "Leave the default of 4k or 8k, or give it 16k.",
		Source:  "nginx: proxy_buffer_size, fastcgi_buffer_size (default one memory page, 4k or 8k)",
		check:   checkSmallBuffer,
	},
	{
		ID: "nginx-websocket-timeout", Severity: Note, Products: []string{"nginx"}, Causes: []string{"connection-lost"},
		Title:   "WebSockets are cut after a minute of silence",
		Happens: "proxy_read_timeout holds for WebSockets, too: one that is silent for 60 s is closed, unless the application sends pings more often.",
		Fix:     "Raise proxy_read_timeout for this location.",
		Source:  "nginx: WebSocket proxying",
		check:   checkWebSocketTime,
	},
	{
		ID: "nginx-events-buffered", Severity: Note, Products: []string{"nginx"}, Causes: []string{"response-too-slow", "head-timeout"},
		Title:   "A stream of events is buffered",
		Happens: "nginx holds small events back until its buffer is full, and cuts the stream after proxy_read_timeout of silence, unless the application sends X-Accel-Buffering: no.",
		Fix:     "Switch buffering off for this location.",
		Source:  "nginx: proxy_buffering; X-Accel-Buffering",
		check:   checkEvents,
	},
	{
		ID: "nginx-error-page-proxied", Severity: Note, Products: []string{"nginx"}, Causes: []string{"connection-refused"},
		Title:   "The page for errors comes from the application that failed",
		Happens: "When the application is down, nginx asks it for the error page as well, and shows its own plain 502.",
		Fix:     "Give the page a location with files.",
		Source:  "nginx: error_page makes an internal redirect",
		check:   checkErrorPage,
	},
	{
		ID: "nginx-connect-timeout-long", Severity: Note, Products: []string{"nginx"}, Causes: []string{"connect-timeout"},
		Title:   "A connect time-out that never comes",
		Happens: "The time for connecting usually cannot exceed 75 s: a host that does not answer makes each client wait that long before the next server is tried.",
		Fix:     "A few seconds are enough.",
		Source:  "nginx: proxy_connect_timeout (default 60s)",
		check:   checkConnectTime,
	},
	{
		ID: "nginx-resolver-holds-long", Severity: Note, Products: []string{"nginx"}, Causes: []string{"connection-refused", "connect-timeout"},
		Title:   "The resolver's answers are held for long",
		Happens: "valid= overrides the TTL: when an address changes, requests go to the old one for that long.",
		Fix:     "Leave valid= out, or make it some seconds.",
		Source:  "nginx: resolver, valid=",
		check:   checkResolverValid,
	},
}

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
		if namedLocation(r) {
			continue
		}
		c.fault(r.Node, fmt.Sprintf("with a variable in it, proxy_pass asks for %s whatever the client asked for.", path), "proxy_pass "+strings.TrimSuffix(r.Target, path)+"$request_uri;")
	}
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
		c.fault(r.Server.Listen[0].Node, fmt.Sprintf("gRPC is passed on here (%v), and this server speaks only HTTP/1.1 to clients: every call fails.", r.Node.Place), "http2 on; (before nginx 1.25.1: "+strings.TrimSuffix(r.Server.Listen[0].Node.Words(), ";")+" http2;)")
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
				c.risk(r.Node, fmt.Sprintf("%s is the usual port of gRPC, and proxy_pass speaks HTTP/1: if gRPC listens there, every call gets 502.", at(u)), "grpc_pass grpc://"+at(u)+";").of(r, u)
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
