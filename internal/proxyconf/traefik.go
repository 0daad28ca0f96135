package proxyconf

import (
	"cmp"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// traefikTokens bounds what a file's YAML becomes: some thousands of routers.
const traefikTokens = 60_000

// traefikEntry is an entry point of the static configuration.
type traefikEntry struct {
	name, address string
	tls           bool
}

// traefikRouter, traefikService and traefikTransport are what matters of the file provider's files.
type (
	traefikRouter struct {
		name, rule, service string
		entries             []string
		priority            int
		tls                 bool
		place               Place
	}
	traefikService struct {
		transport string
		servers   []Upstream
	}
	traefikTransport struct {
		serverName string
		insecure   bool
	}
)

// traefikFile is one file's routers, in the order of their names, and where they lead.
type traefikFile struct {
	routers    []traefikRouter
	services   map[string]traefikService
	transports map[string]traefikTransport
}

func readTraefik(r *reader, file string) error {
	root, err := r.yaml(file)
	if err != nil {
		return err
	}
	r.log(root.at("log", "filePath").text())
	r.log(root.at("accessLog", "filePath").text())
	var entries []traefikEntry
	for name, e := range root.at("entryPoints").keys() {
		entries = append(entries, traefikEntry{name, e.at("address").text(), e.at("http", "tls").given()})
	}
	files := []traefikFile{traefikDynamic(root)} // a file may hold both
	var names []string
	provider := root.at("providers", "file")
	if name := provider.at("filename").text(); name != "" {
		names = []string{name}
	} else if dir := provider.at("directory").text(); dir != "" {
		names = r.ending(dir, ".yml", ".yaml")
	}
	for _, name := range names {
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(file), name)
		}
		if name == file {
			continue
		}
		root, err := r.yaml(name)
		if err != nil {
			r.problem("%v", err)
			continue
		}
		files = append(files, traefikDynamic(root))
	}
	r.Config.match = func(q Request) *Route { return traefikRoute(entries, files, q) }
	return nil
}

// traefikDynamic reads the routers and services of a file.
func traefikDynamic(root yamlNode) traefikFile {
	f := traefikFile{nil, map[string]traefikService{}, map[string]traefikTransport{}}
	for name, n := range root.at("http", "routers").keys() {
		rule := n.at("rule")
		router := traefikRouter{name: name, rule: rule.text(), service: n.at("service").text(), tls: n.at("tls").given(), place: rule.place(rule.text())}
		if !strings.Contains(router.place.Text, router.rule) || router.rule == "" { // it is written in another way: its name is easier to find
			router.place = n.name().place(name + ":")
		}
		router.priority, _ = strconv.Atoi(n.at("priority").text())
		for e := range n.at("entryPoints").items() {
			router.entries = append(router.entries, e.text())
		}
		f.routers = append(f.routers, router)
	}
	slices.SortStableFunc(f.routers, func(a, b traefikRouter) int { return cmp.Compare(a.name, b.name) })
	for name, n := range root.at("http", "services").keys() {
		balancer := n.at("loadBalancer")
		s := traefikService{transport: balancer.at("serversTransport").text()}
		for server := range balancer.at("servers").items() {
			url := server.at("url")
			s.servers = append(s.servers, withURL(url.text(), url.place(url.text())))
		}
		f.services[name] = s
	}
	for name, n := range root.at("http", "serversTransports").keys() {
		f.transports[name] = traefikTransport{n.at("serverName").text(), n.at("insecureSkipVerify").text() == "true"}
	}
	return f
}

// traefikRoute finds the router that takes the request: the one with the highest priority, which is its rule's length
// unless told otherwise.
func traefikRoute(entries []traefikEntry, files []traefikFile, q Request) *Route {
	var best *Route
	score := -1
	for i := range files {
		for _, r := range files[i].routers {
			if !traefikEnters(entries, &r, q) {
				continue
			}
			priority := r.priority
			if priority == 0 {
				priority = len(r.rule)
			}
			switch t := traefikRule(r.rule, q); {
			case t == no || priority <= score:
			case t == maybe:
				if best != nil {
					best.Unsure = r.rule
				}
			default:
				best, score = &Route{Name: r.service, Place: r.place}, priority
			}
		}
	}
	if best != nil {
		traefikServers(files, best)
	}
	return best
}

// traefikEnters reports whether a router is behind the entry point that the client connects to, with or without TLS as the
// client speaks it.
func traefikEnters(entries []traefikEntry, r *traefikRouter, q Request) bool {
	for _, e := range entries {
		port := strings.TrimSuffix(e.address[strings.LastIndexByte(e.address, ':')+1:], "/tcp")
		if port == q.port() && (r.tls || e.tls) == (q.Scheme == "https") && (len(r.entries) == 0 || slices.Contains(r.entries, e.name)) {
			return true
		}
	}
	return len(entries) == 0
}

func traefikServers(files []traefikFile, route *Route) {
	name, _, _ := strings.Cut(route.Name, "@")
	for i := range files {
		f := &files[i]
		s, ok := f.services[name]
		if !ok {
			continue
		}
		transport := f.transports[strings.TrimSuffix(s.transport, "@file")]
		for _, u := range s.servers {
			u.ServerName, u.Insecure = transport.serverName, transport.insecure
			route.Upstreams = append(route.Upstreams, u)
		}
	}
}

var traefikMatcher = regexp.MustCompile(`^\s*(!?)\s*(\w+)\(([^)]*)\)`)

// traefikRule judges a rule: matchers joined by && and ||, without parentheses around several.
func traefikRule(rule string, q Request) truth {
	any := no
	for part := range strings.SplitSeq(rule, "||") {
		all := yes
		for one := range strings.SplitSeq(part, "&&") {
			all = min(all, traefikOne(strings.Trim(one, " \t\n"), q))
		}
		any = max(any, all)
	}
	return any
}

func traefikOne(text string, q Request) truth {
	m := traefikMatcher.FindStringSubmatch(strings.TrimLeft(text, "( "))
	if m == nil {
		return maybe
	}
	var values []string
	for v := range strings.SplitSeq(m[3], ",") {
		values = append(values, strings.Trim(v, " `\"'"))
	}
	t := no
	for _, v := range values {
		switch m[2] {
		case "Host":
			t = max(t, truthOf(strings.ToLower(v) == q.Host))
		case "PathPrefix":
			t = max(t, truthOf(strings.HasPrefix(q.path(), v)))
		case "Path":
			t = max(t, truthOf(q.path() == v))
		case "HostRegexp", "PathRegexp":
			subject := q.Host
			if m[2] == "PathRegexp" {
				subject = q.path()
			}
			fits, known := q.matches(v, subject)
			if !known {
				return maybe
			}
			t = max(t, truthOf(fits))
		case "Method":
			t = max(t, truthOf(v == q.Method || q.Method == "" && v == "GET"))
		default:
			return maybe
		}
	}
	if m[1] == "!" {
		return -t
	}
	return t
}
