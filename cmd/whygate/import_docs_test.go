package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/adoption"
)

// TestImportPages: the example of each page becomes what the page says.
func TestImportPages(t *testing.T) {
	pages, err := filepath.Glob("../../docs/import/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal("no pages: ", err)
	}
	block := regexp.MustCompile("(?s)```(nginx|haproxy|caddyfile|traefik|apache)\n(.*?)```\n\nbecomes\n\n```yaml\n(.*?)```")
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		found := block.FindStringSubmatch(string(text))
		if found == nil {
			t.Errorf("%s has no example", page)
			continue
		}
		file := filepath.Join(t.TempDir(), map[string]string{"nginx": "nginx.conf", "haproxy": "haproxy.cfg", "caddyfile": "Caddyfile", "traefik": "traefik.yml", "apache": "apache2.conf"}[found[1]])
		if err := os.WriteFile(file, []byte(found[2]), 0o644); err != nil {
			t.Fatal(err)
		}
		made, err := adoption.Translate(t.Context(), []string{file}, strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		_, got, _ := strings.Cut(string(made.File), "\nroutes:\n")
		if got = "routes:\n" + got; got != found[3] || len(made.Notes) > 0 {
			t.Errorf("%s: %v\n%s", page, made.Notes, got)
		}
	}
}
