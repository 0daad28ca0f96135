package main

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/whygate/whygate/internal/advice"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/phrase"
)

// This file searches the catalogue by words, for a text that is no name, no flag and no line of a log.

// searchMost is how many causes a search gives at most.
const searchMost = 5

// Shares of a search, by the weight of words: how much of the text the best cause must have, and how much less the others may.
const (
	searchLeast = 0.66
	searchNear  = 0.9
)

// fillers are words of a question that say nothing of a cause.
var fillers = map[string]bool{
	"a": true, "an": true, "the": true, "is": true, "are": true, "was": true, "of": true, "on": true, "in": true, "at": true, "to": true, "for": true, "from": true, "by": true, "with": true, "and": true, "or": true, "my": true,
	"i": true, "get": true, "got": true, "getting": true, "why": true, "what": true, "how": true, "when": true, "error": true, "errors": true, "fix": true, "behind": true, "after": true, "sometimes": true, "random": true, "randomly": true,
	"http": true, "gateway": true, "bad": true, "it": true, "be": true, "this": true, "that": true, "do": true, "does": true, "not": true,
}

// index has the words of every cause, and how many causes have each.
type index struct {
	words []map[string]float64 // of each entry of the catalogue: how much the word says there
	in    map[string]int
}

var causeIndex = sync.OnceValue(func() *index {
	x := &index{in: map[string]int{}}
	for _, e := range fault.Catalogue() {
		words := map[string]float64{}
		add := func(weight float64, texts ...string) {
			for _, text := range texts {
				for _, w := range causeWords(text) {
					words[w] = max(words[w], weight)
				}
			}
		}
		add(1, e.Slug, e.Title)
		for _, p := range phrase.All() {
			if len(p.Causes) > 0 && p.Causes[0] == e.Cause {
				add(0.9, p.Text, p.And, p.Product)
			}
		}
		for _, r := range e.Reports() {
			add(0.8, r.Text)
		}
		add(0.8, e.Meaning)
		add(0.7, e.Proof...)
		add(0.6, e.Advice...)
		for _, product := range products {
			add(0.6, advice.Settings(product, e.Cause)...)
		}
		for w := range words {
			x.in[w]++
		}
		x.words = append(x.words, words)
	}
	return x
})

// searchCauses gives the entries that have most of the text's words, the best first; none where no entry has enough of them.
func searchCauses(text string) []*fault.Entry {
	if !strings.ContainsAny(strings.TrimSpace(text), " \t") { // a name that is not quite right
		return nil
	}
	x := causeIndex()
	type weighed struct {
		word   string
		weight float64
	}
	var asked []weighed
	all := 0.0
	for _, w := range causeWords(text) {
		if fillers[w] || len(w) < 2 {
			continue
		}
		weight := math.Log(float64(len(x.words)+1) / float64(x.in[w]+1))
		if x.in[w] == 0 {
			weight = math.Log(float64(len(x.words)+1)) / 2 // a name of theirs, or a form of a word that stands there in another one
		}
		asked = append(asked, weighed{w, weight})
		all += weight
	}
	if len(asked) < 2 {
		return nil
	}
	type found struct {
		entry *fault.Entry
		score float64
	}
	var hits []found
	for i, e := range fault.Catalogue() {
		score, missing := 0.0, 0
		for _, a := range asked {
			best := x.words[i][a.word]
			if best == 0 {
				for w, says := range x.words[i] {
					if alike(w, a.word) {
						best = max(best, 0.8*says)
					}
				}
			}
			if score += a.weight * best; best == 0 {
				missing++
			}
		}
		if len(asked) == 2 && missing > 0 { // a name that is not quite right
			continue
		}
		if score /= all; score >= searchLeast*0.7 {
			hits = append(hits, found{e, score})
		}
	}
	slices.SortStableFunc(hits, func(a, b found) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.entry.Cause.Rarity(), b.entry.Cause.Rarity()))
	})
	var out []*fault.Entry
	for _, h := range hits {
		if len(out) == searchMost || h.score < searchNear*hits[0].score {
			break
		}
		out = append(out, h.entry)
	}
	return out
}

// alike reports whether two words are forms of one: they begin alike, and most of both is that.
func alike(a, b string) bool {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n >= 4 && n*10 >= 7*max(len(a), len(b)) || n >= 5 && n*10 >= 6*max(len(a), len(b))
}

// logged gives the causes of the words of logs that a text is a piece of, those of most of them first.
func logged(text string) []*fault.Entry {
	if len(text) < phraseLeast {
		return nil
	}
	count := map[fault.Cause]int{}
	for _, p := range phrase.All() {
		if i := strings.Index(p.Text, text); i >= 0 && len(p.Causes) > 0 && apart(p.Text, i, i+len(text)) {
			count[p.Causes[0]]++
		}
	}
	var out []*fault.Entry
	for c := range count {
		out = append(out, c.Entry())
	}
	slices.SortFunc(out, func(a, b *fault.Entry) int {
		return cmp.Or(count[b.Cause]-count[a.Cause], a.Cause.Rarity()-b.Cause.Rarity(), int(a.Cause)-int(b.Cause))
	})
	return out
}

// apart reports whether a part of a text begins and ends where words do.
func apart(text string, from, to int) bool {
	letter := func(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }
	return (from == 0 || !letter(text[from-1])) && (to == len(text) || !letter(text[to]))
}
