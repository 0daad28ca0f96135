package proxyconf

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// conf writes files into a directory, and gives the path of the first, "conf".
func conf(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.ReplaceAll(text, "DIR", dir)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "conf")
}

// allocated is how much memory a function asks for, in bytes.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// large are configurations that are small as text, and would be large when read.
func large() map[string]map[string]string {
	directives := strings.Repeat("a;", fileMax/2)
	words := strings.Repeat("a ", fileMax/2) + ";"
	lines := strings.Repeat("a b\n", fileMax/4)
	return map[string]map[string]string{
		"nginx directives":       {"conf": strings.Repeat("include DIR/big;\n", 4), "big": directives},
		"nginx words":            {"conf": strings.Repeat("include DIR/big;\n", 4), "big": words},
		"nginx tables":           {"conf": "http { map $a $b {" + strings.Repeat("a b;", fileMax/5) + "} server { listen 80; } }"},
		"nginx includes":         {"conf": strings.Repeat("include DIR/none;\n", 30_000)},
		"nginx globs":            {"conf": strings.Repeat("include DIR/*.x;\n", 30_000), "a.x": "a;"},
		"nginx logs":             {"conf": numbered("error_log /var/log/%d;\n", 100_000)},
		"nginx variables":        {"conf": "http { server { listen 80;" + numbered("set $v%d x;\n", 100_000) + "location / { proxy_pass http://$v1$none" + strings.Repeat("x", 10_000) + "; } } }"},
		"nginx patterns":         {"conf": "http { server { listen 80;" + numbered("location ~ a{1000}%d { return 1; }\n", 30_000) + "} }"},
		"nginx names":            {"conf": "http { " + numbered("server { listen 80; server_name ~a{900}%d; }\n", 50_000) + "}"},
		"nginx lua":              {"conf": "http { server { listen 80; location / { content_by_lua_block {\n" + strings.Repeat("--[[x\n", 100_000) + "} } } }"},
		"nginx lua strings":      {"conf": "http { server { listen 80; location / { content_by_lua_block {\n" + strings.Repeat(`"\`, 500_000) + "} } } }"},
		"nginx braces":           {"conf": "a " + strings.Repeat("${", 1_000_000) + ";"},
		"nginx named":            {"conf": "http { server { listen 80; location / { try_files x @a; } location @a { try_files x @a; } } }"},
		"haproxy lines":          {"conf": "frontend a\n" + strings.Repeat(" a b\n", fileMax/6)},
		"haproxy words":          {"conf": "frontend a\n bind :80\n" + strings.Repeat(" "+strings.Repeat("a ", 30_000)+"\n", 60)},
		"haproxy conditions":     {"conf": "frontend a\nbind :80\n" + strings.Repeat("acl a path /no\n", 20_000) + strings.Repeat("use_backend b if a\n", 20_000)},
		"haproxy patterns":       {"conf": "frontend a\nbind :80\n" + numbered("acl a path_reg a{900}%d\n", 50_000) + "use_backend b if a\n"},
		"apache lines":           {"conf": lines},
		"apache values":          {"conf": "Define A " + strings.Repeat("A", 16_000) + "\nX " + strings.Repeat("${A} ", 10_000) + strings.Repeat("\nX "+strings.Repeat("${A} ", 100), 100)},
		"apache values in one":   {"conf": "Define A " + strings.Repeat("A", 16_000) + "\n" + strings.Repeat("X "+strings.Repeat("${A}", 4000)+"\n", 100)},
		"apache braces":          {"conf": strings.Repeat("X "+strings.Repeat("${", 30_000)+"\n", 60)},
		"apache long lines":      {"conf": strings.Repeat("x\\\n", fileMax/3)},
		"apache includes":        {"conf": strings.Repeat("IncludeOptional DIR/*.x\n", 30_000), "a.x": "A b"},
		"apache patterns":        {"conf": "<VirtualHost *:80>\n" + numbered("ProxyPassMatch a{900}%d http://a/\n", 50_000) + "</VirtualHost>\n"},
		"caddy snippets":         {"conf": "(a) {\n x {\n" + strings.Repeat("y\n", 20_000) + " }\n}\n:80 {\n" + strings.Repeat("import a\n", 2000) + "}\n"},
		"caddy snippets of many": {"conf": "(a) {\n" + strings.Repeat("y\n", 1000) + "}\n(b) {\n" + strings.Repeat("z {\nimport a\n}\n", 1000) + "}\n:80 {\n" + strings.Repeat("import b\n", 100) + "}\n"},
		"caddy lines":            {"conf": ":80 {\n" + strings.Repeat("a\n", fileMax/3) + "}\n"},
		"caddy addresses":        {"conf": strings.Repeat("a,\n", fileMax/3)},
		"caddy empty lines":      {"conf": strings.Repeat("\n", fileMax)},
		"caddy files":            {"conf": strings.Repeat("import DIR/*.x\n", 30_000), "a.x": "y"},
		"caddy matchers":         {"conf": ":80 {\n@a {\n" + strings.Repeat("path /no\n", 20_000) + "}\n" + strings.Repeat("handle @a {\n}\n", 20_000) + "}\n"},
		"caddy blocks":           {"conf": ":80 {\n" + strings.Repeat("handle {\n}\n", 30_000) + "}\n"},
		"traefik words":          {"conf": "a: [" + strings.Repeat("x,", 1_000_000) + "]"},
		"traefik keys":           {"conf": strings.Repeat("a: b\n", 500_000)},
		"traefik servers":        {"conf": "http:\n routers: {r: {rule: Path(`/`), service: s}}\n services:\n  s:\n   loadBalancer:\n    servers:\n" + strings.Repeat(`    - {url: "http://\u0031:1"}`+"\n", 5000)},
		"traefik patterns":       {"conf": "http:\n routers:\n" + numbered("  r%d: {rule: 'PathRegexp(`a{900}b`)'}\n", 1900)},
		"traefik aliases":        {"conf": "a: &a [x,x]\nb: [*a,*a]\nhttp: {routers: {r: {rule: 'Path(`/`)', service: s}}}\n"},
	}
}

// numbered repeats a text with a number in it.
func numbered(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// read reads a configuration and asks it for a route.
func read(t testing.TB, product, file string) (*Config, *Route, error) {
	t.Helper()
	c, err := Read(t.Context(), product, file, Files{})
	if err != nil {
		return nil, nil, err
	}
	r, err := c.Match(t.Context(), Request{Host: "x", Address: ":80", Path: "/"})
	return c, r, err
}

// TestMemoryIsBounded whatever a small file becomes, and so is the time. Four times the room that may be kept is for what lists and
// texts ask for while they grow.
func TestMemoryIsBounded(t *testing.T) {
	for name, files := range large() {
		t.Run(name, func(t *testing.T) {
			product, _, _ := strings.Cut(name, " ")
			file := conf(t, files)
			began := time.Now()
			used := allocated(func() { _, _, _ = read(t, product, file) })
			if used > slack*4*builtMax {
				t.Errorf("it took %d MB", used>>20)
			}
			if took := time.Since(began); took > slack*5*time.Second { // half a second, and more on a busy machine
				t.Errorf("it took %v", took)
			}
		})
	}
}

// TestBoundsAreSaid: what was left out is told, and what was read until then is used.
func TestBoundsAreSaid(t *testing.T) {
	if slack > 1 {
		t.Skip("it takes long with the race detector, and has no goroutines: make race runs it without")
	}
	for name, want := range map[string]string{
		"nginx directives": "becomes larger than 32 MiB", "nginx includes": "there are more problems than these", "haproxy lines": "becomes larger than 32 MiB",
		"haproxy patterns": "regular expressions are too many", "apache lines": "becomes larger than 32 MiB", "apache long lines": "a line of more than 64 KiB",
		"caddy snippets": "imports of more than 50000 lines", "caddy snippets of many": "imports of more than 50000 lines", "caddy lines": "becomes larger than 32 MiB",
		"traefik words": "more than 60000 words and signs", "traefik keys": "more than 60000 words and signs", "traefik aliases": "aliases and merges of YAML are not read",
		"nginx patterns": "regular expressions are too many",
	} {
		product, _, _ := strings.Cut(name, " ")
		c, _, err := read(t, product, conf(t, large()[name]))
		said := fmt.Sprint(err)
		if c != nil {
			said += strings.Join(c.Problems, "\n")
		}
		if !strings.Contains(said, want) {
			t.Errorf("%s: %.300s", name, said)
		}
	}
}

// TestWithinTheBounds is what a large machine may have, read whole.
func TestWithinTheBounds(t *testing.T) {
	servers := numbered("server { listen 80; server_name h%d.example.com; location / { proxy_pass http://127.0.0.1:3000; } }\n", 20_000)
	c, r, err := read(t, "nginx", conf(t, map[string]string{"conf": "http { server { listen 80; location / { proxy_pass http://a; } }\n" + servers + "}"}))
	if err != nil || len(c.Problems) > 0 || r == nil || len(r.Upstreams) != 1 {
		t.Errorf("20,000 servers of nginx: %v, %v, %+v", err, c, r)
	}
	c, r, err = read(t, "caddy", conf(t, map[string]string{"conf": "(a) {\n x {\n" + strings.Repeat("y\n", 1000) + " }\n}\n:80 {\n" + strings.Repeat("import a\n", 45) + " reverse_proxy 127.0.0.1:1\n}\n"}))
	if err != nil || len(c.Problems) > 0 || r == nil || len(r.Upstreams) != 1 {
		t.Errorf("45 imports of 1,000 lines: %v, %v, %+v", err, c, r)
	}
	c, r, err = read(t, "traefik", conf(t, map[string]string{"conf": "http:\n routers:\n" + numbered("  r%d: {rule: 'Path(`/x`)', service: s}\n", 1000) + "  z: {rule: 'Path(`/`)', service: s}\n services: {s: {loadBalancer: {servers: [{url: 'http://a:1'}]}}}\n"}))
	if err != nil || len(c.Problems) > 0 || r == nil || len(r.Upstreams) != 1 {
		t.Errorf("1,000 routers of Traefik: %v, %v, %+v", err, c, r)
	}
}

// TestReadingEndsWithItsContext, and so does the search for a route.
func TestReadingEndsWithItsContext(t *testing.T) {
	for product := range readers {
		file := conf(t, map[string]string{"conf": "a: b\n"})
		ctx, cancel := context.WithCancel(t.Context())
		c := &Config{Product: product}
		c.match = func(q Request) *Route { cancel(); _, _ = q.matches("a", "a"); return &Route{} }
		if r, err := c.Match(ctx, Request{}); r != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: a route after the end: %v, %v", product, r, err)
		}
		if c, err := Read(ctx, product, file, Files{}); c != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: read after the end: %v, %v", product, c, err)
		}
		r := &reader{Config: &Config{}, ctx: ctx}
		if err := r.build(1); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: built after the end: %v", product, err)
		}
	}
}

// TestDeepPathStaysInTheRoot: a link behind more directories than a path may have links is followed within the root.
func TestDeepPathStaysInTheRoot(t *testing.T) {
	root, outside := t.TempDir(), conf(t, map[string]string{"conf": "error_log /outside;"})
	deep := strings.Repeat("/d", 45)
	if err := os.MkdirAll(root+deep, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, root+deep+"/conf"); err != nil {
		t.Fatal(err)
	}
	if c, err := Read(t.Context(), "nginx", deep+"/conf", Files{Root: root}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := (Files{Root: root}).Stat(deep + "/conf"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("stat: %v", err)
	}
	if _, err := (Files{Root: root}).Open(t.Context(), deep+"/conf"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("open: %v", err)
	}
}

// TestPipesAmongTheFiles are left out, whether they are named or found.
func TestPipesAmongTheFiles(t *testing.T) {
	file := conf(t, map[string]string{"conf": "include DIR/*.x; include DIR/b.x; error_log /var/log/x;", "a.x": "error_log /var/log/y;"})
	if err := syscall.Mkfifo(filepath.Join(filepath.Dir(file), "b.x"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Read(t.Context(), "nginx", file, Files{})
	if err != nil || len(c.Logs) != 2 || len(c.Problems) != 2 || !strings.Contains(c.Problems[0], "is a FIFO, not a regular file") {
		t.Errorf("%+v, %v", c, err)
	}
}

func BenchmarkRead(b *testing.B) {
	for _, name := range []string{"nginx directives", "haproxy lines", "apache values", "caddy snippets", "traefik words", "traefik servers"} {
		b.Run(name, func(b *testing.B) {
			product, _, _ := strings.Cut(name, " ")
			file := conf(b, large()[name])
			b.ReportAllocs()
			for b.Loop() {
				if used := allocated(func() { _, _, _ = read(b, product, file) }); used > 4*builtMax {
					b.Fatalf("it took %d MB", used>>20)
				}
			}
		})
	}
}
