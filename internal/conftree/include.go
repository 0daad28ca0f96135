package conftree

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
)

// ApacheFiles reads a main file of Apache with what it includes in place. Relative names begin at ServerRoot where the file names one that
// is there, or else at the main file's directory.
func (r *Reader) ApacheFiles(name, text string) ([]*Node, error) {
	all, err := r.Apache(name, text)
	if err != nil {
		return nil, err
	}
	x := &includer{r: r, base: filepath.Dir(name), read: r.Apache, wanted: func(n *Node) (string, bool) {
		if strings.EqualFold(n.Name, "Include") || strings.EqualFold(n.Name, "IncludeOptional") {
			return n.Text(), true
		}
		return "", false
	}, optional: func(n *Node) bool { return strings.EqualFold(n.Name, "IncludeOptional") }}
	for _, n := range all {
		if root := n.Text(); strings.EqualFold(n.Name, "ServerRoot") && filepath.IsAbs(root) && within(name, root) {
			x.base = root
		}
	}
	return x.expand(all, 0)
}

// within reports whether a file stands below a directory: a copy of a configuration does not, and the directory of that name is another's.
func within(name, dir string) bool {
	absolute, err := filepath.Abs(name)
	return err == nil && strings.HasPrefix(absolute, strings.TrimSuffix(dir, "/")+"/")
}

// CaddyFiles reads a Caddyfile with the files that it imports in place. Snippets stay where they are.
func (r *Reader) CaddyFiles(name, text string) ([]*Node, error) {
	all, err := r.Caddyfile(name, text)
	if err != nil {
		return nil, err
	}
	snippets := map[string]bool{}
	for _, n := range all {
		if strings.HasPrefix(n.Name, "(") {
			snippets[strings.Trim(n.Name, "()")] = true
		}
	}
	x := &includer{r: r, base: filepath.Dir(name), read: r.Caddyfile, wanted: func(n *Node) (string, bool) {
		return n.Text(), n.Name == "import" && n.Text() != "" && !snippets[n.Text()] && !strings.ContainsAny(n.Text(), "{}")
	}, optional: func(n *Node) bool { return strings.Contains(n.Text(), "*") }}
	return x.expand(all, 0)
}

// includer puts what files name in its place.
type includer struct {
	r        *Reader
	base     string
	read     func(name, text string) ([]*Node, error)
	wanted   func(*Node) (pattern string, ok bool)
	optional func(*Node) bool
}

func (x *includer) expand(all []*Node, depth int) ([]*Node, error) {
	var whole []*Node
	for _, n := range all {
		pattern, ok := x.wanted(n)
		if !ok {
			kids, err := x.expand(n.Kids, depth)
			if err != nil {
				return nil, err
			}
			if len(n.Kids) > 0 {
				n.Kids = kids
			}
			whole = append(whole, n)
			continue
		}
		more, err := x.include(n, pattern, depth)
		if err != nil {
			return nil, err
		}
		whole = append(whole, more...)
	}
	return whole, nil
}

// include reads the files of a pattern. One that cannot be read is a problem, and no error: the line stays in its place.
func (x *includer) include(n *Node, pattern string, depth int) ([]*Node, error) {
	if depth >= includeMax {
		x.r.Problem("%v: includes within includes, %d deep", n.Place, depth)
		return []*Node{n}, nil // so that it is seen that something is not known
	}
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(x.base, pattern)
	}
	names, ok := x.r.glob(pattern)
	if !ok {
		x.r.Problem("%v: %s: not a pattern, one of too many files, or one that is not looked for", n.Place, pattern)
		return []*Node{n}, nil
	}
	if len(names) == 0 {
		x.r.empty(n)
	}
	var all []*Node
	for _, name := range names {
		text, err := x.r.Text(name)
		if err == nil {
			x.r.Included[filepath.Clean(name)] = true
			var more []*Node
			if more, err = x.read(name, text); err == nil {
				more, err = x.expand(more, depth+1)
			}
			all = append(all, more...)
		}
		if full := x.r.Err(); full != nil {
			return nil, full
		}
		if err == nil || errors.Is(err, fs.ErrNotExist) && x.optional(n) {
			continue
		}
		if !x.r.unread[name] {
			x.r.Problem("%v: %v", n.Place, err)
		}
		x.r.unread[name] = true
		all = append(all, n) // so that it is seen that something is not known
	}
	return all, nil
}
