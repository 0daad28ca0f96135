package main

import (
	"net"
	"slices"
	"strings"

	"github.com/whygate/whygate/internal/diagnose"
	"github.com/whygate/whygate/internal/explain"
)

// capital gives a sentence with a capital letter, except where it begins with a name, which is written as it is: one of the names
// (hosts, with their port or without), a program's, or what is no word of letters (an address, a path, a key).
func capital(sentence string, names []string) string {
	word, _, _ := strings.Cut(sentence, " ")
	word = strings.TrimRight(word, ",;:")
	letters := strings.Trim(word, "abcdefghijklmnopqrstuvwxyz-'") == ""
	if word == "" || !letters || slices.Contains(names, word) || isProgram(word) {
		return sentence
	}
	return strings.ToUpper(sentence[:1]) + sentence[1:]
}

// isProgram reports whether a word is how a program is called.
func isProgram(word string) bool {
	return word == "whygate" || slices.ContainsFunc(explain.Formats(), func(f *explain.Format) bool {
		return f.Product == word && word != "application"
	})
}

// verdictSentence is a verdict's sentence as people read it.
func verdictSentence(v *diagnose.Verdict, walks ...*diagnose.Walk) string {
	names := []string{hostOnly(v.At)}
	for _, w := range walks {
		if w != nil {
			names = append(names, w.Target.Host)
		}
	}
	return capital(v.Sentence, names)
}

// sentenceOf is a finding's sentence as people read it.
func sentenceOf(f *explain.Finding) string {
	var names []string
	for _, u := range f.Upstreams {
		names = append(names, u.Name, hostOnly(u.Name))
	}
	return capital(f.Sentence, names)
}

// hostOnly is a name without its port.
func hostOnly(name string) string {
	if host, _, err := net.SplitHostPort(name); err == nil {
		return host
	}
	return name
}
