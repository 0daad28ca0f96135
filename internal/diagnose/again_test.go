package diagnose

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// TestSecondRound asks more often where the first round was not unanimous, and never more than a run may.
func TestSecondRound(t *testing.T) {
	t.Parallel()
	var count atomic.Int64
	third := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if count.Add(1)%3 == 0 {
				w.WriteHeader(code)
			}
		}
	}
	a := serve(t, third(500))
	r := run(t, &Options{URL: a.URL + "/?q=1"})
	if again := r.Walk.Again; again.Asked < 9 || again.Failed < 2 || !strings.Contains(r.Verdict.Sentence, fmt.Sprintf(" of %d times", again.Asked)) {
		t.Errorf("%d of %d: %s", again.Failed, again.Asked, r.Verdict.Sentence)
	}
	if n := a.count(""); n > requestsMax {
		t.Errorf("%d requests were sent", n)
	}
	for name, handler := range map[string]http.HandlerFunc{"always": page(500, "oops"), "never": page(200, "fine")} {
		b := serve(t, handler)
		if r := run(t, &Options{URL: b.URL}); r.Walk.Again.Asked != DefaultCount+1 {
			t.Errorf("%s: asked %d times", name, r.Walk.Again.Asked)
		}
	}
	c := serve(t, third(500))
	if r := run(t, &Options{URL: c.URL, Count: 6}); r.Walk.Again.Asked != 7 {
		t.Errorf("with a count of 6 it was asked %d times", r.Walk.Again.Asked)
	}
}

// TestServersThatDisagree: the same request has a 404 at times.
func TestServersThatDisagree(t *testing.T) {
	t.Parallel()
	var count atomic.Int64
	a := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if count.Add(1)%2 == 0 {
			w.WriteHeader(404)
		}
	})
	r := run(t, &Options{URL: a.URL})
	v, asked := r.Verdict, r.Walk.Again.Asked
	if v.Cause != fault.CauseUpstreamStatus || asked < 9 || !strings.Contains(v.Sentence, "with 200 and with 404") || !strings.Contains(v.Sentence, fmt.Sprintf("of %d times", asked)) {
		t.Errorf("%v: %s", v.Cause, v.Sentence)
	}
}

// TestHangsUpUnannounced notes a server that closes after each answer and does not say so.
func TestHangsUpUnannounced(t *testing.T) {
	t.Parallel()
	closing := func(fields string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer c.Close()
			_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n" + fields + "\r\nfine"))
		}
	}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		noted   bool
	}{"unannounced": {closing(""), true}, "announced": {closing("Connection: close\r\n"), false}, "kept": {page(200, "fine"), false}} {
		a := serve(t, c.handler)
		v := run(t, &Options{URL: a.URL}).Verdict
		if !v.Healthy || strings.Contains(strings.Join(v.Notes, "\n"), "does not say so") != c.noted {
			t.Errorf("%s: %v %q", name, v.Healthy, v.Notes)
		}
	}
}

// TestLoss judges connections that needed more than one SYN: two are a fault, one is a note.
func TestLoss(t *testing.T) {
	t.Parallel()
	late := func(retransmits int) *Exchange {
		x := ok()
		x.Retransmits = retransmits
		x.Evidence.Spent[fault.Dial] = time.Duration(retransmits) * time.Second
		return x
	}
	w := walkTo(gate, late(1))
	w.Again = &Again{Exchanges: []*Exchange{late(0), late(1)}}
	w.Loss = &Loss{Tried: 8, Lost: 2, Took: make([]Millis, 8)}
	if v := Judge(report(w)); v.Cause != fault.CauseConnectionLost || !strings.Contains(v.Sentence, "4 of 11 connections") {
		t.Errorf("%v: %s", v.Cause, v.Sentence)
	}
	one := walkTo(gate, late(1))
	one.Loss = &Loss{Tried: 8, Took: make([]Millis, 8)}
	if v := Judge(report(one)); !v.Healthy || !strings.Contains(strings.Join(v.Notes, "\n"), "a packet was lost") {
		t.Errorf("%v: %q", v.Cause, v.Notes)
	}
	slow := walkTo(gate, ok())
	slow.HTTP.Main.FirstByte, slow.HTTP.Main.Took = Millis(2700*time.Millisecond), Millis(2700*time.Millisecond)
	if slow.suspicious() || !Judge(report(slow)).Healthy {
		t.Error("a slow page is taken for loss")
	}
}
