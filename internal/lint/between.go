package lint

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/whygate/whygate/internal/topology"
)

func checkProtocol(c *check) {
	c.pairs(func(r *route, u *upstream, a *app, l *topology.AppListen) {
		scheme := r.SchemeOf(u)
		if speaks(scheme) == "" || speaks(scheme) == l.Protocol {
			return
		}
		c.fault(r.Node, fmt.Sprintf("%s speaks %s to %s, where %s speaks %s (%v): every request fails.",
			called(r.Proxy.Product), protocolName(speaks(scheme)), at(u), called(a.Kind), protocolName(l.Protocol), l.Node.Place), protocolFix(r, u, l))
	})
}

// speaks is the protocol of a scheme, of those that applications are known to speak.
func speaks(scheme string) string {
	switch scheme {
	case "http", "https", "fastcgi", "uwsgi", "ajp":
		return scheme
	}
	return ""
}

func protocolName(p string) string {
	switch p {
	case "http":
		return "HTTP"
	case "https":
		return "TLS"
	case "fastcgi":
		return "FastCGI"
	case "ajp":
		return "AJP"
	}
	return "the uwsgi protocol"
}

// protocolFix is the line that speaks an application's protocol.
func protocolFix(r *route, u *upstream, l *topology.AppListen) string {
	target := at(u)
	if u.Unix != "" {
		target = "unix:" + u.Unix
	}
	if r.Proxy.Product != "nginx" {
		scheme := l.Protocol
		if r.Proxy.Product == "apache" && scheme == "fastcgi" {
			scheme = "fcgi"
		}
		return fmt.Sprintf("%s://%s", scheme, target)
	}
	switch l.Protocol {
	case "fastcgi":
		return fmt.Sprintf("fastcgi_pass %s;", target)
	case "uwsgi":
		return fmt.Sprintf("uwsgi_pass %s;", target)
	}
	return fmt.Sprintf("proxy_pass %s://%s;", l.Protocol, target)
}

// checkSocketPath looks for sockets that have the name of a known application's, and are not its.
func checkSocketPath(c *check) {
	for r := range c.routes("nginx", "apache", "caddy", "haproxy") {
		for _, u := range r.Members() {
			if u.Unix == "" || strings.ContainsAny(u.Unix, "$%") {
				continue
			}
			var near *topology.AppListen
			var of *app
			listens := false
			for _, a := range c.Apps {
				if !c.spend() {
					return
				}
				for i := range a.Listen {
					l := &a.Listen[i]
					listens = listens || topology.SamePath(l.Unix, u.Unix)
					if l.Unix != "" && l.Protocol == speaks(r.SchemeOf(u)) {
						near, of = l, a
					}
				}
			}
			if near == nil || listens || !alike(near.Unix, u.Unix) {
				continue
			}
			c.fault(u.Node, fmt.Sprintf("%s asks at %s, and %s listens at %s (%v): every request fails with \"No such file or directory\".",
				called(r.Proxy.Product), u.Unix, called(of.Kind), near.Unix, near.Node.Place), strings.ReplaceAll(u.Node.Words(), u.Unix, near.Unix))
		}
	}
}

// alike reports whether two paths look like one socket that moved: without digits and directories they have the same name, or they are
// both of PHP.
func alike(a, b string) bool {
	bare := func(p string) string {
		name := p[strings.LastIndexByte(p, '/')+1:]
		return strings.Map(func(c rune) rune {
			if c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_' {
				return -1
			}
			return c
		}, strings.ToLower(strings.TrimSuffix(name, ".sock")))
	}
	x, y := bare(a), bare(b)
	return x == y || strings.HasPrefix(x, "php") && strings.HasPrefix(y, "php")
}

// checkSocketPermission compares nginx's user with the owner, group and mode of the sockets that it connects to.
func checkSocketPermission(c *check) {
	c.pairs(func(r *route, u *upstream, a *app, l *topology.AppListen) {
		if l.Unix == "" || r.Proxy.Product != "nginx" || a.Kind != "php-fpm" {
			return
		}
		var user *Node
		for _, d := range r.Proxy.Tree {
			if d.Name == "user" {
				user = d
			}
		}
		if user == nil || user.Text() == "root" || a.Node.Get("listen.acl_users") != nil || a.Node.Get("listen.acl_groups") != nil {
			return
		}
		group := user.Arg(1)
		if group == "" {
			group = user.Text()
		}
		mode := uint64(0o660)
		if m := a.Node.Get("listen.mode"); m != nil {
			if v, err := strconv.ParseUint(m.Text(), 8, 16); err == nil {
				mode = v
			}
		}
		owner, owning := a.Node.Get("listen.owner"), a.Node.Get("listen.group")
		ownerName, groupName := "root", "root" // who starts php-fpm; each of the two has its own default
		if owner != nil {
			ownerName = owner.Text()
		}
		if owning != nil {
			groupName = owning.Text()
		}
		switch {
		case mode&0o002 != 0, ownerName == user.Text() && mode&0o200 != 0, groupName == group && mode&0o020 != 0:
			return
		}
		c.risk(l.Node, fmt.Sprintf("nginx runs as %s (%v), and this socket is %s:%s with mode %04o: unless %s is in the group %s, every request fails with \"Permission denied\".",
			user.Text(), user.Place, ownerName, groupName, mode, user.Text(), groupName), fmt.Sprintf("listen.owner = %s\nlisten.group = %s\nlisten.mode = 0660", user.Text(), group))
	})
}

// checkHead compares how large a request's header may be, where nginx was told to take larger ones.
func checkHead(c *check) {
	c.pairs(func(r *route, u *upstream, a *app, _ *topology.AppListen) {
		buffers := r.Setting("large_client_header_buffers")
		if buffers == nil || a.HeadMax == 0 || r.Proxy.Product != "nginx" {
			return
		}
		each, ok := topology.Size(buffers.Arg(1))
		if !ok || each <= 8<<10 || int64(a.HeadMax) >= each {
			return
		}
		c.risk(a.HeadAt, fmt.Sprintf("nginx takes a request header of %d bytes (%v), and %s at %s only %d: a request with large cookies fails there.",
			each, buffers.Place, called(a.Kind), at(u), a.HeadMax), headFix(a, each))
	})
}

func headFix(a *app, size int64) string {
	switch a.Kind {
	case "uwsgi":
		return fmt.Sprintf("buffer-size = %d", min(size, 65535))
	case "tomcat":
		return fmt.Sprintf("maxHttpRequestHeaderSize=\"%d\"", size)
	}
	return fmt.Sprintf("limit_request_field_size = %d", size)
}

// checkBodyLimit compares nginx's limit of a request's body with that of PHP.
func checkBodyLimit(c *check) {
	c.pairs(func(r *route, _ *upstream, a *app, _ *topology.AppListen) {
		if a.Kind != "php-fpm" || r.Proxy.Product != "nginx" || !r.Proxy.Whole {
			return
		}
		set := a.Node.Get("php_admin_value[post_max_size]")
		if set == nil {
			set = a.Node.Get("php_value[post_max_size]")
		}
		php, ok := topology.Size(set.Text())
		if set == nil || !ok || php == 0 {
			return
		}
		limit, where := int64(1<<20), r.Node
		if n := r.Setting("client_max_body_size"); n != nil {
			v, ok := topology.Size(n.Text())
			if !ok || v == 0 {
				return
			}
			limit, where = v, n
		}
		if limit < php {
			c.risk(where, fmt.Sprintf("nginx takes request bodies of %s, and PHP was told to take %s (%v): an upload between the two gets 413 from nginx.",
				bytesShown(limit), bytesShown(php), set.Place), fmt.Sprintf("client_max_body_size %s;", strings.ToLower(set.Text())))
		}
	})
}

// bytesShown is a size as people write it.
func bytesShown(n int64) string {
	switch {
	case n >= 1<<30 && n%(1<<30) == 0:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}
