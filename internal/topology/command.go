package topology

import (
	"path"
	"slices"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/conftree"
)

// appOfCommand is the application that a command starts; nil if it starts none that is known.
func appOfCommand(words []string, at *Node) *App {
	words = program(words)
	if len(words) == 0 {
		return nil
	}
	o := options(words[1:])
	switch kind := path.Base(words[0]); kind {
	case "gunicorn":
		a := gunicorn(&settings{flags: o}, at)
		if len(o["-c"])+len(o["--config"]) > 0 { // what is not said here is said there
			a.unsaid()
		}
		return a
	case "uvicorn", "hypercorn", "daphne":
		return asgi(kind, o, at)
	case "uwsgi":
		a := uwsgi(&settings{flags: o}, at)
		if len(a.Listen) == 0 {
			return nil
		}
		return a
	case "puma":
		return puma(o, at)
	case "unicorn", "unicorn_rails":
		if len(o["-l"]) == 0 && len(o["--listen"]) == 0 {
			return nil
		}
		a := &App{Kind: "unicorn", Node: at, Keep: Timer{Off: true}, KeepSure: true, Work: Timer{Time: time.Minute}}
		for _, l := range append(o["-l"], o["--listen"]...) {
			a.Listen = append(a.Listen, listenAt(l, at))
		}
		return a
	}
	return nil
}

// program takes away what stands before a command: a shell, environment variables, wrappers.
func program(words []string) []string {
	for n := 0; len(words) > 0 && n < 10; n++ {
		first := path.Base(words[0])
		switch {
		case (first == "sh" || first == "bash" || first == "ash") && len(words) >= 3 && strings.HasPrefix(words[1], "-") && strings.HasSuffix(words[1], "c"):
			words = conftree.Words(words[2])
			for i := len(words) - 1; i > 0; i-- {
				if w := words[i-1]; w == "&&" || w == ";" || strings.HasSuffix(w, ";") || w == "||" {
					words = words[i:]
					break
				}
			}
		case first == "exec" || first == "env" || first == "nice" || first == "poetry" || first == "pipenv" || first == "bundle" || first == "uv" || first == "tini" || first == "dumb-init":
			words = words[1:]
		case words[0] == "run" || words[0] == "--" || words[0] == "-" || strings.Contains(words[0], "=") && !strings.HasPrefix(words[0], "-"):
			words = words[1:]
		case strings.HasPrefix(first, "python") && len(words) > 2 && words[1] == "-m":
			words = words[2:]
		default:
			return words
		}
	}
	return words
}

// options are a command's options with their values, in order. What stands for itself has an empty value.
func options(words []string) map[string][]string {
	o := map[string][]string{}
	for i := 0; i < len(words); i++ {
		w := words[i]
		if !strings.HasPrefix(w, "-") {
			continue
		}
		name, value, joined := strings.Cut(w, "=")
		switch {
		case joined:
		case !strings.HasPrefix(w, "--") && len(w) > 2: // -w4
			name, value = w[:2], w[2:]
		case i+1 < len(words) && !strings.HasPrefix(words[i+1], "-"):
			i++
			value = words[i]
		}
		o[name] = append(o[name], value)
	}
	return o
}

// settings are those of a file, of a command, or of both, with the line of each.
type settings struct {
	flags map[string][]string
	file  *Node
}

// get is the value of a setting: the flag's, which wins, or the file's; with its line, nil where the flag has it.
func (s *settings) get(key string, flags ...string) (string, *Node) {
	for _, f := range flags {
		if v := s.flags[f]; len(v) > 0 {
			return v[len(v)-1], nil
		}
	}
	if n := s.file.Get(key); n != nil {
		return n.Text(), n
	}
	return "", nil
}

// timer is a setting of seconds.
func (s *settings) timer(at *Node, or time.Duration, key string, flags ...string) Timer {
	v, n := s.get(key, flags...)
	if n == nil {
		n = at
	}
	if d, ok := Duration(v, time.Second); ok {
		return Timer{Time: d, Node: n, Off: d == 0}
	}
	return Timer{Time: or}
}

// gunicorn's defaults: keep-alive 2 s, none for sync workers; time-out 30 s, which ends requests of sync workers only.
func gunicorn(s *settings, at *Node) *App {
	a := &App{Kind: "gunicorn", Node: at, KeepSure: true}
	class, _ := s.get("worker_class", "-k", "--worker-class")
	threads, _ := s.get("threads", "--threads")
	sync := (class == "" || class == "sync") && (threads == "" || threads == "1")
	a.Work = s.timer(at, 30*time.Second, "timeout", "-t", "--timeout")
	a.Keep = s.timer(at, 2*time.Second, "keepalive", "--keep-alive")
	a.Stop = s.timer(at, 30*time.Second, "graceful_timeout", "--graceful-timeout")
	if sync {
		a.Keep = Timer{Off: true}
	} else {
		a.Work = Timer{Off: true}
	}
	if v, n := s.get("proxy_protocol", "--proxy-protocol"); n != nil && v == "True" || len(s.flags["--proxy-protocol"]) > 0 {
		a.ReadsProxy = true
	}
	if v, n := s.get("max_requests", "--max-requests"); v != "" && v != "0" {
		a.MaxRequests = or(n, at)
		v, _ := s.get("max_requests_jitter", "--max-requests-jitter")
		a.Jitter = v != "" && v != "0"
	}
	protocol := "http"
	if cert, _ := s.get("certfile", "--certfile"); cert != "" {
		protocol = "https"
	}
	bound := append(slices.Clone(s.flags["-b"]), s.flags["--bind"]...)
	listenNode := at
	if len(bound) == 0 {
		if n := s.file.Get("bind"); n != nil {
			bound, listenNode = n.Args, n
		}
	}
	for _, b := range bound {
		l := listenAt(b, listenNode)
		l.Protocol = protocol
		a.Listen = append(a.Listen, l)
	}
	if len(bound) == 0 {
		a.Listen = []AppListen{{Host: "127.0.0.1", Port: "8000", Protocol: protocol, Node: at}}
	}
	if v, n := s.get("limit_request_field_size", "--limit-request-field_size"); v != "" {
		if size, ok := Size(v); ok {
			a.HeadMax, a.HeadAt = int(size), or(n, at)
		}
	}
	if v, n := s.get("backlog", "--backlog"); v != "" {
		if size, ok := Size(v); ok {
			a.Queue, a.QueueAt = int(size), or(n, at)
		}
	}
	return a
}

// unsaid takes away what holds by default only.
func (a *App) unsaid() {
	for _, t := range []*Timer{&a.Keep, &a.Work, &a.Stop} {
		if t.Node == nil {
			*t = Timer{Off: true}
		}
	}
	if !a.Listen[0].Sure {
		a.Listen = nil
	}
}

func or(n, other *Node) *Node {
	if n != nil {
		return n
	}
	return other
}

// listenAt reads an address to listen on: host:port, :port, unix:/path, tcp://host:port, ssl://host:port.
func listenAt(text string, at *Node) AppListen {
	l := AppListen{Protocol: "http", Node: at, Sure: true}
	if rest, ok := strings.CutPrefix(text, "ssl://"); ok {
		text, l.Protocol = rest, "https"
	}
	text, _, _ = strings.Cut(text, "?")
	text = strings.TrimPrefix(strings.TrimPrefix(text, "tcp://"), "unix://")
	if p := strings.TrimPrefix(text, "unix:"); strings.HasPrefix(p, "/") {
		l.Unix = p
		return l
	}
	l.Host, l.Port = HostPort(text)
	if l.Host == "*" || l.Host == "0.0.0.0" || l.Host == "::" {
		l.Host = ""
	}
	return l
}

// asgi are servers that listen on 127.0.0.1:8000 and keep connections for 5 s unless told otherwise.
func asgi(kind string, o map[string][]string, at *Node) *App {
	a := &App{Kind: kind, Node: at, KeepSure: true, Work: Timer{Off: true}, Keep: Timer{Time: 5 * time.Second}, Stop: Timer{Off: true}}
	s := &settings{flags: o}
	l := AppListen{Host: "127.0.0.1", Port: "8000", Protocol: "http", Node: at}
	switch kind {
	case "uvicorn":
		a.Keep = s.timer(at, a.Keep.Time, "", "--timeout-keep-alive")
		if v, _ := s.get("", "--host"); v != "" {
			l.Host, l.Sure = v, true
		}
		if v, _ := s.get("", "--port"); v != "" {
			l.Port, l.Sure = v, true
		}
		if v, _ := s.get("", "--uds"); v != "" {
			l = AppListen{Unix: v, Protocol: "http", Node: at, Sure: true}
		}
		if v, _ := s.get("", "--ssl-certfile"); v != "" {
			l.Protocol = "https"
		}
	case "hypercorn":
		a.Keep = s.timer(at, a.Keep.Time, "", "--keep-alive")
		if v, _ := s.get("", "-b", "--bind"); v != "" {
			l = listenAt(v, at)
		}
	case "daphne":
		a.Keep, a.KeepSure = Timer{Time: time.Minute}, false
		if v, _ := s.get("", "-b", "--bind"); v != "" {
			l.Host, l.Sure = v, true
		}
		if v, _ := s.get("", "-p", "--port"); v != "" {
			l.Port, l.Sure = v, true
		}
	}
	if Everywhere(l.Host) {
		l.Host = ""
	}
	a.Listen = []AppListen{l}
	return a
}

// puma keeps connections for 20 s up to version 6.
func puma(o map[string][]string, at *Node) *App {
	a := &App{Kind: "puma", Node: at, Keep: Timer{Time: 20 * time.Second}, Work: Timer{Off: true}, Stop: Timer{Off: true}}
	for _, b := range append(slices.Clone(o["-b"]), o["--bind"]...) {
		a.Listen = append(a.Listen, listenAt(b, at))
	}
	for _, p := range append(slices.Clone(o["-p"]), o["--port"]...) {
		a.Listen = append(a.Listen, AppListen{Port: p, Protocol: "http", Node: at, Sure: true})
	}
	if len(a.Listen) == 0 {
		a.Listen = []AppListen{{Port: "9292", Protocol: "http", Node: at}}
	}
	return a
}
