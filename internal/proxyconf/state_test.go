package proxyconf

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// TestState: where a configuration says that the proxy tells its own state, and how much a worker may have.
func TestState(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		product, text string
		connections   int
		sockets       []string
		status        []Status
	}{
		"HAProxy's sockets": {"haproxy", "global\n  stats socket /run/haproxy/admin.sock mode 660 level admin\n  stats socket unix@/run/h.sock\n  stats socket ipv4@127.0.0.1:9999\n  stats timeout 30s\nfrontend f\n  bind :80\n  stats enable\n", 0, []string{"/run/haproxy/admin.sock", "/run/h.sock"}, nil},
		"nginx's stub_status": {
			"nginx", "events { worker_connections 7; }\nhttp {\n server { listen 127.0.0.1:8081; server_name status.test; location = /basic { stub_status; } }\n server { listen 443 ssl; location /x { stub_status; } }\n" +
				" server { listen 10.0.0.7:80; location /y { stub_status; } }\n server { listen 82; location ~ ^/z { stub_status; } location /on { stub_status on; allow 127.0.0.1; } } }\n", 7, nil,
			[]Status{{"127.0.0.1:8081", "status.test", "/basic"}, {"127.0.0.1:82", "", "/on"}},
		},
		"neither": {"nginx", "events { }\nhttp { server { location / { return 200; } } }\n", 0, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "conf")
			if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := Read(t.Context(), c.product, file, Files{})
			if err != nil || got.Connections != c.connections || !reflect.DeepEqual(got.Sockets, c.sockets) || !reflect.DeepEqual(got.Status, c.status) {
				t.Errorf("%v: %d, %q, %+v", err, got.Connections, got.Sockets, got.Status)
			}
		})
	}
}
