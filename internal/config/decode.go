package config

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Options are what Parse takes from the world. The zero value refuses ${NAME} and file: values.
type Options struct {
	Env      func(name string) (string, bool)             // what ${NAME} stands for
	ReadFile func(path string, max int64) ([]byte, error) // what file:/path stands for; an error if it is larger than max
	List     func(dir string, max int) ([]string, error)  // the names of files in a directory, for patterns of include; an error if there are more than max
}

// decoder walks YAML's tree beside the table of keys and fills in a Config. It goes on after a mistake, to find them all.
type decoder struct {
	file      string
	options   Options
	sources   []source // the file, and those that it includes
	size      int      // bytes of all of them
	problems  Problems
	positions map[string]position
	written   map[string]expansion // of values that have a part from the environment, by their path
	variables int                  // expanded so far
	anchors   map[string]ast.Node
	visits    int              // values read so far
	compared  int              // of routes and their methods so far
	expanded  int              // bytes that variables and files stood for so far
	merging   int              // merges inside each other
	answers   map[string]uint8 // which of answering the routes have, a bit for each, by the route's path
	secretly  bool             // what is read is a header's value, which no message repeats

	routesBefore int // routes of the sources before the one that is read
}

// Parse reads a configuration. file is its path, for messages and for the paths in it that are relative. The Config is nil
// if one of the problems is an error.
func Parse(file string, data []byte, o Options) (*Config, Problems) {
	d := &decoder{file: file, options: o, positions: map[string]position{}, anchors: map[string]ast.Node{}, answers: map[string]uint8{}}
	cfg := &Config{File: file, positions: d.positions}
	setDefaults(root, reflect.ValueOf(cfg).Elem())
	d.size = len(data)
	if n := d.read(data); n != nil {
		d.section(root, n, reflect.ValueOf(cfg).Elem(), "", position{1, 1})
		d.include(cfg)
		d.check(cfg)
	}
	cfg.written, cfg.sources = d.written, d.sources
	for i := range cfg.sources {
		cfg.sources[i].lines = nil
	}
	problems := d.problems.inOrder(func(file string) int {
		return slices.IndexFunc(d.sources, func(s source) bool { return s.name == file })
	})
	if problems.Failed() {
		return nil, problems
	}
	return cfg, problems
}

// setDefaults fills a section with the defaults of its keys.
func setDefaults(k *key, into reflect.Value) {
	for _, c := range k.children {
		switch {
		case c.kind.shape == sectionShape:
			setDefaults(c, member(into, c.name))
		case c.def != "":
			v, t := c.kind.parse(c, c.def)
			if t != nil {
				panic("BUG: the default of " + c.path + " " + t.message)
			}
			set(member(into, c.name), v)
		}
	}
}

// member is the field of a struct that holds the key of that name.
func member(into reflect.Value, name string) reflect.Value {
	for i := range into.NumField() {
		if into.Type().Field(i).Tag.Get("key") == name {
			return into.Field(i)
		}
	}
	panic("BUG: no field for the key " + name + " in " + into.Type().String())
}

func set(into reflect.Value, v any) {
	if n, ok := v.(int64); ok {
		into.SetInt(n)
		return
	}
	into.Set(reflect.ValueOf(v))
}

// section reads a mapping of known keys.
func (d *decoder) section(k *key, n ast.Node, into reflect.Value, path string, from position) {
	entries, ok := d.entries(n, path, from)
	if !ok {
		return
	}
	seen := map[string]bool{}
	for _, e := range entries {
		c := k.child(e.name)
		if k.name == "routes" {
			d.given(path, e.name, c != nil)
		}
		if c == nil && d.full() { // what was meant is looked for among all keys, for nobody
			continue
		}
		if c == nil {
			d.unknown(k, e, path)
			continue
		}
		seen[c.name] = true
		d.value(c, e, member(into, c.name), join(path, c.name))
	}
	for _, c := range k.children {
		if c.required && !seen[c.name] && !seen[c.unless] && !d.full() && !misspelt(entries, k, c) {
			d.fail(from, join(path, c.name), "the key "+quote(c.name)+" is missing"+of(path), "add "+c.name+": "+c.shown())
		}
	}
}

// answering are the keys of which a route has one.
var answering = [...]string{"pool", "redirect", "respond", "files", "fastcgi"}

// misspeltKey is the bit of a key that nobody knows: it may have been what is missing.
const misspeltKey = 1 << len(answering)

// given notes that a route has a key.
func (d *decoder) given(path, name string, known bool) {
	if i := slices.Index(answering[:], name); i >= 0 {
		d.answers[path] |= 1 << i
	}
	if !known {
		d.answers[path] |= misspeltKey
	}
}

// unknown notes a key that a section does not have. What has no colon behind it may be a value at the wrong place, and is not repeated.
func (d *decoder) unknown(k *key, e entry, path string) {
	if _, null := e.value.(*ast.NullNode); null && !strings.Contains(e.name, ":") && !d.hasColon(e) && mayBeSecret(firstWord(e.name), "") {
		d.fail(e.at, path, "here must be a key, a colon and a value", "the keys here are "+strings.Join(k.names(), ", "))
		return
	}
	d.fail(e.at, join(path, keyShown(e.name)), "unknown key "+quote(keyShown(e.name)), unknownHint(k, e.name))
}

// misspelt reports whether an unknown key of the section was meant to be c, so that one mistake is not told twice.
func misspelt(entries []entry, k, c *key) bool {
	for _, e := range entries[:min(len(entries), problemsMax)] {
		if k.child(e.name) == nil && strings.Contains(unknownHint(k, e.name), quote(c.name)) {
			return true
		}
	}
	return false
}

// value reads what stands after one key.
func (d *decoder) value(k *key, e entry, into reflect.Value, path string) {
	n, ok := d.resolve(e.value, e.at)
	if !ok {
		return
	}
	d.positions[path] = e.at
	switch k.kind.shape {
	case sectionShape:
		if _, null := n.(*ast.NullNode); k.word != "" && !null {
			if _, ok := scalarText(n); ok {
				d.value(k.child(k.word), e, member(into, k.word), join(path, k.word))
				return
			}
		}
		d.section(k, n, into, path, e.at)
	case sectionsShape:
		if items, ok := n.(*ast.SequenceNode); ok && len(items.Values) > 0 { // a route is large, and there may be thousands
			into.Set(reflect.MakeSlice(into.Type(), 0, min(len(items.Values), int(k.max))))
		}
		d.list(k, n, path, e.at, func(item ast.Node, path string) {
			d.item(k, item, into, path)
		})
	case namedShape:
		d.named(k, n, into, path, e.at)
	case listShape:
		d.values(k, n, into, path, e.at)
	case fieldsShape:
		d.fields(k, n, into, path, e.at)
	case scalarShape:
		if v, ok := d.scalar(k, k.kind, n, path, e.at); ok {
			set(into, v)
		}
	}
}

// item reads a section that is one of a list.
func (d *decoder) item(k *key, item ast.Node, into reflect.Value, path string) {
	one := reflect.New(into.Type().Elem()).Elem()
	setDefaults(k, one)
	d.positions[path] = at(item)
	d.section(k, item, one, path, at(item))
	into.Set(reflect.Append(into, one))
}

// list reads a list's items, whatever they are.
func (d *decoder) list(k *key, n ast.Node, path string, from position, item func(ast.Node, string)) {
	var items []ast.Node
	switch n := n.(type) {
	case *ast.NullNode:
	case *ast.SequenceNode:
		items = n.Values
	default:
		d.fail(at(n), path, quote(k.name)+" must be "+k.kind.what+", not "+nodeName(n), "begin each item with a dash: - ...")
		return
	}
	before, all := 0, len(items)
	if path == "routes" {
		before = d.routesBefore
	}
	if all > 0 { // an included file's are counted with those of the files before
		all += before
	}
	d.count(k, all, path, from)
	for i, n := range items[:min(len(items), max(int(k.max)-before, 0))] {
		itemPath := fmt.Sprintf("%s[%d]", path, before+i)
		if n, ok := d.resolve(n, from); ok {
			item(n, itemPath)
		}
	}
}

// values reads a list of scalars, or one scalar.
func (d *decoder) values(k *key, n ast.Node, into reflect.Value, path string, from position) {
	one := func(n ast.Node, path string) {
		if len(k.children) > 0 {
			d.member(k, n, into, path)
			return
		}
		if v, ok := d.scalar(k, k.kind.item, n, path, at(n)); ok {
			into.Set(reflect.Append(into, reflect.ValueOf(v)))
		}
	}
	if _, ok := scalarText(n); ok {
		one(n, path)
		return
	}
	d.list(k, n, path, from, one)
}

// member reads one item of a list that is a scalar, the value of the item's first key, or a mapping of its keys.
func (d *decoder) member(k *key, n ast.Node, into reflect.Value, path string) {
	one := reflect.New(into.Type().Elem()).Elem()
	setDefaults(k, one)
	if _, ok := scalarText(n); ok {
		v, ok := d.scalar(k, k.kind.item, n, path, at(n))
		if !ok {
			return
		}
		set(member(one, k.children[0].name), v)
	} else {
		d.positions[path] = at(n)
		d.section(k, n, one, path, at(n))
	}
	into.Set(reflect.Append(into, one))
}

// named reads a mapping of free names to sections.
func (d *decoder) named(k *key, n ast.Node, into reflect.Value, path string, from position) {
	entries, ok := d.entries(n, path, from)
	if !ok {
		return
	}
	d.count(k, len(entries), path, from)
	for _, e := range entries[:min(len(entries), int(k.max))] {
		if _, t := parsePoolName(k, e.name); t != nil {
			d.fail(e.at, join(path, keyShown(e.name)), "the name "+quote(keyShown(e.name))+" cannot be used", t.hint)
			continue
		}
		if before, given := d.positions[join(path, e.name)]; given { // by a file before
			d.fail(e.at, join(path, e.name), "the pool "+quote(e.name)+" was already given in "+d.lineWords(before.line), "keep one of the two, or give it another name")
			continue
		}
		v, ok := d.resolve(e.value, e.at)
		if !ok {
			continue
		}
		one := reflect.New(into.Type().Elem()).Elem()
		setDefaults(k, one)
		one.FieldByName("Name").SetString(e.name)
		d.positions[join(path, e.name)] = e.at
		d.section(k, v, one, join(path, e.name), e.at)
		into.Set(reflect.Append(into, one))
	}
}

// fields reads a mapping of field names to values.
func (d *decoder) fields(k *key, n ast.Node, into reflect.Value, path string, from position) {
	entries, ok := d.entries(n, path, from)
	if !ok {
		return
	}
	d.count(k, len(entries), path, from)
	for i, e := range entries[:min(len(entries), int(k.max))] {
		if k.kind == conditions {
			d.condition(k, e, into, path)
			continue
		}
		if !isToken(e.name) { // it may be a value at the wrong place, and is not repeated
			d.fail(e.at, path, "this is not a header's name", "a name has letters, digits and '-': RFC 9110, section 5.1; a space follows the colon behind it")
			continue
		}
		path := join(path, e.name)
		if message, hint := forbiddenField(k.name, e.name); message != "" {
			d.fail(e.at, path, message, hint)
			continue
		}
		for _, before := range entries[:i] {
			if strings.EqualFold(before.name, e.name) {
				d.fail(e.at, path, "the header "+quote(e.name)+" was already set in "+d.lineWords(before.at.line), "header names have no case: keep one of the two")
			}
		}
		d.secretly = true
		if s, ok := d.field(e, path); ok {
			into.Set(reflect.Append(into, reflect.ValueOf(Field{e.name, s})))
		}
		d.secretly = false
	}
}

// condition reads what one header, or one parameter of the query, must be like.
func (d *decoder) condition(k *key, e entry, into reflect.Value, path string) {
	if k.name == "header" && !isToken(e.name) {
		d.fail(e.at, path, "this is not a header's name", "a name has letters, digits and '-': RFC 9110, section 5.1; a space follows the colon behind it")
		return
	}
	n, ok := d.resolve(e.value, e.at)
	if !ok {
		return
	}
	path = join(path, keyShown(e.name))
	s, ok := scalarText(n)
	if _, null := n.(*ast.NullNode); null || !ok {
		d.fail(e.at, path, quote(keyShown(e.name))+" must have a value", `write "*" for any, "" for none, or ~ and a regular expression`)
		return
	}
	d.secretly = true
	s, ok = d.expand(s, path, at(n))
	d.secretly = false
	if !ok {
		return
	}
	if text, regex := strings.CutPrefix(s, "~"); regex {
		if t := regularExpression(text); t != nil {
			d.fail(at(n), path, quote(keyShown(e.name))+" "+t.message, t.hint)
			return
		}
	}
	into.Set(reflect.Append(into, reflect.ValueOf(Field{e.name, s})))
}

// field reads one header's value.
func (d *decoder) field(e entry, path string) (string, bool) {
	n, ok := d.resolve(e.value, e.at)
	if !ok {
		return "", false
	}
	d.positions[path] = e.at
	s, ok := scalarText(n)
	if _, null := n.(*ast.NullNode); null || !ok {
		named := "the header " + quote(e.name)
		if !d.hasColon(e) { // it may be a value at the wrong place
			named, path = "a header", parent(path)
		}
		d.fail(e.at, path, named+" must have a value", `write "" to remove the header`)
		return "", false
	}
	return d.fieldValue(s, path, at(n))
}

// hasColon reports whether a colon stands behind a key, as far as its line tells.
func (d *decoder) hasColon(e entry) bool {
	rest := part(d.line(e.at.line), e.at.column-1, len(d.line(e.at.line)))
	_, after, found := strings.Cut(rest, e.name)
	return found && strings.HasPrefix(strings.TrimLeft(after, `"' `), ":")
}

// scalar reads one value of a kind.
func (d *decoder) scalar(k *key, kd *kind, n ast.Node, path string, from position) (any, bool) {
	s, ok := scalarText(n)
	if !ok {
		d.fail(at(n), path, quote(k.name)+" must be "+kd.what+", not "+nodeName(n), "")
		return nil, false
	}
	if _, null := n.(*ast.NullNode); null {
		hint := "give it a value: " + k.sample()
		if k.def != "" {
			hint = "remove the key to get the default, " + k.def
		}
		d.fail(from, path, quote(k.name)+" has no value", hint)
		return nil, false
	}
	if _, text := n.(*ast.StringNode); kd.quoted && !text {
		d.fail(at(n), path, quote(k.name)+" must be "+kd.what+", not "+nodeName(n), "put it in quotes: "+quote(s))
		return nil, false
	}
	d.positions[path] = at(n)
	written, before := s, d.variables
	s, ok = d.expand(s, path, at(n))
	if !ok {
		return nil, false
	}
	v, t := kd.parse(k, s)
	outside := d.variables > before
	if t != nil && outside { // what is in the environment may be a secret: its name is told
		d.fail(at(n), path, quote(k.name)+" must be "+kd.what+", and what "+quote(plain(written))+" stands for cannot be used", "look at the variable's value")
		return nil, false
	}
	if t != nil {
		d.fail(at(n), path, quote(k.name)+" "+t.message, t.hint)
		return nil, false
	}
	if kd == file || kd == vault && !isPostgres(v.(string)) {
		v = d.absolute(k, v.(string))
	}
	if kd == storePlace {
		if path, ok := strings.CutPrefix(v.(string), "sqlite:"); ok {
			v = "sqlite:" + d.absolute(k, path)
		}
	}
	if outside {
		if d.written == nil {
			d.written = map[string]expansion{}
		}
		name, _ := v.(string)
		d.written[path] = expansion{plain(written), name}
	}
	return v, true
}

// absolute makes a path start at the configuration's directory, so that it means the same wherever the gateway is started.
func (d *decoder) absolute(k *key, path string) string {
	for _, c := range k.choices {
		if path == c {
			return path
		}
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(d.file), path)
	}
	return path
}

// count refuses a list with too many or too few items.
func (d *decoder) count(k *key, n int, path string, from position) {
	switch {
	case int64(n) < k.min:
		d.fail(from, path, quote(k.name)+" is empty"+of(parent(path)), "add at least one: "+k.shown())
	case int64(n) > k.max:
		d.fail(from, path, fmt.Sprintf("%q has %d items, more than %d", k.name, n, k.max), "")
	}
}

// fail notes an error.
func (d *decoder) fail(at position, path, message, hint string) {
	d.note(Error, at, path, message, hint)
}

// warn notes what is no error.
func (d *decoder) warn(at position, path, message, hint string) {
	d.note(Warning, at, path, message, hint)
}

// full reports whether no further problem is kept.
func (d *decoder) full() bool { return len(d.problems) > problemsMax }

// note keeps a problem, unless there are too many already.
func (d *decoder) note(s Severity, at position, path, message, hint string) {
	switch {
	case len(d.problems) > problemsMax:
		return
	case len(d.problems) == problemsMax:
		message, hint, path = "there are more problems than these", "", ""
	}
	p := Problem{Severity: s, File: d.file, Column: at.column, Path: path, Message: message, Hint: hint}
	if from, line := sourceOf(d.sources, at.line); line > 0 {
		p.File, p.Line = from.name, line
		p.Snippet = snippet(from.lines, position{line, at.column}, from.sure)
	}
	d.problems = append(d.problems, p)
}

// shown is a value for a message: as it stands in the file, where it comes from the environment.
func (d *decoder) shown(path, value string) string {
	if e, ok := d.written[path]; ok {
		return e.written
	}
	return value
}

// expansion is a value with a part from the environment: how it stands in the file, and what it is if it is text.
type expansion struct{ written, value string }

// Unexpanded is a message about the configuration with the paths in it that came from the environment as they stand in the file: what
// is in the environment may be a secret.
func (c *Config) Unexpanded(message string) string {
	paths := slices.Collect(maps.Values(c.written))
	slices.SortFunc(paths, func(a, b expansion) int { return cmp.Or(len(b.value)-len(a.value), cmp.Compare(a.value, b.value)) })
	for _, e := range paths {
		if filepath.IsAbs(e.value) {
			message = strings.ReplaceAll(message, e.value, e.written)
			if dir := filepath.Dir(e.value); len(dir) > 1 {
				message = strings.ReplaceAll(message, dir, "the directory of "+e.written)
			}
		}
	}
	return message
}

func (d *decoder) line(n int) string {
	s, own := sourceOf(d.sources, n)
	if own < 1 || own > len(s.lines) {
		return ""
	}
	return s.lines[own-1]
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// of names the section in a message, empty for the file itself.
func of(path string) string {
	if path == "" {
		return ""
	}
	return " in " + path
}

// shown is an example to write after the key.
func (k *key) shown() string {
	switch k.name {
	case "listen":
		return "[{address: \":8080\"}]"
	case "routes":
		return "[{pool: web}]"
	case "pools":
		return "{web: {endpoints: [http://127.0.0.1:3000]}}"
	}
	return k.sample()
}
