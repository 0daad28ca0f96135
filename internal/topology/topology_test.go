package topology

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// read writes the files of a txtar and reads their directory.
func read(t *testing.T, text string) *Topology {
	t.Helper()
	dir := t.TempDir()
	for _, f := range txtar.Parse([]byte(text)).Files {
		if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	top, err := Read(context.Background(), []string{dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(top.Problems) > 0 {
		t.Fatal(top.Problems)
	}
	return top
}

// show lists routes: product path -> scheme://upstreams, time-out, kept connections @line.
func show(top *Topology) string {
	var lines []string
	for _, p := range top.Proxies {
		for _, r := range p.Routes {
			var members []string
			for _, u := range r.Members() {
				where := u.Host + ":" + u.Port
				if u.Unix != "" {
					where = u.Unix
				}
				members = append(members, r.SchemeOf(u)+"://"+where)
			}
			host := r.Host
			switch host {
			case HostClient:
				host = "client"
			case HostTarget:
				host = "target"
			}
			lines = append(lines, fmt.Sprintf("%s %q -> %s host %s read %s keep %s @%d", p.Product, r.Path, strings.Join(members, " "), host, timer(r.Read), timer(r.Keep), r.Node.Line))
		}
	}
	for _, a := range top.Apps {
		var listen []string
		for _, l := range a.Listen {
			listen = append(listen, fmt.Sprintf("%s %s:%s%s", l.Protocol, l.Host, l.Port, l.Unix))
		}
		lines = append(lines, fmt.Sprintf("%s at %s keep %s work %s", a.Kind, strings.Join(listen, ", "), timer(a.Keep), timer(a.Work)))
	}
	return strings.Join(lines, "\n")
}

func timer(t Timer) string {
	if t.Off {
		return "off"
	}
	return t.Time.String()
}

// TestLists: every product's routes are listed, with what holds for them.
func TestLists(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{
			"nginx", "-- nginx.conf --\nevents {}\nhttp {\nproxy_read_timeout 90;\nupstream a { server unix:/run/a.sock; server b:81 backup; keepalive 4; }\nserver {\nlocation /x/ {\nproxy_pass http://a;\nproxy_http_version 1.1;\nproxy_set_header Connection '';\nproxy_set_header Host $host;\n}\nlocation ~ php$ { fastcgi_pass 127.0.0.1:9000; }\nlocation /v { set $u c; proxy_pass https://$u; }\n}\n}\n",
			"nginx \"/x/\" -> http:///run/a.sock http://b:81 host client read 1m30s keep 1m0s @7\nnginx \"~ php$\" -> fastcgi://127.0.0.1:9000 host target read 1m0s keep off @12\nnginx \"/v\" -> https://c:443 host target read 1m30s keep off @13",
		},
		{
			"haproxy", "-- haproxy.cfg --\ndefaults\n mode http\n timeout server 20s\nfrontend f\n bind :80\n default_backend b\nbackend b\n default-server ssl verify none\n server x h:8443 check\n server y /run/y.sock no-ssl\nlisten t\n mode tcp\n bind :1\n server z 1.2.3.4:443\n",
			"haproxy \"\" -> https://h:8443 http:///run/y.sock host client read 20s keep off @7\nhaproxy \"\" -> tcp://1.2.3.4:443 host client read 20s keep off @11",
		},
		{
			"apache", "-- apache2.conf --\nDefine PORT 81\n<VirtualHost *:80>\nProxyTimeout 7\nProxyPreserveHost On\nProxyPass /a http://h:${PORT}/\n<Location /l>\nProxyPass fcgi://x:9000\n</Location>\nRewriteRule ^/r(.*) https://y/$1 [P,L]\n<FilesMatch php$>\nSetHandler \"proxy:unix:/run/p.sock|fcgi://localhost\"\n</FilesMatch>\n<IfDefine NOT>\nProxyPass /n http://n\n</IfDefine>\n</VirtualHost>\n",
			"apache \"/a\" -> http://h:81 host client read 7s keep off @5\napache \"/l\" -> fastcgi://x:9000 host client read 7s keep off @7\napache \"^/r(.*)\" -> https://y:443 host client read 7s keep off @9\napache \"php$\" -> fastcgi:///run/p.sock host client read 7s keep off @11",
		},
		{
			"caddy", "-- Caddyfile --\na.example {\n\treverse_proxy /x/* h:1 {\n\t\theader_up Host {upstream_hostport}\n\t\ttransport http {\n\t\t\tresponse_header_timeout 9s\n\t\t\tkeepalive 3s\n\t\t}\n\t}\n\thandle_path /p/* {\n\t\treverse_proxy https://s\n\t}\n\tphp_fastcgi unix//run/p.sock\n}\n",
			"caddy \"/x/*\" -> http://h:1 host target read 9s keep 3s @2\ncaddy \"/p/*\" -> https://s:443 host client read off keep 2m0s @10\ncaddy \"\" -> fastcgi:///run/p.sock host client read off keep off @12",
		},
		{
			"caddy JSON", "-- caddy.json --\n{\"apps\": {\"http\": {\"servers\": {\"s\": {\"listen\": [\":443\"], \"routes\": [\n{\"handle\": [{\"handler\": \"reverse_proxy\", \"upstreams\": [{\"dial\": \"h:1\"}],\n\"transport\": {\"protocol\": \"http\", \"tls\": {}}}]}]}}}}}\n",
			"caddy \"\" -> https://h:1 host client read off keep 2m0s @2",
		},
		{
			"traefik", "-- dynamic.toml --\n[http.services.s.loadBalancer]\nserversTransport = \"t\"\n[[http.services.s.loadBalancer.servers]]\nurl = \"http://h:1\"\n[http.serversTransports.t.forwardingTimeouts]\nidleConnTimeout = \"3s\"\nresponseHeaderTimeout = \"4s\"\n",
			"traefik \"\" -> http://h:1 host client read 4s keep 3s @1",
		},
		{"varnish", "-- default.vcl --\nvcl 4.1;\nbackend a {\n.host = \"h\";\n.port = \"81\";\n.first_byte_timeout = 5m;\n}\n", "varnish \"\" -> http://h:81 host client read 5m0s keep 1m0s @2"},
		{"iis", "-- web.config --\n<configuration><system.webServer><rewrite><rules><rule name=\"a\">\n<action type=\"Rewrite\" url=\"http://h:1/{R:1}\"/>\n</rule></rules></rewrite></system.webServer></configuration>\n", "iis \"\" -> http://h:1 host target read 2m0s keep off @2"},
		{
			"applications", "-- gunicorn.conf.py --\nbind = '0.0.0.0:1'\nthreads = 4\nkeepalive = 7\n-- www.conf --\n[www]\nlisten = /run/$pool.sock\npm = static\nrequest_terminate_timeout = 2m\n-- uwsgi.ini --\n[uwsgi]\nsocket = :3031\nhttp-socket = :8080\nharakiri = 30\n-- puma.rb --\nbind 'tcp://0.0.0.0:9292'\npersistent_timeout 9\n-- unicorn.rb --\nlisten '/run/u.sock', :backlog => 64\ntimeout 30\n-- server.xml --\n<Server><Service><Connector port=\"8443\" SSLEnabled=\"true\" connectionTimeout=\"20000\"/></Service></Server>\n-- a.service --\n[Service]\nExecStart=/usr/bin/env FOO=1 /srv/bin/uvicorn --host 0.0.0.0 --port 5 a:app\n-- compose.yaml --\nservices:\n  a:\n    command: sh -c \"migrate && exec gunicorn -w 4 -b :6 a.wsgi\"\n",
			"uvicorn at http :5 keep 5s work off\ngunicorn at http :6 keep off work 30s\ngunicorn at http :1 keep 7s work off\npuma at http :9292 keep 9s work off\ntomcat at https :8443 keep 20s work off\nunicorn at http :/run/u.sock keep off work 30s\nuwsgi at uwsgi :3031, http :8080 keep off work 30s\nphp-fpm at fastcgi :/run/www.sock keep off work 2m0s",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := show(read(t, c.text)); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// TestLeads: an upstream leads to an application where both files say so, and to none where it is not clear.
func TestLeads(t *testing.T) {
	for _, c := range []struct {
		name, upstream, bind string
		want                 bool
	}{
		{"loopback", "127.0.0.1:8000", "127.0.0.1:8000", true},
		{"everywhere", "127.0.0.1:8000", "0.0.0.0:8000", true},
		{"another address", "10.0.0.1:8000", "127.0.0.1:8000", false},
		{"another port", "127.0.0.1:8001", "127.0.0.1:8000", false},
		{"socket", "unix:/var/run/a.sock", "unix:/run/a.sock", true},
		{"another socket", "unix:/run/b.sock", "unix:/run/a.sock", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			top := read(t, fmt.Sprintf("-- nginx.conf --\nhttp { upstream a { server %s; } server { location / { proxy_pass http://a; } } }\n-- gunicorn.conf.py --\nbind = %q\n", c.upstream, c.bind))
			r := top.Proxies[0].Routes[0]
			if a, _ := top.AppOf(r, r.Members()[0]); (a != nil) != c.want {
				t.Errorf("it leads to %+v", a)
			}
		})
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"60": time.Minute, "60s": time.Minute, "1m30s": 90 * time.Second, "1min 30s": 90 * time.Second, "0.25s": 250 * time.Millisecond, "500ms": 500 * time.Millisecond, "1d": 24 * time.Hour,
	} {
		if got, ok := Duration(text, time.Second); !ok || got != want {
			t.Errorf("%s: %v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "infinity", "x", "5 parsecs", "-1", "1.2.3"} {
		if got, ok := Duration(text, time.Second); ok {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
	if got, ok := Duration(strings.Repeat("9", 30), time.Hour); !ok || got <= 0 {
		t.Errorf("a very long time: %v, %v", got, ok)
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]int64{"8192": 8192, "8k": 8192, "16K": 16384, "1m": 1 << 20, "2MB": 2 << 20, "0": 0} {
		if got, ok := Size(text); !ok || got != want {
			t.Errorf("%s: %d, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "x", "-1", "99999999999999999999"} {
		if got, ok := Size(text); ok {
			t.Errorf("%q is taken for %d", text, got)
		}
	}
}

// TestIdle: what a main file beside it does not include is not in force.
func TestIdle(t *testing.T) {
	top := read(t, "-- nginx.conf --\nevents {}\nhttp { include on.conf; }\n-- on.conf --\nserver { location / { proxy_pass http://a; } }\n-- off.conf --\nserver { location / { proxy_pass http://b; } }\n")
	if len(top.Idle) != 1 || len(top.Proxies) != 1 || len(top.Proxies[0].Routes) != 1 {
		t.Errorf("idle %v, proxies %d", top.Idle, len(top.Proxies))
	}
}
