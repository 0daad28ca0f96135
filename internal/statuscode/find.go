package statuscode

import (
	"slices"
	"strings"
	"unicode"
)

// matchesMax is how many entries a text may match; more would be a list to read, not an answer.
const matchesMax = 12

// ByCode gives the entry of a code ("502", "502.3", "-1"), nil if there is none.
func ByCode(code string) *Entry {
	for _, e := range table {
		if e.Code == code {
			return e
		}
	}
	return nil
}

// Find gives the entries that a text means, best first: a code, the name of a code ("bad gateway"), a constant
// ("StatusBadGateway", ":bad_gateway", "http.HTTPStatus.BAD_GATEWAY"), words of a name, or one of these with typing errors.
// There are none if the text means nothing.
func Find(text string) []*Entry {
	text = strings.TrimSpace(text)
	if e := ByCode(strings.TrimSpace(strings.TrimPrefix(strings.ToUpper(text), "HTTP "))); e != nil {
		return []*Entry{e}
	}
	for _, search := range []func(string) []*Entry{byFirstWord, byName, byWords, byTypo} {
		if found := search(text); len(found) > 0 {
			return found[:min(len(found), matchesMax)]
		}
	}
	return nil
}

// byFirstWord takes "502 Bad Gateway", as browsers show it.
func byFirstWord(text string) []*Entry {
	first, rest, _ := strings.Cut(text, " ")
	if e := ByCode(first); e != nil && rest != "" {
		return []*Entry{e}
	}
	return nil
}

// byName finds titles, without case and punctuation, and constants, whole or without what they belong to.
func byName(text string) []*Entry {
	want := plain(text)
	return matching(func(e *Entry) bool { return plain(e.Title) == want || hasConstant(e, text, want) })
}

func hasConstant(e *Entry, text, want string) bool {
	for i, name := range nameTable[e.Code] {
		if name != "" && (plain(name) == want || text == places[i].before+name || text == lastPart(places[i].before)+name) {
			return true
		}
	}
	return false
}

// lastPart is the class of a qualified name: "HttpStatus." of "org.apache.hc.core5.http.HttpStatus.".
func lastPart(before string) string {
	trimmed := strings.TrimRight(before, ".:")
	if at := strings.LastIndexAny(trimmed, ".:"); at >= 0 {
		return before[at+1:]
	}
	return before
}

// byWords finds names that have each word of the text, or a word that begins with it.
func byWords(text string) []*Entry {
	words := strings.Fields(plainWords(text))
	if len(words) == 0 {
		return nil
	}
	return matching(func(e *Entry) bool {
		title := strings.Fields(plainWords(e.Title + " " + e.Owner))
		for _, w := range words {
			if !slices.ContainsFunc(title, func(t string) bool { return t == w || len(w) > 3 && strings.HasPrefix(t, w) }) {
				return false
			}
		}
		return true
	})
}

// byTypo finds the names nearest to the text by edit distance, if they are near: one error, and one more for each four
// characters.
func byTypo(text string) []*Entry {
	want := plain(text)
	if len(want) < 3 {
		return nil
	}
	best := len(want)/4 + 1
	var found []*Entry
	for _, e := range table {
		d := Distance(want, plain(e.Title))
		for _, name := range nameTable[e.Code] {
			if name != "" {
				d = min(d, Distance(want, plain(name)))
			}
		}
		switch {
		case d < best:
			best, found = d, []*Entry{e}
		case d == best:
			found = append(found, e)
		}
	}
	return found
}

func matching(is func(*Entry) bool) []*Entry {
	var found []*Entry
	for _, e := range table {
		if is(e) {
			found = append(found, e)
		}
	}
	return found
}

// plain leaves the letters and digits, in lower case, without the prefixes that constants have.
func plain(text string) string {
	text = strings.ReplaceAll(plainWords(text), " ", "")
	for _, prefix := range []string{"status", "http", "sc"} {
		if rest := strings.TrimPrefix(text, prefix); len(rest) > 3 {
			text = rest
		}
	}
	return text
}

// plainWords puts a space for whatever is no letter or digit.
func plainWords(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return ' '
	}, strings.ReplaceAll(text, "'", ""))
}

// Distance gives how many characters have to be put in, left out, replaced or swapped with their neighbour to make b of a
// (optimal string alignment).
func Distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	before, last := make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row := make([]int, len(y)+1)
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(y)]
}
