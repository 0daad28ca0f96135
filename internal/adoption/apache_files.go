package adoption

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// files translates Alias and DocumentRoot: what neither a rule nor a ProxyPass has taken.
func (h *apacheHost) files() {
	for _, block := range [][]*node{h.kids, h.tree} {
		for _, k := range a2all(block, "Alias", "ScriptAlias", "AliasMatch") {
			if !strings.EqualFold(k.Name, "Alias") || len(k.Args) != 2 || !strings.HasPrefix(k.Text(), "/") {
				h.d.note(&h.mark, k, "it is answered 501")
				if strings.HasPrefix(k.Text(), "/") {
					h.add(&route{keys: prefixed(k.Text()), refused: true})
				}
				continue
			}
			h.directory(k, k.Text(), k.Arg(1))
		}
	}
	root := h.get("DocumentRoot")
	if root == nil {
		h.add(&route{keys: []pair{{"respond", "{status: 404}"}}})
		return
	}
	h.directory(root, "/", root.Text())
}

// directory serves a directory's files at a prefix of the path. Where that is no Alias, it is a part of the DocumentRoot.
func (h *apacheHost) directory(at *node, prefix, dir string) {
	if strings.ContainsAny(dir, "${") {
		h.d.note(&h.mark, at, "a directory by variables; it is answered 501")
		h.add(&route{keys: prefixed(prefix), refused: true})
		return
	}
	dir = path.Clean(h.path(dir))
	var levels [][]*node
	base, asked := prefix, dir
	if strings.EqualFold(at.Name, "DocumentRoot") {
		base, asked = "/", path.Join(dir, prefix)
	}
	sections := h.sections("Directory", "DirectoryMatch")
	slices.SortStableFunc(sections, func(a, b *node) int { return len(path.Clean(a.Text())) - len(path.Clean(b.Text())) })
	for _, s := range sections {
		where := path.Clean(s.Text())
		switch {
		case strings.ContainsAny(where, "*?[~") || strings.EqualFold(s.Name, "DirectoryMatch"):
			if a := h.access([][]*node{s.Kids}); a.guards() {
				h.d.note(&h.mark, s, "a pattern of directories; the files of %s are answered 501", dir)
				h.add(&route{keys: prefixed(prefix), refused: true})
				return
			}
		case where == asked || where == "/" || strings.HasPrefix(asked, where+"/"):
			levels = append(levels, s.Kids)
		}
	}
	h.named(prefix, func(s *node) bool {
		where := path.Clean(s.Text())
		return strings.ContainsAny(where, "*?[~") || strings.EqualFold(s.Name, "DirectoryMatch") || where == "/" || where == asked || strings.HasPrefix(asked, where+"/") || strings.HasPrefix(where, dir+"/")
	})
	h.program = ""
	type part struct {
		prefix string
		levels [][]*node
	}
	var parts []part
	for i := len(sections) - 1; i >= 0; i-- { // the deepest first
		where := path.Clean(sections[i].Text())
		if rest, below := strings.CutPrefix(where, strings.TrimSuffix(dir, "/")+"/"); below && dir != where && !strings.ContainsAny(where, "*?[~") && !strings.EqualFold(sections[i].Name, "DirectoryMatch") {
			inner := strings.TrimSuffix(base, "/") + "/" + rest
			if !apacheUnder(prefix, inner) {
				continue
			}
			more := slices.Clone(levels)
			for _, s := range sections {
				if w := path.Clean(s.Text()); w != dir && (w == where || strings.HasPrefix(where, w+"/")) && strings.HasPrefix(w, dir+"/") {
					more = append(more, s.Kids)
				}
			}
			parts = append(parts, part{inner, more})
		}
	}
	parts = append(parts, part{prefix, levels})
	for _, p := range parts {
		h.scripts(p.prefix, base, dir, p.levels)
	}
	for _, p := range parts {
		h.content(p.prefix, p.levels, func(r *route, region apacheRegion) { h.serve(r, region, base, dir) })
	}
}

// named keeps files by their names, as <Files> and <FilesMatch> do, by themselves and in directories that hold; those of .ht are never sent.
func (h *apacheHost) named(prefix string, holds func(directory *node) bool) {
	deny := func(expression string) {
		h.add(&route{keys: []pair{{"path", quote("~" + expression)}, {"respond", "{status: 403}"}}})
	}
	files := h.sections("Files", "FilesMatch")
	for _, d := range h.sections("Directory", "DirectoryMatch") {
		if holds(d) {
			files = append(files, a2all(d.Kids, "Files", "FilesMatch")...)
		}
	}
	for _, s := range files {
		a := h.access([][]*node{s.Kids})
		if !a.guards() {
			continue
		}
		expression := fileExpression(s)
		if !compiles(expression) || !a.denied || a.lost != nil {
			h.d.note(&h.mark, s, "files by name for some; the files of %s are answered 501", prefix)
			h.blocked = true
			return
		}
		deny(expression)
	}
	deny(`/\.ht[^/]*$`)
}

// fileExpression is what the paths of files fit that a <Files> or a <FilesMatch> is for.
func fileExpression(s *node) string {
	text := last(s.Args)
	if strings.EqualFold(s.Name, "Files") && s.Text() != "~" {
		return "/" + globbed(text) + "$"
	}
	if head, bound := strings.CutPrefix(text, "^"); bound {
		text = "/(?:" + head + ")"
	} else {
		text = "/[^/]*(?:" + text + ")"
	}
	return text + "[^/]*$"
}

// scripts adds the route of programs, which are never sent as they are.
func (h *apacheHost) scripts(prefix, base, dir string, levels [][]*node) {
	blocks := append([][]*node{h.tree, h.kids}, levels...)
	for _, s := range append(h.sections("Files", "FilesMatch"), inner(levels, "Files", "FilesMatch")...) {
		blocks = append(blocks, s.Kids)
	}
	var handler *node
	for _, level := range blocks {
		for _, k := range a2all(level, "SetHandler", "AddHandler") {
			if text := strings.ToLower(k.Text()); strings.Contains(text, "fcgi") || strings.Contains(text, "php") {
				handler = k
			}
		}
	}
	if handler == nil {
		return
	}
	h.content(prefix, levels, func(r *route, region apacheRegion) {
		if region.expr != "" {
			if a := h.access(region.levels); a.guards() {
				h.d.note(&r.notes, handler, "an expression says who may ask; what fits it is answered 501")
				r.refused = true
				h.add(r)
			}
			return
		}
		r.set("path", quote("~^"+regexp.QuoteMeta(strings.TrimSuffix(region.prefix, "/"))+`/(?:.*/)?[^/]*\.php(?:/|$)`))
		target, ok := strings.CutPrefix(handler.Text(), "proxy:")
		scheme, host, _ := apacheTarget(target)
		if !h.common(r, region) {
			h.add(r)
			return
		}
		if !ok || scheme != "fcgi" || base != "/" {
			h.d.note(&r.notes, handler, "programs are answered 501; write a route of fastcgi")
			r.refused = true
			h.add(r)
			return
		}
		h.program = host
		h.cgi(handler, r, host, dir)
	})
}

// apacheUnlinked is the line by which symbolic links are not followed, or only some; nil where all are, as they are without such a line.
func apacheUnlinked(levels [][]*node) (said *node) {
	for _, level := range levels {
		for _, k := range a2all(level, "Options") {
			whole := !slices.ContainsFunc(k.Args, func(o string) bool { return strings.HasPrefix(o, "+") || strings.HasPrefix(o, "-") })
			if whole { // it takes the place of what was said before
				said = k
			}
			for _, o := range k.Args {
				switch name := strings.ToLower(strings.TrimLeft(o, "+-")); {
				case name == "followsymlinks" && strings.HasPrefix(o, "-"):
					said = k
				case name == "followsymlinks" || name == "all" && whole:
					said = nil
				}
			}
		}
	}
	return said
}

// endings are what the names of programs end with, whose text is never sent: PHP's, and those that a handler or a type of PHP is set for.
func (h *apacheHost) endings(levels [][]*node) []string {
	all := []string{".php", ".phtml", ".phar"}
	for _, level := range append([][]*node{h.tree, h.kids}, levels...) {
		for _, k := range a2all(level, "AddHandler", "AddType") {
			if len(k.Args) < 2 || strings.EqualFold(k.Name, "AddType") && !strings.Contains(strings.ToLower(k.Text()), "php") {
				continue
			}
			for _, end := range k.Args[1:] {
				if end = "." + strings.TrimPrefix(end, "."); !slices.Contains(all, end) && !strings.ContainsAny(end[1:], "./$%{") && end != "." {
					all = append(all, end)
				}
			}
		}
	}
	return all
}

// inner are blocks of a kind within others.
func inner(levels [][]*node, names ...string) (found []*node) {
	for _, level := range levels {
		found = append(found, a2all(level, names...)...)
	}
	return found
}

// keptFiles refuses directories of a region whose index another block keeps from people, and a region whose missing files are answered with such a
// file: Apache looks at them as at requests of their own.
func (h *apacheHost) keptFiles(r *route, region apacheRegion, index []string, keys []pair) {
	kept := func(uri string) *node {
		for _, s := range h.sections("Location", "LocationMatch", "Files", "FilesMatch") {
			if a := h.access([][]*node{s.Kids}); !a.guards() || slices.ContainsFunc(region.levels, func(level []*node) bool { return len(level) > 0 && len(s.Kids) > 0 && level[0] == s.Kids[0] }) {
				continue
			}
			if plain, ok := h.locationOf(s); ok {
				if apacheUnder(plain, uri) {
					return s
				}
				continue
			}
			expression := ""
			if strings.HasPrefix(strings.ToLower(s.Name), "files") {
				expression = fileExpression(s)
			} else {
				expression, _ = h.expression(s)
			}
			if e, err := regexp.Compile(expression); err != nil || e.MatchString(uri) {
				return s
			}
		}
		return nil
	}
	for _, k := range keys {
		if s := kept(strings.Trim(k.value, "'")); k.key == "missing" && s != nil {
			h.d.note(&r.notes, s, "it says who may see what FallbackResource leads to; that is answered 501")
			r.refused = true
		}
	}
	base := strings.TrimSuffix(region.prefix, "/") + "/"
	for _, name := range index {
		name = strings.TrimPrefix(name, "/")
		s := kept(base + name)
		for _, l := range h.sections("Location") { // of a directory below
			if plain, ok := h.locationOf(l); s == nil && ok && strings.HasPrefix(plain, base) && strings.HasSuffix(plain, "/"+name) {
				s = kept(plain)
			}
		}
		if s == nil {
			continue
		}
		h.d.note(&r.notes, s, "it says who may see what a directory is answered with; directories are answered 501")
		if region.expr != "" {
			r.refused = true
			return
		}
		h.add(&route{keys: []pair{{"path", quote("~^" + regexp.QuoteMeta(base) + "(?:.*/)?$")}}, refused: true})
		return
	}
}

// serve ends a route that serves files.
func (h *apacheHost) serve(r *route, region apacheRegion, base, dir string) {
	if region.expr == "" {
		r.keys = append(r.keys, prefixed(region.prefix)...)
	}
	if !h.common(r, region) {
		h.add(r)
		return
	}
	for _, level := range slices.Backward(region.levels) {
		if over := a2all(level, "AllowOverride"); len(over) > 0 {
			if !strings.EqualFold(last(over).Text(), "none") {
				h.d.note(&r.notes, last(over), "what .htaccess files say; put it here and write None; it is answered 501")
				r.refused = true
			}
			break
		}
	}
	if base != "/" {
		r.text("strip", strings.TrimSuffix(base, "/"))
	}
	keys := []pair{{"root", quote(dir)}}
	index := []string{"index.html"}
	for _, level := range region.levels {
		for _, k := range a2all(level, "DirectoryIndex") {
			index = slices.Clone(k.Args)
		}
		for _, k := range a2all(level, "FallbackResource") {
			if strings.HasPrefix(k.Text(), "/") && !strings.Contains(k.Text(), ".php") {
				keys = append(keys, pair{"missing", quote(k.Text())})
			} else if !strings.EqualFold(k.Text(), "disabled") {
				h.d.note(&r.notes, k, "")
			}
		}
	}
	programs := h.program != "" && slices.Contains(index, "index.php") && !slices.ContainsFunc(keys, func(k pair) bool { return k.key == "missing" })
	h.keptFiles(r, region, index, keys)
	index = slices.DeleteFunc(index, func(name string) bool { return strings.ContainsAny(name, "/$%") || strings.HasSuffix(name, ".php") })
	if len(index) > 0 {
		keys = append(keys, pair{"index", list(index)})
	}
	keys = append(keys, pair{"scripts", list(h.endings(region.levels))})
	if unlinked := apacheUnlinked(region.levels); unlinked == nil {
		keys = append(keys, pair{"links", "follow"})
	} else {
		h.d.note(&r.notes, unlinked, "links that lead out of the directory are not followed, others are")
	}
	keys = append(keys, pair{"hidden", "true"})
	after := r.clone()
	if programs {
		keys = append(keys, pair{"missing", "next"})
	}
	r.set("files", mapping(keys))
	h.add(r)
	if programs {
		h.cgi(&node{Name: "SetHandler"}, after, h.program, dir)
	}
}
