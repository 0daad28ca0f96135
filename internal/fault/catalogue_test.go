package fault

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

func TestCatalogueIsComplete(t *testing.T) {
	slug := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	slugs, titles := map[string]bool{}, map[string]bool{}
	entries := Catalogue()
	if len(entries) != Causes-1 {
		t.Fatalf("%d entries for %d causes", len(entries), Causes-1)
	}
	for i, e := range entries {
		if e == nil {
			t.Errorf("%s has no entry", Cause(i+1))
			continue
		}
		if e.Cause != Cause(i+1) || e.Slug != e.Cause.String() || !slug.MatchString(e.Slug) || slugs[e.Slug] {
			t.Errorf("slug %q of cause %d is wrong or not unique", e.Slug, e.Cause)
		}
		if e.Title == "" || titles[e.Title] {
			t.Errorf("%s: title %q is empty or not unique", e.Slug, e.Title)
		}
		slugs[e.Slug], titles[e.Title] = true, true
		checkWords(t, e)
	}
}

// untyped are the causes without a proxy error: the client left, or the answer is the origin's own and is passed on.
var untyped = map[Cause]bool{
	CauseClientLeft: true, CauseUpstreamStatus: true, CauseApplicationError: true, CauseUpstreamOverloaded: true, CauseCachedError: true,
	CauseWrongHost: true, CauseRedirectLoop: true, CauseUpgradeRefused: true,
}

func checkWords(t *testing.T, e *Entry) {
	t.Helper()
	if e.Family == FamilyNone || e.Meaning == "" || e.sentence == "" || e.Retry == "" {
		t.Errorf("%s: family, meaning, sentence or retry is missing", e.Slug)
	}
	if (e.Type == TypeNone) != untyped[e.Cause] {
		t.Errorf("%s: type %s", e.Slug, e.Type)
	}
	if len(e.Proof) == 0 || len(e.Advice) == 0 || len(e.Proof)+len(e.Advice) < 2 || len(e.Covers) == 0 || len(e.Related) == 0 {
		t.Errorf("%s: proof, advice, covers or related is too short", e.Slug)
	}
	for _, s := range append(append([]string{e.Meaning}, e.Proof...), e.Advice...) {
		if strings.TrimSpace(s) != s || len(s) < 20 || strings.Contains(s, "  ") || !strings.Contains(".…:)", s[len(s)-1:]) && !isCommand(s) {
			t.Errorf("%s: not a sentence: %q", e.Slug, s)
		}
	}
	for _, r := range e.Related {
		if r == e.Cause || r == CauseNone || int(r) >= Causes {
			t.Errorf("%s: related to %s", e.Slug, r)
		}
	}
}

// TestFamiliesHaveCauses: the six families that people know have several causes each, and none is a bin for all.
func TestFamiliesHaveCauses(t *testing.T) {
	var causes [Families]int
	for _, e := range Catalogue() {
		causes[e.Family]++
	}
	for f := FamilyOverload; f <= FamilySecurity; f++ {
		if causes[f] < 5 || causes[f] > Causes/3 {
			t.Errorf("%s has %d causes", f, causes[f])
		}
	}
}

// isCommand: a proof or an advice may be a command line alone.
func isCommand(s string) bool {
	word, _, _ := strings.Cut(s, " ")
	switch word {
	case "openssl", "curl", "dig", "ss", "systemctl", "journalctl", "ip", "nc", "dmesg", "free":
		return true
	}
	return false
}

// notImperative are first words of sentences that describe, instead of telling what to do.
var notImperative = []string{"The", "This", "It", "There", "A", "An", "You", "We", "Maybe", "Perhaps"}

func TestAdviceIsImperative(t *testing.T) {
	for _, e := range Catalogue() {
		first, _, _ := strings.Cut(e.Advice[0], " ")
		for _, w := range notImperative {
			if first == w {
				t.Errorf("%s: the one-line advice does not say what to do: %q", e.Slug, e.Advice[0])
			}
		}
		if len(e.Advice[0]) > 240 {
			t.Errorf("%s: the one-line advice has %d octets", e.Slug, len(e.Advice[0]))
		}
	}
}

// later are the taxonomy's rows that no cause covers, with the reason.
var later = map[string]string{
	"G1": "no cause of its own: it is how an answer to a gRPC client looks, whatever the cause",
}

func TestCatalogueCoversTheTaxonomy(t *testing.T) {
	covered := map[string]bool{}
	for _, e := range Catalogue() {
		for _, row := range e.Covers {
			covered[row] = true
		}
	}
	last := map[string]int{"D": 10, "C": 13, "T": 18, "R": 36, "X": 14, "G": 5, "A": 20}
	for letter, n := range last {
		for i := 1; i <= n; i++ {
			row := fmt.Sprintf("%s%d", letter, i)
			if covered[row] == (later[row] != "") {
				t.Errorf("%s: covered %v, later %q", row, covered[row], later[row])
			}
			delete(covered, row)
		}
	}
	for row := range covered {
		t.Errorf("%s is no row of the taxonomy", row)
	}
}

// typesLater are the error types that no cause has yet, with the reason.
var typesLater = map[Type]string{
	TypeNone:                "no error",
	TypeHTTPResponseTrailer: "trailers have one limit, for the whole section",
}

func TestEveryTypeHasACause(t *testing.T) {
	var used [Types]bool
	for _, v := range verdicts {
		used[v.kind] = true
	}
	used[TypeNone] = false
	for k := range Types {
		if used[k] == (typesLater[Type(k)] != "") {
			t.Errorf("%s: used %v, later %q", Type(k), used[k], typesLater[Type(k)])
		}
	}
}

func TestTypeTable(t *testing.T) {
	if Types != 33 {
		t.Fatalf("%d types, RFC 9209 section 2.3 has 32", Types-1)
	}
	for k := range Types {
		kind := Type(k)
		if kind.String() == "" || kind.Meaning() == "" || kind != TypeNone && kind.Status() == 0 {
			t.Errorf("type %d lacks words", k)
		}
		if got, ok := ParseType(kind.String()); !ok || got != kind {
			t.Errorf("ParseType(%s) = %s", kind, got)
		}
	}
	if _, ok := ParseType("read_timeout"); ok {
		t.Error("read_timeout is an example of RFC 9209 but not registered")
	}
}

func TestCauseText(t *testing.T) {
	for c := range Causes {
		if got, ok := ParseCause(Cause(c).String()); !ok || got != Cause(c) {
			t.Errorf("ParseCause(%s) = %s", Cause(c), got)
		}
	}
	if _, ok := ParseCause("nonsense"); ok {
		t.Error("nonsense is a cause")
	}
	if Cause(255).Entry().Cause != CauseUnknown || Cause(255).String() != "unknown" {
		t.Error("a number that is no cause is not unknown")
	}
}

func TestEveryValueHasAName(t *testing.T) {
	for i := range Rules {
		if r := Rule(i); r.String() == "" || r != RuleNone && r.Text() == "" {
			t.Errorf("rule %d has no words", i)
		}
	}
	for i := range Families {
		if f := Family(i); f.String() == "" || f.Title() == "" {
			t.Errorf("family %d has no words", i)
		}
	}
	for i := range Stages {
		if Stage(i).String() == "" || End(i).String() == "" {
			t.Errorf("stage or end %d has no name", i)
		}
	}
	if AlertName(112) != "unrecognized_name" || AlertName(1) != "" || RCodeName(3) != "NXDOMAIN" || RCodeName(15) != "RCODE15" || RCodeName(999) != "RCODE999" ||
		EDEName(22) != "No Reachable Authority" || EDEName(30) != "Invalid Query Type" || EDEName(-1) != "" || EDEName(31) != "" {
		t.Error("a name of a TLS alert, a DNS response code or an extended DNS error is wrong")
	}
	if Rule(255).String() != "none" || Family(255).String() != "none" || Timer(255).String() != "" || CertProblem(255).String() != "other" || Protocol(255).String() != "an unknown protocol" {
		t.Error("a number out of range has a name of another")
	}
}
