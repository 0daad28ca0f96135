package diagnose

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/words"
)

// namesServer are the fields in which answers say which of several servers made them.
var namesServer = [...]string{
	"X-Served-By", "X-Backend", "X-Backend-Server", "X-Upstream", "X-Upstream-Addr", "X-Server", "X-Server-Id", "X-Server-Name", "X-Instance", "X-Instance-Id", "X-Node",
	"X-Node-Id", "X-Pod", "X-Pod-Name", "X-Hostname", "X-Host", "X-Container-Id", "X-Worker", "X-Replica", "X-App-Server", "Server",
}

// outlier is how much later than the others an answer comes that another server may have made.
const outlier = 250 * time.Millisecond

// unstable says what in answers that are all good hints at one that would not be: it is worth asking more often. Empty where nothing does.
func (w *Walk) unstable(a *Again) string {
	all := append([]*Exchange{w.main()}, a.Exchanges...)
	if n := len(w.Path); n > 1 {
		return fmt.Sprintf("the name has %d addresses", n)
	}
	for _, name := range namesServer {
		if values := differing(all, name); len(values) > 1 {
			return fmt.Sprintf("%s is %s", name, words.List(values, 3))
		}
	}
	statuses := map[string]bool{}
	var slowest, sum time.Duration
	for _, x := range all {
		statuses[fmt.Sprint(x.Status)] = true
		slowest, sum = max(slowest, time.Duration(x.FirstByte)), sum+time.Duration(x.FirstByte)
		if value := x.field("Retry-After"); value != "" {
			return "an answer has Retry-After: " + firstLine([]byte(value))
		}
		if text := stale(x); text != "" {
			return text
		}
	}
	if len(statuses) > 1 {
		return "the answers are " + strings.Join(slices.Sorted(maps.Keys(statuses)), " and ")
	}
	if rest := (sum - slowest) / time.Duration(max(len(all)-1, 1)); len(all) > 2 && slowest > rest+outlier {
		return fmt.Sprintf("one answer came after %s, the others after %s", mono.Words(slowest), mono.Words(rest))
	}
	return ""
}

// differing lists the values of a field in the answers.
func differing(all []*Exchange, name string) (values []string) {
	for _, x := range all {
		if value := firstLine([]byte(x.field(name))); value != "" && !slices.Contains(values, value) {
			values = append(values, value)
		}
	}
	return values
}

// stale says that a cache gave an old answer, as it does while what is behind it fails: RFC 9111, section 4.2.4; the Warning codes 110 and
// 111 of RFC 7234, section 5.5.
func stale(x *Exchange) string {
	for _, name := range cacheFields {
		if value := x.field(name); strings.Contains(strings.ToLower(value), "stale") || strings.Contains(strings.ToLower(value), "updating") {
			return "a cache gave an old answer (" + name + ": " + firstLine([]byte(value)) + ")"
		}
	}
	if value := x.field("Warning"); strings.HasPrefix(value, "110") || strings.HasPrefix(value, "111") {
		return "a cache gave an old answer (Warning: " + firstLine([]byte(value)) + ")"
	}
	return ""
}

// certainty is how sure a rate of failures is said to be excluded.
const certainty = 0.95

// excludes says what so many good answers of as many requests prove, and what they do not: with a rate p of failures, all n are good with the
// probability (1-p)^n.
func (a *Again) excludes() string {
	n := float64(a.Asked)
	most := 1 - math.Pow(1-certainty, 1/n)
	text := fmt.Sprintf("%d of %d requests were answered well", a.Asked, a.Asked)
	if a.Why != "" {
		text += ", more than usual since " + a.Why
	}
	return fmt.Sprintf("%s: a failure of one in ten would have been missed with a probability of %.0f %%; what fails more often than %.0f %% of the time is excluded (with %.0f %% certainty)",
		text, 100*math.Pow(0.9, n), 100*most, 100*certainty)
}
