package proxyconf

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestRoutes reads the configurations of testdata, one archive for each product: the file "cases" says where each request
// goes, one a line: METHOD URL via ADDRESS -> FILE:LINE upstream... or answer.
func TestRoutes(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) != len(readers)-1 { // nginx's are OpenResty's
		t.Fatalf("%d archives, %v", len(archives), err)
	}
	for _, name := range archives {
		product := strings.TrimSuffix(filepath.Base(name), ".txtar")
		t.Run(product, func(t *testing.T) {
			c, cases := unpacked(t, product, name)
			for n, line := range cases {
				want := strings.Join(strings.Fields(line), " ")
				request, _, _ := strings.Cut(want, " -> ")
				if got := request + " -> " + shown(matched(t, c, asked(t, request))); got != want {
					t.Errorf("case %d:\n got %s\nwant %s", n+1, got, want)
				}
			}
			if len(c.Problems) > 0 {
				t.Errorf("problems: %v", c.Problems)
			}
		})
	}
}

// unpacked writes an archive's files under a root of their own, and reads the configuration there.
func unpacked(t *testing.T, product, name string) (*Config, []string) {
	t.Helper()
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	var cases []string
	for _, f := range archive.Files {
		if f.Name == "cases" {
			for s := bufio.NewScanner(strings.NewReader(string(f.Data))); s.Scan(); {
				if line := strings.TrimSpace(s.Text()); line != "" && !strings.HasPrefix(line, "#") {
					cases = append(cases, line)
				}
			}
			continue
		}
		path := filepath.Join(root, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Read(t.Context(), product, "", Files{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	return c, cases
}

// matched is the route of a request.
func matched(t *testing.T, c *Config, q Request) *Route {
	t.Helper()
	r, err := c.Match(t.Context(), q)
	if err != nil {
		t.Error(err)
	}
	return r
}

// asked reads "GET http://host/path via address".
func asked(t *testing.T, text string) Request {
	t.Helper()
	words := strings.Fields(text)
	if len(words) != 4 {
		t.Fatalf("%q is no request", text)
	}
	scheme, rest, _ := strings.Cut(words[1], "://")
	host, path, _ := strings.Cut(rest, "/")
	return Request{Scheme: scheme, Host: host, Path: "/" + path, Method: words[0], Address: words[3]}
}

// shown is a route in a line.
func shown(r *Route) string {
	if r == nil {
		return "nothing"
	}
	text := fmt.Sprintf("%s:%d", filepath.Base(r.Place.File), r.Place.Line)
	if r.Answer != "" {
		return text + " answers: " + r.Answer
	}
	for _, u := range r.Upstreams {
		text += " " + u.Scheme + "://"
		switch {
		case u.Unix != "":
			text += "unix:" + u.Unix
		case u.Variable != "":
			text += "variable:" + u.Variable
		default:
			text += u.Address
		}
		if u.ServerName != "" {
			text += "(" + u.ServerName + ")"
		}
		if u.Insecure && u.Scheme == "https" {
			text += "(unverified)"
		}
		if u.Backup {
			text += "(backup)"
		}
		if u.Down {
			text += "(down)"
		}
		text += fmt.Sprintf("@%d", u.Place.Line)
	}
	if r.Path != "" {
		text += " asks:" + r.Path
	}
	if r.Unsure != "" {
		text += " unless: " + r.Unsure
	}
	return text
}

func TestLogsAndFiles(t *testing.T) {
	c, _ := unpacked(t, "nginx", "testdata/nginx.txtar")
	if fmt.Sprint(c.Logs) != "[/var/log/nginx/error.log /var/log/nginx/shop.error.log /var/log/nginx/access.log]" {
		t.Errorf("logs: %v", c.Logs)
	}
	if len(c.Files) != 4 {
		t.Errorf("files: %v", c.Files)
	}
	r := matched(t, c, Request{Host: "shop.example.com", Address: ":80", Path: "/api/x"})
	if len(r.Settings) == 0 || r.Settings[0].Text != "proxy_read_timeout 5s" {
		t.Errorf("settings: %v", r.Settings)
	}
}

func TestWhatCannotBeReadIsSaid(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		if err := os.MkdirAll(filepath.Dir(root+name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(root+name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Read(t.Context(), "nginx", "", Files{Root: root}); !os.IsNotExist(err) {
		t.Errorf("no file: %v", err)
	}
	if _, err := Read(t.Context(), "squid", "", Files{Root: root}); err == nil {
		t.Error("a product that nobody reads was read")
	}
	write("/etc/nginx/nginx.conf", "http {\n server {\n")
	if _, err := Read(t.Context(), "nginx", "", Files{Root: root}); err == nil || !strings.Contains(err.Error(), "not closed") {
		t.Errorf("an open block: %v", err)
	}
	write("/etc/nginx/nginx.conf", "include /etc/nginx/nginx.conf;\ninclude missing.conf;\n")
	c, err := Read(t.Context(), "nginx", "", Files{Root: root})
	if err != nil || len(c.Problems) == 0 {
		t.Errorf("a file that includes itself: %v, %v", err, c)
	}
	write("/etc/nginx/nginx.conf", strings.Repeat("a {", 100))
	if _, err := Read(t.Context(), "nginx", "", Files{Root: root}); err == nil {
		t.Error("blocks without end were read")
	}
}

// TestHostThatUpstreamsGet: nginx and Apache send the upstream's own name unless told otherwise.
func TestHostThatUpstreamsGet(t *testing.T) {
	nginx, _ := unpacked(t, "nginx", "testdata/nginx.txtar")
	apache, _ := unpacked(t, "apache", "testdata/apache.txtar")
	for _, c := range []struct {
		config    *Config
		path, has string
	}{{nginx, "/", "shop"}, {nginx, "/api/x", ""}, {nginx, "/var/", "app.internal:8080"}, {apache, "/", "127.0.0.1:3000"}, {apache, "/api/x", ""}} {
		if r := matched(t, c.config, Request{Host: "shop.example.com", Address: ":80", Path: c.path}); r == nil || r.Host != c.has {
			t.Errorf("%s %s: %+v, want %q", c.config.Product, c.path, r, c.has)
		}
	}
}

// TestFilesOfAContainer follows links within the root: an absolute one would else lead to a file of this machine.
func TestFilesOfAContainer(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{"/etc/nginx/sites-enabled", "/etc/nginx/sites-available"} {
		if err := os.MkdirAll(root+dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"/etc/nginx/nginx.conf": "http { include sites-enabled/*; }", "/etc/nginx/sites-available/app": "server { location / { proxy_pass http://127.0.0.1:3000; } }"} {
		if err := os.WriteFile(root+name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("server { location / { proxy_pass http://10.9.9.9:1; } }"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"app": "/etc/nginx/sites-available/app", "outside": outside, "up": "../../../../../../../../" + outside, "loop": "loop"} {
		if err := os.Symlink(to, root+"/etc/nginx/sites-enabled/"+name); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Read(t.Context(), "nginx", "", Files{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	if got := shown(matched(t, c, Request{Host: "x", Address: ":80"})); got != "app:1 http://127.0.0.1:3000@1" {
		t.Errorf("%s; problems: %v", got, c.Problems)
	}
	if len(c.Problems) != 3 || len(c.Files) != 2 {
		t.Errorf("read %v; problems: %v", c.Files, c.Problems)
	}
}

// TestHostileConfigurations: files that grow when they are read, or that never end, cost no more than a moment.
func TestHostileConfigurations(t *testing.T) {
	aliases := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c <= 'j'; c++ {
		aliases += fmt.Sprintf("%c: &%c [%s*%c]\n", c, c, strings.Repeat(fmt.Sprintf("*%c,", c-1), 8), c-1)
	}
	for product, text := range map[string]string{
		"nginx":        "http { server { listen 80;\n" + strings.Repeat("set $a $a$a;\n", 60) + "location / { proxy_pass http://$a; } } }",
		"apache":       strings.Repeat("Define A ${A}${A}\n", 60) + "<VirtualHost *:80>\nProxyPass / http://${A}/\n</VirtualHost>\n",
		"caddy":        "(a) {\n" + strings.Repeat("import a\n", 50) + "}\n:80 {\nimport a\n}\n",
		"caddy circle": "(a) {\nb.example {\nimport a\n}\n}\nimport a\n",
		"traefik":      aliases + "http:\n  routers:\n    r:\n      rule: Host(`x`)\n      tls: *j\n",
		"haproxy":      "frontend a\nbind :80\n" + strings.Repeat("{ ! || unless if\n", 1000),
	} {
		t.Run(product, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "conf")
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			product, _, _ := strings.Cut(product, " ")
			if c, err := Read(t.Context(), product, file, Files{}); err == nil {
				_, _ = c.Match(t.Context(), Request{Host: "x", Address: ":80"})
			}
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(t.Context(), "nginx", pipe, Files{}); err == nil {
		t.Error("a pipe was read")
	}
}

// FuzzRead reads octets as each product's configuration: nothing may panic.
func FuzzRead(f *testing.F) {
	archives, _ := filepath.Glob("testdata/*.txtar")
	for _, name := range archives {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			f.Add(file.Data)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		name := filepath.Join(t.TempDir(), "conf")
		if err := os.WriteFile(name, text, 0o644); err != nil {
			t.Fatal(err)
		}
		for product := range readers {
			c, err := Read(t.Context(), product, name, Files{})
			if err != nil {
				continue
			}
			_, _ = c.Match(t.Context(), Request{Scheme: "http", Host: "shop.example.com", Path: "/api/x?y", Address: "127.0.0.1:80"})
		}
	})
}

// TestNginxFollows rewrites, try_files, and variables that the request or set gives.
func TestNginxFollows(t *testing.T) {
	const text = `http {
  server {
    listen 80;
    server_name cloud.test www.cloud.test;
    rewrite ^/old$ /new last;
    location /new { proxy_pass http://10.0.0.1:1; }
    location / { rewrite ^ /index.php; }
    location ~ \\.php$ { fastcgi_pass unix:/run/php.sock; }
    location /site/ { try_files $uri $uri/ /index.php?$query_string; }
    location /var/ { set $server "10.0.0.2"; set $port 81; proxy_pass $scheme://$server:$port$request_uri; }
    location /away/ { rewrite ^ https://other.test/ permanent; }
    location /round/ { rewrite ^ /round/again last; }
    location /kept/ { rewrite ^/kept/(.*)$ /$1 break; proxy_pass http://10.0.0.3:82; }
  }
}
`
	dir := t.TempDir()
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, `\\`, `\`)), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := Read(t.Context(), "nginx", file, Files{})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/old":       "http://10.0.0.1:1",
		"/a":         "fastcgi://unix:/run/php.sock",
		"/site/a?b":  "fastcgi://unix:/run/php.sock",
		"/var/a?b=1": "http://10.0.0.2:81",
		"/away/":     "answers",
		"/round/":    "answers",
		"/kept/a":    "http://10.0.0.3:82",
	} {
		r, err := c.Match(t.Context(), Request{Scheme: "http", Host: "cloud.test", Path: path})
		if err != nil || r == nil || !strings.Contains(shown(r), want) || r.Server != "cloud.test" {
			t.Errorf("%s: %v, %v, want %s", path, r, err, want)
		}
	}
}

// TestHAProxyProtocols reads what a server is spoken to in.
func TestHAProxyProtocols(t *testing.T) {
	const text = "frontend f\n  bind :80\n  mode http\n  default_backend b\nbackend b\n  server a 10.0.0.1:1 send-proxy-v2\n  server b 10.0.0.1:2 proto h2\n  server c 10.0.0.1:3 proto fcgi\n  server d 10.0.0.1:4 ssl verify none alpn h2\n  server e 10.0.0.1:5 check\n"
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := Read(t.Context(), "haproxy", file, Files{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Match(t.Context(), Request{Scheme: "http", Host: "a.test", Address: ":80"})
	if err != nil || r == nil {
		t.Fatal(r, err)
	}
	got := ""
	for _, u := range r.Upstreams {
		got += fmt.Sprintf("%s %s %v;", u.Scheme, u.Address, u.SendsProxy)
	}
	if want := "http 10.0.0.1:1 true;h2c 10.0.0.1:2 false;fastcgi 10.0.0.1:3 false;https 10.0.0.1:4 false;http 10.0.0.1:5 false;"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
