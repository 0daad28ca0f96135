package lint

import (
	"fmt"
	"time"

	"github.com/whygate/whygate/internal/topology"
)

// betweenRules need two files: what the proxy says, and what the application says.
var betweenRules = []Rule{
	{
		ID: "keepalive-race", Severity: Risk, Products: []string{"nginx", "caddy", "traefik", "envoy", "varnish", "ingress-nginx"}, Causes: []string{"keepalive-race"},
		Title:   "The proxy keeps idle connections longer than the application does",
		Happens: "A request that is sent on a kept connection in the moment in which the application closes it gets 502 (503 of Envoy and Varnish). Proxies repeat a GET; a POST is lost. It happens at a small rate, at quiet times more often, and the application logs nothing.",
		Fix:     "Let the application keep connections longer than the proxy, or the proxy shorter: at least a second apart.",
		Source:  "RFC 9112, section 9.5; nginx: ngx_http_upstream_module, keepalive_timeout (default 60s); gunicorn: keepalive (default 2); uvicorn: --timeout-keep-alive (default 5); Puma: persistent_timeout",
		check:   checkKeepAlive,
	},
	{
		ID: "proxy-gives-up-first", Severity: Risk, Products: []string{"nginx", "haproxy", "apache", "caddy", "traefik", "envoy", "varnish", "ingress-nginx"}, Causes: []string{"head-timeout"},
		Title:   "The proxy gives up before the application may finish",
		Happens: "A request that takes longer than the proxy waits is answered with 504, while the application goes on to work on it; a client that tries again makes it work twice.",
		Fix:     "Let the proxy wait a little longer than the application's own limit.",
		Source:  "nginx: proxy_read_timeout (default 60s); HAProxy: timeout server; Apache: ProxyTimeout; Envoy: route timeout (default 15s); Varnish: first_byte_timeout (default 60s)",
		check:   checkGivesUp,
	},
	{
		ID: "worker-killed-first", Severity: Risk, Products: []string{"nginx", "haproxy", "apache", "caddy", "traefik", "envoy", "varnish", "ingress-nginx"}, Causes: []string{"worker-timeout", "closed-before-answer"},
		Title:   "The application kills its worker before the time that the proxy was given",
		Happens: "A request that takes longer than the application's limit gets 502: the worker is killed in the middle of it. The longer time in the proxy's configuration has no effect.",
		Fix:     "Raise the application's limit above the longest request, and keep the proxy's a little above it.",
		Source:  "gunicorn: timeout (default 30, sync workers); php-fpm: request_terminate_timeout; uWSGI: harakiri; Unicorn: timeout (default 60)",
		check:   checkKilled,
	},
	{
		ID: "protocol-mismatch", Severity: Fault, Products: []string{"nginx", "haproxy", "apache", "caddy", "traefik", "envoy"}, Causes: []string{"not-http", "closed-before-answer", "tls-to-plain-http-port", "plain-http-to-tls-port"},
		Title:   "The proxy speaks another protocol than the application at that address",
		Happens: "Every request fails: the application takes the bytes for garbage and closes, or answers in its own protocol.",
		Fix:     "Use the directive, or the scheme, of the protocol that the application speaks there.",
		Source:  "php-fpm: listen (FastCGI only); uWSGI: socket (uwsgi protocol), http-socket (HTTP); Tomcat: Connector protocol, SSLEnabled; gunicorn: certfile",
		check:   checkProtocol,
	},
	{
		ID: "socket-mismatch", Severity: Fault, Products: []string{"nginx", "apache", "caddy", "haproxy"}, Causes: []string{"socket-missing"},
		Title:   "The proxy asks at a socket's path where no application of these files listens",
		Happens: "Every request gets 502 (503 of Apache and HAProxy): connect() fails with \"No such file or directory\". It is how an upgrade of PHP ends whose version is a part of the path.",
		Fix:     "Write the path that the application listens at.",
		Source:  "php-fpm: listen; unix(7): ENOENT",
		check:   checkSocketPath,
	},
	{
		ID: "socket-permission", Severity: Risk, Products: []string{"nginx"}, Causes: []string{"socket-permission"},
		Title:   "The proxy's user may not connect to the application's socket",
		Happens: "Every request gets 502: connect() fails with \"Permission denied\", unless the proxy's user is in the socket's group.",
		Fix:     "Give the socket the proxy's user or group, with mode 0660.",
		Source:  "php-fpm: listen.owner, listen.group, listen.mode (default 0660, the owner is who starts it); uWSGI: chmod-socket; unix(7): connecting needs write permission",
		check:   checkSocketPermission,
	},
	{
		ID: "head-larger-than-app-takes", Severity: Risk, Products: []string{"nginx"}, Causes: []string{"request-head-too-large", "closed-before-answer"},
		Title:   "The proxy lets larger request headers through than the application takes",
		Happens: "A client with large cookies gets 400, or 502 where the application only closes (uWSGI), though the proxy was told to take them.",
		Fix:     "Raise the application's limit to the proxy's.",
		Source:  "nginx: large_client_header_buffers; uWSGI: buffer-size (default 4096, the whole head); gunicorn: limit_request_field_size; Tomcat: maxHttpRequestHeaderSize (default 8192)",
		check:   checkHead,
	},
	{
		ID: "body-limit-mismatch", Severity: Risk, Products: []string{"nginx"}, Causes: []string{"request-body-too-large"},
		Title:   "nginx takes smaller uploads than PHP was told to take",
		Happens: "An upload between the two limits gets 413 from nginx; PHP never sees it. The default of client_max_body_size is 1m.",
		Fix:     "Give client_max_body_size the value of post_max_size.",
		Source:  "nginx: client_max_body_size (default 1m); PHP: post_max_size, upload_max_filesize",
		check:   checkBodyLimit,
	},
}

// shown is a time as people write it.
func shown(d time.Duration) string {
	switch {
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d >= 10*time.Minute && d%time.Minute == 0:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d%time.Second == 0:
		return fmt.Sprintf("%d s", d/time.Second)
	}
	return fmt.Sprintf("%d ms", d/time.Millisecond)
}

// place is the line of a timer, or another where it is a default.
func place(t topology.Timer, or *Node) *Node {
	if t.Node != nil {
		return t.Node
	}
	return or
}

func checkKeepAlive(c *check) {
	c.pairs(func(r *route, u *upstream, a *app, l *topology.AppListen) {
		if r.Keep.Off || a.Keep.Off || a.Keep.Time <= 0 || l.Protocol != "http" && l.Protocol != "https" || r.Keep.Time < a.Keep.Time {
			return
		}
		message := fmt.Sprintf("%s keeps idle connections to %s for %s, %s closes them after %s: a POST that is sent in that moment gets %d.",
			called(r.Proxy.Product), at(u), shown(r.Keep.Time), called(a.Kind), shown(a.Keep.Time), lostStatus(r))
		severity := Risk
		if !a.KeepSure {
			severity, message = Note, message+" That is "+called(a.Kind)+"'s default in most versions."
		}
		c.add(severity, place(r.Keep, r.Node), message, keepFix(r, a)).of(r, u)
	})
}

// lostStatus is what a product answers with when its upstream closed before an answer.
func lostStatus(r *route) int {
	if p := r.Proxy.Product; p == "envoy" || p == "varnish" {
		return 503
	}
	return 502
}

// keepFix lets the application keep connections longer than the proxy, or the proxy shorter where the application's limit is sensible.
func keepFix(r *route, a *app) string {
	longer := int((r.Keep.Time + 5*time.Second) / time.Second)
	shorter := max(int(a.Keep.Time/time.Second)-1, 1)
	switch a.Kind {
	case "gunicorn":
		if a.Keep.Node == nil || a.Keep.Node.Name == "keepalive" {
			return fmt.Sprintf("gunicorn: keepalive = %d", longer)
		}
		return fmt.Sprintf("gunicorn: --keep-alive %d", longer)
	case "uvicorn":
		return fmt.Sprintf("uvicorn: --timeout-keep-alive %d", longer)
	case "hypercorn":
		return fmt.Sprintf("hypercorn: --keep-alive %d", longer)
	case "puma":
		return fmt.Sprintf("puma: persistent_timeout %d", longer)
	case "tomcat":
		return fmt.Sprintf("Connector: keepAliveTimeout=\"%d\"", longer*1000)
	}
	switch r.Proxy.Product {
	case "nginx":
		return fmt.Sprintf("keepalive_timeout %ds; in the upstream block (nginx 1.15.3)", shorter)
	case "caddy":
		return fmt.Sprintf("transport http { keepalive %ds }", shorter)
	}
	return fmt.Sprintf("keep idle connections for less than %s", shown(a.Keep.Time))
}

func checkGivesUp(c *check) {
	c.pairs(func(r *route, u *upstream, a *app, _ *topology.AppListen) {
		if r.Read.Off || a.Work.Off || a.Work.Node == nil || r.Read.Time >= a.Work.Time {
			return
		}
		c.risk(place(r.Read, r.Node), fmt.Sprintf("%s waits %s for %s, which may take %s (%v): a request that takes longer than %s gets 504 while it is still worked on.",
			called(r.Proxy.Product), shown(r.Read.Time), at(u), shown(a.Work.Time), a.Work.Node.Place, shown(r.Read.Time)), readFix(r, a.Work.Time+5*time.Second))
	})
}

// readFix is the line that makes a proxy wait longer.
func readFix(r *route, d time.Duration) string {
	s := int(d / time.Second)
	switch r.Proxy.Product {
	case "nginx":
		module := r.Node.Name[:len(r.Node.Name)-len("_pass")]
		return fmt.Sprintf("%s_read_timeout %ds;", module, s)
	case "haproxy":
		return fmt.Sprintf("timeout server %ds", s)
	case "apache":
		return fmt.Sprintf("ProxyTimeout %d", s)
	case "caddy":
		return fmt.Sprintf("response_header_timeout %ds", s)
	case "envoy":
		return fmt.Sprintf("timeout: %ds", s)
	case "varnish":
		return fmt.Sprintf(".first_byte_timeout = %ds;", s)
	case "ingress-nginx":
		return fmt.Sprintf("nginx.ingress.kubernetes.io/proxy-read-timeout: \"%d\"", s)
	}
	return fmt.Sprintf("wait %d s", s)
}

// ordinary is what most proxies wait by default: a time above it was raised on purpose.
const ordinary = time.Minute

func checkKilled(c *check) {
	c.pairs(func(r *route, u *upstream, a *app, _ *topology.AppListen) {
		if r.Read.Off || r.Read.Node == nil || a.Work.Off || a.Work.Time <= 0 || r.Read.Time <= ordinary || a.Work.Time >= r.Read.Time*3/4 { // a little less is how it should be
			return
		}
		c.risk(place(a.Work, a.Node), fmt.Sprintf("%s kills a worker at %s after %s, though %s was told to wait %s (%v): a request that takes longer gets 502.",
			called(a.Kind), at(u), shown(a.Work.Time), called(r.Proxy.Product), shown(r.Read.Time), r.Read.Node.Place), workFix(a, r.Read.Time-5*time.Second))
	})
}

// workFix is the setting that lets an application's worker go on.
func workFix(a *app, d time.Duration) string {
	s := int(d / time.Second)
	switch a.Kind {
	case "gunicorn":
		if a.Work.Node != nil && a.Work.Node.Name != "timeout" {
			return fmt.Sprintf("gunicorn: --timeout %d", s)
		}
		return fmt.Sprintf("gunicorn: timeout = %d", s)
	case "php-fpm":
		return fmt.Sprintf("request_terminate_timeout = %ds", s)
	case "uwsgi":
		return fmt.Sprintf("harakiri = %d", s)
	}
	return fmt.Sprintf("timeout %d", s)
}
