package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Severity tells whether a Problem keeps the file from being used.
type Severity uint8

const (
	Error   Severity = iota // the file is not used
	Warning                 // the file is used, but hardly means what it says
)

// Problem is one thing that is wrong with a file.
type Problem struct {
	Severity Severity `json:"severity"`
	File     string   `json:"file,omitempty"`   // empty for a flag
	Line     int      `json:"line,omitempty"`   // from 1; 0 if the problem is not at one place
	Column   int      `json:"column,omitempty"` // from 1, in characters
	Path     string   `json:"path,omitempty"`   // the key, such as pools.api.timeouts.head
	Message  string   `json:"message"`
	Hint     string   `json:"hint,omitempty"`    // what to write instead; empty if nobody can know
	Snippet  string   `json:"snippet,omitempty"` // the line and a caret under the column
	Outside  bool     `json:"-"`                 // not a mistake in the file: another process may have what this one has not
}

// MarshalText makes JSON show the severity's name.
func (s Severity) MarshalText() ([]byte, error) {
	if s == Warning {
		return []byte("warning"), nil
	}
	return []byte("error"), nil
}

// String is the problem as the command line prints it: where and what, the line with a caret, the hint.
func (p Problem) String() string {
	var b strings.Builder
	switch {
	case p.Line > 0:
		fmt.Fprintf(&b, "%s:%d:%d: ", p.File, p.Line, p.Column)
	case p.File != "":
		b.WriteString(p.File + ": ")
	}
	if p.Severity == Warning {
		b.WriteString("warning: ")
	}
	b.WriteString(p.Message)
	if p.Snippet != "" {
		b.WriteString("\n" + p.Snippet)
	}
	if p.Hint != "" {
		b.WriteString("\nhint: " + p.Hint)
	}
	return b.String()
}

// Problems is everything that is wrong with a file, in its order.
type Problems []Problem

// problemsMax is the largest number of problems kept: more are no help to anybody, and a hostile file could have a million.
const problemsMax = 100

// Public is what may be told to who may not read the file: where and what, without its lines and what to write in them.
func (p Problems) Public() Problems {
	public := slices.Clone(p)
	for i := range public {
		public[i].Snippet, public[i].Hint = "", ""
	}
	return public
}

// Failed reports whether one of them is an error.
func (p Problems) Failed() bool {
	return slices.ContainsFunc(p, func(q Problem) bool { return q.Severity == Error })
}

// Err is p as an error, nil if there is nothing but warnings.
func (p Problems) Err() error {
	if !p.Failed() {
		return nil
	}
	return p
}

// Error is every problem as the command line prints it.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, q := range p {
		lines[i] = q.String()
	}
	return strings.Join(lines, "\n")
}

// inOrder puts the problems in the order of the files, whose places are given. One that was found twice, as under an alias, is told once.
func (p Problems) inOrder(place func(file string) int) Problems {
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(place(a.File), place(b.File)), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.CompactFunc(p, func(a, b Problem) bool {
		a.Path = b.Path
		return a == b && a.Line > 1
	})
}

// position is a place in the file; line 0 is none.
type position struct{ line, column int }

// snippetMax is how much of a line a snippet shows, in characters: about a terminal's width.
const snippetMax = 110

// snippet shows the line with a caret under the column, and without what may be a secret.
func snippet(lines []string, at position, s sureness) string {
	if at.line < 1 || at.line > len(lines) {
		return ""
	}
	text, column := masked(lines, at.line-1, s), at.column
	cut, begin := 0, ""
	if column > snippetMax-20 { // cut at the left, so that the place stays in view
		cut = min(column-snippetMax/2, utf8.RuneCountInString(text))
		begin, column = "…", column-cut+1
	}
	line := []rune(begin + printable(part(text, cut, snippetMax+1)))
	if len(line) > snippetMax {
		line = append(line[:snippetMax:snippetMax], '…')
	}
	caret := strings.Repeat(" ", max(column-1, 0)) + "^"
	return fmt.Sprintf("%5d | %s\n      | %s", at.line, string(line), caret)
}

// part is so many characters of a text from one of them on. A line may be as long as the file, and have a hundred problems.
func part(text string, from, size int) string {
	begin, end, n := len(text), len(text), 0
	for i := range text {
		if n == from {
			begin = i
		}
		if n == from+size {
			end = i
			break
		}
		n++
	}
	return text[begin:end]
}

// printable replaces what would move the caret or drive the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}

// nearest finds the candidate that name is probably a misspelling of, empty if none is near.
func nearest(name string, candidates []string) string {
	best, bestDistance := "", len(name)/3+1
	for _, c := range candidates {
		if d := distance(strings.ToLower(name), c, bestDistance+1); d <= bestDistance && (best == "" || d < bestDistance) {
			best, bestDistance = c, d
		}
	}
	return best
}

// distance is the number of letters to insert, delete, replace or swap with their neighbour to get from a to b, or limit
// if it is not below that.
func distance(a, b string, limit int) int {
	if len(a) > 64 || len(b) > 64 || len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	var before, last, row [65]int
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return min(last[len(b)], limit)
}
