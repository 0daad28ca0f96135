package adoption

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTraefikGuards: entry points that few clients reach stay so, and who is not let in by a rule that cannot be said gets to no other router.
func TestTraefikGuards(t *testing.T) {
	services := "  services:\n    web: {loadBalancer: {servers: [{url: 'http://127.0.0.1:9'}]}}\n    adm: {loadBalancer: {servers: [{url: 'http://127.0.0.1:8'}]}}\n" +
		"  middlewares:\n    auth: {basicAuth: {usersFile: /users}}\n    away: {redirectScheme: {scheme: https, port: '8443'}}\n    lan: {ipAllowList: {sourceRange: [10.0.0.0/8]}}\n"
	entries := func(a, b string) string {
		return "entryPoints:\n  inside: {address: '" + a + "'}\n  web: {address: '" + b + "'}\nhttp:\n  routers:\n    adm: {rule: 'Host(`adm.test`)', service: adm, entryPoints: [inside]}\n    web: {rule: 'Host(`a.test`)', service: web, entryPoints: [web]}\n    both: {rule: 'Host(`b.test`)', service: web}\n" + services
	}
	router := func(rule, middlewares string) string {
		return "entryPoints: {web: {address: ':80'}}\nhttp:\n  routers:\n    a: {rule: '" + rule + "', service: web, middlewares: [" + middlewares + "], priority: 100}\n    b: {rule: 'Host(`a.test`)', service: adm}\n" + services
	}
	lost := func(name, text string, notes ...string) meaning {
		return meaning{name: name, text: text, order: []string{"host: a.test\n    respond: {status: 501}"}, without: []string{"pool:"}, notes: notes}
	}
	chosen := func(name, text, first string, notes ...string) meaning {
		return meaning{name: name, text: text, order: []string{first, "host: a.test\n    pool: adm"}, notes: notes}
	}
	for _, m := range []meaning{
		{name: "loopback", text: entries("127.0.0.1:80", ":80"), order: []string{"host: a.test\n    pool: web", "host: b.test\n    pool: web"}, without: []string{"adm.test"}, notes: []string{"are reached by more clients"}},
		{name: "private", text: entries("10.0.0.1:80", "203.0.113.1:80"), order: []string{"host: a.test"}, without: []string{"adm.test"}, notes: []string{"are reached by more clients"}},
		{name: "alike", text: entries("10.0.0.1:80", "10.0.0.2:80"), order: []string{"host: adm.test\n    pool: adm"}, notes: []string{"of another address"}},
		{name: "other ports", text: entries("127.0.0.1:81", ":80"), order: []string{"port: [81]\n    host: adm.test\n    pool: adm"}},
		{name: "alike, with other middlewares", text: strings.Replace(entries("10.0.0.1:80", "10.0.0.2:80"), "'10.0.0.2:80'", "'10.0.0.2:80', http: {middlewares: [lan]}", 1), order: []string{"501"}, without: []string{"pool:"}, notes: []string{"has other middlewares"}},
		{name: "a redirection of loopback", text: strings.Replace(entries("127.0.0.1:80", ":80"), "'127.0.0.1:80'", "'127.0.0.1:80', http: {redirections: {entryPoint: {to: ':443'}}}", 1), order: []string{"host: a.test\n    pool: web"}, without: []string{"redirect:"}, notes: []string{"are reached by more clients"}},
		{name: "TLS 1.3 alone", text: entries("127.0.0.1:81", ":80") + "tls: {options: {default: {minVersion: VersionTLS13}}}\n", order: []string{"pool: adm"}, notes: []string{"TLS 1.2 is spoken too"}},
		lost("others are sent elsewhere", router("Host(`a.test`) && !ClientIP(`10.0.0.0/8`)", ""), "the rule"),
		lost("others, in brackets", router("Host(`a.test`) && !(ClientIP(`10.0.0.0/8`) || PathPrefix(`/x`))", ""), "the rule"),
		lost("some are sent away", router("Host(`a.test`) && ClientIP(`192.0.2.0/24`)", "away"), "the rule"),
		chosen("some are let in", router("Host(`a.test`) && ClientIP(`10.0.0.0/8`)", ""), "routes:", "the rule"),
		chosen("another path", router("Host(`a.test`) && !PathPrefix(`/x`)", ""), "routes:", "the rule"),
		lost("a path by name", router("Host(`a.test`) && PathPrefix(`/{id:[0-9]+}/adm`)", "auth"), "the rule"),
		lost("a host by name", strings.ReplaceAll(router("Host(`a.test`) && HostRegexp(`{sub:[a-z]+}.test`)", "auth"), "\t", ""), "the rule"),
	} {
		t.Run(m.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "traefik.yml")
			if err := os.WriteFile(name, []byte(m.text), 0o600); err != nil {
				t.Fatal(err)
			}
			m.ofFiles(t, []string{name}, "")
		})
	}
}

// TestTraefikLabels: what stands in a compose file is not lost silently.
func TestTraefikLabels(t *testing.T) {
	text := "services:\n  traefik:\n    image: traefik:v3\n    command: [--entrypoints.web.address=:80]\n  app:\n    image: x\n    labels:\n      - traefik.http.routers.a.rule=Host(`a.test`)\n      - other=1\n  more:\n    image: x\n    labels:\n      traefik.http.middlewares.auth.basicauth.users: u:x\n"
	name := filepath.Join(t.TempDir(), "compose.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m := meaning{order: []string{"status: 404"}, notes: []string{"compose.yaml:8: ", "routers.a.rule=Host(`a.test`): a label", "compose.yaml:13: ", "basicauth.users", "compose.yaml:4: ", "Traefik's command line"}}
	m.ofFiles(t, []string{name}, "")
}
