package lint

import (
	"fmt"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/topology"
)

var appRules = []Rule{
	{
		ID: "systemd-stop-short", Severity: Risk, Products: []string{"systemd"}, Causes: []string{"worker-killed", "reset-before-answer"},
		Title:   "systemd kills the server before its requests are done",
		Happens: "After TimeoutStopSec the processes are killed: requests that the server was told to finish are cut at each restart.",
		Fix:     "Let it be longer than the server's own time.",
		Source:  "systemd.service(5): TimeoutStopSec= (default 90s); gunicorn: graceful_timeout (default 30)",
		check:   checkTimeoutStop,
	},
	{
		ID: "systemd-kills-at-once", Severity: Risk, Products: []string{"systemd"}, Causes: []string{"worker-killed", "reset-before-answer"},
		Title:   "The server is stopped by SIGKILL",
		Happens: "Every restart cuts the requests that are going on: the clients get 502.",
		Fix:     "Let it be SIGTERM.",
		Source:  "systemd.kill(5): KillSignal= (default SIGTERM)",
		check:   checkKillSignal,
	},
	{
		ID: "systemd-private-tmp", Severity: Fault, Products: []string{"systemd", "nginx"}, Causes: []string{"socket-missing"},
		Title:   "A socket in /tmp that only its own unit sees",
		Happens: "With PrivateTmp each unit has a /tmp of its own: the proxy finds no socket there, 502 for every request.",
		Fix:     "Put the socket below /run, with RuntimeDirectory.",
		Source:  "systemd.exec(5): PrivateTmp=",
		check:   checkPrivateTmp,
	},
	{
		ID: "systemd-no-restart", Severity: Note, Products: []string{"systemd"}, Causes: []string{"connection-refused", "socket-missing"},
		Title:   "A server that crashed stays down",
		Happens: "Without Restart= nobody starts it again: 502 until somebody looks.",
		Fix:     "Restart it on failure.",
		Source:  "systemd.service(5): Restart= (default no)",
		check:   checkRestart,
	},
	{
		ID: "systemd-runtime-directory", Severity: Risk, Products: []string{"systemd"}, Causes: []string{"socket-missing"},
		Title:   "A socket in a directory of /run that nobody makes",
		Happens: "/run is empty after each start of the machine: unless something else makes the directory, the server does not start, and the proxy answers 502.",
		Fix:     "Let systemd make it.",
		Source:  "systemd.exec(5): RuntimeDirectory=; tmpfiles.d(5)",
		check:   checkRuntimeDirectory,
	},
	{
		ID: "systemd-socket-mode", Severity: Risk, Products: []string{"systemd"}, Causes: []string{"socket-permission"},
		Title:   "A socket that only its owner may use",
		Happens: "The proxy runs as another user: connect() fails with \"Permission denied\", 502, unless it is the socket's owner.",
		Fix:     "Give the proxy's user, or 0660 with its group.",
		Source:  "systemd.socket(5): SocketMode= (default 0666), SocketUser=, SocketGroup=",
		check:   checkSocketMode,
	},
	{
		ID: "uwsgi-socket-mode", Severity: Risk, Products: []string{"uwsgi", "nginx"}, Causes: []string{"socket-permission"},
		Title:   "uWSGI's socket has no mode that lets nginx in",
		Happens: "Without chmod-socket the socket has what the umask leaves, mostly 0755: who is not its owner may not connect, and each request gets 502, \"Permission denied\".",
		Fix:     "Set chmod-socket to 660, with nginx in the group.",
		Source:  "uWSGI: chmod-socket, chown-socket, umask; unix(7): connecting needs write permission",
		check:   checkUWSGIMode,
	},
	{
		ID: "gunicorn-grace-short", Severity: Risk, Products: []string{"gunicorn"}, Causes: []string{"worker-killed", "closed-before-answer"},
		Title:   "Requests may take longer than a reload waits",
		Happens: "At each reload and restart workers are killed after graceful_timeout: a request that timeout would allow is cut, 502.",
		Fix:     "Let graceful_timeout be at least timeout.",
		Source:  "gunicorn: graceful_timeout (default 30), timeout",
		check:   checkGunicornGrace,
	},
	{
		ID: "gunicorn-restarts-together", Severity: Note, Products: []string{"gunicorn"}, Causes: []string{"workers-busy", "closed-before-answer"},
		Title:   "Workers restart at the same time",
		Happens: "With max_requests and no jitter, workers that share the load evenly reach it together: for the time of a start nobody answers.",
		Fix:     "Add a jitter.",
		Source:  "gunicorn: max_requests, max_requests_jitter (default 0)",
		check:   checkJitter,
	},
}

func checkTimeoutStop(c *check) {
	for _, a := range c.Apps {
		if a.Unit == nil || a.Stop.Off || a.Stop.Time <= 0 {
			continue
		}
		n := a.Unit.Get("Service", "TimeoutStopSec")
		if d, ok := topology.Duration(n.Text(), time.Second); n != nil && ok && d > 0 && d < a.Stop.Time {
			c.risk(n, fmt.Sprintf("%s lets requests go on for %s after it is told to stop, and systemd kills it after %s.", called(a.Kind), shown(a.Stop.Time), shown(d)), fmt.Sprintf("TimeoutStopSec=%d", int((a.Stop.Time+5*time.Second)/time.Second)))
		}
	}
}

func checkKillSignal(c *check) {
	for _, a := range c.Apps {
		if a.Unit == nil {
			continue
		}
		if n := a.Unit.Get("Service", "KillSignal"); strings.TrimPrefix(n.Text(), "SIG") == "KILL" || n.Text() == "9" {
			c.risk(n, fmt.Sprintf("every restart of %s cuts the requests that are going on.", a.Name), "KillSignal=SIGTERM")
		}
	}
}

func checkPrivateTmp(c *check) {
	private := func(u *topology.Unit) *Node {
		switch n := u.Get("Service", "PrivateTmp"); strings.ToLower(n.Text()) {
		case "yes", "true", "on", "1", "disconnected":
			return n
		}
		return nil
	}
	for _, a := range c.Apps {
		if a.Unit == nil {
			continue
		}
		for _, l := range a.Listen {
			if n := private(a.Unit); n != nil && (strings.HasPrefix(l.Unix, "/tmp/") || strings.HasPrefix(l.Unix, "/var/tmp/")) {
				c.fault(n, fmt.Sprintf("%s (%v) is in this unit's own /tmp: no other process sees it.", l.Unix, l.Node.Place), "RuntimeDirectory="+strings.TrimSuffix(a.Name, ".service"))
			}
		}
	}
	for r := range c.routes("nginx") {
		for _, u := range r.Members() {
			for _, unit := range c.Units {
				if n := private(unit); n != nil && unit.Name == "nginx.service" && strings.HasPrefix(u.Unix, "/tmp/") {
					c.fault(u.Node, fmt.Sprintf("nginx has a /tmp of its own (%v): it does not see %s.", n.Place, u.Unix), strings.Replace(u.Node.Words(), "/tmp/", "/run/app/", 1)+";")
				}
			}
		}
	}
}

func checkRestart(c *check) {
	for _, a := range c.Apps {
		if a.Unit != nil && (a.Unit.Get("Service", "Restart") == nil || a.Unit.Get("Service", "Restart").Text() == "no") {
			c.note(a.Node, fmt.Sprintf("when %s crashes, it stays down.", a.Name), "Restart=on-failure")
		}
	}
}

func checkRuntimeDirectory(c *check) {
	for _, a := range c.Apps {
		if a.Unit == nil || a.Unit.Get("Service", "RuntimeDirectory") != nil || a.Unit.Get("Service", "ExecStartPre") != nil {
			continue
		}
		for _, l := range a.Listen {
			rest, ok := strings.CutPrefix(strings.TrimPrefix(l.Unix, "/var"), "/run/")
			dir, _, below := strings.Cut(rest, "/")
			if ok && below && dir != "php" && dir != "user" {
				c.risk(l.Node, fmt.Sprintf("unless something else makes /run/%s, %s does not start after a restart of the machine.", dir, a.Name), "RuntimeDirectory="+dir)
			}
		}
	}
}

func checkSocketMode(c *check) {
	for _, u := range c.Units {
		n, path := u.Get("Socket", "SocketMode"), u.Get("Socket", "ListenStream").Text()
		if n == nil || !c.asked(path, u.Get("Socket", "SocketUser").Text()) {
			continue
		}
		if mode := strings.TrimLeft(n.Text(), "0"); mode == "600" || mode == "700" {
			c.risk(n, fmt.Sprintf("unless the proxy runs as the owner of %s, it may not connect.", path), "SocketMode=0660\nSocketGroup=www-data")
		}
	}
}

// asked reports whether a proxy of another user asks at a socket's path.
func (c *check) asked(path, owner string) bool {
	for r := range c.routes() {
		user := ""
		for _, d := range r.Proxy.Tree {
			if d.Name == "user" || d.Name == "User" {
				user = d.Text()
			}
		}
		for _, u := range r.Members() {
			if topology.SamePath(u.Unix, path) && user != "root" && (user == "" || user != owner) {
				return true
			}
		}
	}
	return false
}

func checkGunicornGrace(c *check) {
	for _, a := range c.Apps {
		if a.Kind == "gunicorn" && !a.Work.Off && a.Work.Node != nil && a.Work.Time > a.Stop.Time && a.Stop.Time > 0 {
			severity := Note
			if a.Stop.Node != nil {
				severity = Risk
			}
			c.add(severity, place(a.Stop, a.Work.Node), fmt.Sprintf("a request may take %s (%v), and a reload waits %s for it.", shown(a.Work.Time), a.Work.Node.Place, shown(a.Stop.Time)), fmt.Sprintf("graceful_timeout = %d", int(a.Work.Time/time.Second)))
		}
	}
}

func checkJitter(c *check) {
	for _, a := range c.Apps {
		if a.Kind != "gunicorn" || a.MaxRequests == nil || a.Jitter {
			continue
		}
		c.note(a.MaxRequests, "workers that share the load evenly reach this number together, and restart together.", "max_requests_jitter = 100")
	}
}

func checkUWSGIMode(c *check) {
	c.pairs(func(r *route, _ *upstream, a *app, l *topology.AppListen) {
		if a.Kind != "uwsgi" || l.Unix == "" || r.Proxy.Product != "nginx" || a.Settings == nil {
			return
		}
		said := map[string]string{}
		for _, n := range a.Settings {
			said[n.Name] = n.Text()
		}
		for _, name := range []string{"chmod-socket", "chown-socket", "umask"} {
			if _, ok := said[name]; ok {
				return
			}
		}
		user := ""
		for _, d := range r.Proxy.Tree {
			if d.Name == "user" {
				user = d.Text()
			}
		}
		if uid := said["uid"]; uid != "" && user != "" && uid != user && user != "root" {
			c.risk(l.Node, fmt.Sprintf("nginx runs as %s, uWSGI as %s, and the socket has the mode that the umask leaves: each request fails with \"Permission denied\".", user, uid), "chmod-socket = 660")
		}
	})
}
