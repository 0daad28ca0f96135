package conftree

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func reader() *Reader { return NewReader(context.Background()) }

// show writes a tree on one line: name(args){kids}@line.
func show(all []*Node) string {
	var b strings.Builder
	for i, n := range all {
		if i > 0 {
			b.WriteString(" ")
		}
		fmt.Fprintf(&b, "%s@%d", strings.Join(append([]string{n.Name}, n.Args...), ","), n.Line)
		if n.Kids != nil {
			fmt.Fprintf(&b, "{%s}", show(n.Kids))
		}
	}
	return b.String()
}

// TestSyntaxes: each syntax becomes the same kind of tree, with the lines of the file.
func TestSyntaxes(t *testing.T) {
	for _, c := range []struct {
		name  string
		parse func(r *Reader, name, text string) ([]*Node, error)
		text  string
		want  string
	}{
		{"nginx", (*Reader).Nginx, "# a comment\nserver {\n  listen 80; # here\n  add_header X \"a;{b}\";\n  location ~ \\.php$ { return 200 ${uri}x; }\n}\n", `server@2{listen,80@3 add_header,X,a;{b}@4 location,~,\.php$@5{return,200,${uri}x@5}}`},
		{"nginx lua", (*Reader).Nginx, "location / {\n  content_by_lua_block {\n    ngx.say(\"}\") -- }\n  }\n  proxy_pass http://a;\n}\n", `location,/@1{content_by_lua_block@2{} proxy_pass,http://a@5}`},
		{"nginx map", (*Reader).Nginx, "map $a $b {\n  default upgrade;\n  '' close;\n}\n", `map,$a,$b@1{default,upgrade@2 ,close@3}`},
		{"nginx over lines", (*Reader).Nginx, "log_format x 'a\nb'\n 'c';\nuser\n www;\n", "log_format,x,a\nb,c@1 user,www@4"},
		{"haproxy", (*Reader).HAProxy, "global\n  maxconn 10\nbackend a\n  server one 10.0.0.1:80 check # c\n  http-request set-header X \"a # b\"\n", `global@1{maxconn,10@2} backend,a@3{server,one,10.0.0.1:80,check@4 http-request,set-header,X,a # b@5}`},
		{"apache", (*Reader).Apache, "<VirtualHost *:80>\n  ProxyPass \"/a\" \\\n    \"http://b\"\n  <IfModule x>\n    Timeout 5\n  </IfModule>\n</VirtualHost>\n", `VirtualHost,*:80@1{ProxyPass,/a,http://b@2 IfModule,x@4{Timeout,5@5}}`},
		{"caddyfile", (*Reader).Caddyfile, "{\n\temail a@b\n}\na.example, b.example {\n\trespond \"a b\" 200\n\treverse_proxy {\n\t\tto x:1\n\t}\n}\n", `@1{email,a@b@2} a.example,,b.example@4{respond,a b,200@5 reverse_proxy@6{to,x:1@7}}`},
		{"ini", (*Reader).INI, "; c\n[www]\nlisten = /run/a.sock\nphp_value[x] = \"y\"\n", `www@2{listen,/run/a.sock@3 php_value[x],y@4}`},
		{"unit", (*Reader).INI, "[Service]\nExecStart=/bin/a \\\n  --b\nRestart=always\n", `Service@1{ExecStart,/bin/a  --b@2 Restart,always@4}`},
		{"python", (*Reader).Script, "import os\nbind = ['a:1', \"b:2\"]\ntimeout = 30 # s\nworkers = os.cpu_count()\ndef f():\n    timeout = 5\n", `@1{bind,a:1,b:2@2 timeout,30@3}`},
		{"ruby", (*Reader).Script, "listen \"/run/a.sock\", :backlog => 64\nport ENV.fetch(\"PORT\")\n", `@1{listen,/run/a.sock,:backlog,=>,64@1}`},
		{"vcl", (*Reader).VCL, "vcl 4.1;\nbackend a { .host = \"b\"; .probe = { .url = \"/\"; } }\nsub vcl_recv {\n  if (req.url ~ \"x;}\") { return (pass); }\n}\n", `vcl,4.1@1 backend,a@2{.host,=,b@2 .probe,=@2{.url,=,/@2}} sub,vcl_recv@3{if,(,req.url,~,x;},)@4{return,(,pass,)@4}}`},
		{"yaml", (*Reader).YAML, "a: 1\nb:\n  - c: d\n    e: f\n  - g\n---\nh: i\n", `@1{a,1@1 b@2{-@3{c,d@3 e,f@4} -,g@5}} @7{h,i@7}`},
		{"yaml merged", (*Reader).YAML, "x: &x\n  a: 1\ny:\n  <<: *x\n  b: 2\n", `@1{x@1{a,1@2} y@3{a,1@2 b,2@5}}`},
		{"json", (*Reader).YAML, "{\n \"a\": [\"b\", {\"c\": true}]\n}\n", `@1{a@2{-,b@2 -@2{c,true@2}}}`},
		{"toml", (*Reader).TOML, "[a.b]\nc = \"d\"\n[[e]]\nf = [1, 2]\n[[e]]\ng = {h = true}\n", `@1{a@1{b@1{c,d@2}} e@3{-@3{f@4{-,1@4 -,2@4}} -@5{g@6{h,true@6}}}}`},
		{"xml", (*Reader).XML, "<a x=\"1\">\n  <b y=\"2\"/>\n  <c>text</c>\n</a>\n", `a@1{x,1@1 b@2{y,2@2} c,text@3}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			all, err := c.parse(reader(), "file", c.text)
			if err != nil {
				t.Fatal(err)
			}
			if got := show(all); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestBroken: what is not closed, and what goes beyond a bound, is an error with its place, and costs nothing.
func TestBroken(t *testing.T) {
	deep := depthMax + 2
	for _, c := range []struct {
		name  string
		parse func(r *Reader, name, text string) ([]*Node, error)
		text  string
		want  string
	}{
		{"nginx open", (*Reader).Nginx, "http {\n", "file:2: a block is not closed"},
		{"nginx closed", (*Reader).Nginx, "a;\n}\n", "file:2: a closing brace too many"},
		{"nginx quote", (*Reader).Nginx, "a \"b;\n", "file:1: a quoted word is not closed"},
		{"nginx deep", (*Reader).Nginx, strings.Repeat("a {", deep), "blocks within blocks"},
		{"nginx word", (*Reader).Nginx, strings.Repeat("a", wordMax+10) + ";", "a word of more than"},
		{"vcl deep", (*Reader).VCL, strings.Repeat("a {", deep), "blocks within blocks"},
		{"apache deep", (*Reader).Apache, strings.Repeat("<If x>\n", deep), "blocks within blocks"},
		{"apache open", (*Reader).Apache, "<VirtualHost *>\n", "file:1: <VirtualHost> is not closed"},
		{"caddy deep", (*Reader).Caddyfile, strings.Repeat("a {\n", deep), "blocks within blocks"},
		{"caddy open", (*Reader).Caddyfile, "a {\n", "a block is not closed"},
		{"haproxy line", (*Reader).HAProxy, "global\n" + strings.Repeat("a", lineMax+1), "file:2: a line of more than"},
		{"ini nothing", (*Reader).INI, "hello\n", "neither a [section] nor key = value"},
		{"toml deep", (*Reader).TOML, "a = " + strings.Repeat("[", deep) + strings.Repeat("]", deep), "blocks within blocks"},
		{"toml broken", (*Reader).TOML, "a = \n", "file:"},
		{"xml deep", (*Reader).XML, strings.Repeat("<a>", deep), "blocks within blocks"},
		{"xml open", (*Reader).XML, "<a><b></a>", "file:1"},
		{"yaml deep", (*Reader).YAML, strings.Repeat("[", 40), "file:1"},
		{"yaml no text", (*Reader).YAML, "a: \xff\n", "is not UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := c.parse(reader(), "file", c.text); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestAliasesAreBounded: a small file that means a very large one ends at the bound.
func TestAliasesAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 9; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	if _, err := reader().YAML("file", b.String()); !errors.Is(err, errFull) {
		t.Errorf("got %v", err)
	}
}

func TestNginxIncludes(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"nginx.conf":    "http {\n include sites/*.conf;\n include /etc/nginx/mime.types;\n include nothing.conf;\n}\n",
		"mime.types":    "types {}\n",
		"sites/a.conf":  "server {\n include loop.conf;\n}\n",
		"sites/.b.conf": "server { hidden; }\n",
		"loop.conf":     "include loop.conf;\nlisten 80;\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r := reader()
	main := filepath.Join(dir, "nginx.conf")
	text, err := r.Text(main)
	if err != nil {
		t.Fatal(err)
	}
	all, err := r.Nginx(main, text)
	if err != nil {
		t.Fatal(err)
	}
	server := all[0].Get("server")
	if server == nil || server.Get("listen") == nil || server.File != filepath.Join(dir, "sites/a.conf") || server.Get("listen").Line != 2 {
		t.Errorf("got %s", show(all))
	}
	if all[0].Get("types") == nil {
		t.Error("a copy's own mime.types is not found")
	}
	problems := strings.Join(r.Problems, "\n")
	if !strings.Contains(problems, "nginx.conf:4") || !strings.Contains(problems, "includes within includes") {
		t.Errorf("problems: %s", problems)
	}
	if !r.Included[filepath.Join(dir, "sites/a.conf")] || r.Included[main] {
		t.Errorf("included: %v", r.Included)
	}
}

// TestManyIncludes: a file that is included ten times by one that is included ten times, and so on, ends at the bound.
func TestManyIncludes(t *testing.T) {
	dir := t.TempDir()
	write := func(i int, text string) {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.conf", i)), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(0, strings.Repeat("a b;\n", 10))
	for i := 1; i < 9; i++ {
		write(i, strings.Repeat(fmt.Sprintf("include %d.conf;\n", i-1), 10))
	}
	r := reader()
	text, err := r.Text(filepath.Join(dir, "8.conf"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Nginx(filepath.Join(dir, "8.conf"), text); !errors.Is(err, errFull) {
		t.Errorf("got %v", err)
	}
}

func TestEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := NewReader(ctx).Text("file"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
