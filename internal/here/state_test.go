package here

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/diagnose"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/machine"
	"github.com/whygate/whygate/internal/openfile"
	"github.com/whygate/whygate/internal/proxyconf"
)

const statHead = "# pxname,svname,qcur,qmax,scur,smax,slim,status,lastchg,check_status,check_code,last_chk,addr\n"

// TestHAProxyTells: each server's state with HAProxy's own words for it, and only of the route's backend.
func TestHAProxyTells(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		line  string
		cause fault.Cause
		says  string
		weak  bool
	}{
		"refused":      {"web,s1,0,0,0,0,,DOWN,35,L4CON,,Connection refused,127.0.0.1:3000", fault.CauseConnectionRefused, "L4CON (Connection refused)", false},
		"no route":     {"web,s1,0,0,0,0,,DOWN,35,* L4CON,,No route to host,10.0.0.7:80", fault.CauseHostUnreachable, "has been DOWN for 35s", false},
		"no answer":    {"web,s1,0,0,0,0,,DOWN 1/2,3,L4TOUT,,,10.0.0.7:80", fault.CauseConnectTimeout, "L4TOUT", false},
		"a bad check":  {"web,s1,0,0,0,0,,DOWN,3,L7STS,404,Not Found,10.0.0.7:80", fault.CauseNobodyAvailable, "L7STS 404 (Not Found)", false},
		"TLS":          {"web,s1,0,0,0,0,,DOWN,3,L6RSP,,SSL handshake failure,10.0.0.7:443", fault.CauseTLSProtocolError, "L6RSP", false},
		"maintenance":  {"web,s1,0,0,0,0,,MAINT,3,,,,10.0.0.7:80", fault.CauseMaintenance, "set server web/s1 state ready", false},
		"a name":       {"web,s1,0,0,0,0,,MAINT (resolution),3,,,,10.0.0.7:80", fault.CauseDNSError, "does not resolve", false},
		"a full one":   {"web,s1,5,5,10,10,10,UP,3,L4OK,,,10.0.0.7:80", fault.CauseQueueTimeout, "10 of 10 connections in use (maxconn), and 5 requests", false},
		"one of two":   {"web,s1,0,0,0,0,,DOWN,35,L4CON,,Connection refused,127.0.0.1:3000\nweb,s2,0,0,0,0,,UP,35,L4OK,,,127.0.0.1:3001", fault.CauseConnectionRefused, "web/s1", true},
		"all is well":  {"web,s1,0,0,0,0,,UP,3,L4OK,,,10.0.0.7:80\nweb,BACKEND,0,0,0,0,,UP,3,,,,", fault.CauseNone, "", false},
		"not a check":  {"web,s1,0,0,0,0,10,no check,3,,,,10.0.0.7:80", fault.CauseNone, "", false},
		"another's":    {"api,s1,0,0,0,0,,DOWN,35,L4CON,,Connection refused,127.0.0.1:3000", fault.CauseNone, "", false},
		"octets of no": {"\x00,\"", fault.CauseNone, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &finder{Here: &diagnose.Here{}}
			h.haproxyStat(statHead+c.line+"\n", "web")
			if c.cause == fault.CauseNone {
				if len(h.State) != 0 {
					t.Errorf("%+v", h.State)
				}
				return
			}
			if len(h.State) != 1 || h.State[0].Cause != c.cause || !strings.Contains(h.State[0].Text, c.says) || h.State[0].Weak != c.weak {
				t.Errorf("%+v, want %v, %q", h.State, c.cause, c.says)
			}
		})
	}
}

func TestHAProxyLimitsAndErrors(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 30, 2, 27, 0, 0, time.UTC)
	const captured = "Total events captured on [30/Nov/2026:02:27:00.000] : 1\n\n[30/Nov/2026:02:26:57.123] backend web (#3): invalid response\n  frontend front (#2), server s1 (#1), event #0\n"
	h := &finder{Here: &diagnose.Here{}}
	h.haproxyInfo("Name: HAProxy\nMaxconn: 100\nCurrConns: 99\n")
	h.haproxyErrors(captured, "web", now)
	if len(h.State) != 2 || h.State[0].Cause != fault.CauseOwnLimit || h.State[1].Cause != fault.CauseNotHTTP || h.State[1].Weak || !strings.Contains(h.State[1].Text, "3s ago") {
		t.Errorf("%+v", h.State)
	}
	h = &finder{Here: &diagnose.Here{}}
	h.haproxyInfo("Maxconn: 100\nCurrConns: 9\n")
	h.haproxyErrors(captured, "api", now)
	h.haproxyErrors(captured, "web", now.Add(3*time.Hour))
	if len(h.State) != 0 {
		t.Errorf("%+v", h.State)
	}
}

// TestPrograms tell by their sockets: a stats socket that answers, and one that says nothing.
func TestTellEnds(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Skipf("skipped: no unix sockets here: %v", err)
	}
	t.Cleanup(func() { _ = l.Close() })
	began := time.Now()
	if text, err := tell(t.Context(), path, "show stat"); err == nil || text != "" || time.Since(began) > 10*tellTime {
		t.Errorf("a socket that says nothing: %q, %v after %v", text, err, time.Since(began))
	}
	h := &finder{Here: &diagnose.Here{}}
	h.askHAProxy(t.Context(), path+"-gone", "web")
	if len(h.Read) != 0 || len(h.State) != 0 {
		t.Errorf("%+v", h)
	}
}

func TestStubStatus(t *testing.T) {
	t.Parallel()
	h := &finder{Here: &diagnose.Here{}}
	h.stubStatus(10, "Active connections: 10 \nserver accepts handled requests\n 100 90 300 \nReading: 0\n", 512)
	if len(h.State) != 1 || !strings.Contains(h.State[0].Text, "dropped 10 of 100") {
		t.Errorf("%+v", h.State)
	}
}

// machineOf is a proxy with one upstream, on a machine of files.
func machineOf(t *testing.T, files map[string]string, kernel string, run program) (*finder, *around) {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if run == nil {
		run = func(context.Context, string, ...string) ([]byte, error) { return nil, errors.New("no systemd") }
	}
	return &finder{Here: &diagnose.Here{Proxy: "nginx", Upstreams: []diagnose.HereUpstream{{Address: "127.0.0.1:1"}}}}, &around{
		process: &machine.Process{PID: 7, Program: "/usr/sbin/nginx"}, system: &machine.System{Root: openfile.Root(root)}, run: run, kernel: func() string { return kernel },
		config: &proxyconf.Config{},
	}
}

// TestMachineTells: what the kernel and systemd say, and nothing where nothing is there.
func TestMachineTells(t *testing.T) {
	t.Parallel()
	up := map[string]string{"proc/uptime": "1000.5 1\n"}
	nginx := map[string]string{"proc/7/stat": "7 (nginx) S 1", "proc/7/task/7/children": "8 9", "proc/8/stat": "8 (nginx) T 7", "proc/9/stat": "9 (nginx) T 7"}
	failed := func(_ context.Context, name string, args ...string) ([]byte, error) {
		switch {
		case name == "journalctl":
			return []byte("Error: Cannot find module 'express'\n"), nil
		case args[0] == "list-units":
			return []byte("app.service loaded failed failed The shop\nother.service loaded failed failed Another\n"), nil
		case args[len(args)-1] == "app.service":
			return []byte("ActiveState=failed\nSubState=failed\nResult=exit-code\nStateChangeTimestamp=Mon 2026-11-30 02:00:00 UTC\nNRestarts=5\nExecMainStatus=1\nEnvironment=PORT=1\n"), nil
		}
		return []byte("ActiveState=failed\nExecStart=/bin/other --port 8081\n"), nil
	}
	for name, c := range map[string]struct {
		files  map[string]string
		kernel string
		run    program
		cause  fault.Cause
		at     string
		says   string
		weak   bool
	}{
		"nothing":             {nil, "", nil, fault.CauseNone, "", "", false},
		"stopped workers":     {nginx, "", nil, fault.CauseWorkersBusy, "", "2 of 2 workers do no work", false},
		"conntrack":           {map[string]string{"proc/sys/net/netfilter/nf_conntrack_count": "256", "proc/sys/net/netfilter/nf_conntrack_max": "256"}, "", nil, fault.CauseConnectTimeout, "", "nf_conntrack_max", false},
		"conntrack with room": {map[string]string{"proc/sys/net/netfilter/nf_conntrack_count": "2", "proc/sys/net/netfilter/nf_conntrack_max": "256"}, "", nil, fault.CauseNone, "", "", false},
		"killed in its group": {map[string]string{"proc/7/cgroup": "0::/a", "sys/fs/cgroup/a/memory.current": "5", "sys/fs/cgroup/a/memory.events": "oom_kill 2"}, "", nil, fault.CauseOutOfMemory, "", "killed 2 processes", true},
		"killed":              {up, "<4>[  990.5] Memory cgroup out of memory: Killed process 31 (gunicorn) total-vm:1kB\n", nil, fault.CauseOutOfMemory, "127.0.0.1:1", "killed gunicorn (process 31) for want of memory 10s ago", false},
		"killed long ago":     {map[string]string{"proc/uptime": "90000 1"}, "<4>[  990.5] Out of memory: Killed process 31 (gunicorn)\n", nil, fault.CauseNone, "", "", false},
		"SELinux":             {up, `<5>[  999.0] audit: type=1400 audit(1.2:3): avc:  denied  { name_connect } for  pid=8 comm="nginx" dest=1 scontext=a tcontext=b` + "\n", nil, fault.CauseSocketPermission, "127.0.0.1:1", "SELinux forbade nginx to name_connect (port 1)", false},
		"AppArmor":            {up, `<5>[  999.0] audit: type=1400 audit(1.2:3): apparmor="DENIED" operation="open" profile="nginx" name="/srv/x" pid=8 comm="nginx"` + "\n", nil, fault.CauseSocketPermission, "", "AppArmor forbade nginx to open /srv/x", true},
		"SELinux of another":  {up, `<5>[  999.0] avc:  denied  { read } for  pid=8 comm="sshd" dest=1` + "\n", nil, fault.CauseNone, "", "", false},
		"a table":             {up, "<4>[  999.0] nf_conntrack: nf_conntrack: table full, dropping packet\n", nil, fault.CauseConnectTimeout, "", "table full", false},
		"a service":           {nil, "", failed, fault.CauseServiceFailed, "127.0.0.1:1", "app.service is failed (failed, result exit-code, status 1) since Mon 2026-11-30 02:00:00 UTC, after 5 restarts; its last lines: Error: Cannot find module", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, a := machineOf(t, c.files, c.kernel, c.run)
			h.lookAround(t.Context(), a)
			if c.cause == fault.CauseNone {
				if len(h.State) != 0 {
					t.Errorf("%+v", h.State)
				}
				return
			}
			if len(h.State) != 1 || h.State[0].Cause != c.cause || h.State[0].At != c.at || !strings.Contains(h.State[0].Text, c.says) || h.State[0].Weak != c.weak || len(h.Read) == 0 && !strings.Contains(c.says, "workers") {
				t.Errorf("%+v, read %q; want %v at %q: %q", h.State, h.Read, c.cause, c.at, c.says)
			}
		})
	}
}

// TestAsksFPM asks a real responder of FastCGI, which the configuration below a root has as a pool.
func TestAsksFPM(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() { // ends when the listener is closed
		_ = fcgi.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && r.URL.String() == "/fpm-status" {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, `{"pool":"www","listen queue":3,"idle processes":0,"active processes":2}`)
			}
		}))
	}()
	address := l.Addr().String()
	h, a := machineOf(t, map[string]string{"etc/php/8.2/fpm/pool.d/www.conf": "[www]\nlisten = " + address + "\npm.status_path = /fpm-status\n"}, "", nil)
	a.process.Root, h.Upstreams = string(a.system.Root), []diagnose.HereUpstream{{Address: address, Scheme: "fastcgi"}}
	h.phpFPM(t.Context(), a)
	if len(h.State) != 1 || h.State[0].Cause != fault.CauseWorkersBusy || h.State[0].At != address || len(h.Read) != 2 {
		t.Errorf("%+v, read %q", h.State, h.Read)
	}
}

// TestSilentFPM: a pool that takes connections and answers nothing has no worker left; one that is not there says nothing.
func TestSilentFPM(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	for _, open := range []bool{true, false} {
		if !open {
			_ = l.Close()
		}
		address := l.Addr().String()
		h, a := machineOf(t, map[string]string{"etc/php-fpm.d/www.conf": "[www]\nlisten = " + address + "\npm.max_children = 2\npm.status_path = /s\n"}, "", nil)
		a.process.Root, h.Upstreams = string(a.system.Root), []diagnose.HereUpstream{{Address: address, Scheme: "fastcgi"}}
		h.phpFPM(t.Context(), a)
		if open != (len(h.State) == 1 && h.State[0].Cause == fault.CauseWorkersBusy && strings.Contains(h.State[0].Text, "pm.max_children = 2")) || !open && len(h.State) != 0 {
			t.Errorf("open %v: %+v", open, h.State)
		}
	}
}

// TestSocketsBelowARoot: a link below another mount namespace's root is not followed in ours.
func TestSocketsBelowARoot(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := errors.Join(os.MkdirAll(root+"/run/h", 0o755), os.WriteFile(root+"/run/h/s", nil, 0o600), os.Symlink("/run", root+"/link"), os.Symlink("/run/docker.sock", root+"/run/h/l")); err != nil {
		t.Fatal(err)
	}
	p := &machine.Process{Root: root}
	for name, want := range map[string]string{"/run/h/s": root + "/run/h/s", "/link/h/s": "", "/run/h/l": "", "/run/../../x": "", "/gone": ""} {
		if got := socketOf(p, name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := socketOf(&machine.Process{}, "/run/h/s"); got != "/run/h/s" {
		t.Errorf("ours: %q", got)
	}
}

func TestPoolsOfFPM(t *testing.T) {
	t.Parallel()
	all := pools("; comment\n[global]\npid = /run/x\n[www]\nlisten = /run/php/$pool.sock\npm.max_children = 5 ; few\npm.status_path = /status\n[api]\nlisten = 127.0.0.1:9000\n")
	if len(all) != 3 || all[1] != (pool{"www", "/run/php/www.sock", "/status", 5}) || !all[1].listensAt(&diagnose.HereUpstream{Unix: "/run/php/www.sock"}) || !all[2].listensAt(&diagnose.HereUpstream{Address: "127.0.0.1:9000"}) || all[2].listensAt(&diagnose.HereUpstream{Address: "127.0.0.1:9001"}) {
		t.Errorf("%+v", all)
	}
	h := &finder{Here: &diagnose.Here{}}
	h.poolSays([]byte("Content-Type: application/json\r\n\r\n"+`{"pool":"www","listen queue":4,"idle processes":0,"active processes":5,"max children reached":1}`), &all[1], "unix:/run/php/www.sock")
	h.poolSays([]byte("Content-Type: text/html\r\n\r\n<html>"), &all[1], "x")
	if len(h.State) != 1 || h.State[0].Cause != fault.CauseWorkersBusy || h.State[0].Weak || !strings.Contains(h.State[0].Text, "all 5 workers at work and 4 connections") {
		t.Errorf("%+v", h.State)
	}
	if out := fastcgiOut([]byte{1, 6, 0, 1, 0, 2, 1, 0, 'h', 'i', 0, 1, 3, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}); string(out) != "hi" {
		t.Errorf("%q", out)
	}
}
