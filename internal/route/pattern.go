package route

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// PatternMax is the longest regular expression, in bytes.
const PatternMax = 1 << 10

// pattern is a regular expression for paths. Go's take time in proportion to the path, whatever they are.
type pattern struct {
	expr *regexp.Regexp
	head string // what each path that fits begins with; empty where that is not known
	tail string // what each ends with
}

// Pattern compiles a regular expression of a rule: RE2's syntax. It finds a part of the path, unless ^ and $ bind it.
func Pattern(text string) (*regexp.Regexp, error) {
	if len(text) > PatternMax {
		return nil, fmt.Errorf("%w: a regular expression of more than %d bytes", ErrRule, PatternMax)
	}
	expr, err := regexp.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRule, err)
	}
	return expr, nil
}

// PathPattern is Pattern for paths, which are compared in canonical form: there the letters of an encoding are capital ones.
func PathPattern(text string) (*regexp.Regexp, error) { return Pattern(capitalEncodings(text)) }

func capitalEncodings(text string) string {
	return encoding.ReplaceAllStringFunc(text, strings.ToUpper)
}

var encoding = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

func compilePattern(text string) (*pattern, error) {
	text = capitalEncodings(text)
	expr, err := Pattern(text)
	if err != nil {
		return nil, err
	}
	p := &pattern{expr: expr}
	if tree, err := syntax.Parse(text, syntax.Perl); err == nil {
		p.head, p.tail = ends(tree.Simplify())
	}
	return p, nil
}

// ends finds the letters that each text which fits must begin and end with.
func ends(tree *syntax.Regexp) (head, tail string) {
	if tree.Op != syntax.OpConcat {
		return "", ""
	}
	subs := tree.Sub
	if subs[0].Op == syntax.OpBeginText && len(subs) > 1 {
		head = letters(subs[1])
	}
	if n := len(subs); subs[n-1].Op == syntax.OpEndText && n > 1 {
		tail = letters(subs[n-2])
	}
	return head, tail
}

// letters are the bytes that a part of an expression stands for where it is nothing but those.
func letters(part *syntax.Regexp) string {
	if part.Op != syntax.OpLiteral || part.Flags&syntax.FoldCase != 0 {
		return ""
	}
	for _, r := range part.Rune {
		if r == utf8.RuneError { // it stands for bytes that are no text as well
			return ""
		}
	}
	return string(part.Rune)
}

// fits reports whether the path fits.
func (p *pattern) fits(path []byte) bool {
	if len(path) < len(p.head) || string(path[:len(p.head)]) != p.head || len(path) < len(p.tail) || string(path[len(path)-len(p.tail):]) != p.tail {
		return false
	}
	return p.expr.Match(path)
}

// Condition is what a header or a parameter of the query must be like.
type Condition struct {
	Name  string // of a header without regard to case
	Value string // to the letter; "*" for any, "~" and a regular expression, or "" for one that must be absent or empty
}

// condition is a Condition ready to be compared.
type condition struct {
	name, value string
	any         bool
	expr        *regexp.Regexp
}

func conditions(list []Condition) ([]condition, error) {
	var out []condition
	for _, c := range list {
		one := condition{name: c.Name, value: c.Value, any: c.Value == "*"}
		if text, regex := strings.CutPrefix(c.Value, "~"); regex {
			expr, err := Pattern(text)
			if err != nil {
				return nil, err
			}
			one.expr = expr
		}
		out = append(out, one)
	}
	return out, nil
}

// fits reports whether a value is what the condition asks for.
func (c *condition) fits(value []byte) bool {
	switch {
	case c.any:
		return true
	case c.expr != nil:
		return c.expr.Match(value)
	}
	return string(value) == c.value
}

// absent reports whether the condition holds where there is no such value.
func (c *condition) absent() bool { return !c.any && c.expr == nil && c.value == "" }

// fitHeaders reports whether each condition holds for one of the lines of its header.
func fitHeaders(list []condition, a *Ask) bool {
	for i := range list {
		c := &list[i]
		held, lines := false, 0
		for a.Header != nil && !held {
			value, ok := a.Header(c.name, lines)
			if !ok {
				break
			}
			held = c.fits(value)
			lines++
		}
		if !held && (lines > 0 || !c.absent()) {
			return false
		}
	}
	return true
}
