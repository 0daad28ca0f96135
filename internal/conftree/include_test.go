package conftree

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestIncludes: what Apache includes and Caddy imports stands in its place, with its own file and line.
func TestIncludes(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"apache.conf":  "ServerRoot \"/etc/nowhere\"\nInclude sites/*.conf\nIncludeOptional none.conf\n<VirtualHost *:80>\n  Include part.conf\n</VirtualHost>\nInclude lost.conf\n",
		"sites/a.conf": "ServerName a\n", "sites/b.conf": "Include part.conf\n", "part.conf": "ProxyPass / http://a/\n",
		"loop.conf": "Include loop.conf\n",
		"Caddyfile": "(snip) {\n\theader X y\n}\nimport sites/*.caddy\na.test {\n\timport snip\n\timport part.caddy\n}\nimport none/*.caddy\n", "sites/b.caddy": "b.test {\n}\n", "part.caddy": "reverse_proxy a:80\n",
	} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	read := func(r *Reader, file string, parse func(name, text string) ([]*Node, error)) string {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		all, err := parse(filepath.Join(dir, file), string(text))
		if err != nil {
			t.Fatal(err)
		}
		var words []string
		var walk func([]*Node)
		walk = func(nodes []*Node) {
			for _, n := range nodes {
				words = append(words, filepath.Base(n.File)+" "+n.Words())
				walk(n.Kids)
			}
		}
		walk(all)
		return strings.Join(words, "\n")
	}
	r := NewReader(t.Context())
	if got, want := read(r, "apache.conf", r.ApacheFiles), "apache.conf ServerRoot /etc/nowhere\na.conf ServerName a\npart.conf ProxyPass / http://a/\napache.conf VirtualHost *:80\npart.conf ProxyPass / http://a/\napache.conf Include lost.conf"; got != want {
		t.Errorf("%s", got)
	}
	if len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "lost.conf") {
		t.Errorf("%v", r.Problems)
	}
	r = NewReader(t.Context())
	if got, want := read(r, "Caddyfile", r.CaddyFiles), "Caddyfile (snip)\nCaddyfile header X y\nb.caddy b.test\nCaddyfile a.test\nCaddyfile import snip\npart.caddy reverse_proxy a:80"; got != want {
		t.Errorf("%s", got)
	}
	if len(r.Problems) != 0 {
		t.Errorf("%v", r.Problems)
	}
	r = NewReader(t.Context())
	if read(r, "loop.conf", r.ApacheFiles); len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "includes within includes") {
		t.Errorf("%v", r.Problems)
	}
}
