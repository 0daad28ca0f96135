package diagnose_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/whygate/whygate/internal/diagnose"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/lab"
)

// slowUpstream answers later than the gateway before it waits.
var slowUpstream = &lab.Scenario{
	Name: "slow-upstream", Group: lab.Head, Does: "Each answer takes 1.6 seconds.",
	Plays: lab.Serve(lab.Wait(1600*time.Millisecond), lab.Answer("200 OK", "at last\n")),
}

// overloadedUpstream says so.
var overloadedUpstream = &lab.Scenario{
	Name: "overloaded-upstream", Group: lab.Availability, Does: "Each answer is 503, with words.",
	Plays: lab.Serve(lab.Answer("503 Service Unavailable", "server overloaded, try again\n", "Retry-After: 1")),
}

// nginxOwn is an nginx whose own doing is the fault, or is none: one location for each.
const nginxOwn = `daemon off;
worker_processes 1;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log;
events { worker_connections 512; }
http {
    access_log off;
    client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
    limit_req_zone $server_addr zone=one:1m rate=1r/m;
    limit_req_zone $server_addr zone=two:1m rate=1r/m;
    proxy_connect_timeout 1s; proxy_read_timeout 1s;
    server {
        listen %[2]s;
        location /fine/ { proxy_pass http://%[3]s; }
        location /maintenance/ { default_type text/html; add_header Retry-After 600 always; return 503 "<h1>Down for maintenance</h1>\n"; }
        location /limited/ { limit_req zone=one; proxy_pass http://%[3]s; }
        location /limited-429/ { limit_req zone=two; limit_req_status 429; proxy_pass http://%[3]s; }
        location /agents/ { if ($http_user_agent !~* mozilla) { return 403; } proxy_pass http://%[3]s; }
        location /queries/ { if ($args ~* "select") { return 403; } proxy_pass http://%[3]s; }
        location /denied/ { deny all; }
        location /circle/ { return 301 http://$http_host/circle/; }
        location /flip/ { return 302 http://$http_host/flop/; }
        location /flop/ { return 302 http://$http_host/flip/; }
        location /redirected/ { return 302 http://$http_host/fine/; }
        location /plain-to-tls/ { proxy_pass http://%[4]s; }
        location /tls-to-plain/ { proxy_pass https://%[3]s; }
        location /no-sni/ { proxy_pass https://%[5]s; }
        location /slow/ { proxy_pass http://%[6]s; }
        location /overloaded/ { proxy_pass http://%[7]s; }
        location /broken/ { rewrite ^ /broken/again/ last; }
    }
}
`

// ownNginx walks to an nginx with a configuration of its own.
func (h *house) ownNginx() (all []played) {
	program, err := lab.ProxyNamed("nginx").Program("")
	if err != nil {
		fmt.Printf("| skipped: nginx's own faults: %v\n", err)
		return nil
	}
	ok, secure, named := lab.Get("ok"), lab.Get("tls-ok-13"), lab.Get("tls-sni-required")
	l := h.open([]*lab.Scenario{ok, secure, named, slowUpstream, overloadedUpstream}, 28000)
	dir, listen := h.t.TempDir(), freeAddress(h.t)
	if err := os.Chmod(dir, 0o755); err != nil {
		h.t.Fatal(err)
	}
	text := fmt.Sprintf(nginxOwn, dir, listen, l.Address(ok), l.Address(secure), l.Address(named), l.Address(slowUpstream), l.Address(overloadedUpstream))
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "-p", dir, "-c", file, "-e", filepath.Join(dir, "error.log"))
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // a killed master leaves its worker behind
	cmd.WaitDelay = 3 * time.Second
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	h.eventually("nginx did not start: see "+filepath.Join(dir, "error.log"), func() bool {
		c, err := net.DialTimeout("tcp", listen, time.Second)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	add := func(path, upstream string, want ...fault.Cause) {
		o := h.options(l, nil, "http://"+listen+path)
		o.Timeout = gatewayTime
		if upstream != "" {
			o.Upstreams = []string{upstream}
		}
		o.Budget = diagnose.DefaultBudget
		all = append(all, played{name: "nginx itself " + path, options: o, want: want})
	}
	add("/fine/", l.Address(ok))
	add("/redirected/", "")
	add("/maintenance/", l.Address(ok), fault.CauseMaintenance)
	add("/limited/", l.Address(ok), fault.CauseRateLimited)
	add("/limited-429/", l.Address(ok), fault.CauseRateLimited)
	add("/agents/", l.Address(ok), fault.CauseContentFilter)
	add("/queries/?q=select+1", l.Address(ok), fault.CauseContentFilter)
	add("/denied/", "", fault.CauseRequestDenied)
	add("/circle/", "", fault.CauseRedirectLoop)
	add("/flip/", "", fault.CauseRedirectLoop)
	add("/plain-to-tls/", l.Address(secure), fault.CausePlainToTLSPort)
	add("/tls-to-plain/", "https://"+l.Address(ok), fault.CauseTLSToPlainPort)
	add("/no-sni/", "https://"+l.Address(named), fault.CauseTLSNameUnknown)
	add("/slow/", l.Address(slowUpstream), fault.CauseHeadTimeout)
	add("/overloaded/", l.Address(overloadedUpstream), fault.CauseUpstreamOverloaded)
	add("/broken/", "", fault.CauseInternalError)
	return all
}
