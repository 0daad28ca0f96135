package config

import (
	"regexp"
	"strings"
)

// YAML takes { } : , [ ] and # for its own inside [ ] and { }, so that [http://${HOST}:80] is not a list of one address there.
// A ${NAME} is veiled before YAML is read, and unveiled in the tokens: YAML sees an ordinary word of the same length. It is
// expanded afterwards (expand), so that a value can never become a part of the file's structure.

// variables matches what stands for a variable: ${NAME} or ${NAME:-default}, within a line.
var variables = regexp.MustCompile(`\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}\n]*)?\}`)

// indicators are the characters of a ${NAME:-default} that YAML would take for its own.
const indicators = "{}[],:#"

// The private use area, U+E000 to U+F8FF, from which characters are taken that the file does not have.
const privateFirst, privateLast = '\ue000', '\uf8ff'

// veil is the file with the indicators in its variables replaced, each by one character, so that every place stays the same.
type veil struct {
	text   string
	lifted *strings.Replacer // nil if nothing was replaced
}

// veiled hides the variables of a file from YAML.
func veiled(src string) veil {
	if !strings.Contains(src, "${") {
		return veil{text: src}
	}
	var on, off []string
	free := privateFirst
	for _, c := range indicators {
		for free <= privateLast && strings.ContainsRune(src, free) {
			free++
		}
		if free > privateLast {
			return veil{text: src} // a file of nothing but private characters goes without
		}
		on, off = append(on, string(c), string(free)), append(off, string(free), string(c))
		free++
	}
	hide := strings.NewReplacer(on...)
	return veil{text: variables.ReplaceAllStringFunc(src, hide.Replace), lifted: strings.NewReplacer(off...)}
}

// lift gives a word of the veiled file back what the file says.
func (v veil) lift(word string) string {
	if v.lifted == nil {
		return word
	}
	return v.lifted.Replace(word)
}
