package adoption

import "testing"

// TestCompress: what a proxy compresses of a pool's answers is compressed. Of the rest it is told.
func TestCompress(t *testing.T) {
	meanings(t, []meaning{
		{
			name: "nginx", text: server("gzip on;\nlocation /a/ { gzip off; proxy_pass http://127.0.0.1:8; }\nlocation / { proxy_pass http://127.0.0.1:9; }"),
			order: []string{"'/a/*'\n    pool: '127-0-0-1-8'", "  - compress: on\n    pool: '127-0-0-1-9'"},
		},
		{name: "nginx with brotli", text: server("brotli on;\nlocation / { proxy_pass http://127.0.0.1:9; }"), order: []string{"compress: on"}},
		{name: "nginx with files", text: server("gzip on;\nlocation / { root /srv; }"), order: []string{"files:"}, without: []string{"compress"}, notes: []string{"gzip on: only what a pool"}},
		{name: "Caddy", text: site("\tencode zstd gzip\n\treverse_proxy 127.0.0.1:9"), order: []string{"compress: on\n    pool:"}},
		{name: "Caddy with files", text: site("\tencode\n\troot * /srv\n\tfile_server"), order: []string{"files:"}, without: []string{"compress"}, notes: []string{"encode"}},
		{name: "Caddy for some", text: site("\tencode /a/* gzip\n\treverse_proxy 127.0.0.1:9"), order: []string{"pool:"}, without: []string{"compress"}, notes: []string{"encode /a/*"}},
		{name: "HAProxy", text: frontend(" compression algo gzip\n compression type text/html"), order: []string{"compress: on"}},
		{name: "HAProxy's backend", text: frontend("") + " compression algo gzip\n", order: []string{"compress: on"}},
		{name: "HAProxy's defaults, switched off", text: "defaults\n mode http\n compression algo gzip\nfrontend f\n bind :80\n default_backend app\n compression algo identity\nbackend app\n compression algo identity\n server s 127.0.0.1:9\n", order: []string{"pool:"}, without: []string{"compress"}},
		{name: "HAProxy's requests", text: frontend(" compression algo-req gzip"), order: []string{"pool:"}, without: []string{"compress"}, notes: []string{"algo-req"}},
	})
	http := "http:\n  routers:\n    r: {rule: 'Host(`a.test`)', service: s, middlewares: [m]}\n  services:\n    s: {loadBalancer: {servers: [{url: 'http://127.0.0.1:9'}]}}\n  middlewares:\n    m: "
	t.Run("Traefik", func(t *testing.T) {
		traefikFiles(t, meaning{order: []string{"compress: on\n    pool: s"}}, http+"{compress: {minResponseBodyBytes: 100}}\n")
	})
	t.Run("Traefik with types", func(t *testing.T) {
		traefikFiles(t, meaning{order: []string{"compress: on"}, notes: []string{"excludedContentTypes"}}, http+"{compress: {excludedContentTypes: [text/css]}}\n")
	})
	t.Run("Traefik with a redirect", func(t *testing.T) {
		traefikFiles(t, meaning{order: []string{"redirect:"}, without: []string{"compress"}}, http+"{chain: {middlewares: [c, d]}}\n    c: {compress: {}}\n    d: {redirectScheme: {scheme: https}}\n")
	})
}
