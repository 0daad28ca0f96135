package adoption

import (
	"strings"
	"testing"
)

// TestRefused: what another proxy takes and Whygate does not is left out and told of, and whom it kept out stays out.
func TestRefused(t *testing.T) {
	meanings(t, []meaning{
		{
			name: "a host", text: "http://a..b, http://a.test {\n\treverse_proxy 127.0.0.1:9\n}\n",
			order: []string{"host: a.test"}, without: []string{"a..b"}, notes: []string{"routes[0].host"},
		},
		{
			name: "an endpoint", text: server("location /a/ { proxy_pass http://127.0.0.1:99999; }\nlocation / { proxy_pass http://127.0.0.1:9; }"),
			order: []string{"'/a/*'\n    respond: {status: 501}", "pool: '127-0-0-1-9'"}, without: []string{"99999"}, notes: []string{"answered 501"},
		},
		{
			name: "an address to listen on", text: "events {}\nhttp {\nserver {\nlisten 80;\nlisten 99999;\nlocation / { root /srv; }\n}\n}\n",
			order: []string{"':80'", "files:"}, without: []string{"99999'"}, notes: []string{"listen[1].address"},
		},
		{
			name: "networks of proxies", text: server("set_real_ip_from nowhere;\nlocation / { root /srv; }"),
			order: []string{"files:"}, without: []string{"trusted_proxies"}, notes: []string{"nowhere is no address"},
		},
		{
			name: "a header", text: server("location /a/ { proxy_set_header X-A \"a\x01b\"; proxy_pass http://127.0.0.1:9; }"),
			order: []string{"respond: {status: 501}"}, without: []string{"pool:"}, notes: []string{"set_request"},
		},
		{
			name: "an expression that turns clients away", text: frontend(" http-request deny if { path_reg ^/(" + strings.Repeat("a|", 3000) + "b) }"),
			order: []string{"respond: {status: 501}"}, notes: []string{"routes[0].path"},
		},
		{name: "no UTF-8", text: server("location /caf\xe9/ { proxy_pass http://127.0.0.1:9; }\nlocation / { root /srv; }"), order: []string{"files:"}, notes: []string{"not UTF-8"}},
		{name: "nothing of it", text: "http://a..b {\n\treverse_proxy 127.0.0.1:9\n}\n", order: []string{"respond: {status: 404}"}, notes: []string{"routes[0].host"}},
	})
}
