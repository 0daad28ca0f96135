package config

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/whygate/whygate/internal/openfile"
)

// secretMax is the size of a file:/path value, in octets: what a field may reasonably hold and upstreams accept.
const secretMax = 8 << 10

// expandedMax bounds what all fields' values stand for, in bytes: many routes may name one large file.
const expandedMax = 4 << 20

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand replaces ${NAME} and ${NAME:-default} by the environment's value; $${ is a literal ${. What comes out is not
// expanded again, and it stays one value: it cannot add keys to the file.
func (d *decoder) expand(s, path string, from position) (string, bool) {
	var b strings.Builder
	ok := true
	for {
		before, after, found := strings.Cut(s, "${")
		if !found {
			b.WriteString(s)
			return b.String(), ok
		}
		if strings.HasSuffix(before, "$") {
			b.WriteString(strings.TrimSuffix(before, "$") + "${")
			s = after
			continue
		}
		b.WriteString(before)
		inside, rest, closed := strings.Cut(after, "}")
		if !closed {
			d.fail(from, path, "a ${ has no }", "write $${ for a literal ${")
			return "", false
		}
		value, set := d.variable(inside, path, from)
		b.WriteString(value)
		s, ok = rest, ok && set
	}
}

// variable gives the value of NAME or NAME:-default. As in a shell, the default also stands for an empty variable.
func (d *decoder) variable(inside, path string, from position) (string, bool) {
	name, def, hasDefault := strings.Cut(inside, ":-")
	if !variableName.MatchString(name) {
		d.fail(from, path, "${"+printable(d.told(inside))+"} does not name a variable", "write ${NAME} or ${NAME:-default}")
		return "", false
	}
	d.variables++
	value, set := "", false
	if d.options.Env != nil {
		value, set = d.options.Env(name)
	}
	switch {
	case hasDefault && value == "":
		return def, true
	case !set:
		d.outside(from, path, "the environment variable "+name+" is not set", "set it, or give a default: ${"+name+":-value}")
		return "", false
	}
	return value, true
}

// fieldValue reads the value of a field to set. It may be a secret, so that no message repeats it.
func (d *decoder) fieldValue(s, path string, from position) (string, bool) {
	written, before := s, d.variables
	s, ok := d.expand(s, path, from)
	if !ok {
		return "", false
	}
	if name, ok := strings.CutPrefix(s, "file:"); ok {
		shown := name
		if d.variables > before {
			shown = plain(strings.TrimPrefix(written, "file:"))
		}
		if s, ok = d.secret(name, shown, path, from); !ok {
			return "", false
		}
	}
	if d.expanded += len(s); d.expanded > expandedMax {
		if !d.full() {
			d.fail(from, path, "the values of all headers are larger than "+formatSize(expandedMax), "")
		}
		return "", false
	}
	// RFC 9110 section 5.5: whitespace around a value is none of it, and no CTL but HTAB may be in it.
	s = strings.Trim(s, " \t")
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		d.fail(from, path, "the value has a line break or another control character, which a header cannot carry", "")
		return "", false
	}
	if len(s) > secretMax {
		d.fail(from, path, "the value is larger than "+formatSize(secretMax), "")
		return "", false
	}
	return s, true
}

// secret reads a value from its file, without the line break at its end. Messages call the file as shown says.
func (d *decoder) secret(name, shown, path string, from position) (string, bool) {
	if d.options.ReadFile == nil {
		d.fail(from, path, "files cannot be read here", "")
		return "", false
	}
	if !filepath.IsAbs(name) {
		full := filepath.Join(filepath.Dir(d.file), name)
		if shown == name {
			shown = full
		}
		name = full
	}
	data, err := d.options.ReadFile(name, secretMax)
	if err != nil {
		d.outside(from, path, "the value's file cannot be read: "+strings.ReplaceAll(err.Error(), name, shown), "")
		return "", false
	}
	s := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if s == "" { // an empty value would remove the field, which nobody asks a file for
		d.fail(from, path, "the value's file "+shown+" is empty", "")
		return "", false
	}
	return s, true
}

// Load reads the configuration at path, with the environment and the files that it names.
func Load(path string) (*Config, Problems) {
	data, err := readFile(path, sizeMax)
	if err != nil {
		p := Problem{File: path, Message: "the file cannot be read: " + err.Error()}
		if errors.Is(err, os.ErrNotExist) {
			p.Message, p.Hint = "there is no such file", "name it with -c, or start without one: whygate proxy --from :8080 --to http://127.0.0.1:3000"
		}
		return nil, Problems{p}
	}
	return Parse(path, data, Options{Env: os.LookupEnv, ReadFile: readFile, List: listNames})
}

// listNames are the names in a directory; an error if there are more than max.
func listNames(dir string, max int) ([]string, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(max + 1)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, err
	case len(names) > max:
		return nil, fmt.Errorf("more than %d files are in it", max)
	}
	return names, nil
}

// readFile reads a regular file of at most max octets.
func readFile(path string, max int64) ([]byte, error) {
	return openfile.Read(context.Background(), path, openfile.Options{Max: max}) // a regular file: it is never waited for
}
