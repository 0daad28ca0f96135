package adoption

import (
	"os"
	"path/filepath"
	"testing"
)

// TestCaddyGuards: whom Caddy keeps out by what a line before has made of a request, or within a route, gets in nowhere.
func TestCaddyGuards(t *testing.T) {
	proxy := "\treverse_proxy 127.0.0.1:9\n"
	site := func(lines string) string { return "http://a.test {\n" + lines + "}\n" }
	lost := func(name, text string, notes ...string) meaning {
		return meaning{name: name, text: text, order: []string{"501"}, without: []string{"pool:"}, notes: notes}
	}
	users := "\t\tbasic_auth {\n\t\t\tu x\n\t\t}\n"
	for _, m := range []meaning{
		lost("a header that is set", site("\trequest_header X-Role guest\n\t@in not header X-Role admin\n\trespond @in 403\n"+proxy), "respond @in 403"),
		lost("a header that is taken off", site("\trequest_header -X-In\n\t@no header !X-In\n\trespond @no 403\n"+proxy), "looks at what was changed"),
		{name: "a header that lets in", text: site("\trequest_header X-Role guest\n\t@in header X-Role admin\n\treverse_proxy @in 127.0.0.1:9\n\trespond 403\n"), order: []string{"status: 403"}, without: []string{"pool:"}, notes: []string{"looks at what was changed"}},
		lost("a header that is set for some", site("\t@lan remote_ip 10.0.0.0/8\n\trequest_header @lan X-In 1\n\t@no header !X-In\n\trespond @no 403\n"+proxy), "looks at what was changed"),
		lost("headers by a pattern", site("\trequest_header -X-*\n\t@no header !X-In\n\trespond @no 403\n"+proxy), "looks at what was changed"),
		{name: "another header", text: site("\trequest_header -X-Other\n\t@no header !X-In\n\trespond @no 403\n" + proxy), order: []string{"X-In", "status: 403", "pool:"}},
		lost("users in a route", site("\troute {\n"+users+"\t}\n"+proxy), "basic_auth"),
		{name: "users in a route for some", text: site("\troute /admin/* {\n" + users + "\t}\n" + proxy), order: []string{"'~(?i)^/admin/'\n    respond: {status: 501}", "pool:"}, notes: []string{"basic_auth"}},
		{name: "a path that a route changes", text: site("\troute /a/* {\n\t\turi strip_prefix /a\n\t}\n" + proxy), order: []string{"'~(?i)^/a/'\n    respond: {status: 501}", "pool:"}, notes: []string{"route /a/*"}},
		{name: "what a route sets", text: site("\troute {\n\t\trequest_header X-A b\n\t}\n" + proxy), order: []string{"set_request: {'X-A': b}"}},
		{name: "a rewrite of some", text: site("\trewrite /pub/* /closed{path}\n\trespond /closed/* 403\n" + proxy), order: []string{"'~(?i)^/pub/'\n    respond: {status: 501}", "'~(?i)^/closed/'\n    respond: {status: 403}", "pool:"}, notes: []string{"rewrite /pub/*"}},
		lost("a rewrite of others", site("\t@no not file\n\trewrite @no /x{path}\n\trespond /x/* 403\n"+proxy), "rewrite @no"),
		{name: "hosts of another site", text: "http://www.test {\n\t@adm host admin.test\n\treverse_proxy @adm 127.0.0.1:8\n\treverse_proxy 127.0.0.1:9\n}\nhttp://admin.test {\n\trespond 403\n}\n", order: []string{"http://127.0.0.1:9"}, without: []string{"127.0.0.1:8'", "127.0.0.1:8]"}},
		{name: "a host of the site", text: "http://*.a.test {\n\t@adm host adm.a.test\n\treverse_proxy @adm 127.0.0.1:8\n\treverse_proxy 127.0.0.1:9\n}\n", order: []string{"host: adm.a.test\n    pool:", "host: '*.a.test'\n    pool:"}},
		lost("who is sent away", site("\t@ext not remote_ip 10.0.0.0/8\n\tredir @ext https://b.test/\n"+proxy), "redir @ext"),
		lost("who is sent elsewhere", site("\t@ext not remote_ip 10.0.0.0/8\n\thandle @ext {\n\t\treverse_proxy 127.0.0.1:8\n\t}\n"+proxy), "handle @ext"),
		{name: "who is let in", text: site("\t@lan remote_ip 10.0.0.0/8\n\treverse_proxy @lan 127.0.0.1:8\n" + proxy), order: []string{"127.0.0.1:9"}, notes: []string{"reverse_proxy @lan"}},
		{name: "where it leads", text: site("\t@no not path /a/*\n\treverse_proxy @no 127.0.0.1:8\n" + proxy), order: []string{"127.0.0.1:9"}, notes: []string{"reverse_proxy @no"}},
		lost("a named route", "&(auth) {\n"+users+"}\n"+site("\tinvoke auth\n"+proxy), "invoke auth"),
		lost("a second tls", "https://a.test {\n\ttls /c /k\n\ttls {\n\t\tclient_auth {\n\t\t\ttrusted_ca_cert_file /ca\n\t\t}\n\t}\n"+proxy+"}\n", "a second one of the site"),
		{name: "how an upstream is verified", text: site("\treverse_proxy https://b.test {\n\t\ttransport http {\n\t\t\ttls_client_auth b.test\n\t\t\ttls_trusted_ca_certs /a /b\n\t\t}\n\t}\n"), order: []string{"pool:"}, notes: []string{"tls_client_auth b.test", "tls_trusted_ca_certs /a /b"}},
		{name: "two parameters", text: site("\t@ok query a=1 b=2\n\treverse_proxy @ok 127.0.0.1:8\n\trespond 403\n"), order: []string{"status: 403"}, without: []string{"pool:"}, notes: []string{"reverse_proxy @ok"}},
	} {
		t.Run(m.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "Caddyfile")
			if err := os.WriteFile(name, []byte(m.text), 0o600); err != nil {
				t.Fatal(err)
			}
			m.ofFiles(t, []string{name}, "")
		})
	}
}
