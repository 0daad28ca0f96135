package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// Files that a configuration includes. Each has routes and pools, which come behind those of the file itself and of the files before. What
// there is one of stands in the file itself, so that nobody has to look for it; an included file includes none, and so there is no circle.

const (
	includedMax = 256    // files
	listedMax   = 10_000 // names of a directory that a pattern is compared with
)

// source is a file that was read. Positions count the lines of all sources, one after the other.
type source struct {
	name   string
	before int      // lines of the sources before
	lines  []string // the file's
	sure   sureness // of the lines
}

// begin adds a source, which is the current one.
func (d *decoder) begin(text string) *source {
	s := source{name: d.file, lines: strings.Split(text, "\n")}
	if n := len(d.sources); n > 0 {
		s.before = d.sources[n-1].before + len(d.sources[n-1].lines)
	}
	d.sources = append(d.sources, s)
	return &d.sources[len(d.sources)-1]
}

// sourceOf is the source that a line is of. Line 0 is of none.
func sourceOf(all []source, line int) (s source, own int) {
	for _, s := range slices.Backward(all) {
		if line > s.before {
			return s, line - s.before
		}
	}
	return source{}, 0
}

// lineWords says where a line is: "line 7", with the file if it is not the one that is read, or the main one when all are.
func (d *decoder) lineWords(line int) string {
	s, own := sourceOf(d.sources, line)
	if s.name != d.file {
		return fmt.Sprintf("line %d of %s", own, s.name)
	}
	return fmt.Sprintf("line %d", own)
}

// shift counts the lines of a tree's nodes from the first of all sources.
func shift(n ast.Node, before int) {
	if n != nil && before > 0 {
		ast.Walk(shifter{before, map[*token.Position]bool{}}, n)
	}
}

type shifter struct {
	before int
	done   map[*token.Position]bool // some nodes share one
}

// Visit shifts one node.
func (s shifter) Visit(n ast.Node) ast.Visitor {
	if n == nil {
		return s
	}
	if t := n.GetToken(); t != nil && t.Position != nil && !s.done[t.Position] {
		s.done[t.Position] = true
		t.Position.Line += s.before
	}
	return s
}

// parseInclude reads the path of a file, or a pattern for names in one directory.
func parseInclude(k *key, s string) (any, *trouble) {
	if s == "" || strings.ContainsRune(s, 0) {
		return nil, k.not(s, "")
	}
	if _, err := filepath.Match(s, ""); err != nil {
		return nil, k.not(s, "write *, ? and [a-z] for parts of a name")
	}
	if strings.ContainsAny(filepath.Dir(s), "*?[") {
		return nil, k.not(s, "only the name may be a pattern, and not the directory: conf.d/*.yaml")
	}
	return s, nil
}

// include reads the files that the configuration includes.
func (d *decoder) include(c *Config) {
	if len(c.Include) == 0 {
		return
	}
	main := d.file
	defer func() { d.file = main }()
	for _, f := range d.included(c) {
		d.file = main
		d.readIncluded(c, f)
	}
	d.file = main
	if len(c.Routes) == 0 && !d.problems.Failed() {
		d.fail(d.positions["include"], "routes", "no route is in this file, or in one that it includes", "add routes: "+root.child("routes").shown())
	}
}

// includedFile is a file to read, and the line that names it.
type includedFile struct {
	name string
	at   position
	path string // of the line
}

// included lists the files: in the order of the patterns, and those of one by name.
func (d *decoder) included(c *Config) (all []includedFile) {
	main, err := filepath.Abs(d.file)
	if err != nil {
		main = d.file
	}
	seen := map[string]bool{}
	for i, pattern := range c.Include {
		f := includedFile{path: fmt.Sprintf("include[%d]", i)}
		var given bool
		if f.at, given = d.positions[f.path]; !given {
			f.path, f.at = "include", d.positions["include"]
		}
		for _, f.name = range d.matching(pattern, f) {
			absolute, err := filepath.Abs(f.name)
			switch {
			case err == nil && absolute == main:
				d.fail(f.at, f.path, "the file includes itself", "put what it includes into a directory of its own: conf.d/*.yaml")
			case seen[absolute]:
				d.fail(f.at, f.path, d.shownFile(f)+" is included twice", "remove one of the two")
			case len(all) == includedMax:
				d.fail(f.at, f.path, fmt.Sprintf("more than %d files are included", includedMax), "put several sites into one file")
				return all
			default:
				seen[absolute] = true
				all = append(all, f)
			}
		}
	}
	return all
}

// matching are the files that a pattern stands for.
func (d *decoder) matching(pattern string, f includedFile) (names []string) {
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(filepath.Dir(d.file), pattern)
	}
	dir, base := filepath.Split(pattern)
	if !strings.ContainsAny(base, "*?[") {
		return []string{pattern}
	}
	if d.options.List == nil {
		d.fail(f.at, f.path, "files cannot be read here", "")
		return nil
	}
	listed, err := d.options.List(filepath.Clean(dir), listedMax)
	if err != nil {
		d.outside(f.at, f.path, "the directory cannot be read: "+d.unexpanded(f.path, err, pattern), "")
		return nil
	}
	slices.Sort(listed)
	for _, name := range listed {
		if hit, err := filepath.Match(base, name); err == nil && hit && !strings.HasPrefix(name, ".") { // editors keep theirs there
			names = append(names, filepath.Join(dir, name))
		}
	}
	return names
}

// shownFile is an included file's name, or its line where a part of it came from the environment.
func (d *decoder) shownFile(f includedFile) string {
	if e, ok := d.written[f.path]; ok {
		return e.written
	}
	return f.name
}

// unexpanded is an error's text without a path that came from the environment.
func (d *decoder) unexpanded(path string, err error, name string) string {
	if e, ok := d.written[path]; ok {
		var inner *fs.PathError
		if errors.As(err, &inner) {
			err = inner.Err
		}
		return e.written + ": " + strings.ReplaceAll(err.Error(), name, e.written)
	}
	return err.Error()
}

// readIncluded reads the routes and pools of one file.
func (d *decoder) readIncluded(c *Config, f includedFile) {
	if d.options.ReadFile == nil {
		d.fail(f.at, f.path, "files cannot be read here", "")
		return
	}
	data, err := d.options.ReadFile(f.name, sizeMax)
	if err != nil {
		message := "the included file cannot be read: " + d.unexpanded(f.path, err, f.name)
		if errors.Is(err, fs.ErrNotExist) {
			d.fail(f.at, f.path, message, "")
		} else {
			d.outside(f.at, f.path, message, "")
		}
		return
	}
	if d.size += len(data); d.size > sizeMax {
		d.fail(f.at, f.path, fmt.Sprintf("the file and those that it includes have more than %s together", formatSize(sizeMax)), "")
		return
	}
	main := d.file
	d.file, d.anchors = f.name, map[string]ast.Node{}
	n := d.read(data)
	if n == nil {
		return
	}
	entries, _ := d.entries(n, "", at(n))
	for _, e := range entries {
		switch k := root.child(e.name); {
		case k == nil:
			d.fail(e.at, keyShown(e.name), "unknown key "+quote(keyShown(e.name)), "an included file holds routes and pools")
		case e.name == "routes" || e.name == "pools":
			d.more(c, k, e)
		default:
			d.fail(e.at, e.name, quote(e.name)+" cannot stand in an included file", "write it in "+main+": an included file holds routes and pools")
		}
	}
}

// more reads the routes, or the pools, of an included file behind those that are there.
func (d *decoder) more(c *Config, k *key, e entry) {
	n, ok := d.resolve(e.value, e.at)
	if !ok {
		return
	}
	if _, given := d.positions[e.name]; !given {
		d.positions[e.name] = e.at
	}
	if e.name == "pools" {
		d.named(k, n, reflect.ValueOf(&c.Pools).Elem(), "pools", e.at)
		return
	}
	d.routesBefore = len(c.Routes)
	defer func() { d.routesBefore = 0 }()
	into := reflect.ValueOf(&c.Routes).Elem()
	d.list(k, n, "routes", e.at, func(item ast.Node, path string) { d.item(k, item, into, path) })
}
