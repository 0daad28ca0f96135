package statuscode

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
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
	for _, search := range []func(string) []*Entry{byName, byCodes, byUnknownSubstatus, byWords, byTypo} {
		if found := search(text); len(found) > 0 {
			return found[:min(len(found), matchesMax)]
		}
	}
	return nil
}

// byCodes takes the codes that stand in a text: "502 Bad Gateway" as browsers show it, "HTTP/1.1 502", "code 502,", or several.
func byCodes(text string) []*Entry {
	var found []*Entry
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r != '.' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if e := ByCode(strings.Trim(ascii(word), ".")); e != nil && !slices.Contains(found, e) {
			found = append(found, e)
		}
	}
	return found
}

// byUnknownSubstatus takes the code before the point of a substatus that is not here: 404 for 404.99.
func byUnknownSubstatus(text string) []*Entry {
	base, detail, found := strings.Cut(ascii(text), ".")
	if !found || detail == "" || strings.Trim(detail, "0123456789") != "" {
		return nil
	}
	if e := ByCode(base); e != nil && len(e.Substatuses()) > 0 {
		return []*Entry{e}
	}
	return nil
}

// ascii puts the digit of ASCII for a digit of another width, as some keyboards make it.
func ascii(text string) string {
	return strings.Map(func(r rune) rune {
		if '０' <= r && r <= '９' {
			return r - '０' + '0'
		}
		return r
	}, text)
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
	if !slices.ContainsFunc(words, func(w string) bool { return len(w) > 1 }) {
		return nil // a letter alone, as in X-Forwarded-For, is no name
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
// characters, and fewer than half of the name. A number is no name with an error.
func byTypo(text string) []*Entry {
	want := plain(text)
	characters := utf8.RuneCountInString(want)
	if characters < 3 || strings.ContainsFunc(want, unicode.IsDigit) {
		return nil
	}
	best := characters/4 + 1
	var found []*Entry
	for _, e := range table {
		d := distanceTo(e, want)
		switch {
		case d < best:
			best, found = d, []*Entry{e}
		case d == best:
			found = append(found, e)
		}
	}
	return found
}

// far is a distance that no name is near at.
const far = 1 << 20

// distanceTo is the distance of the text from the nearest name of an entry.
func distanceTo(e *Entry, want string) int {
	least := far
	names := nameTable[e.Code]
	for _, name := range append(names[:], e.Title) {
		name = plain(name)
		if d := Distance(want, name); 2*d < utf8.RuneCountInString(name) {
			least = min(least, d)
		}
	}
	return least
}

// matching gives the entries that are so, the details of a code behind all codes.
func matching(is func(*Entry) bool) []*Entry {
	var found, details []*Entry
	for _, e := range table {
		switch {
		case !is(e):
		case e.Kind == Substatus:
			details = append(details, e)
		default:
			found = append(found, e)
		}
	}
	return append(found, details...)
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
