package topology

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// apacheProxy lists what directives of Apache set up. Sections of <IfModule> are taken for read, except those that begin with "!";
// <IfDefine> goes by the names of Define, which are replaced, and <IfVersion> by apacheVersion.
func apacheProxy(file string, tree []*Node) *Proxy {
	p := &Proxy{Product: "apache", File: file}
	a := &apacheLister{p: p, defined: map[string]string{}, macros: map[string]*Node{}}
	p.Tree = a.flat(tree)
	for _, d := range p.Tree {
		a.group(d)
		for k := range d.Keys() {
			a.group(k)
		}
	}
	a.level([]*Level{newLevel(p.Tree)}, nil, "")
	return p
}

// definedMax is how many names of Define are kept.
const definedMax = 200

type apacheLister struct {
	p       *Proxy
	defined map[string]string
	macros  map[string]*Node // by their names in lower case
	within  int              // macros within macros
	used    int              // lines that macros have become
}

// Limits on macros: how deep one may use another, and how many lines all uses may become.
const (
	macroDepth = 10
	macroLines = 100_000
)

// use is the text of a macro with a line's arguments in the place of its own (mod_macro). False: there is no such macro, or too much of it.
func (a *apacheLister) use(d *Node) ([]*Node, bool) {
	m := a.macros[strings.ToLower(d.Text())]
	if m == nil || len(m.Args) != len(d.Args) || a.within >= macroDepth {
		return nil, false
	}
	names := slices.Clone(m.Args[1:])
	slices.SortFunc(names, func(x, y string) int { return len(y) - len(x) }) // $name before $n
	var pairs []string
	for _, name := range names {
		if name == "" || len(d.Args[1+slices.Index(m.Args[1:], name)]) >= targetMax {
			return nil, false
		}
		pairs = append(pairs, name, d.Args[1+slices.Index(m.Args[1:], name)])
	}
	body, ok := a.replaced(m.Kids, strings.NewReplacer(pairs...))
	if !ok {
		return nil, false
	}
	a.within++
	defer func() { a.within-- }()
	return a.flat(body), true
}

// replaced is a copy of a macro's lines. False: it is too much.
func (a *apacheLister) replaced(body []*Node, with *strings.Replacer) ([]*Node, bool) {
	var all []*Node
	for _, d := range body {
		if a.used++; a.used > macroLines {
			return nil, false
		}
		copied := *d
		copied.Name, copied.Args = with.Replace(d.Name), nil
		for _, arg := range d.Args {
			text := with.Replace(arg)
			if len(text) > targetMax {
				return nil, false
			}
			if severalWords[strings.ToLower(d.Name)] && !strings.ContainsAny(arg, " \t") { // one argument of the macro may be several of the line
				copied.Args = append(copied.Args, strings.Fields(text)...)
			} else {
				copied.Args = append(copied.Args, text)
			}
		}
		kids, ok := a.replaced(d.Kids, with)
		if !ok {
			return nil, false
		}
		copied.Kids = kids
		all = append(all, &copied)
	}
	return all, true
}

// severalWords are directives that take a list.
var severalWords = map[string]bool{"require": true, "allow": true, "deny": true, "serveralias": true, "directoryindex": true}

// flat puts what stands in conditions into its place, and replaces what Define defined.
func (a *apacheLister) flat(tree []*Node) []*Node {
	var all []*Node
	for _, d := range tree {
		switch {
		case same(d.Name, "Define") && len(a.defined) < definedMax && len(d.Arg(1)) < targetMax:
			a.defined[d.Text()] = d.Arg(1)
		case same(d.Name, "Macro") && len(a.macros) < definedMax:
			a.macros[strings.ToLower(d.Text())] = d
			continue
		case same(d.Name, "Use"):
			if body, ok := a.use(d); ok {
				all = append(all, body...)
				continue
			}
		case same(d.Name, "IfModule"):
			if !strings.HasPrefix(d.Text(), "!") {
				all = append(all, a.flat(d.Kids)...)
			}
			continue
		case same(d.Name, "IfVersion"):
			if ofVersion(d.Args) {
				all = append(all, a.flat(d.Kids)...)
			}
			continue
		case same(d.Name, "IfDefine"):
			name, not := strings.CutPrefix(d.Text(), "!")
			if _, is := a.defined[name]; is != not {
				all = append(all, a.flat(d.Kids)...)
			}
			continue
		}
		copied := *d
		copied.Args = slices.Clone(d.Args)
		for i, arg := range copied.Args {
			if strings.Contains(arg, "${") && len(arg) < targetMax {
				for name, value := range a.defined {
					arg = strings.ReplaceAll(arg, "${"+name+"}", value)
				}
				copied.Args[i] = arg
			}
		}
		copied.Kids = a.flat(d.Kids)
		all = append(all, &copied)
	}
	return all
}

// apacheVersion is the version of Apache that <IfVersion> is read for.
var apacheVersion = [3]int{2, 4, 62}

// ofVersion reports whether an <IfVersion> holds for apacheVersion (mod_version). One that cannot be read holds.
func ofVersion(args []string) bool {
	operator, text := "=", ""
	switch len(args) {
	case 1:
		text = args[0]
	case 2:
		operator, text = args[0], args[1]
	default:
		return true
	}
	operator, not := strings.CutPrefix(operator, "!")
	mine := fmt.Sprintf("%d.%d.%d", apacheVersion[0], apacheVersion[1], apacheVersion[2])
	expression := ""
	if inner, ok := strings.CutPrefix(text, "/"); ok && (operator == "=" || operator == "==") {
		expression = strings.TrimSuffix(inner, "/")
	}
	if operator == "~" {
		expression = text
	}
	if expression != "" {
		e, err := regexp.Compile(expression)
		return err != nil || e.MatchString(mine) != not
	}
	var asked [3]int
	for i, part := range strings.SplitN(text, ".", 3) {
		n, err := strconv.Atoi(part)
		if err != nil {
			return true
		}
		asked[i] = n
	}
	order := slices.Compare(apacheVersion[:], asked[:])
	held, known := map[string]bool{"=": order == 0, "==": order == 0, ">": order > 0, ">=": order >= 0, "<": order < 0, "<=": order <= 0}[operator]
	return !known || held != not
}

func same(a, b string) bool { return strings.EqualFold(a, b) }

// group is a <Proxy balancer://name>.
func (a *apacheLister) group(d *Node) {
	if !same(d.Name, "Proxy") || !strings.HasPrefix(d.Text(), "balancer://") {
		return
	}
	g := &Group{Name: strings.TrimPrefix(d.Text(), "balancer://"), Node: d}
	for m := range d.All("BalancerMember") {
		if u, _ := urlOf(m.Text(), m); u != nil {
			g.Members = append(g.Members, u)
		}
	}
	a.p.Groups = append(a.p.Groups, g)
}

func (a *apacheLister) level(scope []*Level, server *Server, path string) {
	for _, d := range scope[len(scope)-1].Nodes {
		if len(scope) > deepest {
			return
		}
		inner := append(slices.Clone(scope), newLevel(d.Kids))
		switch strings.ToLower(d.Name) {
		case "virtualhost":
			s := &Server{Node: d}
			for _, arg := range d.Args {
				l := Listen{Node: d}
				if l.Host, l.Port = HostPort(arg); Everywhere(l.Host) || l.Host == "_default_" {
					l.Host = ""
				}
				on := d.Get("SSLEngine")
				l.TLS = on != nil && same(on.Text(), "on")
				s.Listen = append(s.Listen, l)
			}
			for n := range d.All("ServerName") {
				s.Names = append(s.Names, n.Text())
			}
			for n := range d.All("ServerAlias") {
				s.Names = append(s.Names, n.Args...)
			}
			a.p.Servers = append(a.p.Servers, s)
			a.level(inner, s, "")
		case "location", "locationmatch", "directory", "files", "filesmatch", "if", "proxy":
			a.level(inner, server, d.Text())
		case "proxypass", "proxypassmatch":
			a.pass(d, scope, server, path)
		case "rewriterule":
			if flags := strings.Trim(d.Arg(2), "[]"); slices.Contains(strings.Split(flags, ","), "P") {
				a.route(d, d.Arg(1), apachePlace{d.Text(), scope, server})
			}
		case "sethandler":
			if target, ok := strings.CutPrefix(d.Text(), "proxy:"); ok {
				a.route(d, target, apachePlace{path, scope, server})
			}
		}
	}
}

// pass is a ProxyPass, which has its path before its target unless it stands in a <Location>.
func (a *apacheLister) pass(d *Node, scope []*Level, server *Server, path string) {
	target := d.Arg(1)
	if strings.Contains(d.Text(), "://") || d.Text() == "!" || strings.HasPrefix(d.Text(), "unix:") {
		target = d.Text()
	} else {
		path = d.Text()
	}
	if target != "!" && target != "" {
		a.route(d, target, apachePlace{path, scope, server})
	}
}

// apachePlace is where a line stands.
type apachePlace struct {
	path   string
	scope  []*Level
	server *Server
}

func (a *apacheLister) route(d *Node, target string, at apachePlace) {
	r := &Route{Proxy: a.p, Server: at.server, Node: d, Path: at.path, Target: target, Scope: at.scope, Host: HostTarget, Keep: Timer{Off: true}}
	if on := r.Fold("ProxyPreserveHost"); on != nil && same(on.Text(), "on") {
		r.Host = HostClient
	}
	socket, after, isUnix := strings.Cut(strings.TrimPrefix(target, "unix:"), "|")
	switch {
	case strings.HasPrefix(target, "unix:") && isUnix:
		u, _ := urlOf(after, d)
		if u == nil {
			u = &Upstream{Node: d}
		}
		u.Host, u.Port, u.Unix = "", "", socket
		r.Group = &Group{Node: d, Members: []*Upstream{u}}
	case strings.HasPrefix(target, "balancer://"):
		name, _, _ := strings.Cut(strings.TrimPrefix(target, "balancer://"), "/")
		r.Group = &Group{Name: name, Node: d}
		for _, g := range a.p.Groups {
			if g.Name == name {
				r.Group = g
			}
		}
	default:
		u, _ := urlOf(target, d)
		if u == nil || strings.ContainsAny(u.Host, "$%") {
			u = &Upstream{Node: d}
		}
		r.Group = &Group{Node: d, Members: []*Upstream{u}}
	}
	for _, m := range r.Group.Members {
		m.Scheme = map[string]string{"fcgi": "fastcgi", "ws": "http", "wss": "https"}[m.Scheme] + keptScheme(m.Scheme)
		r.Scheme = m.Scheme
	}
	r.Read = r.apacheRead()
	a.p.Routes = append(a.p.Routes, r)
}

// keptScheme is a scheme that has no other name.
func keptScheme(scheme string) string {
	switch scheme {
	case "fcgi", "ws", "wss":
		return ""
	}
	return scheme
}

// apacheRead is a worker's timeout=, ProxyTimeout or Timeout, in that order.
func (r *Route) apacheRead() Timer {
	for _, arg := range r.Node.Args {
		if v, ok := strings.CutPrefix(arg, "timeout="); ok {
			if d, ok := Duration(v, time.Second); ok {
				return Timer{Time: d, Node: r.Node}
			}
		}
	}
	for _, name := range []string{"ProxyTimeout", "Timeout"} {
		if n := r.Fold(name); n != nil {
			if d, ok := Duration(n.Text(), time.Second); ok {
				return Timer{Time: d, Node: n}
			}
		}
	}
	return Timer{Time: time.Minute}
}

// Fold is the innermost setting of a name that holds for the route, without regard to case.
func (r *Route) Fold(name string) *Node {
	for i := len(r.Scope) - 1; i >= 0; i-- {
		if all := r.Scope[i].Folded(name); len(all) > 0 {
			return all[len(all)-1]
		}
	}
	return nil
}
