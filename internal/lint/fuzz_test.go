package lint

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/whygate/whygate/internal/topology"
)

// FuzzLint: whatever a file has, reading and linting it ends without a panic, and each finding is complete.
func FuzzLint(f *testing.F) {
	names := []string{"nginx.conf", "haproxy.cfg", "Caddyfile", "a.yaml", "a.toml", "a.vcl", "web.config", "www.conf", "a.service", "gunicorn.conf.py", "puma.rb", "apache2.conf", "server.xml"}
	files, err := filepath.Glob("testdata/rules/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for n, file := range files {
		if n%4 != 0 {
			continue // enough to begin with
		}
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, part := range archive.Files {
			for i, name := range names {
				if filepath.Ext(part.Name) == filepath.Ext(name) {
					f.Add(byte(i), part.Data)
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, which byte, text []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, names[int(which)%len(names)]), text, 0o644); err != nil {
			t.Fatal(err)
		}
		top, err := topology.Read(context.Background(), []string{dir}, nil)
		if err != nil {
			t.Fatal(err)
		}
		found, err := Lint(context.Background(), top)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range found {
			if g.File == "" || g.Line < 1 || g.Message == "" || g.Fix == "" {
				t.Errorf("%+v", g)
			}
		}
	})
}
