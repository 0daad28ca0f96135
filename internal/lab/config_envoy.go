package lab

import (
	"fmt"
	"strings"
)

func envoy() *Proxy {
	return &Proxy{
		Name: "envoy", Title: "Envoy", explains: true, programs: []string{"envoy"}, version: []string{"--version"},
		config:  func(s *Setup) []file { return []file{{"envoy.yaml", envoyConfig(s)}} },
		command: func(*Setup) []string { return []string{"-c", "envoy.yaml", "--log-level", "warning"} },
	}
}

func envoyConfig(s *Setup) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Envoy before the lab's upstreams: /NAME/ reaches each. Made by: whygate lab config envoy
static_resources:
  listeners:
    - name: lab
      address: {socket_address: {address: %s, port_value: %s}}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: lab
                proxy_status_config: {}
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
                route_config:
                  virtual_hosts:
                    - name: lab
                      domains: ["*"]
                      routes:
`, s.host(), s.port())
	for _, sc := range s.Scenarios {
		fmt.Fprintf(&b, "                        - {match: {prefix: /%s/}, route: {cluster: %s, timeout: 0s, idle_timeout: %ss}}\n", sc.Name, sc.Name, seconds(answerTime))
	}
	b.WriteString("  clusters:\n")
	for _, sc := range s.Scenarios {
		kind := "STATIC"
		if sc.At.named() {
			kind = "STRICT_DNS"
		}
		fmt.Fprintf(&b, "    - name: %s\n      type: %s\n      connect_timeout: %ss\n", sc.Name, kind, seconds(connectTime))
		switch sc.At.Scheme {
		case "https":
			b.WriteString(envoyTLS(s, sc))
		case "h2c":
			b.WriteString(`      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config: {http2_protocol_options: {}}
`)
		}
		fmt.Fprintf(&b, "      load_assignment:\n        cluster_name: %s\n        endpoints:\n          - lb_endpoints:\n", sc.Name)
		for _, e := range s.endpoints(sc) {
			address := fmt.Sprintf("{socket_address: {address: %q, port_value: %s}}", e.Host, e.Port)
			if e.Unix != "" {
				address = fmt.Sprintf("{pipe: {path: %q}}", e.Unix)
			}
			fmt.Fprintf(&b, "              - endpoint: {address: %s}\n", address)
		}
	}
	return b.String()
}

func envoyTLS(s *Setup, sc *Scenario) string {
	own := ""
	if sc.At.Shows {
		cert, key := s.Lab.Client()
		own = fmt.Sprintf("            tls_certificates: [{certificate_chain: {filename: %s}, private_key: {filename: %s}}]\n", cert, key)
	}
	list := ""
	if sc.At.Lists {
		list = fmt.Sprintf("              crl: {filename: %s}\n", s.Lab.CRL())
	}
	return fmt.Sprintf(`      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
          sni: %[1]s
          common_tls_context:
%[3]s            tls_params: {tls_minimum_protocol_version: TLSv1_2}
            validation_context:
              trusted_ca: {filename: %[2]s}
              match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: %[1]s}}]
%[4]s`, UpstreamName, s.Lab.CA(), own, list)
}
