package diagnose

import (
	"math"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// TestOneInTen: five good answers say what they do not exclude, and a hint among them asks for more.
func TestOneInTen(t *testing.T) {
	t.Parallel()
	var count atomic.Int64
	header := func(name string, values ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if v := values[int(count.Add(1))%len(values)]; v != "" {
				w.Header().Set(name, v)
			}
		}
	}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		asked   int
		why     string
	}{
		"no hint":         {page(200, "fine"), 5, ""},
		"the same server": {header("X-Served-By", "web-1"), 5, ""},
		"two servers":     {header("X-Served-By", "web-1", "web-2"), 13, "X-Served-By is web-"},
		"two products":    {header("Server", "nginx", "nginx", "Apache"), 13, "Server is"},
		"Retry-After":     {header("Retry-After", "5"), 13, "Retry-After: 5"},
		"a stale answer":  {header("X-Cache-Status", "STALE"), 13, "a cache gave an old answer (X-Cache-Status: STALE)"},
		"a hit":           {header("X-Cache-Status", "HIT"), 5, ""},
		"a Warning":       {header("Warning", `110 - "Response is Stale"`), 13, "a cache gave an old answer"},
	} {
		a := serve(t, c.handler)
		r := run(t, &Options{URL: a.URL})
		notes := strings.Join(r.Verdict.Notes, "\n")
		if again := r.Walk.Again; again.Asked != c.asked || !strings.Contains(again.Why, c.why) || c.why == "" && again.Why != "" {
			t.Errorf("%s: asked %d times, since %q", name, again.Asked, again.Why)
		}
		want := map[int]string{5: "missed with a probability of 59 %; what fails more often than 45 %", 13: "missed with a probability of 25 %; what fails more often than 21 %"}[c.asked]
		if !r.Verdict.Healthy || !strings.Contains(notes, want) || !strings.Contains(notes, c.why) {
			t.Errorf("%s: %v, %s", name, r.Verdict.Healthy, notes)
		}
		if n := a.count(""); n > requestsMax {
			t.Errorf("%s: %d requests", name, n)
		}
	}
}

// A failure that the first five did not meet is met by the eight that a hint asks for.
func TestHintFindsTheFailure(t *testing.T) {
	t.Parallel()
	var count atomic.Int64
	a := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n := count.Add(1)
		w.Header().Set("X-Backend", []string{"a", "b"}[n%2])
		if n > 9 && n%4 == 0 {
			w.WriteHeader(502)
		}
	})
	r := run(t, &Options{URL: a.URL})
	if v := r.Verdict; v.Healthy || !strings.Contains(v.Sentence, "of 13 times") || r.Walk.Again.Why == "" {
		t.Errorf("%v: %s", v.Cause, v.Sentence)
	}
}

// The numbers are those of the binomial distribution.
func TestExcludes(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2, 5, 13, 21} {
		text := (&Again{Asked: n}).excludes()
		missed, most := math.Pow(0.9, float64(n)), 0.0
		for most < 1 && math.Pow(1-most, float64(n)) > 0.05 {
			most += 0.0001
		}
		for _, want := range []string{percent(missed), percent(most)} {
			if !strings.Contains(text, want+" %") {
				t.Errorf("%d: %s, want %s", n, text, want)
			}
		}
	}
}

func percent(p float64) string {
	n := int(math.Round(100 * p))
	return string(rune('0'+n/10)) + string(rune('0'+n%10))
}

// sleepy answers 502 to a request that comes later than a while after the one before it, as a gateway does whose kept connection was closed.
func sleepy(most time.Duration, keep string) http.HandlerFunc {
	var mu sync.Mutex // guards last
	last := time.Now()
	return func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		idle := time.Since(last)
		last = time.Now()
		mu.Unlock()
		if keep != "" {
			w.Header().Set("Keep-Alive", keep)
		}
		if idle > most {
			w.WriteHeader(502)
		}
	}
}

// TestPauses: what fails only after a pause is met where a hint or a patient person asks for pauses, and not waited for otherwise.
func TestPauses(t *testing.T) {
	t.Parallel()
	a := serve(t, sleepy(700*time.Millisecond, "timeout=1, max=100"))
	r := run(t, &Options{URL: a.URL})
	if v := r.Verdict; v.Cause != fault.CauseKeepaliveRace || v.Confidence != Likely || !strings.Contains(v.Sentence, "fails after a pause, with 502") || !strings.Contains(v.Sentence, "none of 5 that came at once") {
		t.Errorf("%v: %s", v.Cause, v.Sentence)
	}
	if n := a.count(""); n > requestsMax {
		t.Errorf("%d requests", n)
	}
	began := time.Now()
	b := serve(t, sleepy(time.Hour, "timeout=5"))
	if r := run(t, &Options{URL: b.URL}); !r.Verdict.Healthy || r.Walk.Race != nil || time.Since(began) > 4*time.Second {
		t.Errorf("%v, %+v after %v", r.Verdict.Cause, r.Walk.Race, time.Since(began))
	}
	c := serve(t, sleepy(time.Hour, ""))
	r = run(t, &Options{URL: c.URL, Patient: true, Budget: 4 * time.Second})
	if race := r.Walk.Race; !r.Verdict.Healthy || race == nil || len(race.Pauses) < 2 || race.Why != "--patient" || time.Duration(r.Took) > 4*time.Second {
		t.Errorf("%+v, %v", race, r.Verdict)
	}
	d := serve(t, sleepy(time.Hour, "timeout=1"))
	if r := run(t, &Options{URL: d.URL, Method: "POST"}); r.Walk.Race != nil || d.count("POST") != 1 {
		t.Errorf("a POST was sent %d times", d.count("POST"))
	}
}
