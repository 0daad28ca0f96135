package adoption

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// What nginx answers with files: root, alias, index and try_files.

// fileOf is the file that a path of the server leads to, by the locations that nginx would choose.
func (n *nginx) fileOf(v *nginxServer, uri string) (string, bool) {
	if !strings.HasPrefix(uri, "/") || strings.Contains(uri, "$") {
		return "", false
	}
	s := v.scope
	for _, l := range n.locations(v) {
		if l.takes(uri) {
			for _, name := range []string{"proxy_pass", "grpc_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "return"} {
				if len(l.scope.own(name)) > 0 {
					return "", false
				}
			}
			s = l.scope
			break
		}
	}
	root := s.get("root")
	if root == nil || strings.Contains(root.Text(), "$") {
		return "", false
	}
	return n.absolute(root, path.Join(root.Text(), uri)), true
}

// files sets the directory that a location serves from. missing is what becomes of a path without a file.
func (n *nginx) files(v *nginxServer, l *location, r *route, missing string) {
	root := l.scope.get("root")
	keys := []pair{}
	if alias := l.scope.own("alias"); len(alias) > 0 {
		root = alias[0]
		prefix := strings.TrimSuffix(l.path, "/")
		if l.kind == regexLocation || l.kind == exactLocation || !strings.HasSuffix(l.path, "/") && l.path != "" && strings.HasSuffix(root.Text(), "/") {
			n.d.note(&r.notes, root, "only for a prefix that ends with a slash")
			r.set("respond", "{status: 404}")
			return
		}
		if prefix != "" {
			r.text("strip", prefix)
		}
	}
	if root == nil || strings.Contains(root.Text(), "$") {
		if root != nil {
			n.d.note(&r.notes, root, "a directory by variables")
		}
		r.set("respond", "{status: 404}")
		return
	}
	n.indexKept(v, l, r)
	n.uncompressed(l.scope, &r.notes)
	keys = append(keys, pair{"root", quote(n.absolute(root, root.Text()))})
	if index := l.scope.get("index"); index != nil {
		var names []string
		for _, name := range index.Args {
			if strings.ContainsAny(name, "/$") {
				n.d.note(&r.notes, index, "only names of files")
				continue
			}
			names = append(names, name)
		}
		if len(names) > 0 {
			keys = append(keys, pair{"index", list(names)})
		}
	}
	if php, _ := n.phpOf(v, "/index.php"); php != nil || n.passesPrograms(v) {
		keys = append(keys, pair{"scripts", "['.php']"}) // never as they are
	}
	if missing == "404" && n.indexIsProgram(v, l) {
		missing = "next"
	}
	if missing != "404" {
		keys = append(keys, pair{"missing", quote(missing)})
	}
	if on := l.scope.get("disable_symlinks"); on == nil || on.Text() == "off" {
		keys = append(keys, pair{"links", "follow"})
	} else {
		n.d.note(&r.notes, on, "links that lead out of the directory are not followed, others are")
	}
	keys = append(keys, pair{"hidden", "true"})
	r.set("files", mapping(keys))
}

// indexKept refuses directories of a location whose index is of another one that keeps people out in another way: nginx looks at the index as at
// a request of its own.
func (n *nginx) indexKept(v *nginxServer, l *location, r *route) {
	names := []string{"index.html"}
	if index := l.scope.get("index"); index != nil {
		names = index.Args
	}
	base := strings.TrimSuffix(l.path, "/") + "/"
	refused := map[string]bool{}
	for _, other := range v.keepers {
		for _, name := range names {
			if strings.ContainsAny(name, "/$") || strings.HasSuffix(name, ".php") && n.passesPrograms(v) || other.node == l.node {
				continue
			}
			directories, mine := other.directories(l, base, name)
			if !mine || !other.keepsOthers(l) {
				continue
			}
			n.d.note(&r.notes, other.node, "it says who may see what a directory is answered with; directories are answered 501")
			if l.kind == regexLocation {
				r.refused = true
				return
			}
			for _, d := range directories {
				if l.kind == exactLocation {
					d = "~^" + regexp.QuoteMeta(l.path) + "$"
				}
				if !refused[d] {
					refused[d] = true
					n.refuses(v, []pair{{"path", quote(d)}})
				}
			}
		}
	}
}

// directories are expressions for those directories of another location that a file of a name is in which is of this one. mine is false where there
// is none.
func (k keeper) directories(l *location, base, name string) (found []string, mine bool) {
	all := []string{"~^" + regexp.QuoteMeta(l.path) + "(?:.*/)?$"}
	switch {
	case l.kind == regexLocation:
		return nil, k.kind != prefixLocation && !strings.HasSuffix(l.path, "$") && k.takesAny("/"+name, base+name, base+"x/"+name)
	case k.kind == exactLocation:
		return []string{"~^" + regexp.QuoteMeta(strings.TrimSuffix(k.path, name)) + "$"}, strings.HasPrefix(k.path, base) && strings.HasSuffix(k.path, "/"+name)
	case k.kind != regexLocation:
		return all, len(k.path) > len(base) && strings.HasPrefix(k.path, base) && strings.HasPrefix(name, path.Base(k.path))
	case k.takesAny(base+name, base+"x/"+name):
		return all, true
	}
	heads := k.heads
	if heads == nil { // it may begin anywhere
		heads = literalHeads(strings.TrimPrefix(k.path, "(?i)"))
		for i, h := range heads {
			heads[i] = strings.TrimSuffix(base, "/") + "/" + strings.TrimPrefix(h, "/")
		}
	}
	for _, h := range heads {
		within := h[:strings.LastIndexByte(h, '/')+1]
		if !strings.HasPrefix(h, base) || !k.takesAny(within+name, h+"/"+name, h+"x/"+name, h+"/x/"+name) {
			continue
		}
		if k.heads == nil {
			return all, true
		}
		found, mine = append(found, "~^"+regexp.QuoteMeta(within)+"(?:.*/)?$"), true
	}
	return found, mine
}

// keeper is a location with a line, of its own or of one around it, that may keep people out.
type keeper struct {
	*location
	heads []string // what the paths of its expression begin with; nil: anything
}

// keepersOf are those among a server's locations. outer is how many blocks are around them all.
func keepersOf(all []*location, outer int) (found []keeper) {
	for _, l := range all {
		if !slices.ContainsFunc(l.scope[outer:], func(level []*node) bool {
			return slices.ContainsFunc(level, func(b *node) bool { return says[b.Name] || isGuard(b.Name) || b.Name == "include" })
		}) {
			continue
		}
		k := keeper{location: l}
		if rest, anchored := behindBegin(l.path); anchored && l.kind == regexLocation {
			k.heads = literalHeads(rest)
		}
		found = append(found, k)
	}
	return found
}

// takesAny reports whether some files are of the location's expression, where no other one takes them, and their directories are not.
func (k keeper) takesAny(paths ...string) bool {
	return slices.ContainsFunc(paths, func(uri string) bool {
		for o := k.outer; o != nil; o = o.outer {
			if !o.takes(uri) {
				return false
			}
		}
		if k.takes(uri[:strings.LastIndexByte(uri, '/')+1]) {
			return false
		}
		return (k.heads == nil || slices.ContainsFunc(k.heads, func(h string) bool { return strings.HasPrefix(uri, h) })) && k.takes(uri)
	})
}

// keepsOthers reports whether a location may keep out whom another one lets in.
func (l *location) keepsOthers(other *location) bool {
	for _, b := range l.scope[len(l.scope)-1] {
		if says[b.Name] && b.Name != "internal" && !slices.Contains(accessLines, b.Name) || b.Name == "include" {
			return true
		}
	}
	names := slices.Clone(accessLines)
	for _, level := range l.scope {
		for _, b := range level {
			if isGuard(b.Name) {
				names = append(names, b.Name)
			}
		}
	}
	return slices.ContainsFunc(names, func(name string) bool { return !slices.Equal(l.scope.all(name), other.scope.all(name)) })
}

// accessLines are the directives of nginx itself by which it keeps people out.
var accessLines = []string{"allow", "deny", "auth_basic", "auth_basic_user_file", "satisfy"}

// missingKept reports whether the file that a "try_files" ends with is of a location that keeps people out in another way.
func (n *nginx) missingKept(v *nginxServer, l *location, uri string) bool {
	for _, other := range n.locations(v) {
		if other.takes(uri) {
			return other.node != l.node && other.keepsOthers(l)
		}
	}
	return false
}

// indexIsProgram reports whether a directory of the location may be answered by a program.
func (n *nginx) indexIsProgram(v *nginxServer, l *location) bool {
	php, _ := n.phpOf(v, "/index.php")
	return php != nil && l.kind != regexLocation && l.scope.get("index").Has("index.php") && len(l.scope.own("alias")) == 0
}

// index adds the route that runs a directory's index where that is a program: after the one for files.
func (n *nginx) index(v *nginxServer, l *location) {
	if !n.indexIsProgram(v, l) {
		return
	}
	php, pass := n.phpOf(v, "/index.php")
	n.program(v, l, php, pass, nil)
}

// passesPrograms reports whether some location passes programs on.
func (n *nginx) passesPrograms(v *nginxServer) bool {
	if !v.looked {
		v.looked = true
		v.passes = v.passes || slices.ContainsFunc(n.locations(v), func(l *location) bool { return len(l.scope.own("fastcgi_pass")) > 0 })
	}
	return v.passes
}

// tryFiles translates a "try_files": files first, and then what its last word says.
func (n *nginx) tryFiles(v *nginxServer, l *location, b *node) {
	final := last(b.Args)
	for _, name := range []string{"proxy_pass", "grpc_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass"} {
		if len(l.scope.own(name)) == 0 {
			continue
		}
		if final == "=404" { // the application says so by itself
			n.d.needless["try_files before "+name] = true
		} else {
			n.d.note(&v.mark, b, "it chooses what is passed on")
		}
		n.serves(v, l)
		return
	}
	for _, a := range b.Args[:max(len(b.Args)-1, 0)] {
		if a != "$uri" && a != "$uri/" {
			n.d.note(&v.mark, b, "only $uri, $uri/ and a last word")
			n.serves(v, l)
			return
		}
	}
	r := &route{keys: l.match()}
	n.common(v, l, r)
	bare, _, _ := strings.Cut(final, "?")
	switch {
	case final == "=404":
		n.files(v, l, r, "404")
		n.add(v, r)
		n.index(v, l)
	case strings.HasPrefix(final, "@"):
		n.files(v, l, r, "next")
		n.add(v, r)
		for _, named := range v.scope.own("location") {
			if named.Text() == final {
				n.location(v, &location{node: named, scope: v.scope.in(named.Kids), kind: l.kind, path: l.path})
			}
		}
	case strings.HasPrefix(bare, "/") && strings.Contains(bare, ".php"):
		n.files(v, l, r, "next")
		n.add(v, r)
		n.script(v, l, b, final)
	case strings.HasPrefix(bare, "/") && !strings.Contains(bare, "$") && bare == final && n.missingKept(v, l, bare):
		n.d.note(&r.notes, b, "%s is of another location, which says who may see it; it is answered 501", bare)
		n.files(v, l, r, "next")
		n.add(v, r)
		n.refuses(v, l.match())
	case strings.HasPrefix(bare, "/") && !strings.Contains(bare, "$") && bare == final:
		n.files(v, l, r, bare)
		n.add(v, r)
	default:
		n.d.note(&r.notes, b, "its last word")
		n.files(v, l, r, "404")
		n.add(v, r)
	}
}
