package fault

// Report is how another proxy reports a cause: the status that its client gets, and what it logs.
type Report struct {
	Proxy   string `json:"proxy"`             // nginx, haproxy, envoy, caddy, traefik, apache, alb, gcp or cloudflare; behind those, programs that were seen
	Text    string `json:"text"`              // the status first, then the log's own words; X, H, P, IP, N and R stand for values
	Version string `json:"version,omitempty"` // the version that was seen to do so
}

// said is one cause in the words of each proxy, empty where nothing is known of it. Everything was read in the proxies'
// sources and documents (nginx 1.31.5, HAProxy 3.5-dev, Envoy of January 2026, Caddy 2.11.4, Traefik 3.7, Apache httpd
// 2.4.63-dev, and the documents of AWS, Google Cloud and Cloudflare), not by running them; what is not stated there but
// follows from the code is marked inferred.
type said struct {
	nginx, haproxy, envoy, caddy, traefik, apache, alb, gcp, cloudflare string
}

const inferred = " (inferred from its source)"

// Reports gives how other proxies report the cause, in a fixed order; none where nothing is known. Causes inside the
// upstream (worker-killed, service-stopped) have the words for the end that a proxy sees. The slice is the caller's.
func (e *Entry) Reports() []Report {
	s, ok := reportsConnect[e.Cause]
	if !ok {
		s, ok = reportsTLS[e.Cause]
	}
	if !ok {
		s, ok = reportsHTTP1[e.Cause]
	}
	if !ok {
		s = reportsPolicy[e.Cause]
	}
	var all []Report
	for _, r := range []Report{
		{Proxy: "nginx", Text: s.nginx},
		{Proxy: "haproxy", Text: s.haproxy},
		{Proxy: "envoy", Text: s.envoy},
		{Proxy: "caddy", Text: s.caddy},
		{Proxy: "traefik", Text: s.traefik},
		{Proxy: "apache", Text: s.apache},
		{Proxy: "alb", Text: s.alb},
		{Proxy: "gcp", Text: s.gcp},
		{Proxy: "cloudflare", Text: s.cloudflare},
	} {
		if r.Text != "" {
			all = append(all, r)
		}
	}
	return append(all, seenReports(e.Cause)...)
}
