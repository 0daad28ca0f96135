package config

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// entry is one "key: value" of a mapping.
type entry struct {
	name  string
	at    position
	value ast.Node
}

// entries gives a mapping's keys and values with merges (<<: *name) resolved: what the mapping says itself wins, as YAML 1.1
// has it. A key that occurs twice is a problem, since one of the two would silently be nothing.
func (d *decoder) entries(n ast.Node, path string, from position) (list []entry, ok bool) {
	n, ok = d.resolve(n, from)
	if !ok {
		return nil, false
	}
	var own []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.NullNode:
	case *ast.MappingNode:
		own = n.Values
	case *ast.MappingValueNode:
		own = []*ast.MappingValueNode{n}
	default:
		d.fail(at(n), path, "here must be a mapping of keys to values, not "+nodeName(n), "")
		return nil, false
	}
	var merged []entry
	line := map[string]int{}
	for _, kv := range own {
		name, ok := scalarText(keyNode(kv.Key))
		switch {
		case kv.Key.IsMergeKey():
			merged = append(merged, d.merge(kv.Value, path, at(kv.Key))...)
		case !ok:
			d.fail(at(kv.Key), path, "a key must be a plain word", "")
		case line[name] > 0:
			d.fail(at(kv.Key), join(path, keyShown(name)), "the key "+quote(keyShown(name))+" was already given in "+d.lineWords(line[name]), "keep one of the two")
		default:
			line[name] = at(kv.Key).line
			list = append(list, entry{name, at(kv.Key), kv.Value})
		}
	}
	for _, e := range merged {
		if line[e.name] == 0 {
			line[e.name] = e.at.line
			list = append(list, e)
		}
	}
	return list, true
}

// merge gives the entries of what stands after <<: a mapping, or a list of them of which the first wins.
func (d *decoder) merge(n ast.Node, path string, from position) (list []entry) {
	if d.merging == mergesMax {
		d.fail(from, path, "the merges go round in a circle", "write the values out")
		return nil
	}
	d.merging++
	defer func() { d.merging-- }()
	n, ok := d.resolve(n, from)
	if !ok {
		return nil
	}
	parts := []ast.Node{n}
	if s, ok := n.(*ast.SequenceNode); ok {
		parts = s.Values
	}
	for _, p := range parts {
		entries, _ := d.entries(p, path, from)
		list = append(list, entries...)
	}
	return list
}

// resolve follows anchors and aliases, and counts what is read.
func (d *decoder) resolve(n ast.Node, from position) (ast.Node, bool) {
	for {
		if d.visits++; d.visits > visitsMax {
			if d.visits == visitsMax+1 {
				d.fail(from, "", "the aliases make the file too large", "write the values out")
			}
			return nil, false
		}
		switch v := n.(type) {
		case *ast.AnchorNode:
			d.anchors[nodeText(v.Name)] = v.Value
			n = v.Value
		case *ast.AliasNode:
			target := d.anchors[nodeText(v.Value)]
			if target == nil {
				name := d.told(nodeText(v.Value))
				d.fail(at(v), "", "the alias *"+name+" has no anchor before it", "name a value above with &"+name+", or put it in quotes: \"*"+name+"\"")
				return nil, false
			}
			n = target
		case *ast.TagNode:
			d.fail(at(v), "", "tags such as "+d.told(v.Start.Value)+" are not supported", "remove it")
			return nil, false
		case nil:
			d.fail(from, "", "here is no value", "")
			return nil, false
		default:
			return n, true
		}
	}
}

// told is a part of a value, for a message: not that of a header's.
func (d *decoder) told(part string) string {
	part, rest, _ := strings.Cut(part, " ") // an alias and a tag are one word
	if d.secretly || rest != "" {
		return mask
	}
	return part
}

// keyNode is the key proper of an explicit "? key".
func keyNode(n ast.Node) ast.Node {
	if k, ok := n.(*ast.MappingKeyNode); ok {
		return k.Value
	}
	return n
}

// scalarText is a scalar as it was written, so that 0x10 and 1_000 are not silently 16 and 1000. Null is empty.
func scalarText(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return strings.TrimSuffix(n.Value.Value, "\n"), true
	case *ast.NullNode:
		return "", true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return nodeText(n), true
	}
	return "", false
}

func nodeText(n ast.Node) string {
	if n == nil {
		return ""
	}
	if t := n.GetToken(); t != nil {
		return t.Value
	}
	return ""
}

// nodeName is what YAML calls a node, in words.
func nodeName(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.BoolNode:
		return "a boolean"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.NullNode:
		return "nothing"
	case *ast.StringNode, *ast.LiteralNode:
		return "text"
	}
	return "this"
}
