package lab

import (
	"fmt"
	"strings"
)

func caddy() *Proxy {
	return &Proxy{
		Name: "caddy", Title: "Caddy", Package: "caddy", programs: []string{"caddy"}, version: []string{"version"},
		config:  func(s *Setup) []file { return []file{{"Caddyfile", caddyConfig(s)}} },
		command: func(*Setup) []string { return []string{"run", "--config", "Caddyfile", "--adapter", "caddyfile"} },
		env: func(s *Setup) []string {
			return []string{"HOME=" + s.Dir, "XDG_DATA_HOME=" + s.Dir, "XDG_CONFIG_HOME=" + s.Dir}
		},
		cannot: func(s *Scenario) string { return noLists("Caddy", s) },
	}
}

func caddyConfig(s *Setup) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Caddy before the lab's upstreams: /NAME/ reaches each. Made by: whygate lab config caddy
{
	admin off
	auto_https off
}
http://:%s {
	bind %s
`, s.port(), s.host())
	for _, sc := range s.Scenarios {
		var urls []string
		for _, e := range s.endpoints(sc) {
			url := e.url()
			if e.Unix != "" {
				url = "unix/" + e.Unix
			}
			urls = append(urls, url)
		}
		fmt.Fprintf(&b, "\thandle /%s/* {\n\t\treverse_proxy %s {\n\t\t\ttransport http {\n", sc.Name, strings.Join(urls, " "))
		fmt.Fprintf(&b, "\t\t\t\tdial_timeout %v\n\t\t\t\tresponse_header_timeout %v\n\t\t\t\tread_timeout %v\n\t\t\t\twrite_timeout %v\n", connectTime, answerTime, answerTime, answerTime)
		if sc.At.Scheme == "https" {
			fmt.Fprintf(&b, "\t\t\t\ttls_server_name %s\n\t\t\t\ttls_trusted_ca_certs %s\n\t\t\t\ttls_timeout %v\n", UpstreamName, s.Lab.CA(), connectTime)
		}
		if sc.At.Shows {
			cert, key := s.Lab.Client()
			fmt.Fprintf(&b, "\t\t\t\ttls_client_auth %s %s\n", cert, key)
		}
		b.WriteString("\t\t\t}\n\t\t}\n\t}\n")
	}
	b.WriteString("}\n")
	return b.String()
}
