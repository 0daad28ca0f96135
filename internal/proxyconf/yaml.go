package proxyconf

import (
	"errors"
	"fmt"
	"iter"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"

	"github.com/whygate/whygate/internal/yamltree"
)

// tokenSize is what a word or sign of YAML takes in the library's tree, in bytes.
const tokenSize = 300

// errNotText: YAML is text.
var errNotText = errors.New("is not UTF-8 text")

// yaml reads a file of YAML. Anchors, aliases and merges are refused: a small file could mean a very large one.
func (r *reader) yaml(name string) (yamlNode, error) {
	b, err := r.read(name)
	if err != nil {
		return yamlNode{}, err
	}
	if !utf8.Valid(b) {
		return yamlNode{}, fmt.Errorf("%s %w", name, errNotText)
	}
	left := min(traefikTokens, (builtMax-r.built)/tokenSize)
	docs, err := yamltree.Parse(strings.ReplaceAll(string(b), "\r\n", "\n"), yamltree.Limits{Tokens: left, Aliases: yamltree.Refused})
	if err != nil {
		text, _, _ := strings.Cut(err.Error(), "\n")
		if beyond := (*yamltree.BeyondError)(nil); errors.As(err, &beyond) && beyond.Line > 0 {
			return yamlNode{}, fmt.Errorf("%s:%d: %s", name, beyond.Line, text)
		}
		return yamlNode{}, fmt.Errorf("%s: %s", name, text)
	}
	f := &yamlFile{name, strings.Split(string(b), "\n")}
	for _, d := range docs {
		if d.Body != nil && d.Body.Type() != ast.CommentType {
			return yamlNode{f, d.Body, nil}, r.build(yamlSize(d.Body))
		}
	}
	return yamlNode{file: f}, nil
}

// yamlSize is about what a tree takes, in bytes.
func yamlSize(n ast.Node) int {
	bytes := tokenSize
	switch n := n.(type) {
	case *ast.MappingNode:
		for _, v := range n.Values {
			bytes += 2*tokenSize + yamlSize(v.Value)
		}
	case *ast.MappingValueNode:
		bytes += 2*tokenSize + yamlSize(n.Value)
	case *ast.SequenceNode:
		for _, v := range n.Values {
			bytes += tokenSize + yamlSize(v)
		}
	}
	return bytes
}

// yamlFile is a file's name and lines.
type yamlFile struct {
	name  string
	lines []string
}

// yamlNode is a value in a file of YAML, or none: what is asked of none is none, and empty.
type yamlNode struct {
	file *yamlFile
	node ast.Node
	key  ast.Node // that it is the value of, nil for others
}

// keys goes through a mapping. Names are compared without regard to case, as Traefik does, only by at.
func (n yamlNode) keys() iter.Seq2[string, yamlNode] {
	return func(yield func(string, yamlNode) bool) {
		var values []*ast.MappingValueNode
		switch m := n.node.(type) {
		case *ast.MappingNode:
			values = m.Values
		case *ast.MappingValueNode:
			values = []*ast.MappingValueNode{m}
		}
		for _, v := range values {
			if !yield(yamlText(v.Key), yamlNode{n.file, v.Value, v.Key}) {
				return
			}
		}
	}
}

// items goes through a list.
func (n yamlNode) items() iter.Seq[yamlNode] {
	return func(yield func(yamlNode) bool) {
		list, ok := n.node.(*ast.SequenceNode)
		if !ok {
			return
		}
		for _, v := range list.Values {
			if !yield(yamlNode{n.file, v, nil}) {
				return
			}
		}
	}
}

// at goes down the mappings by their keys.
func (n yamlNode) at(path ...string) yamlNode {
	for _, want := range path {
		next := yamlNode{file: n.file}
		for name, value := range n.keys() {
			if strings.EqualFold(name, want) {
				next = value
				break
			}
		}
		n = next
	}
	return n
}

// given reports whether there is a value: a key without one counts, as Traefik has it for "tls:".
func (n yamlNode) given() bool { return n.node != nil }

// name is the key that the value stands at.
func (n yamlNode) name() yamlNode { return yamlNode{file: n.file, node: n.key} }

// text is a scalar's text, empty if it is none.
func (n yamlNode) text() string { return yamlText(n.node) }

func yamlText(n ast.Node) string {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return strings.TrimSpace(n.Value.Value)
	case *ast.MappingKeyNode:
		return yamlText(n.Value)
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value
	}
	return ""
}

// place is the line where the value begins; without a line, the text is shown.
func (n yamlNode) place(text string) Place {
	if n.node != nil && n.node.GetToken() != nil && n.node.GetToken().Position != nil {
		if line := n.node.GetToken().Position.Line; line >= 1 && line <= len(n.file.lines) {
			return Place{n.file.name, line, strings.TrimSpace(n.file.lines[line-1])}
		}
	}
	return Place{File: n.file.name, Text: text}
}
