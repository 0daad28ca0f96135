package config

import (
	"os"
	"reflect"

	"github.com/goccy/go-yaml/ast"
)

// DefaultAdmin is the admin address of a configuration that gives none.
const DefaultAdmin = "127.0.0.1:9502"

// LoadAdmin reads nothing but the admin address of the configuration at path, the default where it gives none. Mistakes
// elsewhere in the file do not keep it from being found. The error is of type Problems.
func LoadAdmin(path string) (Address, error) {
	data, err := readFile(path, sizeMax)
	if err != nil {
		return Address{}, Problems{{File: path, Message: "the file cannot be read: " + err.Error()}}
	}
	d := &decoder{
		file: path, options: Options{Env: os.LookupEnv, ReadFile: readFile},
		positions: map[string]position{}, anchors: map[string]ast.Node{},
	}
	cfg := &Config{}
	setDefaults(root, reflect.ValueOf(cfg).Elem())
	entries, ok := []entry(nil), false
	if n := d.read(data); n != nil {
		entries, ok = d.entries(n, "", position{1, 1})
	}
	if err := d.problems.Err(); err != nil && !ok {
		return Address{}, err
	}
	d.problems = nil // of other keys
	for _, e := range entries {
		if e.name == "admin" {
			d.value(root.child("admin"), e, reflect.ValueOf(cfg).Elem().FieldByName("Admin"), "admin")
		}
	}
	if err := d.problems.Err(); err != nil {
		return Address{}, err
	}
	return cfg.Admin, nil
}

// ParseAddress reads an address as the key admin has it: host:port, :port, unix:/path, or off for the zero Address. The
// error is of type Problems.
func ParseAddress(s string) (Address, error) {
	k := root.child("admin")
	v, t := k.kind.parse(k, s)
	if t != nil {
		return Address{}, Problems{{Message: t.message, Hint: t.hint}}
	}
	return v.(Address), nil
}

// outside notes an error that is not in the file but in what surrounds this process: a variable that it has not, a file
// that it cannot read. The gateway that is asked to reload may have what its operator's shell has not.
func (d *decoder) outside(at position, path, message, hint string) {
	before := len(d.problems)
	d.fail(at, path, message, hint)
	if len(d.problems) > before {
		d.problems[before].Outside = true
	}
}
