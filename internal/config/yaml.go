package config

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of the file. They are far above what a configuration needs and keep a hostile one from costing more than a moment.
const (
	sizeMax   = 1 << 20 // octets of the file
	tokensMax = 200_000 // YAML tokens; ten thousand routes have half as many
	depthMax  = 32      // brackets inside each other; ours go five deep
	columnMax = 512     // where a block's "-" or "?" may stand: each nests one deeper and the parser recurses
	visitsMax = 400_000 // values read with every alias counted as often as it is used, against alias bombs
)

// read parses the file into YAML's tree. It gives nil, after a problem, if that is not possible.
func (d *decoder) read(data []byte) ast.Node {
	if len(data) > sizeMax {
		d.fail(position{}, "", fmt.Sprintf("the file has more than %s", formatSize(sizeMax)), "")
		return nil
	}
	if i := invalidUTF8(data); i >= 0 {
		line := 1 + strings.Count(string(data[:i]), "\n")
		d.fail(position{line, 1}, "", "the line is not UTF-8 text", "save the file as UTF-8")
		return nil
	}
	src := strings.ReplaceAll(strings.TrimPrefix(string(data), "\ufeff"), "\r\n", "\n")
	d.lines = strings.Split(src, "\n")
	docs, err := parse(src)
	if err != nil {
		at, message := syntax(err)
		d.fail(at, "", message, syntaxHint(d.line(at.line)))
		return nil
	}
	docs = notEmpty(docs)
	switch {
	case len(docs) == 0:
		d.fail(position{}, "", "the file is empty", "begin with version: 1, listen, routes and pools")
		return nil
	case len(docs) > 1:
		d.fail(at(docs[1].Body), "", "a second document begins here", "keep one document, without a line ---")
		return nil
	}
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

// parse is the YAML library behind our limits. The library is only trusted with what an operator wrote, but a file that
// makes it panic must not end a gateway that is told to reload, so this is the one place that recovers.
func parse(src string) (docs []*ast.DocumentNode, err error) {
	defer func() {
		if r := recover(); r != nil {
			docs, err = nil, errors.New("this is not YAML that can be read")
		}
	}()
	v := veiled(src)
	tokens := lexer.Tokenize(v.text)
	if err := bounded(tokens); err != nil {
		return nil, err
	}
	v.lift(tokens)
	f, err := parser.Parse(joined(tokens), 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, err
	}
	return f.Docs, nil
}

// unreadable is a file beyond our limits.
type unreadable struct {
	at      position
	message string
}

func (u *unreadable) Error() string { return u.message }

// bounded refuses what would make the parser slow or deep.
func bounded(tokens token.Tokens) error {
	if len(tokens) > tokensMax {
		return &unreadable{place(tokens[tokensMax]), fmt.Sprintf("the file has more than %d words and signs", tokensMax)}
	}
	depth := 0
	for _, t := range tokens {
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			depth++
		case token.MappingEndType, token.SequenceEndType:
			depth--
		case token.SequenceEntryType, token.MappingKeyType:
			if t.Position.Column > columnMax {
				return &unreadable{place(t), "this is nested too deeply"}
			}
		}
		if depth > depthMax {
			return &unreadable{place(t), "this is nested too deeply"}
		}
	}
	return nil
}

// joined repairs a fault of the library: inside {} it takes the colon of [http://a:80] for a mapping. YAML 1.2 section
// 7.3.3 has a colon begin a value only before a space or a bracket, except after a quoted key.
func joined(tokens token.Tokens) token.Tokens {
	kept := tokens[:0:0]
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		if i+2 < len(tokens) && plain(t) && tokens[i+1].Type == token.MappingValueType && plain(tokens[i+2]) &&
			adjacent(t, tokens[i+1]) && adjacent(tokens[i+1], tokens[i+2]) {
			joint := token.String(t.Value+":"+tokens[i+2].Value, t.Origin+":"+tokens[i+2].Origin, t.Position)
			tokens[i+2], i = joint, i+1
			continue
		}
		kept = append(kept, t)
	}
	for i, t := range kept {
		t.Prev, t.Next = nil, nil
		if i > 0 {
			t.Prev, kept[i-1].Next = kept[i-1], t
		}
	}
	return kept
}

// plain reports whether the token is a scalar without quotes.
func plain(t *token.Token) bool {
	return t.CharacterType == token.CharacterTypeMiscellaneous && t.Indicator == token.NotIndicator && t.Type != token.SpaceType
}

// adjacent reports whether b follows a on the same line without a space.
func adjacent(a, b *token.Token) bool {
	return a.Position.Line == b.Position.Line && a.Position.Column+utf8.RuneCountInString(a.Value) == b.Position.Column
}

// syntax gives the place and the words of a parser's error.
func syntax(err error) (position, string) {
	var u *unreadable
	if errors.As(err, &u) {
		return u.at, u.message
	}
	var placed interface {
		GetMessage() string
		GetToken() *token.Token
	}
	if errors.As(err, &placed) && placed.GetToken() != nil {
		return place(placed.GetToken()), "this is not valid YAML: " + placed.GetMessage()
	}
	message, _, _ := strings.Cut(err.Error(), "\n")
	return position{}, message
}

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
