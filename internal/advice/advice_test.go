package advice

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/fault"
)

func TestAdviceIsNeverEmpty(t *testing.T) {
	products := []string{"", "whygate", "something else"}
	for product := range tables {
		products = append(products, product)
	}
	for _, product := range products {
		for c := range fault.Causes {
			if len(For(product, fault.Cause(c))) == 0 {
				t.Errorf("%s has no advice for %s", product, fault.Cause(c))
			}
		}
	}
}

func TestAdviceCovers(t *testing.T) {
	for product, least := range map[string]int{
		"nginx": 25, "haproxy": 15, "envoy": 15, "apache": 15, "caddy": 15, "traefik": 15, "alb": 10, "cloudflare": 10, "gcp": 8, "kong": 8,
		"gunicorn": 6, "uwsgi": 6, "php-fpm": 6, "puma": 6, "node": 6, "tomcat": 6,
	} {
		if n := len(tables[product]); n < least {
			t.Errorf("%s has advice of its own for %d causes, not %d", product, n, least)
		}
	}
}

func TestAdviceOwnSyntax(t *testing.T) {
	for _, c := range []struct {
		product string
		cause   fault.Cause
		want    string
	}{
		{"nginx", fault.CauseKeepaliveRace, "keepalive_timeout 4s;"},
		{"nginx", fault.CauseHeadTooLarge, "proxy_buffers 8 16k;"},
		{"openresty", fault.CauseHeadTooLarge, "proxy_buffer_size 16k;"},
		{"haproxy", fault.CauseHeadTooLarge, "tune.bufsize 32768"},
		{"envoy", fault.CauseKeepaliveRace, "idle_timeout: 4s"},
		{"istio", fault.CauseHeadTooLarge, "max_response_headers_kb"},
		{"apache", fault.CauseHeadTimeout, "timeout=120"},
		{"php-fpm", fault.CauseWorkersBusy, "pm.max_children"},
		{"whygate", fault.CauseKeepaliveRace, "pools.NAME.timeouts.idle"},
	} {
		if lines := For(c.product, c.cause); !strings.Contains(strings.Join(lines, "\n"), c.want) {
			t.Errorf("%s for %s does not say %q:\n%s", c.product, c.cause, c.want, strings.Join(lines, "\n"))
		}
	}
}

func TestAdviceOfOthersLeavesOurKeysOut(t *testing.T) {
	for product := range tables {
		for c := range fault.Causes {
			lines := For(product, fault.Cause(c))
			if slices.Equal(lines, fault.Cause(c).Entry().Advice) {
				continue // nothing else is known
			}
			for _, line := range lines {
				if isOwn(line) {
					t.Errorf("%s for %s: %s", product, fault.Cause(c), line)
				}
			}
		}
	}
}

// TestNginxTakesAdvice has an installed nginx check each directive in the block that the advice names.
func TestNginxTakesAdvice(t *testing.T) {
	t.Parallel()
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("nginx is not installed")
	}
	dir := t.TempDir()
	pem := selfSigned(t, dir)
	for cause, list := range ofNginx {
		for _, d := range list {
			if d.set == "" || d.newer {
				continue
			}
			at := map[string]string{d.where: strings.NewReplacer("/etc/nginx/client.key", pem, "/etc/nginx/client.pem", pem, "/etc/nginx/upstream-ca.pem", pem, "/etc/nginx/app-self-signed.pem", pem,
				"/etc/nginx/upstream.crl", pem, "user www-data;", "user root;").Replace((&Facts{}).fill(d.set))}
			if strings.Contains(d.set, "upstream.crl") {
				continue // a list of revoked certificates is not made here
			}
			if strings.HasPrefix(d.set, "proxy_buffer") || strings.HasPrefix(d.set, "proxy_busy") { // the three must fit each other
				at["location"] = "proxy_buffer_size 16k; proxy_buffers 8 16k; proxy_busy_buffers_size 32k;"
			}
			if strings.HasPrefix(d.set, "proxy_ssl_certificate") {
				at["location"] = "proxy_ssl_certificate " + pem + "; proxy_ssl_certificate_key " + pem + ";"
			}
			if strings.Contains(d.set, "backup") || strings.Contains(d.set, "max_fails") {
				at["upstream"] += " server 127.0.0.1:2;"
			}
			pass := "proxy_pass http://u;"
			if strings.Contains(d.set, "_pass ") && d.where == "location" {
				pass = ""
			}
			conf := "pid " + filepath.Join(dir, "pid") + "; error_log stderr; " + at["main"] + " events { " + at["events"] + " } http { access_log off; limit_req_zone $binary_remote_addr zone=perip:1m rate=10r/s; " + at["http"] +
				" upstream u { server 127.0.0.1:1; " + at["upstream"] + " } server { listen 127.0.0.1:9; " + at["server"] + " location / { " + pass + at["location"] + " } } }"
			file := filepath.Join(dir, "nginx.conf")
			if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(nginx, "-t", "-q", "-p", dir, "-c", file).CombinedOutput()
			if err != nil && !strings.Contains(string(out), "Permission denied") {
				t.Errorf("%s: %s\n%s", cause, d.set, out)
			}
		}
	}
}

// TestHAProxyTakesAdvice has an installed HAProxy check each line in the section that the advice names.
func TestHAProxyTakesAdvice(t *testing.T) {
	t.Parallel()
	haproxy, err := exec.LookPath("haproxy")
	if err != nil {
		t.Skip("haproxy is not installed")
	}
	dir := t.TempDir()
	pem := selfSigned(t, dir)
	for cause, list := range ofHAProxy {
		for _, d := range list {
			if d.set == "" || d.newer {
				continue
			}
			set := strings.NewReplacer("/etc/haproxy/client.pem", pem, "/etc/haproxy/upstream-ca.pem", pem, "/etc/haproxy/app-self-signed.pem", pem, "/etc/ssl/certs/ca-certificates.crt", pem).Replace((&Facts{}).fill(d.set))
			at := map[string]string{d.where: set}
			server := "server x 127.0.0.1:1\n"
			if strings.HasPrefix(set, "default-server") {
				at["backend"], server = "", set+"\n"+server
			}
			conf := "global\n" + at["global"] + "\ndefaults\nmode http\ntimeout connect 1s\ntimeout client 1s\ntimeout server 1s\nresolvers dns\nnameserver d 127.0.0.1:53\n" + at["resolvers"] +
				"\nfrontend f\nbind 127.0.0.1:9\nstick-table type ip size 1k store http_req_rate(10s)\nhttp-request track-sc0 src\n" + at["frontend"] + "\nuse_backend app if { path /a }\nbackend app\n" + at["backend"] + "\n" + server
			file := filepath.Join(dir, "haproxy.cfg")
			if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(haproxy, "-c", "-q", "-f", file).CombinedOutput(); err != nil {
				t.Errorf("%s: %s\n%s", cause, d.set, out)
			}
		}
	}
}

// selfSigned writes a certificate and its key into one file.
func selfSigned(t *testing.T, dir string) string {
	t.Helper()
	file := filepath.Join(dir, "app.pem")
	if err := os.WriteFile(file, certificateAndKey(t), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
