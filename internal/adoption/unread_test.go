package adoption

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestUnread: where a file that is included could not be read, what it may guard is answered 501, and a pattern that no file fits is told of.
func TestUnread(t *testing.T) {
	nginx := func(http, server, location string) string {
		return "events {}\nhttp {\n" + http + "\nserver {\nlisten 80;\nserver_name a.test;\n" + server + "\nlocation /a/ {\n" + location + "\nproxy_pass http://127.0.0.1:9;\n}\nlocation / { root /srv; }\n}\nserver {\nlisten 80;\nserver_name b.test;\nlocation / { root /b; }\n}\n}\n"
	}
	apache := func(main, host, location string) string {
		return main + "\n<VirtualHost *:80>\nServerName a.test\nProxyPreserveHost On\n" + host + "\nProxyPass /a http://127.0.0.1:9/a\n<Location /a>\n" + location + "\n</Location>\nDocumentRoot /srv\n</VirtualHost>\n<VirtualHost *:80>\nServerName b.test\nDocumentRoot /b\n</VirtualHost>\n"
	}
	caddy := func(main, site, handle string) string {
		return main + "\nhttp://a.test {\n" + site + "\n\thandle /a/* {\n" + handle + "\n\t\treverse_proxy 127.0.0.1:9\n\t}\n\troot * /srv\n\tfile_server\n}\nhttp://b.test {\n\troot * /b\n\tfile_server\n}\n"
	}
	macro := "<Macro Guard $who>\n<Location /a>\nRequire ip $who\n</Location>\n</Macro>\n"
	missing, fits := []string{"missing.conf"}, []string{"no file fits it"}
	all, files := []string{"pool:", "files:"}, []string{"files:"}
	for file, ms := range map[string][]meaning{
		"nginx.conf": {
			{name: "of all", text: nginx("include missing.conf;", "", ""), order: []string{"501"}, without: all, notes: missing},
			{name: "of a server", text: nginx("", "include missing.conf;", ""), order: []string{"root: /b", "501"}, without: []string{"pool:", "/srv"}, notes: missing},
			{name: "of a location", text: nginx("", "", "include missing.conf;"), order: []string{"'/a/*'\n    respond: {status: 501}", "/srv"}, without: []string{"pool:"}, notes: missing},
			{name: "of a condition", text: nginx("", "", "if ($http_x = 1) { include missing.conf; }"), order: []string{"'/a/*'\n    respond: {status: 501}", "/srv"}, without: []string{"pool:"}, notes: []string{"if ($http_x = 1)"}},
			{name: "outside http", text: "include missing.conf;\n" + nginx("", "", ""), order: []string{"501"}, without: all, notes: missing},
			{name: "a pattern", text: nginx("include conf.d/*.conf;", "", ""), order: all, notes: fits},
			{name: "a pattern of many directories", text: nginx("", "include /*/*/guards/*.conf;", ""), order: []string{"root: /b", "501"}, without: []string{"pool:"}, notes: []string{"guards"}},
			{name: "what comes with nginx", text: nginx("include mime.types;", "", ""), order: all},
			{name: "not in the output of nginx -T", text: "# configuration file /etc/nginx/nginx.conf:\n" + nginx("", "include /etc/nginx/missing.conf;", ""), order: []string{"root: /b", "501"}, without: []string{"pool:"}, notes: missing},
		},
		"apache2.conf": {
			{name: "of all", text: apache("Include missing.conf", "", ""), order: []string{"501"}, without: all, notes: missing},
			{name: "of a host", text: apache("", "Include missing.conf", ""), order: []string{"root: /b", "501"}, without: []string{"pool:", "/srv"}, notes: missing},
			{name: "of a path", text: apache("", "", "Include missing.conf"), order: []string{"501", "root: /srv"}, without: []string{"pool:"}, notes: missing},
			{name: "of an optional one", text: apache("", "IncludeOptional missing.conf", ""), order: all},
			{name: "a pattern", text: apache("IncludeOptional conf.d/*.conf", "", ""), order: all, notes: fits},
			{name: "a macro that is not known", text: apache("", "Use Guard 10.0.0.0/8", ""), order: []string{"root: /b", "501"}, without: []string{"pool:", "/srv"}, notes: []string{"Use Guard"}},
			{name: "a macro with too few arguments", text: apache(macro, "Use Guard", ""), order: []string{"root: /b", "501"}, without: []string{"pool:", "/srv"}, notes: []string{"Use Guard"}},
			{name: "a macro", text: apache(macro, "Use Guard \"10.0.0.0/8 192.168.0.0/16\"", ""), order: []string{"allow: ['10.0.0.0/8', '192.168.0.0/16']", "pool:", "/srv"}, without: []string{"501"}},
			{name: "a macro within itself", text: apache("<Macro Guard>\nUse Guard\n</Macro>", "Use Guard", ""), order: []string{"root: /b", "501"}, without: []string{"pool:"}, notes: []string{"Use Guard"}},
			{name: "if there is a file", text: apache("", "<IfFile /etc/closed>\n<Location />\nRequire all denied\n</Location>\n</IfFile>", ""), order: []string{"root: /b", "501"}, without: []string{"pool:", "/srv"}, notes: []string{"IfFile /etc/closed"}},
			{name: "if there is a file, for a header", text: apache("", "<IfFile /etc/closed>\nHeader set A b\n</IfFile>", ""), order: all, notes: []string{"IfFile /etc/closed"}},
			{name: "if there is a directive", text: apache("", "<IfDirective Require>\n<Location />\nRequire all denied\n</Location>\n</IfDirective>", ""), order: []string{"root: /b", "501"}, without: []string{"pool:", "/srv"}, notes: []string{"IfDirective"}},
			{name: "a condition with a rule", text: apache("", "<If \"%{HTTP_HOST} == 'x'\">\nRedirect 403 /\n</If>", ""), order: []string{"root: /b", "501"}, without: []string{"pool:", "/srv"}, notes: []string{"If"}},
		},
		"Caddyfile": {
			{name: "of all", text: caddy("import missing.conf", "", ""), order: []string{"501"}, without: all, notes: missing},
			{name: "of a site", text: caddy("", "\timport missing.conf", ""), order: []string{"501", "root: /b"}, without: []string{"pool:", "/srv"}, notes: missing},
			{name: "of a path", text: caddy("", "", "\t\timport missing.conf"), order: []string{"501", "root: /srv", "root: /b"}, without: []string{"pool:"}, notes: missing},
			{name: "a pattern", text: caddy("import conf.d/*.conf", "", ""), order: files, notes: fits},
			{name: "a snippet with arguments", text: caddy("(app) {\n\treverse_proxy {args[0]} {args.1}\n}\n", "\timport app 10.0.0.1:8 10.0.0.2:8", ""), order: []string{"http://10.0.0.1:8, http://10.0.0.2:8"}},
			{name: "a snippet with too few arguments", text: caddy("(app) {\n\treverse_proxy {args[1]}\n}\n", "\timport app 10.0.0.1:8", ""), order: []string{"501", "root: /b"}, without: []string{"pool:"}, notes: []string{"arguments of another kind"}},
			{name: "a snippet with all arguments", text: caddy("(app) {\n\treverse_proxy {args[:]}\n}\n", "\timport app 10.0.0.1:8", ""), order: []string{"501", "root: /b"}, without: []string{"pool:"}, notes: []string{"arguments of another kind"}},
		},
	} {
		for _, m := range ms {
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

// TestUnreadBeside: files of Traefik and HAProxy are one configuration. One that could not be read may say who may ask.
func TestUnreadBeside(t *testing.T) {
	traefikFiles(t, meaning{order: []string{"501"}, without: []string{"pool:"}, notes: []string{"options of TLS"}},
		"http:\n  routers:\n    r: {rule: 'Host(`a.test`)', service: s, tls: {}}\n  services:\n    s: {loadBalancer: {servers: [{url: 'http://127.0.0.1:9'}]}}\n", "tls: {options: {default: [\n")
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.cfg"), filepath.Join(dir, "b.cfg")
	for name, text := range map[string]string{a: frontend(""), b: "backend b\n server s 127.0.0.1:9 " + strings.Repeat("x", 70_000) + "\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	meaning{order: []string{"501"}, without: []string{"pool:"}, notes: []string{"a file could not be read"}}.ofFiles(t, []string{a, b}, "")
}
