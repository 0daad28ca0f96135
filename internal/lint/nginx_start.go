package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/whygate/whygate/internal/topology"
)

// nginxStartRules are configurations with which nginx does not start, so that a reload is refused and a restart is an outage.
var nginxStartRules = []Rule{
	{
		ID: "nginx-path-in-regex-location", Severity: Fault, Products: []string{"nginx"}, Causes: []string{"service-stopped"},
		Title:   "proxy_pass with a path in a location of a pattern",
		Happens: "nginx refuses the configuration: \"proxy_pass cannot have URI part in location given by regular expression\". A reload changes nothing, a restart leaves nobody listening.",
		Fix:     "Leave the path out, or rewrite before.",
		Source:  "nginx: ngx_http_proxy_module, proxy_pass",
		check:   checkRegexPath,
	},
	{
		ID: "nginx-buffers-disagree", Severity: Fault, Products: []string{"nginx"}, Causes: []string{"service-stopped"},
		Title:   "The buffers' sizes contradict each other",
		Happens: "nginx refuses the configuration: the busy size must be at least the largest buffer and smaller than all buffers without one. It happens when only proxy_buffer_size is raised.",
		Fix:     "Raise the three together.",
		Source:  "nginx: proxy_busy_buffers_size, proxy_buffers, proxy_buffer_size",
		check:   checkBuffers,
	},
	{
		ID: "nginx-verify-without-ca", Severity: Fault, Products: []string{"nginx"}, Causes: []string{"service-stopped"},
		Title:   "Certificates are verified, and no authority is named",
		Happens: "nginx refuses the configuration: \"no proxy_ssl_trusted_certificate for proxy_ssl_verify\".",
		Fix:     "Name the file of authorities.",
		Source:  "nginx: proxy_ssl_verify, proxy_ssl_trusted_certificate",
		check:   checkVerifyCA,
	},
	{
		ID: "nginx-method-with-backup", Severity: Fault, Products: []string{"nginx"}, Causes: []string{"service-stopped"},
		Title:   "A balancing method that knows no backup servers",
		Happens: "nginx refuses the configuration: \"balancing method does not support parameter backup\".",
		Fix:     "Leave backup out, or take least_conn.",
		Source:  "nginx: ngx_http_upstream_module, server: backup cannot be used with hash, ip_hash and random",
		check:   checkBackupMethod,
	},
	{
		ID: "nginx-unix-path-with-slash", Severity: Fault, Products: []string{"nginx"}, Causes: []string{"socket-missing"},
		Title:   "A path behind a socket without a colon between",
		Happens: "Every request gets 502: nginx takes the whole for the socket's name, and there is no such file.",
		Fix:     "Write a colon between the socket and the path.",
		Source:  "nginx: ngx_http_proxy_module, proxy_pass http://unix:/path:/uri/",
		check:   checkUnixPath,
	},
	{
		ID: "nginx-keepalive-before-method", Severity: Note, Products: []string{"nginx"}, Causes: []string{"ports-exhausted"},
		Title:   "keepalive stands before the balancing method",
		Happens: "nginx warns \"load balancing method redefined\", and the method that comes later takes keepalive's place: connections are not kept.",
		Fix:     "Write the method first.",
		Source:  "nginx: ngx_http_upstream_module, keepalive: \"must be placed after the load balancing method\"",
		check:   checkKeepaliveOrder,
	},
}

func checkRegexPath(c *check) {
	for r := range c.routes("nginx") {
		_, path := hostPart(r.Target)
		if r.Node.Name != "proxy_pass" || path == "" || strings.Contains(r.Target, "$") {
			continue
		}
		if unix := strings.Contains(r.Target, "unix:"); unix && strings.Count(r.Target, ":") < 3 {
			continue
		}
		switch {
		case strings.HasPrefix(r.Path, "~"):
			c.fault(r.Node, fmt.Sprintf("nginx does not start: the location %s is a pattern, and proxy_pass has the path %s.", r.Path, path), "proxy_pass "+strings.TrimSuffix(r.Target, path)+";")
		case strings.HasPrefix(r.Path, "@"):
			c.fault(r.Node, fmt.Sprintf("nginx does not start: the location %s has a name, and proxy_pass the path %s.", r.Path, path), "proxy_pass "+strings.TrimSuffix(r.Target, path)+";")
		}
	}
}

// pageSize is that of memory on most machines; with the other, 8k, the defaults are larger and agree with more.
const pageSize = 4 << 10

func checkBuffers(c *check) {
	for r := range c.routes("nginx") {
		module := strings.TrimSuffix(r.Node.Name, "_pass")
		if module == "grpc" {
			continue
		}
		size, set := int64(pageSize), r.Setting(module+"_buffer_size")
		if v, ok := topology.Size(set.Text()); ok {
			size = v
		}
		count, each := int64(8), int64(pageSize)
		buffers := r.Setting(module + "_buffers")
		if buffers != nil {
			n, ok := topology.Size(buffers.Text())
			v, isSize := topology.Size(buffers.Arg(1))
			if !ok || !isSize {
				continue
			}
			count, each = n, v
		}
		busySet := r.Setting(module + "_busy_buffers_size")
		busy := 2 * max(size, each)
		if v, ok := topology.Size(busySet.Text()); ok {
			busy = v
		}
		where := busySet
		for _, n := range []*Node{set, buffers} {
			if where == nil {
				where = n
			}
		}
		room := (count - 1) * each
		if where == nil || busy >= max(size, each) && busy <= room {
			continue
		}
		c.fault(where, fmt.Sprintf("nginx does not start: %s_busy_buffers_size is %s, and must be at least %s and at most %s.", module, bytesShown(busy), bytesShown(max(size, each)), bytesShown(room)),
			fmt.Sprintf("%s_buffer_size %dk;\n%s_buffers 8 %dk;\n%s_busy_buffers_size %dk;", module, max(size, each)>>10, module, max(size, each)>>10, module, 2*max(size, each)>>10))
	}
}

func checkVerifyCA(c *check) {
	for r := range c.routes("nginx") {
		module := strings.TrimSuffix(r.Node.Name, "_pass")
		on := r.Setting(module + "_ssl_verify")
		if on.Text() == "on" && (r.Scheme == "https" || r.Scheme == "grpcs") && r.Setting(module+"_ssl_trusted_certificate") == nil && (r.Proxy.Whole || r.Server != nil) {
			c.add(absent(r, Fault), on, "nginx does not start: the file of authorities is missing.", module+"_ssl_trusted_certificate /etc/ssl/certs/ca-certificates.crt;")
		}
	}
}

func checkBackupMethod(c *check) {
	for p := range c.proxies("nginx") {
		for _, g := range p.Groups {
			var method *Node
			for _, n := range g.Node.Kids {
				if n.Name == "ip_hash" || n.Name == "hash" || n.Name == "random" {
					method = n
				}
			}
			if i := slices.IndexFunc(g.Members, func(u *upstream) bool { return u.Backup }); method != nil && i >= 0 {
				c.fault(g.Members[i].Node, fmt.Sprintf("nginx does not start: %s knows no backup servers (%v).", method.Name, method.Place), strings.Replace(g.Members[i].Node.Words(), " backup", "", 1)+";")
			}
		}
	}
}

func checkUnixPath(c *check) {
	for r := range c.routes("nginx") {
		_, path, isUnix := strings.Cut(r.Target, "unix:")
		if isUnix && strings.HasSuffix(path, "/") && !strings.Contains(path, ":") {
			c.fault(r.Node, fmt.Sprintf("nginx takes %s for the socket's name: there is no such file.", path), "proxy_pass http://unix:"+strings.TrimSuffix(path, "/")+":/;")
		}
	}
}

func checkKeepaliveOrder(c *check) {
	methods := []string{"ip_hash", "least_conn", "hash", "random"}
	for p := range c.proxies("nginx") {
		for _, g := range p.Groups {
			keep := slices.IndexFunc(g.Node.Kids, func(n *Node) bool { return n.Name == "keepalive" })
			method := slices.IndexFunc(g.Node.Kids, func(n *Node) bool { return slices.Contains(methods, n.Name) })
			if keep >= 0 && method > keep {
				c.note(g.Node.Kids[keep], fmt.Sprintf("%s comes later (%v) and takes its place: connections are not kept.", g.Node.Kids[method].Name, g.Node.Kids[method].Place), g.Node.Kids[method].Words()+";\n"+g.Node.Kids[keep].Words()+";")
			}
		}
	}
}
