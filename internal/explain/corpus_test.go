package explain

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// corpusDir has a directory for each format: lines in its real shape in NAME.log, and beside them in NAME.want one line
// for each: kind, by, family, cause and type, a dash for none. A cause may be several, joined by bars: those that the line
// honestly cannot tell apart, the verdict first. Lines of NAME.want that begin with # say where the shape comes from.
const corpusDir = "../../testdata/explain"

// Shares of the lines that must be judged right, in percent, and how many lines there must be.
const (
	familyLeast = 98.0
	causeLeast  = 95.0
	corpusLeast = 350
)

// corpusLine is one line with what is wanted of it.
type corpusLine struct {
	format, file string
	line         int
	text         []byte
	want         []string // kind, by, family, causes, type
}

// corpora reads all of them.
func corpora(t testing.TB) []corpusLine {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(corpusDir, "*", "*.log"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("no corpora: %v", err)
	}
	var all []corpusLine
	for _, log := range logs {
		lines := fileLines(t, log)
		wants := slices.DeleteFunc(fileLines(t, strings.TrimSuffix(log, ".log")+".want"), func(b []byte) bool { return len(b) == 0 || b[0] == '#' })
		if len(lines) != len(wants) {
			t.Fatalf("%s has %d lines, and %d are wanted", log, len(lines), len(wants))
		}
		for i := range lines {
			want := strings.Fields(string(wants[i]))
			if len(want) != 5 {
				t.Fatalf("%s: want %d has %d words, not 5: %s", log, i+1, len(want), wants[i])
			}
			all = append(all, corpusLine{filepath.Base(filepath.Dir(log)), filepath.Base(log), i + 1, lines[i], want})
		}
	}
	return all
}

func fileLines(t testing.TB, path string) [][]byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSuffix(b, []byte("\n")), []byte("\n"))
}

// corpusNow is after every line's time.
var corpusNow = time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC)

func dash(s string) string {
	if s == "" || s == "none" {
		return "-"
	}
	return s
}

// sameCauses reports whether the verdict is among the wanted causes, or the candidates are the same set.
func sameCauses(want string, verdict fault.Cause, candidates []fault.Cause) bool {
	wanted := strings.Split(want, "|")
	if slices.Contains(wanted, dash(verdict.String())) {
		return true
	}
	var got []string
	for _, c := range candidates {
		got = append(got, c.String())
	}
	slices.Sort(got)
	slices.Sort(wanted)
	return slices.Equal(got, wanted)
}

// score counts what was judged right in one format.
type score struct{ lines, kind, by, family, cause int }

// TestCorpus reads every line of every corpus and compares what it says with what is wanted.
func TestCorpus(t *testing.T) {
	t.Parallel()
	scores := map[string]*score{}
	var total score
	r, e := NewRecogniser(formats, corpusNow), Entry{}
	for _, c := range corpora(t) {
		s := scores[c.format]
		if s == nil {
			s = &score{}
			scores[c.format] = s
		}
		f, _ := r.Read(&e, c.text)
		where := fmt.Sprintf("%s/%s:%d", c.format, c.file, c.line)
		if f == nil || f.Name != c.format {
			name := "none"
			if f != nil {
				name = f.Name
			}
			t.Errorf("%s is taken for %s: %s", where, name, c.text)
			if f == nil {
				continue
			}
		}
		v := e.Fault()
		for _, sum := range []*score{s, &total} {
			sum.lines++
			sum.add(e.Kind.String() == c.want[0], &sum.kind)
			sum.add(dash(e.By.String()) == c.want[1], &sum.by)
			sum.add(dash(v.Family().String()) == c.want[2], &sum.family)
			sum.add(sameCauses(c.want[3], v.Cause, e.Candidates), &sum.cause)
		}
		if e.Kind.String() != c.want[0] || dash(e.By.String()) != c.want[1] || dash(v.Family().String()) != c.want[2] || dash(v.Type.String()) != c.want[4] || !sameCauses(c.want[3], v.Cause, e.Candidates) {
			t.Logf("%s: %s %s %s %s %v %s, want %v\n%s", where, e.Kind, dash(e.By.String()), v.Family(), v.Cause, e.Candidates, v.Type, c.want, c.text)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(scores)) {
		s := scores[name]
		t.Logf("%-18s %4d lines  family %5.1f %%  cause %5.1f %%", name, s.lines, s.percent(s.family), s.percent(s.cause))
	}
	t.Logf("%-18s %4d lines  family %5.1f %%  cause %5.1f %%  kind %5.1f %%  by %5.1f %%", "all", total.lines, total.percent(total.family),
		total.percent(total.cause), total.percent(total.kind), total.percent(total.by))
	if total.percent(total.family) < familyLeast || total.percent(total.cause) < causeLeast || total.lines < corpusLeast {
		t.Errorf("%d lines, family %.1f %%, cause %.1f %%: want at least %d, %.0f and %.0f", total.lines, total.percent(total.family), total.percent(total.cause),
			corpusLeast, familyLeast, causeLeast)
	}
}

func (s *score) add(right bool, n *int) {
	if right {
		*n++
	}
}

func (s *score) percent(n int) float64 { return float64(n) * 100 / float64(max(s.lines, 1)) }

// TestMixed shuffles all corpora into one log: every line is still of its own format, whatever came before it.
func TestMixed(t *testing.T) {
	t.Parallel()
	all := corpora(t)
	for seed := range uint64(5) {
		random := rand.New(rand.NewPCG(seed, 502))
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		r, e := NewRecogniser(formats, corpusNow), Entry{}
		for _, c := range all {
			if f, _ := r.Read(&e, c.text); f == nil || f.Name != c.format {
				t.Fatalf("seed %d: %s/%s:%d is taken for %v", seed, c.format, c.file, c.line, f)
			}
		}
	}
}

// TestDisjoint offers each line to every format: only its own takes it, so the order of the list means nothing.
func TestDisjoint(t *testing.T) {
	t.Parallel()
	var e Entry
	for _, c := range corpora(t) {
		for _, f := range formats {
			e.reset()
			if took := f.Parse(&e, c.text); took != (f.Name == c.format) && took {
				t.Errorf("%s/%s:%d is taken by %s: %s", c.format, c.file, c.line, f.Name, c.text)
			}
		}
	}
}

// TestEveryFormat checks that each format has a corpus and says of itself what the docs and the reports show.
func TestEveryFormat(t *testing.T) {
	t.Parallel()
	have := map[string]bool{}
	for _, c := range corpora(t) {
		have[c.format] = true
	}
	seen := map[string]bool{}
	for _, f := range formats {
		switch {
		case seen[f.Name]:
			t.Errorf("%s is there twice", f.Name)
		case !have[f.Name]:
			t.Errorf("%s has no corpus", f.Name)
		case f.Title == "" || f.Product == "" || f.Gives == "" || f.Lacks == "" || f.Parse == nil:
			t.Errorf("%s leaves something out", f.Name)
		}
		seen[f.Name] = true
		delete(have, f.Name)
	}
	for name := range have {
		t.Errorf("%s is no format", name)
	}
	if len(formats) > formatsMax {
		t.Errorf("%d formats, and tables have room for %d", len(formats), formatsMax)
	}
}

// TestAllocNothing checks that a line of which all is well costs no allocation in any format, nor does the quick look.
func TestAllocNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	byName := map[string]*Format{}
	for _, f := range formats {
		byName[f.Name] = f
	}
	var e Entry
	for _, c := range corpora(t) {
		f := byName[c.format]
		if c.want[0] != "ok" || f == nil {
			continue
		}
		parse := func() {
			e.reset()
			f.Parse(&e, c.text)
		}
		parse()
		if n := testing.AllocsPerRun(20, parse); n != 0 {
			t.Errorf("%s/%s:%d: %.1f allocations", c.format, c.file, c.line, n)
		}
	}
}

// TestQuick checks that the quick look says what the whole parser says, where it says anything.
func TestQuick(t *testing.T) {
	t.Parallel()
	var e Entry
	quick := 0
	for _, c := range corpora(t) {
		for _, f := range formats {
			if f.quick == nil {
				continue
			}
			kind := f.quick(c.text)
			if kind == KindUnknown {
				continue
			}
			quick++
			e.reset()
			if f.Name != c.format || !f.Parse(&e, c.text) || e.Kind != kind || e.Fault().Is() {
				t.Errorf("%s/%s:%d: the quick look of %s says %s", c.format, c.file, c.line, f.Name, kind)
			}
		}
	}
	if quick == 0 {
		t.Error("no line is quick")
	}
}

func BenchmarkQuick(b *testing.B) {
	line := []byte(`203.0.113.9 - - [14/Mar/2026:12:00:01 +0000] "GET /shop/items/4711?page=3 HTTP/1.1" 200 6122 "https://shop.example.com/" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"`)
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		if quickCombined(line) != KindOK {
			b.Fatal("not quick")
		}
	}
}

func BenchmarkRead(b *testing.B) {
	all := corpora(b)
	r, e := NewRecogniser(formats, corpusNow), Entry{}
	for i := 0; b.Loop(); i++ {
		r.Read(&e, all[i%len(all)].text)
	}
}
