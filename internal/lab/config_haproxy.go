package lab

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

func haproxy() *Proxy {
	return &Proxy{
		Name: "haproxy", Title: "HAProxy", Package: "haproxy", programs: []string{"haproxy"}, version: []string{"-v"},
		settle:  2 * time.Second,
		config:  func(s *Setup) []file { return []file{{"haproxy.cfg", haproxyConfig(s)}} },
		command: func(*Setup) []string { return []string{"-db", "-f", "haproxy.cfg"} },
	}
}

func haproxyConfig(s *Setup) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# HAProxy before the lab's upstreams: /NAME/ reaches each. Made by: whygate lab config haproxy
global
    maxconn 4000
    ssl-default-server-options ssl-min-ver TLSv1.2
defaults
    mode http
    timeout connect %[1]ss
    timeout server %[2]ss
    timeout client 30s
    timeout http-request 10s
    timeout queue %[2]ss
    option redispatch
`, seconds(connectTime), seconds(answerTime))
	if s.needsNames() {
		fmt.Fprintf(&b, "resolvers lab\n    nameserver lab %s\n    resolve_retries 1\n    timeout resolve 1s\n    timeout retry 1s\n    hold valid 1s\n", NameServer)
	}
	fmt.Fprintf(&b, "frontend lab\n    bind %s\n", s.Listen)
	for _, sc := range s.Scenarios {
		fmt.Fprintf(&b, "    use_backend %s if { path_beg /%s/ }\n", sc.Name, sc.Name)
	}
	for _, sc := range s.Scenarios {
		fmt.Fprintf(&b, "backend %s\n", sc.Name)
		for i, e := range s.endpoints(sc) {
			fmt.Fprintf(&b, "    server s%d %s%s\n", i+1, haproxyAddress(&e), haproxyOptions(s, &e))
		}
	}
	return b.String()
}

func haproxyAddress(e *endpoint) string {
	if e.Unix != "" {
		return "unix@" + e.Unix
	}
	return e.address()
}

func haproxyOptions(s *Setup, e *endpoint) (options string) {
	if e.At.named() {
		options += " resolvers lab init-addr none"
	}
	if e.Scheme == "https" {
		options += fmt.Sprintf(" ssl verify required ca-file %s sni str(%s) verifyhost %s", s.Lab.CA(), UpstreamName, UpstreamName)
	}
	if e.Scheme == "h2c" {
		options += " proto h2"
	}
	if e.At.Lists {
		options += " crl-file " + s.Lab.CRL()
	}
	if e.At.Shows {
		options += " crt " + filepath.Join(s.Lab.dir, clientBoth)
	}
	return options
}
