package diagnose

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/whygate/whygate/internal/words"
)

// tally counts what was sent, so that the report can say it.
type tally struct {
	mu       sync.Mutex // guards the fields below
	requests map[string]map[string]int
	other    map[string]int
}

func (t *tally) request(method, to string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.requests == nil {
		t.requests = map[string]map[string]int{}
	}
	if t.requests[to] == nil {
		t.requests[to] = map[string]int{}
	}
	t.requests[to][method]++
}

// sent is how many requests went to a target.
func (t *tally) sent(to string) (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, count := range t.requests[to] {
		n += count
	}
	return n
}

// add counts n of something else: connections, handshakes, queries.
func (t *tally) add(n int, what string) {
	if n == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.other == nil {
		t.other = map[string]int{}
	}
	t.other[what] += n
}

// lines say what was sent, one line each.
func (t *tally) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []string
	for _, to := range slices.Sorted(maps.Keys(t.requests)) {
		sum, kinds := 0, []string{}
		for _, method := range slices.Sorted(maps.Keys(t.requests[to])) {
			sum += t.requests[to][method]
			kinds = append(kinds, fmt.Sprintf("%d %s", t.requests[to][method], method))
		}
		out = append(out, words.Count(sum, "request")+" to "+to+" ("+strings.Join(kinds, ", ")+")")
	}
	for _, what := range slices.Sorted(maps.Keys(t.other)) {
		noun, rest := what, ""
		for _, word := range []string{" without ", " of "} {
			if i := strings.Index(what, word); i >= 0 {
				noun, rest = what[:i], what[i:]
			}
		}
		out = append(out, words.Count(t.other[what], noun)+rest)
	}
	return out
}
