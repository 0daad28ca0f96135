package proxyconf

import (
	"context"
	"errors"
	"regexp"
	"regexp/syntax"
)

// Limits of the regular expressions of a configuration. A few characters can mean a very large one: a{1000}.
const (
	patternMax     = 4 << 10   // bytes of one
	instructionMax = 20_000    // instructions of one, once it is compiled
	patternsMax    = 2_000_000 // instructions of all that one request is compared with: a second or two
)

// errPatterns: a configuration has more regular expressions than are worth comparing.
var errPatterns = errors.New("its regular expressions are too many, or too large, to say which route takes the URL")

// work is what the search for a route may cost, and why it ended.
type work struct {
	ctx          context.Context
	instructions int
	failed       error
	judged       map[judgement]truth
}

// judgement is a named condition that was looked at for a path: many rules may name it.
type judgement struct {
	condition *caddyBlock
	path      string
}

// matches compares a text with a regular expression of the configuration. It is not known whether one of another kind than
// Go's fits, nor one that is too large.
func (q *Request) matches(pattern, text string) (fits, known bool) {
	w := q.work
	if w.failed != nil || len(pattern) > patternMax {
		return false, false
	}
	if w.failed = w.ctx.Err(); w.failed != nil {
		return false, false
	}
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		w.instructions += len(pattern)
		return false, false
	}
	n := instructions(tree)
	if n > instructionMax {
		return false, false
	}
	if w.instructions += 100 + n; w.instructions > patternsMax { // a hundred for the smallest
		w.failed = errPatterns
		return false, false
	}
	re, err := regexp.Compile(pattern)
	return err == nil && re.MatchString(text), err == nil
}

// instructions is about how many instructions an expression is compiled to: what is repeated is there as often.
func instructions(tree *syntax.Regexp) int {
	n := 1 + len(tree.Rune)
	for _, sub := range tree.Sub {
		n += instructions(sub)
	}
	if tree.Op == syntax.OpRepeat {
		n *= max(tree.Min, tree.Max, 1)
	}
	return min(n, 1<<30)
}
