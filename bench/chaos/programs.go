package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// program is a proxy to test: how it is configured, as a competent operator would, and started.
type program struct {
	name   string
	path   string
	file   string
	config func(listen string, origins []string, r row) string
	args   func(file string) []string
}

// process is a proxy that runs.
type process struct {
	address string
	command *exec.Cmd
}

// programs finds the proxies that there are. Whygate is built; nginx and HAProxy are used where they are installed.
func programs(ctx context.Context, f *flags, dir string) ([]program, error) {
	own := f.whygate
	if own == "" {
		own = filepath.Join(dir, "whygate")
		build := exec.CommandContext(ctx, "go", "build", "-o", own, "./cmd/whygate")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return nil, err
		}
	}
	all := []program{
		{name: "whygate", path: own, file: "whygate.yaml", config: whygateConfig, args: func(file string) []string { return []string{"run", "-c", file} }},
		{name: "nginx", path: find("nginx"), file: "nginx.conf", config: nginxConfig, args: func(file string) []string { return []string{"-c", file} }},
		{name: "haproxy", path: find("haproxy"), file: "haproxy.cfg", config: haproxyConfig, args: func(file string) []string { return []string{"-W", "-db", "-f", file} }},
	}
	var there []program
	for _, p := range all {
		if p.path == "" {
			fmt.Fprintf(os.Stderr, "%s is not installed: its lines are left out\n", p.name)
			continue
		}
		there = append(there, p)
	}
	return there, nil
}

func find(name string) string {
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/sbin") {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	return ""
}

func (p *program) start(ctx context.Context, dir string, origins []*origin, r row) (*process, error) {
	address, err := freePort()
	if err != nil {
		return nil, err
	}
	var to []string
	for _, o := range origins {
		to = append(to, o.address)
	}
	file := filepath.Join(dir, p.file)
	if err := os.WriteFile(file, []byte(p.config(address, to, r)), 0o600); err != nil {
		return nil, err
	}
	run := &process{address: address, command: exec.CommandContext(ctx, p.path, p.args(file)...)}
	run.command.Dir = dir
	run.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a process that takes over is ended with its group
	logged, err := os.Create(filepath.Join(dir, p.name+".log"))
	if err != nil {
		return nil, err
	}
	defer logged.Close()
	run.command.Stdout, run.command.Stderr = logged, logged
	if err := run.command.Start(); err != nil {
		return nil, err
	}
	if err := reachable(ctx, address); err != nil {
		run.stop()
		said, _ := os.ReadFile(logged.Name())
		return nil, fmt.Errorf("%w: %s", err, said)
	}
	return run, nil
}

func (p *process) reload() { _ = p.command.Process.Signal(reloadSignal(p.command.Path)) }

// reloadSignal is what a program takes for an order to read its configuration again.
func reloadSignal(path string) os.Signal {
	if strings.HasSuffix(path, "haproxy") {
		return syscall.SIGUSR2
	}
	return syscall.SIGHUP
}

// upgrade has every process of the program's group that serves be followed by a new one.
func (p *process) upgrade() { _ = syscall.Kill(-p.command.Process.Pid, syscall.SIGUSR2) }

func (p *process) stop() {
	_ = syscall.Kill(-p.command.Process.Pid, syscall.SIGTERM)
	_ = p.command.Wait()
}

func whygateConfig(listen string, origins []string, r row) string {
	return fmt.Sprintf(`version: 1
listen: [{address: '%s'}]
admin: off
access_log: off
routes: [{pool: web}]
pools:
  web:
    endpoints: [http://%s]
    balance: latency
    check: {path: /healthz, every: 500ms, timeout: 500ms, fall: 2, rise: 2}
    timeouts: {connect: 1s, head: 5s}
    %s
`, listen, strings.Join(origins, ", http://"), r.extra)
}

func nginxConfig(listen string, origins []string, _ row) string {
	return fmt.Sprintf(`daemon off; worker_processes 2; pid nginx.pid; error_log nginx-error.log; worker_rlimit_nofile 65536;
events { worker_connections 16384; }
http {
  access_log off;
  client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
  upstream web { server %s max_fails=3 fail_timeout=5s; keepalive 64; }
  server {
    listen %s;
    location / {
      proxy_pass http://web; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_connect_timeout 1s; proxy_read_timeout 5s; proxy_next_upstream error timeout invalid_header;
    }
  }
}
`, strings.Join(origins, " max_fails=3 fail_timeout=5s; server "), listen)
}

func haproxyConfig(listen string, origins []string, _ row) string {
	var servers strings.Builder
	for i, o := range origins {
		fmt.Fprintf(&servers, "  server s%d %s check inter 500ms fall 2 rise 2 observe layer7 error-limit 3 on-error mark-down\n", i, o)
	}
	return fmt.Sprintf(`global
  maxconn 8000
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 5s
  timeout check 500ms
  retries 2
  option redispatch 1
  retry-on conn-failure empty-response response-timeout junk-response
frontend in
  bind %s
  http-request disable-l7-retry if METH_POST
  default_backend web
backend web
  balance leastconn
  option httpchk GET /healthz
%s`, listen, servers.String())
}
