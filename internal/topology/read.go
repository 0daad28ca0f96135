package topology

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/whygate/whygate/internal/conftree"
	"github.com/whygate/whygate/internal/openfile"
)

// source is a file with its text and what it is.
type source struct {
	name  string
	text  string
	kind  kind
	named bool // by the user, and not found in a directory
	main  bool // it is a main file of nginx
}

func newSource(name, text string, named bool) source {
	k := kindOf(name, text)
	return source{name, text, k, named, k == nginxKind && isNginxMain(text)}
}

// Read reads files, and the files below directories; "-" is stdin. Files of HAProxy make one configuration, in order. The error is the
// context's, or that of a name that cannot be opened; what cannot be understood is among the Problems.
func Read(ctx context.Context, names []string, stdin io.Reader) (*Topology, error) {
	r := conftree.NewReader(ctx)
	t := &Topology{}
	var sources []source
	for _, name := range names {
		if name == "-" {
			text, err := r.Stream(stdin)
			if err != nil {
				return nil, err
			}
			sources = append(sources, newSource(name, text, true))
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			text, err := r.Text(name)
			if err != nil {
				return nil, err
			}
			sources = append(sources, newSource(name, text, true))
			continue
		}
		more, err := t.directory(ctx, r, name)
		if err != nil {
			return nil, err
		}
		sources = append(sources, more...)
	}
	t.take(r, sources)
	t.Problems = append(t.Problems, r.Problems...)
	t.Empty = r.Empty
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, o := range t.Objects {
		t.workload(o)
	}
	t.build()
	for _, o := range t.Objects {
		if o.Kind == "Ingress" {
			t.ingress(o)
		}
	}
	t.labels()
	t.contain()
	return t, nil
}

// directory reads what may be a configuration below a directory.
func (t *Topology) directory(ctx context.Context, r *conftree.Reader, name string) ([]source, error) {
	files, err := r.Files(name)
	if err != nil {
		return nil, err
	}
	var sources []source
	for _, f := range files {
		if !readable(f) {
			continue
		}
		text, err := r.Text(f)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil && (!unimportant(err) || tooLarge(err) && slices.Contains(endings, filepath.Ext(f))):
			t.Problems = append(t.Problems, err.Error())
		case err == nil:
			if s := newSource(f, text, false); s.kind != unknown {
				sources = append(sources, s)
			}
		}
	}
	return sources, nil
}

func tooLarge(err error) bool {
	var large *openfile.TooLargeError
	return errors.As(err, &large)
}

// unimportant reports whether what was found in a directory is just no configuration.
func unimportant(err error) bool {
	var other *openfile.NotRegularError
	return tooLarge(err) || errors.As(err, &other) || errors.Is(err, fs.ErrNotExist)
}

// take reads the sources, those first that include others.
func (t *Topology) take(r *conftree.Reader, sources []source) {
	slices.SortStableFunc(sources, func(a, b source) int { return a.rank() - b.rank() })
	var haproxy []*Node
	first := ""
	var mains []string // directories of nginx's main files
	for _, s := range sources {
		if r.Included[filepath.Clean(s.name)] {
			t.Files = append(t.Files, s.name)
			continue
		}
		if s.kind == nginxKind && !s.named && !s.main && below(s.name, mains) {
			t.Idle = append(t.Idle, s.name)
			continue
		}
		if s.kind == unknown {
			t.Unknown = append(t.Unknown, s.name)
			continue
		}
		tree, err := s.kind.parse(r, s.name, s.text)
		if err != nil && r.Err() == nil && strings.Contains(s.text, "{{") {
			err = fmt.Errorf("%s: a template ({{...}}): it can be read when it is rendered", s.name)
		}
		if err != nil {
			t.Problems = append(t.Problems, err.Error())
			continue
		}
		t.Files = append(t.Files, s.name)
		switch s.kind {
		case haproxyKind:
			haproxy = append(haproxy, tree...)
			if first == "" {
				first = s.name
			}
		case nginxKind:
			if s.main {
				mains = append(mains, filepath.Dir(s.name))
			}
			t.Proxies = append(t.Proxies, nginxProxy(s.name, tree))
		default:
			t.one(s, tree)
		}
	}
	if haproxy != nil {
		t.Proxies = append(t.Proxies, haproxyProxy(first, haproxy))
	}
}

// rank puts nginx's main files first.
func (s source) rank() int {
	if s.main {
		return 0
	}
	return 1
}

func below(name string, dirs []string) bool {
	return slices.ContainsFunc(dirs, func(d string) bool { return strings.HasPrefix(name, d+"/") || d == "." })
}

// nginxMain tells a main file of nginx from one that is included.
var nginxMain = regexp.MustCompile(`(?m)^\s*(http|events)\s*\{`)

// isNginxMain looks at a file's beginning: that is where a main file has its first block.
func isNginxMain(text string) bool { return nginxMain.MatchString(text[:min(len(text), sniffed)]) }

// one takes the tree of one file.
func (t *Topology) one(s source, tree []*Node) {
	switch s.kind {
	case apacheKind:
		t.Proxies = append(t.Proxies, apacheProxy(s.name, tree))
	case caddyfileKind:
		t.Proxies = append(t.Proxies, caddyfileProxy(s.name, tree))
	case caddyKind:
		t.Proxies = append(t.Proxies, caddyJSON(s.name, tree))
	case traefikKind, traefikTOMLKind:
		t.Proxies = append(t.Proxies, traefikProxy(s.name, tree))
	case envoyKind:
		t.Proxies = append(t.Proxies, envoyProxy(s.name, tree))
	case varnishKind:
		t.Proxies = append(t.Proxies, varnishProxy(s.name, tree))
	case iisKind:
		t.Proxies = append(t.Proxies, iisProxy(s.name, tree))
	case composeKind:
		t.compose(s.name, tree)
	case kubernetesKind:
		t.Objects = append(t.Objects, objects(tree)...)
	case fpmKind:
		t.Apps = append(t.Apps, fpmPools(tree)...)
	case gunicornKind:
		for _, root := range tree {
			t.Apps = append(t.Apps, gunicorn(&settings{file: root}, firstOf(root)))
		}
	case uwsgiKind:
		for _, section := range tree {
			if same(section.Name, "uwsgi") {
				t.Apps = append(t.Apps, uwsgi(&settings{file: section}, section))
			}
		}
	case pumaKind:
		for _, root := range tree {
			t.Apps = append(t.Apps, rubyApp("puma", root))
		}
	case unicornKind:
		for _, root := range tree {
			t.Apps = append(t.Apps, rubyApp("unicorn", root))
		}
	case tomcatKind:
		t.Apps = append(t.Apps, tomcats(tree)...)
	case systemdKind:
		t.unit(s.name, tree)
	}
}
