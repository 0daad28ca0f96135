package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/whygate/whygate/internal/yamltree"
)

// Limits of the file. They are far above what a configuration needs and keep a hostile one from costing more than a moment.
const (
	sizeMax   = 1 << 20 // octets of the file
	tokensMax = 110_000 // YAML's words and signs; ten thousand routes of three lines have a hundred thousand
	visitsMax = 150_000 // values read with every alias counted as often as it is used, against alias bombs
	mergesMax = 32      // merges inside each other
)

// read parses the file into YAML's tree. It gives nil, after a problem, if that is not possible.
func (d *decoder) read(data []byte) ast.Node {
	if len(data) > sizeMax {
		d.fail(position{}, "", fmt.Sprintf("the file has more than %s", formatSize(sizeMax)), "")
		return nil
	}
	if i := invalidUTF8(data); i >= 0 {
		s := d.begin("")
		line := 1 + strings.Count(string(data[:i]), "\n")
		d.fail(position{s.before + line, 1}, "", "the line is not UTF-8 text", "save the file as UTF-8")
		return nil
	}
	src := strings.ReplaceAll(strings.TrimPrefix(string(data), "\ufeff"), "\r\n", "\n")
	from := d.begin(src)
	v := veiled(src)
	docs, err := yamltree.Parse(v.text, yamltree.Limits{Tokens: tokensMax, Aliases: yamltree.Resolved, Restore: v.lift})
	if err != nil {
		from.sure = notYAML
		at, message := syntax(err)
		if at.line > 0 {
			at.line += from.before
		}
		d.fail(at, "", message, syntaxHint(d.line(at.line)))
		return nil
	}
	docs = notEmpty(docs)
	switch {
	case len(docs) == 0 && len(d.sources) > 1: // an included file of comments alone
		return nil
	case len(docs) == 0:
		d.fail(position{}, "", "the file is empty", "begin with version: 1, listen, routes and pools")
		return nil
	case len(docs) > 1:
		second := at(docs[1].Body)
		second.line += from.before
		d.fail(second, "", "a second document begins here", "keep one document, without a line ---")
		return nil
	}
	shift(docs[0].Body, from.before)
	return docs[0].Body
}

// notEmpty leaves out documents that are nothing but comments.
func notEmpty(docs []*ast.DocumentNode) (kept []*ast.DocumentNode) {
	for _, doc := range docs {
		if doc.Body != nil && doc.Body.Type() != ast.CommentType {
			kept = append(kept, doc)
		}
	}
	return kept
}

// syntax gives the place and the words of a parser's error.
func syntax(err error) (position, string) {
	var beyond *yamltree.BeyondError
	if errors.As(err, &beyond) {
		return position{beyond.Line, beyond.Column}, beyond.Message
	}
	var placed interface {
		GetMessage() string
		GetToken() *token.Token
	}
	if errors.As(err, &placed) && placed.GetToken() != nil {
		return place(placed.GetToken()), "this is not valid YAML: " + unquoted(placed.GetMessage())
	}
	message, _, _ := strings.Cut(err.Error(), "\n")
	return position{}, unquoted(message)
}

// quotedPart is what the parser's messages quote of the file.
var quotedPart = regexp.MustCompile(`"([^"\\]|\\.){2,}"`)

// unquoted is a message of the parser without what it quotes of the file, except for one character: it may be a part of a secret.
func unquoted(message string) string { return quotedPart.ReplaceAllString(message, `"`+mask+`"`) }

// syntaxHint names the likely mistake on a line that is not YAML.
func syntaxHint(line string) string {
	trimmed := strings.TrimLeft(line, " ")
	switch {
	case strings.HasPrefix(trimmed, "\t"):
		return "indent with spaces; YAML does not allow tabs"
	case strings.Contains(trimmed, ": *."):
		return `put the value in quotes: "*.example.com"`
	case strings.Contains(trimmed, "://["):
		return "inside [ ] put an address with brackets in quotes"
	}
	return ""
}

// at is where a node begins. A mapping's own token is its first colon, so its first key is taken instead.
func at(n ast.Node) position {
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return at(n.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return at(n.Key)
	case *ast.MappingKeyNode:
		if n.Value != nil {
			return at(n.Value)
		}
	}
	return place(n.GetToken())
}

func place(t *token.Token) position {
	if t == nil || t.Position == nil {
		return position{}
	}
	return position{t.Position.Line, t.Position.Column}
}

// invalidUTF8 finds the first octet that is not UTF-8 text or is NUL, -1 if there is none.
func invalidUTF8(data []byte) int {
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 || r == 0 {
			return i
		}
		i += n
	}
	return -1
}
