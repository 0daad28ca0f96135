// Package yamltree parses YAML of people who may mean harm, or who made a mistake: it bounds what the YAML library builds before the
// library builds it. The library takes memory and time that grow with the square of some things (brackets inside each other, the keys
// of one mapping), a hundred bytes for each sign, and may panic. Here a text within the limits costs a moment, and one beyond them is
// refused before it is parsed.
//
// It must not know what the text means.
package yamltree

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of every text. They are far above what a configuration needs.
const (
	depthMax     = 32        // brackets inside each other
	columnMax    = 256       // where a block's key, "-" or "?" may stand: each may nest one deeper, and the parser recurses
	documentsMax = 100       // the parser's work grows with their square
	keysWork     = 2_500_000 // sum of the squares of the numbers of keys of the mappings, halved; the parser copies 8 bytes for each
	emptyMax     = 2_000     // values that are left out; the parser moves all that follows for each
)

// KeysMax is how many keys one mapping in block style can have at most, since the parser's work grows with their square.
const KeysMax = 2_000

// Aliases says what becomes of &anchors, *aliases and <<: merges.
type Aliases uint8

const (
	Refused  Aliases = iota // they are an error: a small text can mean a very large one
	Resolved                // they are in the tree, and the caller counts what they lead to
)

// Limits are those that depend on who wrote the text.
type Limits struct {
	Tokens  int // words and signs
	Aliases Aliases
	Restore func(word string) string // what a word stands for, applied when words have been told apart; nil for nothing
}

// BeyondError is a text beyond the limits.
type BeyondError struct {
	Line, Column int // from 1; 0 where it is the text as a whole
	Message      string
}

func (e *BeyondError) Error() string { return e.Message }

// errPanic: a text that makes the library panic must not end the program.
var errPanic = errors.New("this is not YAML that can be read")

// Parse gives a text's documents. The error is a *BeyondError, or the library's own.
func Parse(src string, l Limits) (docs []*ast.DocumentNode, err error) {
	defer func() {
		if r := recover(); r != nil {
			docs, err = nil, errPanic
		}
	}()
	if signs(src) > l.Tokens*3/2 { // the lexer, too, takes hundreds of bytes for each
		return nil, &BeyondError{Message: tooMany(l.Tokens)}
	}
	tokens := lexer.Tokenize(src)
	if err := bounded(tokens, l); err != nil {
		return nil, err
	}
	if l.Restore != nil {
		for _, t := range tokens {
			t.Value, t.Origin = l.Restore(t.Value), l.Restore(t.Origin)
		}
	}
	f, err := parser.Parse(joined(tokens), 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, err
	}
	return f.Docs, nil
}

func tooMany(n int) string { return fmt.Sprintf("the file has more than %d words and signs", n) }

// signs counts what may become a token: the beginnings of words, and the signs that have a meaning to YAML somewhere. There are
// never more tokens, and often fewer: a sign within a word is none.
func signs(src string) int {
	n, word := 0, false
	for i := range len(src) {
		switch src[i] {
		case ' ', '\t', '\n', '\r':
			word = false
		case ',', '[', ']', '{', '}', ':', '-', '?', '&', '*', '!', '|', '>', '\'', '"', '#', '%', '@', '`', '<', '=', '~':
			n++
			word = false
		default:
			if !word {
				n++
			}
			word = true
		}
	}
	return n
}

// guard looks through the tokens for what would make the parser slow or deep.
type guard struct {
	depth, documents, work, empty int
	open                          []mapping // block mappings around, the outermost first
}

// mapping is a block mapping: the column of its keys, and how many there were.
type mapping struct{ column, keys int }

// bounded refuses what is beyond the limits.
func bounded(tokens token.Tokens, l Limits) error {
	if len(tokens) > l.Tokens {
		return beyond(tokens[l.Tokens], tooMany(l.Tokens))
	}
	g := &guard{}
	for i, t := range tokens {
		var before *token.Token
		if i > 0 {
			before = tokens[i-1]
		}
		message := g.look(t, before)
		if message == "" && before != nil {
			message = g.missing(before, t)
		}
		if message != "" {
			return beyond(t, message)
		}
		if l.Aliases == Refused && (t.Type == token.AnchorType || t.Type == token.AliasType || t.Type == token.MergeKeyType) {
			return beyond(t, "anchors, aliases and merges of YAML are not read here")
		}
	}
	return nil
}

// look takes one token in, and says what is wrong.
func (g *guard) look(t, before *token.Token) string {
	const deep = "this is nested too deeply"
	column := t.Position.Column
	switch t.Type {
	case token.MappingStartType, token.SequenceStartType:
		g.depth++
	case token.MappingEndType, token.SequenceEndType:
		g.depth--
	case token.DocumentHeaderType, token.DocumentEndType:
		if g.documents++; g.documents > documentsMax {
			return "the file has too many documents"
		}
		g.open = g.open[:0]
	case token.SequenceEntryType:
		if column > columnMax {
			return deep
		}
		for len(g.open) > 0 && g.open[len(g.open)-1].column > column { // an item's mapping ends with the item
			g.open = g.open[:len(g.open)-1]
		}
	case token.MappingKeyType, token.MappingValueType:
		if g.depth > 0 {
			break
		}
		if t.Type == token.MappingValueType && before != nil && before.Position.Line == t.Position.Line {
			column = before.Position.Column
		}
		if column > columnMax {
			return deep
		}
		if !g.key(column) {
			return fmt.Sprintf("the mappings have too many keys: one can have %d", KeysMax)
		}
	}
	if g.depth > depthMax {
		return deep
	}
	return ""
}

// missing counts the values that are left out: what follows begins at the same column or further left.
func (g *guard) missing(before, t *token.Token) string {
	switch before.Type {
	case token.SequenceEntryType, token.MappingValueType, token.MappingKeyType:
		column := before.Position.Column
		if t.Position.Line == before.Position.Line || before.Type == token.SequenceEntryType && t.Position.Column > column {
			break
		}
		if n := len(g.open); before.Type != token.SequenceEntryType && n > 0 && t.Position.Column > g.open[n-1].column {
			break
		}
		if g.empty++; g.empty > emptyMax {
			return fmt.Sprintf("more than %d values are left out", emptyMax)
		}
	}
	return ""
}

// key counts a key of the block mapping that stands at the column.
func (g *guard) key(column int) bool {
	for len(g.open) > 0 && g.open[len(g.open)-1].column > column {
		g.open = g.open[:len(g.open)-1]
	}
	if n := len(g.open); n == 0 || g.open[n-1].column != column {
		g.open = append(g.open, mapping{column: column})
	}
	m := &g.open[len(g.open)-1]
	m.keys++
	g.work += m.keys
	return m.keys <= 2*KeysMax && g.work <= keysWork
}

func beyond(t *token.Token, message string) error {
	e := &BeyondError{Message: message}
	if t.Position != nil {
		e.Line, e.Column = t.Position.Line, t.Position.Column
	}
	return e
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
