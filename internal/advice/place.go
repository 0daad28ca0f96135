package advice

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/whygate/whygate/internal/fault"
)

// This file has what the kind of an address tells. That nobody listens at 127.0.0.1 is another story than at 172.19.0.4.

// place is the kind of an upstream's address.
type place uint8

const (
	placeUnknown   place = iota
	placeLoopback4       // 127.0.0.1
	placeLoopback6       // [::1]
	placeLocalhost       // the name
	placeContainer       // an address of a network of Docker's or of Podman's, by default
	placePrivate         // another private address: a pod's, a machine's
	placePublic          // an address of the internet
	placeName            // a name
	placeSocket          // a path
)

// containerNets are the networks that Docker and Podman take first.
var containerNets = []netip.Prefix{netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("10.88.0.0/16"), netip.MustParsePrefix("10.89.0.0/16")}

func hostAndPort(upstream string) (host, port string) {
	if port, found := strings.CutPrefix(upstream, "::1:"); found { // as Node writes [::1]:3000
		return "::1", port
	}
	host = upstream
	if i := strings.LastIndexByte(upstream, ':'); i > 0 && !strings.HasPrefix(upstream, "unix:") && strings.IndexByte(upstream[i:], ']') < 0 {
		if host, port = upstream[:i], upstream[i+1:]; strings.Count(host, ":") > 0 && host[0] != '[' {
			return upstream, ""
		}
	}
	return strings.Trim(host, "[]"), port
}

// placeOf tells the kind of who was asked.
func placeOf(upstream string) place {
	host, _ := hostAndPort(upstream)
	switch {
	case host == "":
		return placeUnknown
	case strings.HasPrefix(upstream, "unix:"), upstream[0] == '/':
		return placeSocket
	case host == "localhost":
		return placeLocalhost
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return placeName
	}
	addr = addr.Unmap()
	switch {
	case addr.IsLoopback() && addr.Is4():
		return placeLoopback4
	case addr.IsLoopback():
		return placeLoopback6
	case slices.ContainsFunc(containerNets, func(p netip.Prefix) bool { return p.Contains(addr) }):
		return placeContainer
	case addr.IsPrivate():
		return placePrivate
	}
	return placePublic
}

// elsewhere reports whether who was asked is not this machine itself: another endpoint may help then.
func elsewhere(f *Facts) bool {
	switch placeOf(f.Upstream) {
	case placeLoopback4, placeLoopback6, placeLocalhost, placeContainer, placeSocket:
		return false
	}
	return true
}

// ofConnecting are the causes that an address explains: nothing was there.
var ofConnecting = []fault.Cause{
	fault.CauseConnectionRefused, fault.CauseHostUnreachable, fault.CauseConnectTimeout, fault.CauseKernelConnectTimeout, fault.CauseNetworkUnreachable,
}

// pass is how each product writes whom it asks.
var pass = map[string]string{
	"nginx": "proxy_pass http://%s;", "ingress-nginx": "", "kong": "curl -X PATCH localhost:8001/services/NAME -d url=http://%s", "openresty": "proxy_pass http://%s;",
	"haproxy": "server app %s", "apache": "ProxyPass / http://%s/", "caddy": "reverse_proxy %s", "traefik": "loadBalancer: {servers: [{url: http://%s}]}",
	"vite": `server.proxy: {"/api": "http://%s"}`, "http-proxy-middleware": `target: "http://%s"`, "next": `destination: "http://%s/:path*"`,
	"envoy": "", "varnish": "backend default { .host = \"%s\"; }", "squid": "",
}

// refresh is how each product looks a name up again, so that an address that moved is found.
var refresh = map[string][]directive{
	"nginx": {
		{where: "location", set: "resolver 127.0.0.11 valid=10s; set $app http://SERVICE:{port:8080}; proxy_pass $app;", why: "127.0.0.11 is Docker's resolver (in Kubernetes kube-dns's address): a name in a variable is looked up again, one in proxy_pass or upstream when nginx starts"},
		{why: "Until then, nginx -s reload (docker compose restart web) looks the names up again."},
	},
	"haproxy": {
		{where: "resolvers docker", set: "nameserver dns 127.0.0.11:53", why: "Docker's own resolver; in Kubernetes kube-dns's address"},
		{where: "backend", set: "server app SERVICE:{port:8080} resolvers docker init-addr last,libc,none", why: "looks the name up while running; without resolvers, only when HAProxy starts"},
	},
	"apache":  {{where: "virtual host", set: "ProxyPass / http://SERVICE:{port:8080}/ disablereuse=On", why: "looks the name up for each connection; a worker looks it up once otherwise"}},
	"envoy":   {{where: "cluster", set: "type: STRICT_DNS", why: "with respect_dns_ttl: true; STATIC, or an address, is never looked up again"}},
	"caddy":   {{where: "reverse_proxy", set: "dynamic a SERVICE {port:8080} { refresh 10s }", why: "by the service's name, and not by the address of a container"}},
	"traefik": {{why: "Traefik takes containers' addresses from the Docker API: both must be in one network, and traefik.docker.network must name it if the container is in several."}},
	"varnish": {{why: "A backend's name is looked up when the VCL is compiled: varnishreload loads it anew; vmod dynamic looks it up while running."}},
}

// placeAdvice gives what the kind of address calls for first, where nothing was there.
func placeAdvice(f *Facts) []directive {
	if slices.Contains(ofSchemes, f.Cause) {
		return schemeAdvice(f)
	}
	if slices.Contains(ofNames, f.Cause) {
		return nameAdvice(f)
	}
	if !slices.Contains(ofConnecting, f.Cause) {
		return nil
	}
	switch placeOf(f.Upstream) {
	case placeSocket:
		return ofSocket(f)
	case placeLoopback6:
		return ofLoopback6(f)
	case placeLoopback4, placeLocalhost:
		return ofLoopback(f)
	case placeContainer:
		return ofMoved(f)
	case placePrivate:
		if f.Contained && f.Cause == fault.CauseHostUnreachable { // nobody has the address any more
			return ofMoved(f)
		}
	}
	return nil
}

// laterAdvice gives what an address may call for as well: a private one may be a pod's, or a container's.
func laterAdvice(f *Facts) []directive {
	if slices.Contains(ofConnecting, f.Cause) && placeOf(f.Upstream) == placePrivate && (f.Contained || f.Served) {
		return ofMoved(f)
	}
	return nil
}

// passTo writes an upstream as the product does, empty where that is not known.
func passTo(f *Facts, upstream string) string {
	form := pass[f.Product]
	if form == "" {
		return ""
	}
	return strings.Replace(form, "%s", upstream, 1)
}

func ofLoopback6(f *Facts) []directive {
	_, port := hostAndPort(f.Upstream)
	if port == "" {
		port = "8080"
	}
	return []directive{
		{set: passTo(f, "127.0.0.1:"+port), why: "localhost became ::1, and an application that listens on IPv4 alone is at 127.0.0.1: write that address instead of localhost, or have it listen on [::]"},
		{why: "ss -lntp 'sport = :" + port + "' shows which of the two it listens on: 127.0.0.1:" + port + ", [::1]:" + port + ", or *:" + port + " for both."},
		{why: "If the proxy runs in a container, both addresses are the container itself: ask the application by its service's name.", fits: func(f *Facts) bool { return f.Contained }},
	}
}

// ofSocket: the file of the socket is there, and nobody listens on it.
func ofSocket(f *Facts) []directive {
	if f.Cause != fault.CauseConnectionRefused {
		return nil
	}
	return []directive{
		{why: "Start the application: the socket's file was left by a process that is gone. systemctl status UNIT says why it ended."},
		{why: "If it runs, it listens on another one: ss -lxp lists them with their programs; write that path in the proxy's configuration."},
	}
}

func ofLoopback(f *Facts) []directive {
	_, port := hostAndPort(f.Upstream)
	if port == "" {
		port = "8080"
	}
	inside := []directive{
		{set: passTo(f, "SERVICE:"+port), why: "inside a container, 127.0.0.1 is that container itself: ask the application by its service's name (both in one network), or host.docker.internal:" + port + " if it runs on the host"},
		{why: "The application must listen on 0.0.0.0 then, since 127.0.0.1 in its container is closed to others."},
	}
	if f.Contained {
		return inside
	}
	return []directive{
		{why: "Nothing listens at " + f.Upstream + ": start the application, or correct the port: ss -lntp 'sport = :" + port + "' on the proxy's machine. If the proxy runs in a container, that address is the container itself: ask the application by its service's name then."},
	}
}

// ofMoved: the address belongs to a container that was made anew, or to a pod that is gone.
func ofMoved(f *Facts) []directive {
	stale := directive{why: "An address such as " + f.Upstream + " belongs to a container or a pod, and the next one has another: compare it with docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' NAME, or kubectl get pods -o wide."}
	return append([]directive{stale}, refresh[FamilyOf(f.Product)]...)
}

// ofSchemes are the causes that http or https before the address explains.
var ofSchemes = []fault.Cause{fault.CauseNotHTTP, fault.CausePlainToTLSPort, fault.CauseTLSToPlainPort, fault.CauseClosedBeforeAnswer, fault.CauseResetBeforeAnswer}

// schemeAdvice: a port that is one of TLS everywhere was asked in clear text.
func schemeAdvice(f *Facts) []directive {
	_, port := hostAndPort(f.Upstream)
	clear := strings.Contains(f.Text, "http://"+f.Upstream) || strings.Contains(f.Text, `"http://`)
	if (port != "443" && port != "8443") || !clear || f.Product == "whygate" {
		return nil
	}
	return []directive{
		{why: "http:// was asked at port " + port + ", which is one of TLS: openssl s_client -connect " + f.Upstream + " gets a certificate."},
		{set: strings.Replace(passTo(f, f.Upstream), "http://", "https://", 1), why: "speaks TLS to it"},
	}
}

// placed reports whether the kind of address says better what the catalogue's first line says, which is to start the
// application.
func (f *Facts) placed() bool {
	p := placeOf(f.Upstream)
	return slices.Contains(ofConnecting, f.Cause) && (p == placeLoopback4 || p == placeLocalhost)
}

// ofNames are the causes that a name explains.
var ofNames = []fault.Cause{fault.CauseDNSNXDomain, fault.CauseDNSNoData, fault.CauseDNSServFail, fault.CauseDNSError}

// nameAdvice: a service's or a container's name is known to the resolver of its own network alone.
func nameAdvice(f *Facts) []directive {
	name, _ := hostAndPort(f.Upstream)
	if placeOf(f.Upstream) != placeName || !plain(name) {
		return nil
	}
	switch {
	case strings.Contains(name, ".svc"):
		return []directive{{set: "kubectl get svc,endpointslices -A | grep " + strings.SplitN(name, ".", 2)[0], why: "a service's name is NAME.NAMESPACE.svc.cluster.local"}}
	case strings.Contains(name, ".") || strings.Contains(name, "/"):
		return nil
	}
	return []directive{{set: "getent hosts " + name, why: "in the proxy's own container: a service's name is known only to containers of the same network, and only while it runs (docker compose ps; docker network inspect NETWORK)"}}
}

// alone reports whether nobody listens on this machine itself: then what a product can do with other endpoints helps nobody.
func (f *Facts) alone() bool {
	switch placeOf(f.Upstream) {
	case placeLoopback4, placeLoopback6, placeLocalhost, placeSocket:
		return f.Cause == fault.CauseConnectionRefused
	}
	return false
}
