//go:build linux

package diagnose_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/whygate/whygate/internal/diagnose"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/here"
	"github.com/whygate/whygate/internal/lab"
)

// haproxyStates is an HAProxy whose servers are held to be in one state each; it tells by its stats socket why.
const haproxyStates = `global
  stats socket %[1]s/s mode 600 level operator
defaults
  mode http
  timeout connect 1s
  timeout client 10s
  timeout server 10s
  default-server inter 100ms fall 1
frontend front
  bind %[2]s
  use_backend fine if { path_beg /fine/ }
  use_backend one if { path_beg /one/ }
  use_backend down if { path_beg /down/ }
  use_backend maint if { path_beg /maint/ }
  use_backend check if { path_beg /check/ }
backend fine
  server s1 %[3]s check
backend one
  server s1 127.0.0.1:9 check
  server s2 %[3]s check
backend down
  server s1 127.0.0.1:9 check
backend maint
  server s1 %[3]s disabled
backend check
  option httpchk GET /health
  http-check expect status 204
  server s1 %[3]s check
`

// nginxStates is an nginx with one worker.
const nginxStates = `daemon off;
worker_processes 1;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
    proxy_connect_timeout 1s;
    server {
        listen %[2]s;
        location /fine/ { proxy_pass http://%[3]s; }
        location /full/ { proxy_pass http://%[4]s; }
        location = /state { stub_status; }
    }
}
`

// run starts a program with a configuration, and waits for it to listen.
func (h *house) run(listen, dir string, name string, args ...string) *exec.Cmd {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 3 * time.Second
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	h.eventually(name+" did not start in "+dir, func() bool {
		c, err := net.DialTimeout("tcp", listen, time.Second)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return cmd
}

// configured writes a configuration into a directory of its own.
func (h *house) configured(format string, listen string, upstreams ...any) (dir, file string) {
	h.t.Helper()
	dir, err := os.MkdirTemp("", "h") // a socket's path is short
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		h.t.Fatal(err)
	}
	file = filepath.Join(dir, "conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, format, append([]any{dir, listen}, upstreams...)...), 0o644); err != nil {
		h.t.Fatal(err)
	}
	return dir, file
}

// here walks on the gateway's own machine: the proxy's own words and the kernel's say why.
func (h *house) here() (all []played) {
	add := func(name, url, at string, want ...fault.Cause) {
		o := diagnose.Options{URL: url, Timeout: gatewayTime, Budget: diagnose.DefaultBudget, Here: here.Find, NoTrace: true, Count: 2}
		all = append(all, played{name: "here " + name, options: o, want: want, at: at})
	}
	ok, full := lab.Get("ok"), lab.Get("accept-queue-full")
	l := h.open([]*lab.Scenario{ok, full}, 29000)
	if program, err := lab.ProxyNamed("haproxy").Program(""); err == nil {
		listen := freeAddress(h.t)
		dir, file := h.configured(haproxyStates, listen, l.Address(ok))
		h.run(listen, dir, program, "-db", "-f", file)
		h.eventually("HAProxy does not hold its servers to be down", func() bool {
			for _, path := range []string{"down", "check"} {
				res, err := http.Get("http://" + listen + "/" + path + "/")
				if err != nil {
					return false
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
				if res.StatusCode != http.StatusServiceUnavailable {
					return false
				}
			}
			return true
		})
		at := "http://" + listen
		add("HAProxy is well", at+"/fine/", "")
		add("HAProxy has one of two servers", at+"/one/", "", fault.CauseConnectionRefused)
		add("HAProxy has no server", at+"/down/", "127.0.0.1:9", fault.CauseConnectionRefused)
		add("HAProxy's server is taken out", at+"/maint/", "", fault.CauseMaintenance)
		add("HAProxy's check is wrong", at+"/check/", "", fault.CauseNobodyAvailable)
	}
	program, err := lab.ProxyNamed("nginx").Program("")
	if err != nil {
		return all
	}
	listen := freeAddress(h.t)
	dir, file := h.configured(nginxStates, listen, l.Address(ok), l.Address(full))
	h.run(listen, dir, program, "-p", dir, "-c", file, "-e", dir+"/error.log")
	add("nginx is well", "http://"+listen+"/fine/", "")
	add("an upstream's queue is full", "http://"+listen+"/full/", l.Address(full), fault.CauseWorkersBusy)
	stopped := freeAddress(h.t)
	dir, file = h.configured(nginxStates, stopped, l.Address(ok), l.Address(full))
	master := h.run(stopped, dir, program, "-p", dir, "-c", file, "-e", dir+"/error.log")
	if h.stop(master.Process.Pid) {
		add("nginx's worker is stopped", "http://"+stopped+"/fine/", "", fault.CauseWorkersBusy)
	}
	return all
}

// stop stops the children of a process, and lets them go on at the end. It reports whether there were any.
func (h *house) stop(parent int) (any bool) {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", parent, parent))
	for child := range strings.FieldsSeq(string(b)) {
		if pid, err := strconv.Atoi(child); err == nil && syscall.Kill(pid, syscall.SIGSTOP) == nil {
			any = true
			h.t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
		}
	}
	return any
}
