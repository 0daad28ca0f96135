package conftree

import (
	"errors"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// embedded is a file within the output of nginx -T.
type embedded struct {
	text string
	line int // where its first line stands in the output
}

// dumped begins each file in the output of nginx -T.
var dumped = regexp.MustCompile(`(?m)^# configuration file (\S+):$`)

// Dump reports whether a text is the output of nginx -T.
func Dump(text string) bool {
	return strings.Contains(text, "# configuration file ") && dumped.MatchString(text)
}

// Nginx reads a main file, or a fragment that another would include, with what it includes in place. Relative names begin at the main
// file's directory. What an absolute name leads to is looked for beside the main file first where that is a copy from elsewhere.
func (r *Reader) Nginx(name, text string) ([]*Node, error) {
	n := &nginxFiles{r: r, main: name, base: filepath.Dir(name)}
	if Dump(text) {
		return n.dump(text)
	}
	all, err := n.parse(name, text, 1)
	if err != nil {
		return nil, err
	}
	return n.expand(all, 0)
}

// shipped are files that come with nginx: a copy of a configuration often lacks them, and they pass nothing on.
var shipped = []string{"mime.types", "fastcgi_params", "fastcgi.conf", "uwsgi_params", "scgi_params", "proxy_params", "koi-utf", "koi-win", "win-utf"}

// nginxFiles is one configuration of nginx.
type nginxFiles struct {
	r     *Reader
	main  string
	base  string
	files map[string]embedded // of nginx -T, by their names; nil where the files themselves are read
	names []string            // of files, sorted
}

// dump reads the output of nginx -T. Places are lines of the output: that is the file that the user has.
func (n *nginxFiles) dump(text string) ([]*Node, error) {
	n.files = map[string]embedded{}
	marks := dumped.FindAllStringSubmatchIndex(text, filesMax)
	line, from := 1, 0
	first := ""
	for i, m := range marks {
		line += strings.Count(text[from:m[1]], "\n")
		from = m[1]
		end := len(text)
		if i+1 < len(marks) {
			end = marks[i+1][0]
		}
		name := text[m[2]:m[3]]
		if first == "" {
			first = name
		}
		if _, twice := n.files[name]; !twice {
			n.files[name] = embedded{text[m[1]:end], line}
			n.names = append(n.names, name)
		}
	}
	slices.Sort(n.names)
	n.base = filepath.Dir(first)
	all, err := n.parse(n.main, n.files[first].text, n.files[first].line)
	if err != nil {
		return nil, err
	}
	return n.expand(all, 0)
}

func (n *nginxFiles) parse(file, text string, line int) ([]*Node, error) {
	b := &braces{r: n.r, text: text, line: line, file: file, dialect: nginxDialect}
	return b.whole()
}

// expand puts what is included in its place. A tree without includes is given back as it is.
func (n *nginxFiles) expand(all []*Node, depth int) ([]*Node, error) {
	var whole []*Node
	for i, node := range all {
		if node.Name != "include" || len(node.Args) == 0 {
			kids, err := n.expand(node.Kids, depth)
			if err != nil {
				return nil, err
			}
			node.Kids = kids
			if whole != nil {
				whole = append(whole, node)
			}
			continue
		}
		if whole == nil {
			whole = append(make([]*Node, 0, len(all)+8), all[:i]...)
		}
		more, err := n.include(node, depth)
		if err != nil {
			return nil, err
		}
		whole = append(whole, more...)
	}
	if whole == nil {
		return all, nil
	}
	return whole, nil
}

// include reads the files of an include. One that cannot be read is a problem, and no error: the include stays in its place.
func (n *nginxFiles) include(node *Node, depth int) ([]*Node, error) {
	if depth >= includeMax {
		n.r.Problem("%v: includes within includes, %d deep", node.Place, depth)
		return []*Node{node}, nil // so that it is seen that something is not known
	}
	names, ok := n.matching(node.Args[0])
	if !ok {
		n.r.Problem("%v: include %s: the file is not there, or the pattern is not one that is looked for", node.Place, node.Args[0])
		return []*Node{node}, nil
	}
	if len(names) == 0 {
		n.r.empty(node)
	}
	var all []*Node
	for _, name := range names {
		more, err := n.one(name, depth)
		if err != nil {
			if full := n.r.Err(); full != nil {
				return nil, full
			}
			if !errors.Is(err, fs.ErrNotExist) || !slices.Contains(shipped, filepath.Base(name)) {
				if !n.r.unread[name] {
					n.r.Problem("%v: %v", node.Place, err)
				}
				n.r.unread[name] = true
				all = append(all, node) // so that it is seen that something is not known
			}
			continue
		}
		if n.r.nodes += len(more); n.r.nodes > nodesMax { // each place has them
			return nil, errFull
		}
		all = append(all, more...)
	}
	return all, nil
}

func (n *nginxFiles) one(name string, depth int) ([]*Node, error) {
	if n.files != nil {
		f, ok := n.files[name]
		if !ok {
			return nil, nil // nginx -T prints what it read
		}
		all, err := n.parse(n.main, f.text, f.line)
		if err != nil {
			return nil, err
		}
		return n.expand(all, depth+1)
	}
	clean := filepath.Clean(name)
	if all, ok := n.r.nginx[clean]; ok {
		return all, nil
	}
	text, err := n.r.Text(name)
	if err != nil {
		return nil, err
	}
	n.r.Included[clean] = true
	all, err := n.parse(name, text, 1)
	if err != nil {
		return nil, err
	}
	if all, err = n.expand(all, depth+1); err == nil {
		n.r.nginx[clean] = all
	}
	return all, err
}

// matching lists the files of an include's pattern. It is false where they are not looked for, and where nginx -T has not printed a file.
func (n *nginxFiles) matching(pattern string) ([]string, bool) {
	if n.files != nil {
		if !filepath.IsAbs(pattern) {
			pattern = filepath.Join(n.base, pattern)
		}
		var fitting []string
		for _, name := range n.names {
			if ok, err := filepath.Match(pattern, name); err == nil && ok {
				fitting = append(fitting, name)
			}
		}
		return fitting, len(fitting) > 0 || strings.ContainsAny(pattern, "*?[") || slices.Contains(shipped, filepath.Base(pattern))
	}
	for _, root := range []string{"/etc/nginx/", "/usr/local/nginx/conf/", "/usr/local/etc/nginx/", "/usr/local/openresty/nginx/conf/"} {
		rest, below := strings.CutPrefix(pattern, root)
		if main, err := filepath.Abs(n.main); below && err == nil && !strings.HasPrefix(main, root) {
			return n.r.glob(filepath.Join(n.base, rest)) // a copy: what this machine has there is another configuration
		}
	}
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(n.base, pattern)
	}
	return n.r.glob(pattern)
}

// empty keeps an include of a pattern that no file fits.
func (r *Reader) empty(n *Node) {
	if len(r.Empty) < filesMax && !slices.ContainsFunc(r.Empty, func(o *Node) bool { return o.Place == n.Place }) {
		r.Empty = append(r.Empty, n)
	}
}

// glob lists the files of a pattern, in order. Only the last part may have wildcards, or the one before it: it is false for another.
func (r *Reader) glob(pattern string) ([]string, bool) {
	if !strings.ContainsAny(pattern, "*?[") {
		return []string{pattern}, true
	}
	dir, _ := filepath.Split(pattern)
	if above := filepath.Dir(filepath.Clean(dir)); strings.ContainsAny(above, "*?[") {
		return nil, false // it may lead over the whole file system
	}
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) > filesMax {
		return nil, false
	}
	return slices.DeleteFunc(found, func(name string) bool { return strings.HasPrefix(filepath.Base(name), ".") }), true
}
