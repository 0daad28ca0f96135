package lint

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/whygate/whygate/internal/topology"
)

// nginxHeaderRules are about what nginx says to upstreams: headers, version, TLS.
var nginxHeaderRules = []Rule{
	{
		ID: "nginx-headers-dropped", Severity: Risk, Products: []string{"nginx"}, Causes: []string{"wrong-host", "redirect-loop"},
		Title:   "One proxy_set_header drops all that stand further out",
		Happens: "proxy_set_header lines are inherited only by a level that has none: here the upstream gets nginx's default Host (the upstream's own name), and no X-Forwarded-Proto. An application that goes by them answers for another site, or redirects for ever.",
		Fix:     "Repeat the lines, or include them from one file.",
		Source:  "nginx: proxy_set_header: \"inherited from the previous configuration level if and only if there are no proxy_set_header directives defined on the current level\"",
		check:   checkDropped,
	},
	{
		ID: "nginx-upgrade-http10", Severity: Risk, Products: []string{"nginx"}, Causes: []string{"upgrade-refused"},
		Title:   "WebSocket headers without HTTP/1.1",
		Happens: "Before nginx 1.29.7 the request is sent by HTTP/1.0, which has no upgrade: the handshake fails with 400 or 426, or the application answers a page.",
		Fix:     "Speak HTTP/1.1 to the upstream.",
		Source:  "nginx: WebSocket proxying; proxy_http_version (default 1.0 before 1.29.7); RFC 6455, section 4.1",
		check:   checkUpgradeVersion,
	},
	{
		ID: "nginx-upgrade-without-connection", Severity: Fault, Products: []string{"nginx"}, Causes: []string{"upgrade-refused"},
		Title:   "Upgrade is passed on, Connection is not",
		Happens: "Both headers are hop-by-hop and must be set: without Connection: upgrade no WebSocket handshake succeeds, the application answers 400 or 426.",
		Fix:     "Set Connection as well.",
		Source:  "nginx: WebSocket proxying; RFC 9110, section 7.8",
		check:   checkUpgradeConnection,
	},
	{
		ID: "nginx-keepalive-unused", Severity: Note, Products: []string{"nginx"}, Causes: []string{"ports-exhausted"},
		Title:   "keepalive has no effect",
		Happens: "Connections to the upstream are kept only with HTTP/1.1 and an empty Connection header (both are the default since 1.29.7). Without, each request opens a new one, and under load the ports run out.",
		Fix:     "Set both.",
		Source:  "nginx: ngx_http_upstream_module, keepalive",
		check:   checkKeepaliveUnused,
	},
	{
		ID: "nginx-sni-off", Severity: Risk, Products: []string{"nginx"}, Causes: []string{"tls-name-unknown", "tls-certificate-wrong-name", "tls-protocol-error"},
		Title:   "No SNI to an upstream that has a name",
		Happens: "nginx sends no server name by default. A server with several sites, and every CDN, refuses the handshake or shows another site's certificate: 502.",
		Fix:     "Send the name.",
		Source:  "nginx: proxy_ssl_server_name (default off); RFC 6066, section 3",
		check:   checkSNI,
	},
	{
		ID: "nginx-sni-of-group", Severity: Risk, Products: []string{"nginx"}, Causes: []string{"tls-name-unknown", "tls-certificate-wrong-name"},
		Title:   "The name for TLS is that of the upstream block",
		Happens: "With an upstream block, $proxy_host is its name, and that is sent as SNI and verified: the server knows no such name.",
		Fix:     "Say the name that the certificate has.",
		Source:  "nginx: proxy_ssl_name (default $proxy_host)",
		check:   checkSNIGroup,
	},
	{
		ID: "nginx-host-of-group", Severity: Risk, Products: []string{"nginx"}, Causes: []string{"wrong-host"},
		Title:   "The upstream gets the upstream block's name as Host",
		Happens: "Without proxy_set_header Host, nginx sends $proxy_host: the block's name. Servers with several sites answer for another one, or 404; one with an underscore is answered 400 by Tomcat, Django and others, which take it for no host name.",
		Fix:     "Send the client's Host, or the upstream's.",
		Source:  "nginx: proxy_set_header (default Host $proxy_host); RFC 9110, section 7.2",
		check:   checkHostGroup,
	},
	{
		ID: "nginx-forwarded-proto-http", Severity: Risk, Products: []string{"nginx"}, Causes: []string{"redirect-loop"},
		Title:   "A server with TLS tells the application that the client came by http",
		Happens: "An application that wants https redirects each request to where the client already is, for ever.",
		Fix:     "Say $scheme.",
		Source:  "RFC 7239, section 5.4; nginx: $scheme",
		check:   checkForwardedProto,
	},
}

// forwarded are the headers by which applications know who asked for what.
var forwarded = []string{"host", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-ssl"}

func checkDropped(c *check) {
	for r := range c.routes("nginx") {
		if r.Node.Name != "proxy_pass" {
			continue
		}
		inner, lost := droppedHeaders(r)
		if inner == nil {
			continue
		}
		weighty := slices.DeleteFunc(slices.Clone(lost), func(n *Node) bool { return !slices.Contains(forwarded, strings.ToLower(n.Text())) })
		var fix []string
		for _, n := range lost {
			fix = append(fix, n.Words()+";")
		}
		if u := r.Members(); len(weighty) > 0 && !(len(u) > 0 && strings.Contains(u[0].Host, ".") && net.ParseIP(u[0].Host) == nil) {
			c.risk(inner, fmt.Sprintf("this line drops %s of %v: the upstream gets nginx's default instead.", headerNames(weighty), weighty[0].Place), strings.Join(fix, "\n"))
			continue
		}
		c.note(inner, fmt.Sprintf("this line drops %s of %v.", headerNames(lost), lost[0].Place), strings.Join(fix, "\n"))
	}
}

func headerNames(all []*Node) string {
	var names []string
	for _, n := range all {
		names = append(names, n.Text())
	}
	return strings.Join(names, ", ")
}

// droppedHeaders are the headers of outer levels that the innermost level with any drops, and does not set itself.
func droppedHeaders(r *route) (inner *Node, lost []*Node) {
	own := map[string]bool{}
	for i := len(r.Scope) - 1; i >= 0; i-- {
		here := r.Scope[i].Named("proxy_set_header")
		if len(here) == 0 {
			continue
		}
		if inner == nil {
			inner = here[0]
			for _, n := range here {
				own[strings.ToLower(n.Text())] = true
			}
			continue
		}
		for _, n := range here {
			if !own[strings.ToLower(n.Text())] {
				lost = append(lost, n)
			}
		}
		break // what stands further out was not inherited here, either
	}
	if len(lost) == 0 {
		return nil, nil
	}
	return inner, lost
}

func checkUpgradeVersion(c *check) {
	for r := range c.routes("nginx") {
		h, version := upgrades(r), r.Setting("proxy_http_version")
		switch {
		case h == nil || r.Node.Name != "proxy_pass":
		case version == nil:
			c.add(absent(r, Risk), h, "before nginx 1.29.7 this is sent by HTTP/1.0, which has no upgrade: no WebSocket opens"+unlessMain(r)+".", "proxy_http_version 1.1;")
		case version.Text() == "1.0":
			c.risk(version, "HTTP/1.0 has no upgrade: no WebSocket opens, whatever is set.", "proxy_http_version 1.1;")
		}
	}
}

// unlessMain is the condition where the main file is not here.
func unlessMain(r *route) string {
	if r.Proxy.Whole {
		return ""
	}
	return ", unless nginx.conf says proxy_http_version 1.1"
}

func checkUpgradeConnection(c *check) {
	for r := range c.routes("nginx") {
		h := upgrades(r)
		if h == nil || r.Node.Name != "proxy_pass" {
			continue
		}
		set := false
		for _, other := range r.Inherit("proxy_set_header") {
			set = set || strings.EqualFold(other.Text(), "Connection") && other.Arg(1) != "" && !strings.EqualFold(other.Arg(1), "close")
		}
		if !set {
			c.add(absent(r, Fault), h, "Connection: upgrade is missing beside it: no WebSocket opens.", "proxy_set_header Connection \"upgrade\";")
		}
	}
}

func checkKeepaliveUnused(c *check) {
	for r := range c.routes("nginx") {
		if r.Group.Name == "" || r.Scheme != "http" && r.Scheme != "https" {
			continue
		}
		keep := r.Group.Node.Get("keepalive")
		if keep == nil || keep.Text() == "0" {
			continue
		}
		if v := r.Setting("proxy_http_version"); v.Text() == "2" || v.Text() == "1.1" && hasConnection(r) {
			continue
		}
		c.note(keep, fmt.Sprintf("connections for %v are not kept before nginx 1.29.7.", r.Node.Place), "proxy_http_version 1.1;\nproxy_set_header Connection \"\";")
	}
}

// hasConnection reports whether the Connection header is set to something that is not always "upgrade" or "close".
func hasConnection(r *route) bool {
	for _, h := range r.Inherit("proxy_set_header") {
		if strings.EqualFold(h.Text(), "Connection") {
			if m := r.MapOf(h.Arg(1)); m != nil {
				return m.Get("") == nil || m.Get("").Text() == ""
			}
			return h.Arg(1) == "" || strings.HasPrefix(h.Arg(1), "$")
		}
	}
	return false
}

func checkSNI(c *check) {
	for r := range c.routes("nginx") {
		module := strings.TrimSuffix(r.Node.Name, "_pass")
		if r.Scheme != "https" && r.Scheme != "grpcs" || r.Setting(module+"_ssl_server_name").Text() == "on" {
			continue
		}
		for _, u := range r.Members() {
			if !topology.IsName(u.Host) || !strings.Contains(u.Host, ".") {
				continue
			}
			c.add(absent(r, publicly(u.Host)), r.Node, fmt.Sprintf("%s is spoken to by TLS without its name: if it has several sites, or stands behind a CDN, the handshake fails.", at(u)), module+"_ssl_server_name on;").of(r, u)
			break
		}
	}
}

// inside are the ends of names of private networks, where most servers have one site.
var inside = []string{".local", ".lan", ".internal", ".home", ".home.arpa", ".corp", ".intra", ".localdomain", ".svc", ".cluster.local", ".consul", ".docker"}

// publicly is how much a name without SNI matters: in private networks most servers have one site, and answer without it.
func publicly(host string) Severity {
	if slices.ContainsFunc(inside, func(end string) bool { return strings.HasSuffix(host, end) }) {
		return Note
	}
	return Risk
}

func checkSNIGroup(c *check) {
	for r := range c.routes("nginx") {
		module := strings.TrimSuffix(r.Node.Name, "_pass")
		if r.Scheme != "https" && r.Scheme != "grpcs" || r.Group.Name == "" || r.Setting(module+"_ssl_name") != nil {
			continue
		}
		on := r.Setting(module + "_ssl_server_name")
		verify := r.Setting(module + "_ssl_verify")
		if on.Text() != "on" && verify.Text() != "on" {
			continue
		}
		for _, u := range r.Members() {
			if topology.IsName(u.Host) && u.Host != r.Group.Name && !strings.Contains(r.Group.Name, ".") {
				c.add(absent(r, Risk), r.Node, fmt.Sprintf("the name that is sent and verified is %q, that of the upstream block: %s knows no such name.", r.Group.Name, at(u)), module+"_ssl_name "+u.Host+";")
				break
			}
		}
	}
}

func checkHostGroup(c *check) {
	for r := range c.routes("nginx") {
		if r.Group.Name == "" || r.Node.Name != "proxy_pass" || r.Host != topology.HostTarget || strings.Contains(r.Group.Name, ".") || namedLocation(r) {
			continue
		}
		if !r.Proxy.Whole && r.Server == nil {
			continue // what this is included into may set it
		}
		named := slices.ContainsFunc(r.Members(), func(u *upstream) bool { return topology.IsName(u.Host) && strings.Contains(u.Host, ".") })
		switch {
		case named:
			c.add(absent(r, Risk), r.Node, fmt.Sprintf("%s gets Host: %s, the name of the upstream block, and knows no such site.", at(r.Members()[0]), r.Group.Name), "proxy_set_header Host "+r.Members()[0].Host+";")
		case strings.Contains(r.Group.Name, "_"):
			c.add(absent(r, Risk), r.Node, fmt.Sprintf("the upstream gets Host: %s, the name of the upstream block: with an underscore it is no host name, and Tomcat, Django and others answer 400.", r.Group.Name), "proxy_set_header Host $host;")
		default:
			c.note(r.Node, fmt.Sprintf("the upstream gets Host: %s, the name of the upstream block.", r.Group.Name), "proxy_set_header Host $host;")
		}
	}
}

func checkForwardedProto(c *check) {
	for r := range c.routes("nginx") {
		if r.Server == nil || !slices.ContainsFunc(r.Server.Listen, func(l topology.Listen) bool { return l.TLS }) {
			continue
		}
		for _, h := range r.Inherit("proxy_set_header") {
			if strings.EqualFold(h.Text(), "X-Forwarded-Proto") && h.Arg(1) == "http" {
				c.risk(h, "clients that came by https are said to have come by http: an application that wants https redirects for ever.", "proxy_set_header X-Forwarded-Proto $scheme;")
			}
		}
	}
}
