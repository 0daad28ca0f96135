package conftree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"slices"
	"strings"

	"github.com/whygate/whygate/internal/openfile"
)

// Limits of everything that one Reader reads. They are far above what a machine's configuration needs.
const (
	fileMax    = 4 << 20   // bytes of one file
	bytesMax   = 128 << 20 // bytes of all files
	nodesMax   = 600_000   // nodes of all trees, some 200 bytes each
	filesMax   = 20_000    // files that are read
	entriesMax = 200_000   // entries of all directories that are looked through
	includeMax = 10        // includes within includes
	depthMax   = 64        // blocks within blocks
	wordMax    = 64 << 10  // bytes of one word
	lineMax    = 64 << 10  // bytes of one line, where lines matter
	problemMax = 100
)

// Place is a line of a file.
type Place struct {
	File string
	Line int // from 1
}

// String shows the place as compilers do.
func (p Place) String() string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

// Node is a directive, a key, an element, a section, with its arguments and what stands in it. A tree may hold a node in several places:
// who included a file twice has its nodes twice.
type Node struct {
	Name string
	Args []string
	Kids []*Node
	Bare bool // a scalar of YAML that is no text: a number or a truth without quotes
	Place
}

// Arg is the nth argument, from 0; empty if there is none.
func (n *Node) Arg(i int) string {
	if n != nil && i >= 0 && i < len(n.Args) {
		return n.Args[i]
	}
	return ""
}

// Text is the first argument: a scalar's value. It is empty for nil.
func (n *Node) Text() string { return n.Arg(0) }

// Words shows the node as one line, without what stands in it.
func (n *Node) Words() string {
	if len(n.Args) == 0 {
		return n.Name
	}
	return n.Name + " " + strings.Join(n.Args, " ")
}

// Has reports whether one of the arguments is the word.
func (n *Node) Has(word string) bool { return n != nil && slices.Contains(n.Args, word) }

// Get is the last of the node's kids with the name, as settings that are given twice hold; nil if there is none. Names are compared
// without regard to case.
func (n *Node) Get(name string) *Node {
	if n == nil {
		return nil
	}
	for i := len(n.Kids) - 1; i >= 0; i-- {
		if same(n.Kids[i].Name, name) {
			return n.Kids[i]
		}
	}
	return nil
}

func same(a, b string) bool { return a == b || len(a) == len(b) && strings.EqualFold(a, b) }

// At goes down by names; nil if there is no such node.
func (n *Node) At(path ...string) *Node {
	for _, name := range path {
		n = n.Get(name)
	}
	return n
}

// All goes through the kids with the name.
func (n *Node) All(name string) iter.Seq[*Node] {
	return func(yield func(*Node) bool) {
		if n == nil {
			return
		}
		for _, k := range n.Kids {
			if same(k.Name, name) && !yield(k) {
				return
			}
		}
	}
}

// Item is the name of a list's items.
const Item = "-"

// Items goes through a list; a scalar is a list of itself.
func (n *Node) Items() iter.Seq[*Node] {
	return func(yield func(*Node) bool) {
		if n == nil {
			return
		}
		list := false
		for _, k := range n.Kids {
			if k.Name == Item {
				list = true
				if !yield(k) {
					return
				}
			}
		}
		if !list && len(n.Args) > 0 {
			yield(n)
		}
	}
}

// Keys goes through what stands in the node; nothing for nil.
func (n *Node) Keys() iter.Seq[*Node] {
	return func(yield func(*Node) bool) {
		if n == nil {
			return
		}
		for _, k := range n.Kids {
			if !yield(k) {
				return
			}
		}
	}
}

// errFull: the limits of all files together are used up.
var errFull = errors.New("there is more configuration than is read at once: name fewer files")

// Reader reads files, and counts what they become. It is for one goroutine.
type Reader struct {
	Problems []string        // what could not be read
	Included map[string]bool // files that others include, by their clean names
	Empty    []*Node         // includes of a pattern that no file fits, each once
	ctx      context.Context
	bytes    int
	nodes    int
	files    int
	entries  int
	nginx    map[string][]*Node // files of nginx that were read, so that a snippet for a thousand sites is read once
	unread   map[string]bool    // files of includes that could not be read: each is a problem once
}

// NewReader gives a reader that ends with ctx.
func NewReader(ctx context.Context) *Reader {
	return &Reader{ctx: ctx, Included: map[string]bool{}, nginx: map[string][]*Node{}, unread: map[string]bool{}}
}

// Err is the context's error, or says that there is no room for more.
func (r *Reader) Err() error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if r.nodes > nodesMax || r.bytes > bytesMax || r.files > filesMax {
		return errFull
	}
	return nil
}

// Problem notes what could not be read.
func (r *Reader) Problem(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); len(r.Problems) < problemMax && !slices.Contains(r.Problems, text) {
		r.Problems = append(r.Problems, text)
	}
}

// Text reads a file. The errors are those of openfile, the context's, and one that says there is no room.
func (r *Reader) Text(name string) (string, error) {
	if err := r.Err(); err != nil {
		return "", err
	}
	r.files++
	b, err := openfile.Read(r.ctx, name, openfile.Options{Max: fileMax})
	if err != nil {
		return "", err
	}
	r.bytes += len(b)
	return strings.TrimPrefix(string(b), "\ufeff"), nil
}

// Stream reads what comes on a stream, such as standard input. It ends with the stream, not with the context.
func (r *Reader) Stream(from io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(from, fileMax+1))
	if err != nil {
		return "", err
	}
	if len(b) > fileMax {
		return "", fmt.Errorf("standard input has more than %d MiB", fileMax>>20)
	}
	r.bytes += len(b)
	return strings.TrimPrefix(string(b), "\ufeff"), nil
}

// add makes a node and counts it.
func (r *Reader) add(name string, args []string, at Place) (*Node, error) {
	r.nodes += 1 + len(args)/4
	if r.nodes > nodesMax {
		return nil, errFull
	}
	if r.nodes%4096 == 0 {
		if err := r.ctx.Err(); err != nil {
			return nil, err
		}
	}
	return &Node{Name: name, Args: args, Place: at}, nil
}

// Files lists the regular files below a directory in the order of their names, without what is hidden. A link to a directory is not
// followed.
func (r *Reader) Files(dir string) ([]string, error) {
	var all []string
	err := r.below(dir, 0, &all)
	return all, err
}

func (r *Reader) below(dir string, depth int, all *[]string) error {
	entries, whole, err := openfile.Root("").List(r.ctx, dir, max(entriesMax-r.entries, 1))
	if err != nil {
		return err
	}
	r.entries += len(entries)
	if !whole {
		r.Problem("%s has more entries than were looked through", dir)
	}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), ".") || e.Name() == "node_modules" || e.Name() == "vendor":
		case e.IsDir() && depth < depthMax:
			if err := r.below(name, depth+1, all); err != nil {
				if r.ctx.Err() != nil {
					return err
				}
				r.Problem("%v", err)
			}
		case e.IsDir():
			r.Problem("%s: directories within directories, more than %d", name, depthMax)
		case len(*all) < filesMax:
			*all = append(*all, name)
		default:
			r.Problem("more than %d files: %s and what comes after it were not looked at", filesMax, name)
			return nil
		}
	}
	return nil
}
