package topology

import (
	"strings"
	"time"
)

// fpmPools lists the pools of a file of php-fpm.
func fpmPools(tree []*Node) (apps []*App) {
	for _, s := range tree {
		listen := s.Get("listen")
		if same(s.Name, "global") || listen == nil || s.Get("pm") == nil {
			continue
		}
		a := &App{Kind: "php-fpm", Name: s.Name, Node: s, Settings: s.Kids, Keep: Timer{Off: true}, KeepSure: true, Work: Timer{Off: true}, Stop: Timer{Off: true}}
		l := AppListen{Protocol: "fastcgi", Node: listen, Sure: true}
		if text := strings.ReplaceAll(listen.Text(), "$pool", s.Name); strings.HasPrefix(text, "/") {
			l.Unix = text
		} else if l.Host, l.Port = HostPort(text); Everywhere(l.Host) {
			l.Host = ""
		}
		a.Listen = []AppListen{l}
		if t := s.Get("request_terminate_timeout"); t != nil {
			if d, ok := Duration(t.Text(), time.Second); ok && d > 0 {
				a.Work = Timer{Time: d, Node: t}
			}
		}
		if q := s.Get("listen.backlog"); q != nil {
			if n, ok := Size(q.Text()); ok {
				a.Queue, a.QueueAt = int(n), q
			}
		}
		apps = append(apps, a)
	}
	return apps
}

// uwsgi lists where uWSGI listens: "socket" speaks its own protocol, "http-socket" and "http" speak HTTP.
func uwsgi(s *settings, at *Node) *App {
	a := &App{Kind: "uwsgi", Node: at, Keep: Timer{Off: true}, KeepSure: true, Stop: Timer{Off: true}}
	if s.file != nil {
		a.Settings = s.file.Kids
	}
	for _, kind := range []struct{ key, protocol string }{{"socket", "uwsgi"}, {"uwsgi-socket", "uwsgi"}, {"http-socket", "http"}, {"http", "http"}, {"fastcgi-socket", "fastcgi"}} {
		values := s.flags["--"+kind.key]
		if kind.key == "socket" {
			values = append(values, s.flags["-s"]...)
		}
		for _, v := range values {
			a.Listen = append(a.Listen, uwsgiListen(v, kind.protocol, at))
		}
		for n := range s.file.All(kind.key) {
			a.Listen = append(a.Listen, uwsgiListen(n.Text(), kind.protocol, n))
		}
	}
	if v, _ := s.get("protocol", "--protocol"); v == "http" || v == "fastcgi" {
		for i := range a.Listen {
			if a.Listen[i].Protocol == "uwsgi" {
				a.Listen[i].Protocol = v
			}
		}
	}
	if a.Work = s.timer(at, 0, "harakiri", "--harakiri"); a.Work.Node == nil {
		a.Work = Timer{Off: true}
	}
	a.HeadMax, a.HeadAt = 4096, at
	if v, n := s.get("buffer-size", "-b", "--buffer-size"); v != "" {
		if size, ok := Size(v); ok {
			a.HeadMax, a.HeadAt = int(size), or(n, at)
		}
	}
	if v, n := s.get("listen", "--listen"); v != "" {
		if size, ok := Size(v); ok {
			a.Queue, a.QueueAt = int(size), or(n, at)
		}
	}
	return a
}

func uwsgiListen(text, protocol string, at *Node) AppListen {
	l := AppListen{Protocol: protocol, Node: at, Sure: true}
	if strings.HasPrefix(text, "/") || strings.Contains(text, "%") || !strings.Contains(text, ":") {
		l.Unix = text
		return l
	}
	if l.Host, l.Port = HostPort(text); Everywhere(l.Host) {
		l.Host = ""
	}
	return l
}

// rubyApp is a file of Puma's or Unicorn's settings.
func rubyApp(kind string, root *Node) *App {
	a := &App{Kind: kind, Node: root, Settings: root.Kids, Work: Timer{Off: true}, Stop: Timer{Off: true}}
	a.Node = firstOf(root)
	if kind == "puma" {
		a.Keep = Timer{Time: 20 * time.Second}
		if n := root.Get("persistent_timeout"); n != nil {
			if d, ok := Duration(n.Text(), time.Second); ok {
				a.Keep, a.KeepSure = Timer{Time: d, Node: n}, true
			}
		}
		if n := root.Get("set_remote_address"); n.Has("proxy_protocol:") {
			a.ReadsProxy = true
		}
		for b := range root.All("bind") {
			a.Listen = append(a.Listen, listenAt(b.Text(), b))
		}
		for p := range root.All("port") {
			l := AppListen{Port: p.Text(), Host: p.Arg(1), Protocol: "http", Node: p, Sure: true}
			if Everywhere(l.Host) {
				l.Host = ""
			}
			a.Listen = append(a.Listen, l)
		}
		return a
	}
	a.Keep, a.KeepSure, a.Work = Timer{Off: true}, true, Timer{Time: time.Minute}
	if n := root.Get("timeout"); n != nil {
		if d, ok := Duration(n.Text(), time.Second); ok {
			a.Work = Timer{Time: d, Node: n}
		}
	}
	for l := range root.All("listen") {
		a.Listen = append(a.Listen, listenAt(l.Text(), l))
		for i, word := range l.Args {
			if word == ":backlog" || word == "backlog:" {
				v := l.Arg(i + 1)
				if v == "=>" {
					v = l.Arg(i + 2)
				}
				if n, ok := Size(v); ok {
					a.Queue, a.QueueAt = int(n), l
				}
			}
		}
	}
	return a
}

// firstOf is the first setting of a file, whose line stands for the file.
func firstOf(root *Node) *Node {
	if len(root.Kids) > 0 {
		return root.Kids[0]
	}
	return root
}

// tomcats lists the connectors of a server.xml.
func tomcats(tree []*Node) (apps []*App) {
	for _, root := range tree {
		walkNodes(root, func(c *Node) {
			if c.Name != "Connector" || c.Get("port") == nil {
				return
			}
			a := &App{Kind: "tomcat", Node: c, Settings: c.Kids, KeepSure: true, Work: Timer{Off: true}, Stop: Timer{Off: true}}
			l := AppListen{Host: c.Get("address").Text(), Port: c.Get("port").Text(), Protocol: "http", Node: c, Sure: true}
			switch {
			case strings.Contains(strings.ToUpper(c.Get("protocol").Text()), "AJP"):
				l.Protocol = "ajp"
				if l.Host == "" {
					l.Host = "127.0.0.1"
				}
			case c.Get("SSLEnabled").Text() == "true":
				l.Protocol = "https"
			}
			if Everywhere(l.Host) {
				l.Host = ""
			}
			a.Listen = []AppListen{l}
			a.Keep = Timer{Time: time.Minute}
			for _, name := range []string{"connectionTimeout", "keepAliveTimeout"} {
				if d, ok := Duration(c.Get(name).Text(), time.Millisecond); ok {
					a.Keep = Timer{Time: d, Node: c}
				}
			}
			a.HeadMax, a.HeadAt = 8192, c
			for _, name := range []string{"maxHttpHeaderSize", "maxHttpRequestHeaderSize"} {
				if n, ok := Size(c.Get(name).Text()); ok {
					a.HeadMax = int(n)
				}
			}
			apps = append(apps, a)
		})
	}
	return apps
}
