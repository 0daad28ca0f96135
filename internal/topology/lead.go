package topology

import (
	"path"
	"strings"
)

// AppOf finds the application that an upstream of a route leads to, and where that listens; nil where no file has it, or where it is not
// clear which one it is.
func (t *Topology) AppOf(r *Route, u *Upstream) (*App, *AppListen) {
	if u.service != nil {
		return t.started(u)
	}
	var found *App
	var at *AppListen
	for _, a := range t.index.apps[listenKey(u.Port, u.Unix)] {
		for i := range a.Listen {
			l := &a.Listen[i]
			if !t.leads(r, u, a, l) {
				continue
			}
			if found != nil && found != a {
				return nil, nil
			}
			found, at = a, l
		}
	}
	return found, at
}

// started finds the application behind a Service: that of its pods that listens at the port that the Service sends to.
func (t *Topology) started(u *Upstream) (*App, *AppListen) {
	target := ""
	for p := range u.service.Node.At("spec", "ports").Items() {
		if p.Get("port").Text() == u.Port || p.Get("name").Text() == u.Port {
			if target = p.Get("targetPort").Text(); target == "" {
				target = p.Get("port").Text()
			}
		}
	}
	for _, w := range t.Selected(u.service) {
		for _, a := range t.index.started[w] {
			for i := range a.Listen {
				if l := &a.Listen[i]; l.Port != "" && (l.Port == target || l.Port == w.containerPort(target)) {
					return a, l
				}
			}
		}
	}
	return nil, nil
}

// leads reports whether an upstream leads to where an application listens.
func (t *Topology) leads(r *Route, u *Upstream, a *App, l *AppListen) bool {
	if u.Unix != "" || l.Unix != "" {
		return SamePath(u.Unix, l.Unix)
	}
	if u.Port == "" || u.Port != l.Port || u.Host == "" {
		return false
	}
	mine := r.Proxy.Service
	switch {
	case a.Service != nil && a.Service.Named(u.Host):
		return true
	case a.Service != nil:
		return a.Service == mine && Loopback(u.Host)
	case mine != nil:
		return false // an application of the machine, asked from a container
	case Loopback(u.Host):
		return l.Host == "" || Loopback(l.Host)
	case IsName(u.Host):
		return l.Host == u.Host || l.Host == ""
	}
	return l.Host == u.Host || l.Host == ""
}

// SamePath reports whether two paths of sockets are the same: /var/run is /run.
func SamePath(a, b string) bool {
	return a != "" && b != "" && strings.TrimPrefix(path.Clean(a), "/var") == strings.TrimPrefix(path.Clean(b), "/var")
}
