package conftree

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/whygate/whygate/internal/yamltree"
)

// tokensMax bounds what a file of YAML becomes.
const tokensMax = 200_000

var errNotText = errors.New("is not UTF-8 text")

// YAML reads a file of YAML or JSON: one node without a name for each document. Aliases and merges are followed as far as there is room.
func (r *Reader) YAML(name, text string) ([]*Node, error) {
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf("%s %w", name, errNotText)
	}
	docs, err := yamltree.Parse(strings.ReplaceAll(text, "\r\n", "\n"), yamltree.Limits{Tokens: tokensMax, Aliases: yamltree.Resolved})
	if err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n")
		if beyond := (*yamltree.BeyondError)(nil); errors.As(err, &beyond) && beyond.Line > 0 {
			return nil, fmt.Errorf("%s:%d: %s", name, beyond.Line, first)
		}
		return nil, fmt.Errorf("%s: %s", name, first)
	}
	var all []*Node
	for _, d := range docs {
		if d.Body == nil || d.Body.Type() == ast.CommentType {
			continue
		}
		y := &yamlReader{r: r, file: name, anchors: map[string]ast.Node{}}
		root, err := r.add("", nil, Place{name, lineOfYAML(d.Body, 1)})
		if err == nil {
			err = y.fill(root, d.Body, 0)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, root)
	}
	return all, nil
}

// yamlReader turns the library's tree into ours.
type yamlReader struct {
	r       *Reader
	file    string
	anchors map[string]ast.Node
}

func lineOfYAML(n ast.Node, or int) int {
	if n != nil && n.GetToken() != nil && n.GetToken().Position != nil {
		return n.GetToken().Position.Line
	}
	return or
}

// fill puts a value into the node of its key.
func (y *yamlReader) fill(to *Node, n ast.Node, depth int) error {
	if depth > depthMax {
		return errDeep
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		for _, v := range n.Values {
			if err := y.pair(to, v, depth); err != nil {
				return err
			}
		}
	case *ast.MappingValueNode:
		return y.pair(to, n, depth)
	case *ast.SequenceNode:
		for _, v := range n.Values {
			item, err := y.r.add(Item, nil, Place{y.file, lineOfYAML(first(v), to.Place.Line)})
			if err != nil {
				return err
			}
			to.Kids = append(to.Kids, item)
			if err := y.fill(item, v, depth+1); err != nil {
				return err
			}
		}
	case *ast.AnchorNode:
		y.anchors[n.Name.String()] = n.Value
		return y.fill(to, n.Value, depth)
	case *ast.AliasNode:
		if target := y.anchors[n.Value.String()]; target != nil {
			return y.fill(to, target, depth+1)
		}
	case *ast.TagNode:
		return y.fill(to, n.Value, depth)
	case *ast.LiteralNode:
		to.Args = []string{n.Value.Value}
	case *ast.StringNode:
		to.Args = []string{n.Value}
	case *ast.NullNode, nil:
	default:
		if n.GetToken() != nil {
			to.Args, to.Bare = []string{n.GetToken().Value}, true
		}
	}
	return nil
}

// first is the node whose line a list's item begins at: a mapping's token is its colon.
func first(n ast.Node) ast.Node {
	switch m := n.(type) {
	case *ast.MappingNode:
		if len(m.Values) > 0 {
			return m.Values[0].Key
		}
	case *ast.MappingValueNode:
		return m.Key
	}
	return n
}

func (y *yamlReader) pair(to *Node, v *ast.MappingValueNode, depth int) error {
	if v.Key.Type() == ast.MergeKeyType {
		merged := &Node{Place: to.Place}
		if err := y.fill(merged, v.Value, depth+1); err != nil {
			return err
		}
		to.Kids = append(merged.Kids, to.Kids...) // what the mapping says itself comes last, and holds
		return nil
	}
	name := ""
	if v.Key.GetToken() != nil {
		name = v.Key.GetToken().Value
	}
	n, err := y.r.add(name, nil, Place{y.file, lineOfYAML(v.Key, to.Place.Line)})
	if err != nil {
		return err
	}
	to.Kids = append(to.Kids, n)
	return y.fill(n, v.Value, depth+1)
}

// TOML reads a file of TOML: one node without a name.
func (r *Reader) TOML(name, text string) ([]*Node, error) {
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf("%s %w", name, errNotText)
	}
	if nested(text) > depthMax { // the library's parser recurses
		return nil, fmt.Errorf("%s: %w", name, errDeep)
	}
	var p unstable.Parser
	p.Reset([]byte(text))
	t := &tomlReader{r: r, p: &p, file: name, text: text, line: 1}
	root := &Node{Place: Place{name, 1}}
	table := root
	for p.NextExpression() {
		e := p.Expression()
		var err error
		switch e.Kind {
		case unstable.Table:
			table, err = t.down(root, e, tomlTable)
		case unstable.ArrayTable:
			table, err = t.down(root, e, tomlItem)
		case unstable.KeyValue:
			err = t.value(table, e, 0)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := p.Error(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return []*Node{root}, nil
}

// nested is how deep brackets stand in each other at most, strings and comments included: it is an upper bound.
func nested(text string) (deepest int) {
	depth := 0
	for i := range len(text) {
		switch text[i] {
		case '[', '{':
			depth++
			deepest = max(deepest, depth)
		case ']', '}':
			depth = max(depth-1, 0)
		}
	}
	return deepest
}

// What the last part of a key makes.
type tomlKind uint8

const (
	tomlTable tomlKind = iota
	tomlItem           // a further item of a list
	tomlKey            // a key with a value
)

type tomlReader struct {
	r    *Reader
	p    *unstable.Parser
	file string
	text string
	line int // of at
	at   int
}

// lineAt is the line of an offset. Offsets mostly grow.
func (t *tomlReader) lineAt(offset int) int {
	if offset < t.at {
		t.at, t.line = 0, 1
	}
	offset = min(offset, len(t.text))
	t.line += strings.Count(t.text[t.at:offset], "\n")
	t.at = offset
	return t.line
}

// down goes down by the parts of a key, and makes what is not there.
func (t *tomlReader) down(n *Node, e *unstable.Node, kind tomlKind) (*Node, error) {
	key := e.Key()
	for key.Next() {
		part := key.Node()
		name := string(part.Data)
		next := n.Get(name)
		last := key.IsLast()
		if next == nil || last && kind == tomlKey {
			made, err := t.r.add(name, nil, Place{t.file, t.lineAt(int(part.Raw.Offset))})
			if err != nil {
				return nil, err
			}
			n.Kids = append(n.Kids, made)
			next = made
		}
		n = next
		switch {
		case last && kind == tomlItem:
			item, err := t.r.add(Item, nil, Place{t.file, t.lineAt(int(part.Raw.Offset))})
			if err != nil {
				return nil, err
			}
			n.Kids = append(n.Kids, item)
			n = item
		case !last && len(n.Kids) > 0 && n.Kids[len(n.Kids)-1].Name == Item:
			n = n.Kids[len(n.Kids)-1]
		}
	}
	return n, nil
}

func (t *tomlReader) value(table *Node, e *unstable.Node, depth int) error {
	n, err := t.down(table, e, tomlKey)
	if err != nil {
		return err
	}
	return t.fill(n, e.Value(), depth)
}

func (t *tomlReader) fill(n *Node, v *unstable.Node, depth int) error {
	if depth > depthMax {
		return errDeep
	}
	switch v.Kind {
	case unstable.Array:
		for it := v.Children(); it.Next(); {
			item, err := t.r.add(Item, nil, n.Place)
			if err != nil {
				return err
			}
			n.Kids = append(n.Kids, item)
			if err := t.fill(item, it.Node(), depth+1); err != nil {
				return err
			}
		}
	case unstable.InlineTable:
		for it := v.Children(); it.Next(); {
			if err := t.value(n, it.Node(), depth+1); err != nil {
				return err
			}
		}
	default:
		n.Args = []string{string(v.Data)}
	}
	return nil
}

// XML reads elements: their attributes are nodes with a value, as are elements that hold only text.
func (r *Reader) XML(name, text string) ([]*Node, error) {
	d := xml.NewDecoder(strings.NewReader(text))
	d.CharsetReader = func(_ string, input io.Reader) (io.Reader, error) { return input, nil } // names and numbers are ASCII in all of them
	root := &Node{}
	open := []*Node{root}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return root.Kids, nil
		}
		line, _ := d.InputPos()
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, line, err)
		}
		last := open[len(open)-1]
		switch e := token.(type) {
		case xml.StartElement:
			if len(open) > depthMax {
				return nil, fmt.Errorf("%s:%d: %w", name, line, errDeep)
			}
			n, err := r.add(e.Name.Local, nil, Place{name, line})
			if err != nil {
				return nil, err
			}
			for _, a := range e.Attr {
				attr, err := r.add(a.Name.Local, []string{a.Value}, Place{name, line})
				if err != nil {
					return nil, err
				}
				n.Kids = append(n.Kids, attr)
			}
			last.Kids = append(last.Kids, n)
			open = append(open, n)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if s := strings.TrimSpace(string(e)); s != "" && len(open) > 1 {
				last.Args = []string{s}
			}
		}
	}
}
