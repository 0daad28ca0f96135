package lab

import (
	"fmt"
	"strings"
)

func whygate() *Proxy {
	return &Proxy{
		Name: "whygate", Title: "Whygate", explains: true, version: []string{"version"},
		config:  func(s *Setup) []file { return []file{{"whygate.yaml", whygateConfig(s)}} },
		command: func(*Setup) []string { return []string{"run", "-c", "whygate.yaml"} },
	}
}

func whygateConfig(s *Setup) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Whygate before the lab's upstreams: /NAME/ reaches each. Made by: whygate lab config whygate
version: 1
name: lab-gateway
listen:
  - address: %s
admin: "off"
resolver: {timeout: %v}
routes:
`, s.Listen, answerTime)
	for _, sc := range s.Scenarios {
		fmt.Fprintf(&b, "  - {path: /%s/*, pool: %s}\n", sc.Name, sc.Name)
	}
	b.WriteString("pools:\n")
	for _, sc := range s.Scenarios {
		var urls []string
		for _, e := range s.endpoints(sc) {
			urls = append(urls, e.url())
		}
		fmt.Fprintf(&b, "  %s:\n    endpoints: [%s]\n    timeouts: {connect: %v, tls: %v, write: %v, head: %v, read: %v}\n",
			sc.Name, strings.Join(urls, ", "), connectTime, connectTime, answerTime, answerTime, answerTime)
		if sc.At.Scheme != "https" {
			continue
		}
		fmt.Fprintf(&b, "    tls:\n      ca: %s\n      server_name: %s\n", s.Lab.CA(), UpstreamName)
		if sc.At.Lists {
			fmt.Fprintf(&b, "      crl: %s\n", s.Lab.CRL())
		}
		if sc.At.Shows {
			cert, key := s.Lab.Client()
			fmt.Fprintf(&b, "      cert: %s\n      key: %s\n", cert, key)
		}
	}
	return b.String()
}
