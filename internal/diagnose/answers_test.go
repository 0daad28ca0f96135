package diagnose

import (
	"slices"
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/fault"
)

// ownAnswer is an answer as its maker sends it: the cause, what the verdict's sentence says, and what nothing says.
type ownAnswer struct {
	x     *Exchange
	cause fault.Cause
	says  []string
	never string
}

// TestOwnAnswers judges what gateways, platforms and programs answer by themselves, and what only looks like it.
func TestOwnAnswers(t *testing.T) {
	t.Parallel()
	for _, set := range [...]map[string]ownAnswer{gatewayAnswers, platformAnswers, programAnswers, innocentAnswers} {
		for name, c := range set {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				v := Judge(report(walkTo(gate, c.x)))
				if v.Cause != c.cause || v.Healthy != (c.cause == fault.CauseNone) {
					t.Fatalf("%v, want %v\n%s\n%q", v.Cause, c.cause, v.Sentence, v.Proof)
				}
				for _, says := range c.says {
					if !strings.Contains(v.Sentence, says) {
						t.Errorf("the sentence lacks %q: %s", says, v.Sentence)
					}
				}
				if all := strings.Join(slices.Concat([]string{v.Sentence}, v.Notes), "\n"); c.never != "" && strings.Contains(all, c.never) {
					t.Errorf("%q is said:\n%s", c.never, all)
				}
			})
		}
	}
}

// TestRefusedBy names the maker of a 404 that is no fault.
func TestRefusedBy(t *testing.T) {
	t.Parallel()
	for says, x := range map[string]*Exchange{
		"404 is the answer of nginx itself":   nginx(404, "404 Not Found"),
		"404 is the answer of who made it":    answer(404, `{"error":"no such order"}`, "Server: nginx"),
		"401 is the answer of HAProxy itself": answer(401, "<html><body><h1>401 Unauthorized</h1>\nYou need a valid user and password to access this content.\n</body></html>\n"),
	} {
		v := Judge(report(walkTo(gate, x)))
		if notes := strings.Join(v.Notes, "\n"); !v.Healthy || !strings.Contains(notes, says) {
			t.Errorf("%v: %q, want %q", v.Cause, notes, says)
		}
	}
}

// TestNameless holds that an answer that names nobody says so, and whom that excludes.
func TestNameless(t *testing.T) {
	t.Parallel()
	v := Judge(report(walkTo(gate, answer(502, "", "Date: x", "Content-Length: 0"))))
	if !strings.Contains(v.Sentence, "with no name and no word") || !strings.Contains(strings.Join(v.Proof, "\n"), "its only headers are Date, Content-Length") || !strings.Contains(strings.Join(v.RuledOut, "\n"), "nginx, HAProxy") {
		t.Errorf("%s\n%q\n%q", v.Sentence, v.Proof, v.RuledOut)
	}
	v = Judge(report(walkTo(gate, answer(502, "Bad Gateway", "Server: widget/3"))))
	if !strings.Contains(v.Sentence, "as widget/3, with no word") {
		t.Errorf("%s", v.Sentence)
	}
	v = Judge(report(walkTo(gate, answer(504, "<html><title>Slow day</title><p>Powered by Acme Cloud</p></html>"))))
	if !strings.Contains(v.Sentence, `says "Slow day", on a page of Acme Cloud's`) {
		t.Errorf("%s", v.Sentence)
	}
}

// TestStockAdvice gives the advice that a product's own answer calls for, and none of the catalogue's that is about another's proxy.
func TestStockAdvice(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"railway-404": "In Railway", "openshift-503": "oc get route", "django-400": "ALLOWED_HOSTS", "krakend-500": "KrakenD's log"} {
		c, found := gatewayAnswers[name]
		for _, set := range [...]map[string]ownAnswer{platformAnswers, programAnswers} {
			if !found {
				c, found = set[name]
			}
		}
		if !found {
			t.Fatalf("there is no answer %s", name)
		}
		r := report(walkTo(gate, c.x))
		r.Verdict = Judge(r)
		advise(r, nil)
		if a := r.Verdict.Advice; len(a) != 1 || !strings.Contains(a[0], want) {
			t.Errorf("%s: %q", name, a)
		}
		if notes := strings.Join(r.Verdict.Notes, "\n"); strings.Contains(notes, "no fault on the way") {
			t.Errorf("%s: %s", name, notes)
		}
	}
	for product, lines := range stockAdvice {
		if !slices.ContainsFunc(stocks, func(s stock) bool { return s.product == product }) && product != "ngrok" {
			t.Errorf("%s has no answer of its own", product)
		}
		for cause, line := range lines {
			if line == "" || cause == fault.CauseNone {
				t.Errorf("%s: %v: %q", product, cause, line)
			}
		}
	}
}

// TestDecided holds that a gateway's own refusal is not laid at the door of an upstream that it did not ask.
func TestDecided(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]*Exchange{
		"no route":  answer(404, "", "server: envoy"),
		"malformed": answer(400, "<html><body><h1>400 Bad request</h1>\nYour browser sent an invalid request.\n</body></html>\n"),
	} {
		for state, upstream := range map[string]*Walk{"refuses": refusedAt(up), "is fine": walkTo(up, ok())} {
			v := Judge(report(walkTo(gate, x), upstream))
			if v.At != gate || strings.Contains(v.Sentence, "passes it on") || v.Cause == fault.CauseConnectionRefused {
				t.Errorf("%s, and the upstream %s: %v at %s: %s", name, state, v.Cause, v.At, v.Sentence)
			}
		}
	}
	v := Judge(report(walkTo(gate, answer(404, frps)), refusedAt(up)))
	if v.At != up {
		t.Errorf("frp's 404 stands for a failure behind it, and the verdict is at %s: %s", v.At, v.Sentence)
	}
}
