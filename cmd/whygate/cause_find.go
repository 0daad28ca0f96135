package main

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/advice"
	"github.com/whygate/whygate/internal/explain"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/phrase"
)

// phraseLeast is how long a log's words must be to be known in a line that was pasted, in octets.
const phraseLeast = 7

// findCauses gives the entries that a text means, by the first of these that there are: the slug, an error type of RFC 9209,
// the words of slugs and titles, what other proxies log, a piece of what programs log, a directive, most of its words anywhere in the catalogue.
// There are none if the text means nothing.
//
// Between the type and the words stand a flag, number or name of a log by itself, and what whygate explain says of the text.
func findCauses(text string) []*fault.Entry {
	slug := strings.Join(strings.Fields(strings.ToLower(text)), "-")
	switch c, ok := fault.ParseCause(slug); {
	case ok && c != fault.CauseNone:
		return []*fault.Entry{c.Entry()}
	case ok:
		return nil // "none", which is no cause
	}
	if c := phrase.ByCode(text); c != nil {
		return entriesOf(c.Causes)
	}
	if causes := explain.JudgeText([]byte(text), time.Now()); len(causes) > 0 && len(text) >= phraseLeast && !namesCause(text) {
		return entriesOf(causes)
	}
	words, low := causeWords(text), strings.ToLower(strings.TrimSpace(text))
	for _, is := range []func(*fault.Entry) bool{
		func(e *fault.Entry) bool { return e.Type != fault.TypeNone && e.Type.String() == strings.ToLower(text) },
		func(e *fault.Entry) bool { return hasWords(e, words) },
		func(e *fault.Entry) bool { return hasFlag(e, text) },
	} {
		if found := entriesThat(is); len(found) > 0 {
			return found
		}
	}
	if found := logged(low); len(found) > 0 {
		return found
	}
	for _, is := range []func(*fault.Entry) bool{
		func(e *fault.Entry) bool { return reported(e, low) },
		func(e *fault.Entry) bool { return hasSetting(e, low) },
	} {
		if found := entriesThat(is); len(found) > 0 {
			return found
		}
	}
	return searchCauses(text)
}

// entriesThat gives the entries of which something is so, those that are met most first.
func entriesThat(is func(*fault.Entry) bool) []*fault.Entry {
	var found []*fault.Entry
	for _, e := range fault.Catalogue() { // it is in the order of an exchange
		if is(e) {
			found = append(found, e)
		}
	}
	slices.SortStableFunc(found, func(a, b *fault.Entry) int { return a.Cause.Rarity() - b.Cause.Rarity() })
	return found
}

// hasSetting reports whether a directive that is advised about a cause has the text for its name.
func hasSetting(e *fault.Entry, text string) bool {
	if len(text) < settingLeast || strings.ContainsAny(text, " \t") {
		return false
	}
	for _, module := range [...]string{"fastcgi_", "uwsgi_", "scgi_", "grpc_"} { // nginx's modules have proxy_'s directives
		if rest, found := strings.CutPrefix(text, module); found {
			text = "proxy_" + rest
		}
	}
	for _, product := range products {
		for _, line := range advice.Settings(product, e.Cause) {
			set, _, _ := strings.Cut(line, "   # ")
			if strings.Contains(strings.ToLower(set), text) {
				return true
			}
		}
	}
	return false
}

// settingLeast is how long a directive's name must be, in octets: keepalive, harakiri.
const settingLeast = 7

// namesCause reports whether each word of the text is one of a single cause's title: then it is that one which is meant.
func namesCause(text string) bool {
	words := causeWords(text)
	for _, e := range fault.Catalogue() {
		own := causeWords(e.Slug + " " + e.Title)
		if len(words) > 0 && len(words) < 6 && !slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(own, w) }) {
			return true
		}
	}
	return false
}

func entriesOf(causes []fault.Cause) []*fault.Entry {
	var all []*fault.Entry
	for _, c := range causes {
		all = append(all, c.Entry())
	}
	return all
}

var notWord = regexp.MustCompile(`[^a-z0-9.]+`)

// causeWords are the words of a text in lower case.
func causeWords(text string) []string {
	return strings.Fields(notWord.ReplaceAllString(strings.ToLower(text), " "))
}

// hasWords reports whether each word begins one of the slug's or of the title's.
func hasWords(e *fault.Entry, words []string) bool {
	own := causeWords(e.Slug + " " + e.Title)
	long := false
	for _, w := range words {
		known := false
		for _, o := range own {
			known = known || o == w || len(w) > 3 && strings.HasPrefix(o, w)
		}
		if !known {
			return false
		}
		long = long || len(w) > 2
	}
	return long
}

// logFlag is what HAProxy's termination states (SC, sH) and Envoy's response flags (UF, UPE) look like.
var logFlag = regexp.MustCompile(`^[a-zA-Z]?[A-Z]{1,4}$`)

// hasFlag reports whether another proxy's report has the text as a flag of its log.
func hasFlag(e *fault.Entry, text string) bool {
	if len(text) < 2 || !logFlag.MatchString(text) {
		return false
	}
	for _, r := range e.Reports() {
		if slices.Contains(strings.FieldsFunc(r.Text, func(c rune) bool { return c == ' ' || c == ',' || c == ';' || c == ':' }), text) {
			return true
		}
	}
	return false
}

// marks are the words of a log inside of a report, and Apache's numbers.
var marks = regexp.MustCompile(`"[^" ][^"]*[^" ]"|\bAH\d{5}\b`)

// reported reports whether another proxy logs the text, in lower case, or logs words that stand in it.
func reported(e *fault.Entry, text string) bool {
	if len(text) < 5 {
		return false
	}
	for _, r := range e.Reports() {
		if strings.Contains(strings.ToLower(r.Text), text) {
			return true
		}
		for _, m := range marks.FindAllString(r.Text, -1) {
			if m = strings.ToLower(strings.Trim(m, `"`)); (len(m) >= phraseLeast || m[0] == 'a' && len(m) == len("ah00000")) && strings.Contains(text, m) {
				return true
			}
		}
	}
	return false
}
