package conftree

import (
	"errors"
	"fmt"
	"strings"
)

// Errors of syntaxes with braces.
var (
	errNotClosed = errors.New("a block is not closed")
	errClosed    = errors.New("a closing brace too many")
	errDeep      = fmt.Errorf("blocks within blocks, more than %d", depthMax)
	errWord      = fmt.Errorf("a word of more than %d KiB", wordMax>>10)
)

// braces reads syntaxes of words, semicolons and braces: nginx and VCL.
type braces struct {
	r       *Reader
	text    string
	at      int
	line    int
	file    string
	dialect dialect
}

// dialect is what differs between the two.
type dialect struct {
	comments []string // that go to the line's end
	long     bool     // /* comments */ and {" long strings "}
	lua      bool     // blocks of Lua
	operator string   // signs that are words of their own
}

var (
	nginxDialect = dialect{comments: []string{"#"}, lua: true}
	vclDialect   = dialect{comments: []string{"#", "//"}, long: true, operator: "=()!&|<>~,+"}
)

// VCL reads Varnish's language: a statement is a node of its words, a block has them before its brace.
func (r *Reader) VCL(name, text string) ([]*Node, error) {
	b := &braces{r: r, text: text, line: 1, file: name, dialect: vclDialect}
	return b.whole()
}

func (b *braces) whole() ([]*Node, error) {
	all, err := b.block(0)
	if err != nil {
		return nil, fmt.Errorf("%s:%d: %w", b.file, b.line, err)
	}
	return all, nil
}

// block reads up to the closing brace, or to the end at depth 0.
func (b *braces) block(depth int) ([]*Node, error) {
	if depth > depthMax {
		return nil, errDeep
	}
	var all []*Node
	var words []string
	start := 0
	end := func(kids []*Node) error {
		if len(words) == 0 && kids == nil {
			return nil
		}
		name, args := "", words
		if len(words) > 0 {
			name, args = words[0], words[1:len(words):len(words)]
		}
		n, err := b.r.add(name, args, Place{b.file, start})
		if err != nil {
			return err
		}
		n.Kids, words = kids, nil
		all = append(all, n)
		return nil
	}
	for {
		word, kind, err := b.next()
		if err != nil {
			return nil, err
		}
		if kind != 'w' || len(words) == 0 {
			start = lineOf(start, b.line, len(words))
		}
		switch kind {
		case 'w':
			words = append(words, word)
		case ';':
			err = end(nil)
		case '{':
			if len(words) == 0 && !b.dialect.long {
				return nil, errors.New("a block without a name")
			}
			var kids []*Node
			if b.dialect.lua && strings.HasSuffix(words[0], "_by_lua_block") {
				b.lua()
			} else if kids, err = b.block(depth + 1); err != nil {
				return nil, err
			}
			if kids == nil {
				kids = []*Node{}
			}
			err = end(kids)
		case '}':
			if depth == 0 {
				return nil, errClosed
			}
			return all, end(nil)
		default:
			if depth > 0 {
				return nil, errNotClosed
			}
			return all, end(nil)
		}
		if err != nil {
			return nil, err
		}
	}
}

// lineOf keeps the line of a statement's first word.
func lineOf(start, now, words int) int {
	if words == 0 {
		return now
	}
	return start
}

// next reads a word ('w'), one of ; { } or the end (0).
func (b *braces) next() (string, byte, error) {
	for b.at < len(b.text) {
		rest := b.text[b.at:]
		c := rest[0]
		switch {
		case c == '\n':
			b.line++
			b.at++
		case c == ' ' || c == '\t' || c == '\r':
			b.at++
		case b.comment(rest):
		case b.dialect.long && strings.HasPrefix(rest, `{"`):
			word, _, closed := strings.Cut(rest[2:], `"}`)
			if !closed {
				return "", 0, errNotClosed
			}
			b.at += len(word) + 4
			b.line += strings.Count(word, "\n")
			return word, 'w', nil
		case c == ';' || c == '{' || c == '}':
			b.at++
			return "", c, nil
		case c == '"' || c == '\'' && !b.dialect.long:
			return b.quoted(c)
		case strings.IndexByte(b.dialect.operator, c) >= 0:
			n := 1
			for n < len(rest) && n < 2 && strings.IndexByte("=&|~", rest[n]) >= 0 {
				n++
			}
			b.at += n
			return rest[:n], 'w', nil
		default:
			return b.bare()
		}
	}
	return "", 0, nil
}

// comment passes over a comment that the rest begins with.
func (b *braces) comment(rest string) bool {
	for _, sign := range b.dialect.comments {
		if strings.HasPrefix(rest, sign) {
			line, _, _ := strings.Cut(rest, "\n")
			b.at += len(line)
			return true
		}
	}
	if b.dialect.long && strings.HasPrefix(rest, "/*") {
		body, _, _ := strings.Cut(rest[2:], "*/")
		b.line += strings.Count(body, "\n")
		b.at = min(b.at+len(body)+4, len(b.text))
		return true
	}
	return false
}

func (b *braces) quoted(quote byte) (string, byte, error) {
	var word strings.Builder
	start := b.line
	for i := b.at + 1; i < len(b.text); i++ {
		switch c := b.text[i]; {
		case word.Len() > wordMax:
			return "", 0, errWord
		case c == '\\' && i+1 < len(b.text):
			i++
			if next := b.text[i]; next != '"' && next != '\'' && next != '\\' {
				word.WriteByte('\\') // a pattern's backslash stays
			}
			word.WriteByte(b.text[i])
		case c == quote:
			b.at = i + 1
			return word.String(), 'w', nil
		default:
			if c == '\n' {
				b.line++
			}
			word.WriteByte(c)
		}
	}
	b.line = start
	return "", 0, errors.New("a quoted word is not closed")
}

func (b *braces) bare() (string, byte, error) {
	start := b.at
	for ; b.at < len(b.text) && b.at-start <= wordMax; b.at++ {
		c := b.text[b.at]
		switch {
		case c == '\\':
			b.at++
		case c == '$' && b.at+1 < len(b.text) && b.text[b.at+1] == '{': // ${name}
			if n := strings.IndexByte(b.text[b.at:min(b.at+256, len(b.text))], '}'); n > 0 {
				b.at += n
			}
		case strings.IndexByte(" \t\r\n;{}", c) >= 0 || strings.IndexByte(b.dialect.operator, c) >= 0:
			return b.text[start:b.at], 'w', nil
		}
	}
	b.at = min(b.at, len(b.text))
	if b.at-start > wordMax {
		return "", 0, errWord
	}
	return b.text[start:b.at], 'w', nil
}

// lua passes over a block of Lua, up to the brace that closes it: braces in strings and comments are none.
func (b *braces) lua() {
	for open := 1; open > 0 && b.at < len(b.text); {
		rest := b.text[b.at:]
		n := 1
		switch {
		case strings.HasPrefix(rest, "--[["), strings.HasPrefix(rest, "[["):
			if end := strings.Index(rest[:min(len(rest), wordMax)], "]]"); end > 0 {
				n = end + 2
			}
		case strings.HasPrefix(rest, "--"):
			line, _, _ := strings.Cut(rest, "\n")
			n = len(line)
		case rest[0] == '"' || rest[0] == '\'':
			n = luaString(rest)
		case rest[0] == '{':
			open++
		case rest[0] == '}':
			open--
		}
		b.line += strings.Count(rest[:n], "\n")
		b.at += n
	}
}

// luaString is the length of the string in quotes that the text begins with; 1 if it does not end on its line.
func luaString(text string) int {
	for i := 1; i < len(text) && text[i] != '\n'; i++ {
		switch text[i] {
		case '\\':
			i++
		case text[0]:
			return i + 1
		}
	}
	return 1
}
