package diagnose

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/fingerprint"
	"github.com/whygate/whygate/internal/phrase"
)

// Answers that come from a cache: what stands in it is not what is behind it now.

// cached says where an answer came from if that was a cache, empty where it was none, and how old it is.
func cached(x *Exchange) (why string, age time.Duration) {
	seconds, err := strconv.Atoi(strings.TrimSpace(x.field("Age")))
	if err == nil && seconds > 0 {
		age = time.Duration(seconds) * time.Second
	}
	missed := false
	for _, name := range cacheFields {
		value := strings.ToLower(x.field(name))
		switch {
		case value == "":
		case hitWord.MatchString(value) && !strings.Contains(value, "hit-for-"):
			return name + ": " + firstLine([]byte(x.field(name))), age
		case strings.Contains(value, "miss"), strings.Contains(value, "bypass"), strings.Contains(value, "dynamic"), strings.Contains(value, "pass"):
			missed = true
		}
	}
	if ids := strings.Fields(x.field("X-Varnish")); len(ids) == 2 {
		return "X-Varnish: " + strings.Join(ids, " ") + ", whose second number is the request that filled the cache", age
	}
	if age > 0 && !missed {
		return fmt.Sprintf("Age: %d", seconds), age
	}
	return "", 0
}

// cacheFields are the fields in which caches say what they did.
var cacheFields = [...]string{"Cache-Status", "CF-Cache-Status", "X-Cache", "X-Cache-Status", "X-Proxy-Cache", "X-Vercel-Cache", "X-Nginx-Cache", "X-LiteSpeed-Cache", "X-Rack-Cache", "X-Drupal-Cache", "X-Fastcgi-Cache", "Server-Timing"}

// hitWord is what caches say of an answer that they had: HIT, TCP_HIT, STALE, and no white or hits.
var hitWord = regexp.MustCompile(`(?:^|[^a-z])(?:hit|stale)(?:[^a-z]|$)`)

// ofCache: an error that a cache gives again.
func ofCache(w *Walk, x *Exchange) *finding {
	why, age := cached(x)
	if why == "" {
		return nil
	}
	old := ""
	if age > 0 {
		old = ", " + age.String() + " old"
	}
	f := &finding{
		cause: fault.CauseCachedError, confidence: Likely, sentence: fmt.Sprintf("%s gives a %d from its cache%s: what is behind it was not asked", cacheOf(w, x), x.Status, old),
		proof:   []string{"the answer has " + why},
		missing: []string{"whether the upstream still fails: the same past the cache (another query, or --upstream HOST:PORT)"},
	}
	if r := x.words(); r != nil && r.store == "" && (r.is != phrase.Weak) {
		f.proof = append(f.proof, "what was stored says: "+r.line)
	}
	return f
}

// cacheOf names who stands before the maker of the answer: whose cache it is.
func cacheOf(w *Walk, x *Exchange) string {
	chain := fingerprint.Chain(&x.answer)
	if len(chain) == 0 {
		return "a cache at " + w.Target.label()
	}
	return chain[0].Title + " at " + w.Target.label()
}
