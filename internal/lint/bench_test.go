package lint

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/topology"
)

// many writes a thousand files with a hundred thousand lines: an nginx.conf with its sites, files of HAProxy, compose and Kubernetes.
func many(tb testing.TB) string {
	tb.Helper()
	dir := tb.TempDir()
	lines := 0
	write := func(name, text string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			tb.Fatal(err)
		}
		lines += strings.Count(text, "\n")
	}
	write("nginx/nginx.conf", "events {}\nhttp {\n    include sites/*.conf;\n}\n")
	for i := range 799 {
		var b strings.Builder
		fmt.Fprintf(&b, "upstream app%d {\n    server 10.0.0.1:%d;\n    server 10.0.0.2:%d;\n}\nserver {\n    listen 80;\n    server_name site%d.example.com;\n", i, 1000+i, 1000+i, i)
		for j := range 11 {
			fmt.Fprintf(&b, "    location /part%d/ {\n        proxy_pass http://app%d;\n        proxy_http_version 1.1;\n        proxy_set_header Host $host;\n        proxy_set_header Connection \"\";\n        proxy_set_header X-Forwarded-Proto $scheme;\n        proxy_read_timeout 60s;\n        # why it is so\n    }\n", j, i)
		}
		b.WriteString("}\n")
		write(fmt.Sprintf("nginx/sites/%d.conf", i), b.String())
	}
	for i := range 100 {
		var b strings.Builder
		if i == 0 {
			b.WriteString("defaults\n    mode http\n    timeout connect 5s\n    timeout client 30s\n    timeout server 30s\n")
		}
		for j := range 12 {
			fmt.Fprintf(&b, "backend app%d-%d\n    balance roundrobin\n    option httpchk GET /healthz\n    server a 10.0.0.1:8000 check\n    server b 10.0.0.2:8000 check\n    server c 10.0.0.3:8000 check\n", i, j)
		}
		write(fmt.Sprintf("haproxy/%03d.cfg", i), b.String())
	}
	shop, err := os.ReadFile("testdata/healthy/kubernetes-shop/shop.yaml")
	if err != nil {
		tb.Fatal(err)
	}
	for i := range 100 {
		write(fmt.Sprintf("k8s/%d.yaml", i), strings.ReplaceAll(string(shop), "shop", fmt.Sprintf("shop%d", i)))
	}
	if lines < 95_000 {
		tb.Fatalf("only %d lines", lines)
	}
	return dir
}

func BenchmarkThousandFiles(b *testing.B) {
	dir := many(b)
	for b.Loop() {
		t, err := topology.Read(context.Background(), []string{dir}, nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := Lint(context.Background(), t); err != nil {
			b.Fatal(err)
		}
		if len(t.Files) < 1000 || len(t.Problems) > 0 {
			b.Fatalf("%d files, problems %v", len(t.Files), t.Problems)
		}
	}
}

// TestThousandFiles: nobody waits for lint. The bound is ten times what it takes on an idle machine.
func TestThousandFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("it writes a thousand files")
	}
	dir := many(t)
	begun := time.Now()
	top, err := topology.Read(context.Background(), []string{dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lint(context.Background(), top); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("%v for %d files", took, len(top.Files))
	}
}
