package adoption

import (
	"os"
	"path/filepath"
	"testing"
)

// TestGuardsLeftOut: a directive, a router or a frontend that cannot be said lets nobody in whom it kept out.
func TestGuardsLeftOut(t *testing.T) {
	proxy := "\treverse_proxy 127.0.0.1:9\n}\n"
	services := "  services: {web: {loadBalancer: {servers: [{url: 'http://127.0.0.1:9'}]}}}\n  middlewares: {auth: {basicAuth: {usersFile: /users}}}\n"
	router := func(rule string) string {
		return "http:\n  routers:\n    a: {rule: '" + rule + "', service: web, middlewares: [auth]}\n    b: {rule: 'Host(`a.test`)', service: web}\n" + services
	}
	backends := "backend admin\n server a 127.0.0.1:9\nbackend web\n server a 127.0.0.1:8\n"
	for file, all := range map[string][]meaning{
		"Caddyfile": {
			{name: "handle", text: "http://a.test {\n\t@out not remote_ip 10.0.0.0/8\n\thandle @out {\n\t\trespond 403\n\t}\n" + proxy, order: []string{"501"}, without: []string{"pool:"}, notes: []string{"handle @out"}},
			{name: "a path within a path", text: "http://a.test {\n\thandle /a/* {\n\t\trespond /a/b* 403\n\t\treverse_proxy 127.0.0.1:9\n\t}\n}\n", order: []string{"501"}, without: []string{"pool:"}, notes: []string{"a path within a path"}},
			{name: "a snippet with arguments", text: "(auth) {\n\tbasic_auth {\n\t\t{args[0]} {args[1]}\n\t}\n}\nhttp://a.test {\n\timport auth a b\n" + proxy, order: []string{"501"}, without: []string{"pool:"}, notes: []string{"basic_auth"}},
		},
		"traefik.yml": {
			{name: "brackets", text: router("Host(`a.test`) && (PathPrefix(`/x`) || PathPrefix(`/y`))"), order: []string{"'~^/x'\n    auth:", "'~^/y'\n    auth:", "pool:"}},
			{name: "a negation", text: router("Host(`a.test`) && !PathPrefix(`/x`)"), order: []string{"host: a.test\n    respond: {status: 501}"}, without: []string{"pool:"}, notes: []string{"the rule"}},
		},
		"haproxy.cfg": {
			{name: "no port", text: "defaults\n mode http\nfrontend a\n bind unix@/run/a.sock\n default_backend admin\nfrontend b\n bind :80\n default_backend web\n" + backends, order: []string{"pool: web"}, without: []string{"admin"}, notes: []string{"none of its addresses has a port"}},
			{name: "connections in defaults", text: "defaults d\n mode http\n tcp-request connection reject if { src 10.0.0.0/8 }\nfrontend b from d\n bind :80\n default_backend web\n" + backends, order: []string{"deny: ['10.0.0.0/8']"}},
		},
	} {
		for _, m := range all {
			t.Run(file+" "+m.name, func(t *testing.T) {
				name := filepath.Join(t.TempDir(), file)
				if err := os.WriteFile(name, []byte(m.text), 0o600); err != nil {
					t.Fatal(err)
				}
				m.ofFiles(t, []string{name}, "")
			})
		}
	}
}
