package config

import (
	"regexp"
	"strings"
	"unicode"
)

// A problem may be shown to who must not read the file, and ends up in logs. So a line that it shows has no value that may be a
// secret: none under a key that nobody knows (it may be one that was misspelt, or a header that stands at the wrong place), none
// under set_request and set_response, no private key, no password in a URL. Lines are read as text, since a line that is not YAML
// is shown as well.

// mask stands for what is not shown.
const mask = "***"

// upMax is how many lines up the sections around a line are looked for: a file has a hundred problems, and each looks.
const upMax = 20_000

// sureness says how much is known of the lines.
type sureness uint8

const (
	isYAML  sureness = iota
	notYAML          // there is a mistake before which quotes, comments and indentation mean nothing
)

// masked is a line, counted from 0, without what may be a secret. What follows that is cut.
func masked(lines []string, i int, s sureness) string {
	text := lines[i]
	around := ancestors(lines, i)
	parent := ""
	for n, j := range around {
		for _, k := range keysIn(lines[j], parent) {
			if !k.secret {
				continue
			}
			first := keysIn(text, k.name)
			if n == len(around)-1 && len(first) > 0 && !goesOn(text, "", first, s) && !blockScalar.MatchString(lines[j]) {
				return plain(cut(text, first[0].end))
			}
			return mask
		}
		parent = lastKey(lines[j], parent)
	}
	if parent == "key" && len(keysIn(text, parent)) == 0 { // the path of a private key is one line: these are the key's own
		return mask
	}
	found := keysIn(text, parent)
	if goesOn(text, parent, found, s) {
		return mask
	}
	if s == notYAML {
		text = uptoStranger(text, parent)
	} else if i := strings.Index(text, "#"); i >= 0 { // what was turned off may be as secret as what is not
		text = text[:i] + uptoStranger(text[i:], "")
	}
	for _, k := range found {
		if k.secret && k.end <= len(text) {
			text = cut(text, k.end)
			break
		}
	}
	if begin := strings.Index(text, "-----BEGIN"); begin >= 0 {
		text = text[:begin] + mask
	}
	return plain(text)
}

// goesOn reports whether a line has something before its first key: the end of a value that began in a line before, or one that stands where
// a key should. Items of a list of ours are no such thing.
func goesOn(text, parent string, found []keyAt, s sureness) bool {
	_, _, dash := textOf(text)
	before := text
	if len(found) > 0 {
		before = text[:found[0].begin]
	} else if holdsValues(parent) && (s == isYAML || dash) {
		return false
	}
	if i := strings.IndexByte(before, '#'); i >= 0 && s == isYAML {
		before = before[:i]
	}
	return strings.ContainsFunc(before, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) })
}

// holdsValues reports whether values of ours, and no keys, stand under a key.
func holdsValues(name string) bool {
	for i := range keys {
		if keys[i].name == name {
			return keys[i].kind.shape == scalarShape || keys[i].kind.shape == listShape
		}
	}
	return false
}

// stranger is what looks like a key, whatever quotes and comments are around it.
var stranger = regexp.MustCompile(`([A-Za-z_][\w.-]*)["']?[ \t]*:(?:[^/\d]|$)`)

// uptoStranger cuts a line behind the first thing that looks like a key and is none of ours, or sets headers.
func uptoStranger(text, parent string) string {
	for _, m := range stranger.FindAllStringSubmatchIndex(text, -1) {
		name := text[m[2]:m[3]]
		if m[2] > 0 && text[m[2]-1] == '/' { // a host with its port
			continue
		}
		if mayBeSecret(name, parent) {
			end := m[3] + strings.IndexByte(text[m[3]:], ':') + 1
			return cut(text, end)
		}
		parent = name
	}
	return text
}

// cut is a line up to the end of a key, with the mask in the place of what follows.
func cut(text string, end int) string {
	if strings.TrimSpace(text[end:]) == "" {
		return text[:end]
	}
	return text[:end] + " " + mask
}

var (
	blockScalar = regexp.MustCompile(`[|>][-+0-9]*\s*(#.*)?$`)
	spaceless   = regexp.MustCompile(`^[A-Za-z_][\w-]*:[^/\s]`) // a key whose colon lacks its space
	beginsValue = regexp.MustCompile(`^(unix|systemd|file|https?):`)
	inURL       = regexp.MustCompile(`(://)[^/@\s"']*@|[^/@:\s"'\[{,]+:[^/@:\s"']*@`)
	inQuery     = regexp.MustCompile(`(?i)([?&;][^=&\s"']*(?:pass|secret|token|auth|cred|key|cookie|session|sig)[^=&\s"']*=)[^&\s"'\]},]+`)
	byDefault   = regexp.MustCompile(`(?i)(\$\{[a-z0-9_]*(?:pass|secret|token|auth|cred|key|cookie|session)[a-z0-9_]*:-)[^}]*`)
)

// plain masks secrets within a value: a user's password and a query's token in a URL, and what stands for a variable that is not set.
func plain(text string) string {
	text = inQuery.ReplaceAllString(inURL.ReplaceAllString(text, "${1}"+mask+"@"), "${1}"+mask)
	return byDefault.ReplaceAllString(text, "${1}"+mask)
}

// keyShown is a key's name for a message. What follows a colon in it was meant as the value.
func keyShown(name string) string {
	if before, _, found := strings.Cut(name, ":"); found {
		return before + ":" + mask
	}
	return name
}

// ancestors are the lines that begin the sections around a line, the outermost first: each stands further left.
func ancestors(lines []string, i int) []int {
	var found []int
	least, _, item := textOf(lines[i])
	for j := i - 1; j >= max(0, i-upMax) && (least > 0 || item); j-- {
		indent, column, dash := textOf(lines[j])
		switch {
		case column < 0: // empty, or a comment
		case column < least, item && !dash && indent == least:
			found = append(found, j)
			least, item = indent, dash
		case column == least && indent < least: // the item that the line belongs to begins here
			least, item = indent, dash
		}
	}
	for a, b := 0, len(found)-1; a < b; a, b = a+1, b-1 {
		found[a], found[b] = found[b], found[a]
	}
	return found
}

// textOf gives where a line begins, where its text begins behind the dashes of a list, and whether there is such a dash. The
// text's column is -1 where there is none.
func textOf(line string) (indent, column int, dash bool) {
	rest := strings.TrimLeft(line, " \t")
	for _, c := range line[:len(line)-len(rest)] {
		if indent++; c == '\t' { // which YAML does not allow
			indent += tabWidth - 1
		}
	}
	column = indent
	for rest == "-" || strings.HasPrefix(rest, "- ") {
		dash = true
		trimmed := strings.TrimLeft(rest[1:], " ")
		column += len(rest) - len(trimmed)
		rest = trimmed
	}
	if rest == "" && !dash || strings.HasPrefix(rest, "#") {
		column = -1
	}
	return indent, column, dash
}

// tabWidth is what a tab is taken for, in columns.
const tabWidth = 8

// keyAt is a key in a line: its name, where its colon ends, and whether its value may be a secret.
type keyAt struct {
	name   string
	begin  int
	end    int
	secret bool
}

// lastKey is the key that what follows the line belongs to.
func lastKey(line, parent string) string {
	if keys := keysIn(line, parent); len(keys) > 0 {
		return keys[len(keys)-1].name
	}
	return parent
}

// bracket is an open bracket: the key before it, and whether it holds keys.
type bracket struct {
	key  string
	keys bool
}

// keysIn finds the keys in a line, up to the first whose value may be a secret, or to what stands where a key is due and is none.
// parent is the key that the line belongs to.
func keysIn(line, parent string) (keys []keyAt) {
	open := []bracket{{key: parent}}
	last, due := parent, true // due: a key may begin here, if anything does
	for i := 0; i < len(line); {
		within := open[len(open)-1]
		switch c := line[i]; c {
		case '#':
			return keys
		case ' ', '\t':
			i++
		case ',':
			due = within.keys
			i++
		case '-':
			if i++; i < len(line) && line[i] != ' ' {
				i = word(line, i, len(open) > 1)
			}
		case '{', '[':
			open, due = append(open, bracket{last, c == '{'}), c == '{'
			i++
		case '}', ']':
			if i++; len(open) > 1 {
				open = open[:len(open)-1]
			}
		default:
			end := word(line, i, len(open) > 1)
			colon := colonOf(line, i, end, due)
			if colon < 0 {
				if due && within.keys && mayBeSecret(firstWord(line[i:end]), "") {
					return append(keys, keyAt{"", i, i, true})
				}
				i, due = max(end, i+1), false
				continue
			}
			if quoted := line[i] == '"' || line[i] == '\''; !quoted && strings.ContainsAny(line[i:min(end, colon)], ` "',{}[]`) {
				return append(keys, keyAt{"", i, i, true}) // no key of anybody's: the end of a value, as a rule
			}
			due = false
			last = strings.Trim(line[i:min(end, colon)], `"' `)
			secret := mayBeSecret(last, within.key) || within.key == "pools" && !opensSection(line[colon+1:])
			keys = append(keys, keyAt{last, i, colon + 1, secret})
			if secret {
				return keys
			}
			i = colon + 1
		}
	}
	return keys
}

// opensSection reports whether what stands behind a pool's name may be its section: nothing yet, a mapping, an alias.
func opensSection(rest string) bool {
	rest = strings.TrimLeft(rest, " ")
	return rest == "" || strings.IndexByte("{&*#", rest[0]) >= 0
}

// colonOf is where the colon of a key stands that begins at one place and ends at another, -1 if that is no key. Where a key is due, one
// whose colon lacks its space is one as well.
func colonOf(line string, begin, end int, due bool) int {
	colon := end + len(line[end:]) - len(strings.TrimLeft(line[end:], " "))
	if colon < len(line) && line[colon] == ':' {
		return colon
	}
	if tight := spaceless.FindString(line[begin:end]); due && tight != "" && !beginsValue.MatchString(tight) {
		return begin + len(tight) - 2
	}
	return -1
}

func firstWord(text string) string {
	word, _, _ := strings.Cut(text, " ")
	return strings.Trim(word, `"'`)
}

// word gives the end of what begins there: a text in quotes, an anchor, or words up to a colon or, within brackets, a comma.
func word(line string, i int, within bool) int {
	switch c := line[i]; c {
	case '"', '\'':
		for j := i + 1; j < len(line); j++ {
			if line[j] == '\\' && c == '"' {
				j++
			} else if line[j] == c {
				return j + 1
			}
		}
		return len(line)
	case '&', '*', '!':
		if n := strings.IndexByte(line[i:], ' '); n >= 0 {
			return i + n
		}
		return len(line)
	}
	for j := i; j < len(line); j++ {
		switch c := line[j]; {
		case c == '$' && strings.HasPrefix(line[j+1:], "{"):
			if n := strings.IndexByte(line[j:], '}'); n >= 0 {
				j += n
			}
		case c == ':' && (j+1 == len(line) || strings.IndexByte(" \t,{}[]\"'", line[j+1]) >= 0), c == '#' && j > i && line[j-1] == ' ':
			return j
		case within && strings.IndexByte(",{}[]", c) >= 0:
			return j
		}
	}
	return len(line)
}

// mayBeSecret reports whether what stands under a key may be one: the key is none of ours, or it sets headers. Names below pools
// are free.
func mayBeSecret(name, parent string) bool {
	if parent == "pools" || name == "<<" {
		return false
	}
	ours := false
	for i := range keys {
		if keys[i].name != name {
			continue
		}
		if keys[i].kind == fields {
			return true
		}
		ours = ours || len(name) >= wholeWord || parent != "" && strings.HasSuffix(keys[i].path, parent+"."+name)
	}
	return !ours
}

// wholeWord is how many letters a key needs to be taken for one wherever it stands: the end of a longer word may be a shorter one.
const wholeWord = 3
