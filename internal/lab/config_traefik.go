package lab

import (
	"fmt"
	"strings"
)

func traefik() *Proxy {
	return &Proxy{
		Name: "traefik", Title: "Traefik", programs: []string{"traefik"}, version: []string{"version"},
		config: func(s *Setup) []file {
			return []file{{"traefik.yaml", traefikStatic(s)}, {"dynamic.yaml", traefikDynamic(s)}}
		},
		command: func(*Setup) []string { return []string{"--configFile=traefik.yaml"} },
		cannot: func(s *Scenario) string {
			if s.At.Unix != "" {
				return "Traefik speaks TCP only to upstreams"
			}
			return noLists("Traefik", s)
		},
	}
}

func traefikStatic(s *Setup) string {
	return fmt.Sprintf(`# Traefik before the lab's upstreams: /NAME/ reaches each. Made by: whygate lab config traefik
global: {checkNewVersion: false, sendAnonymousUsage: false}
entryPoints:
  lab:
    address: %q
providers:
  file:
    filename: %s/dynamic.yaml
accessLog:
  filePath: %s/access.log
`, s.Listen, s.Dir, s.Dir)
}

func traefikDynamic(s *Setup) string {
	var b strings.Builder
	b.WriteString("http:\n  routers:\n")
	for _, sc := range s.Scenarios {
		fmt.Fprintf(&b, "    %s: {rule: \"PathPrefix(`/%s/`)\", service: %s}\n", sc.Name, sc.Name, sc.Name)
	}
	b.WriteString("  services:\n")
	for _, sc := range s.Scenarios {
		transport := "plain"
		if sc.At.Shows {
			transport = "client"
		}
		fmt.Fprintf(&b, "    %s:\n      loadBalancer:\n        serversTransport: %s\n        servers:\n", sc.Name, transport)
		for _, e := range s.endpoints(sc) {
			fmt.Fprintf(&b, "          - {url: %q}\n", e.url())
		}
	}
	cert, key := s.Lab.Client()
	timers := fmt.Sprintf("forwardingTimeouts: {dialTimeout: %v, responseHeaderTimeout: %v, idleConnTimeout: 60s}", connectTime, answerTime)
	fmt.Fprintf(&b, "  serversTransports:\n    plain:\n      serverName: %[1]s\n      rootCAs: [%[2]s]\n      %[3]s\n    client:\n      serverName: %[1]s\n      rootCAs: [%[2]s]\n      %[3]s\n      certificates:\n        - {certFile: %[4]s, keyFile: %[5]s}\n",
		UpstreamName, s.Lab.CA(), timers, cert, key)
	return b.String()
}
