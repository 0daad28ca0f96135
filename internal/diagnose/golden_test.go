package diagnose

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

var update = flag.Bool("update", false, "write testdata/verdicts.golden anew")

// goldenNames are the cases whose words are kept, so that a person reads each change of them: of TestJudge, and of wordCases.
var goldenNames = []string{
	"healthy", "NXDOMAIN", "silence of the name server", "refused", "one of two addresses", "the accept queue is full", "a filter says so", "a refusal of a middlebox", "a missing intermediate",
	"old versions only", "clear to a TLS port that says so", "silence", "a close that came first", "a greeting that came first", "sometimes", "on kept connections", "HTTP/2 is reset", "a circle", "429", "500", "503 of maintenance",
	"behind the gateway: refused", "behind the gateway: one of two", "the head is too large for it", "slower than it waits", "it holds them to be down", "it cannot be told", "a 502 of nginx alone",
	"nginx behind Cloudflare", "Envoy's errno", "a cached error", "Cloudflare's 520", "a challenge",
}

// goldenHere are verdicts with what the gateway's machine says of itself.
func goldenHere() map[string]*Report {
	says := func(r *Report, product string, s HereState) *Report {
		r.Here = &Here{Proxy: product, State: []HereState{s}}
		return r
	}
	return map[string]*Report{
		"here: a server in MAINT": says(report(walkTo(gate, answer(503, "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n"))), "haproxy",
			HereState{Cause: fault.CauseMaintenance, At: up, Text: `HAProxy's web/s1 (10.0.0.7:8080) has been in MAINT for 3s: somebody took it out of service ("set server web/s1 state ready" brings it back)`}),
		"here: an accept queue": says(report(walkTo(gate, nginx(504, "504 Gateway Time-out")), with(refusedAt(up), func(w *Walk) {
			w.Path[0].Evidence = &fault.Evidence{Stage: fault.Dial, End: fault.Timeout, Timer: fault.TimerConnect, After: 4 * time.Second}
			w.Path[0].Cause, w.Path[0].Queue = fault.CauseConnectTimeout, &Queue{Length: 3, Max: 2, Rose: 4}
		})), "nginx", HereState{Cause: fault.CauseWorkersBusy, At: up, Text: "the accept queue of 10.0.0.7:8080 is full: 3 connections wait and 2 may, since the program does not take them"}),
		"here: descriptors": says(report(walkTo(gate, broke(silence))), "nginx", HereState{Cause: fault.CauseDescriptorsExhausted, Text: "nginx (process 8) has 1024 of its 1024 descriptors open (LimitNOFILE, worker_rlimit_nofile, ulimit -n)"}),
		"here: a failed service": says(report(walkTo(gate, nginx(502, "502 Bad Gateway")), refusedAt(up)), "nginx",
			HereState{Cause: fault.CauseServiceFailed, At: up, Text: "systemd's app.service is failed (failed, result exit-code, status 1) since Mon 2026-11-30 02:00:00 UTC; its last lines: Error: Cannot find module 'express'"}),
	}
}

// TestGoldenVerdicts holds the words of more than thirty verdicts: the sentence, the cause, how sure it is, and what to do first.
func TestGoldenVerdicts(t *testing.T) {
	t.Parallel()
	reports := goldenHere()
	names := []string{"here: a server in MAINT", "here: an accept queue", "here: descriptors", "here: a failed service"}
	for i := range judgeCases {
		reports[judgeCases[i].name] = judgeCases[i].report
	}
	for name, c := range wordCases {
		if reports[name] == nil {
			reports[name] = report(walkTo(gate, c.x))
		}
	}
	var b strings.Builder
	b.WriteString("# written by: go test ./internal/diagnose -run TestGoldenVerdicts -update\n")
	for _, name := range append(goldenNames, names...) {
		r := reports[name]
		if r == nil {
			t.Fatalf("no case has the name %q", name)
		}
		copied := *r
		copied.Verdict = Judge(r)
		advise(&copied, nil)
		v := &copied.Verdict
		first := "nothing"
		if len(v.Advice) > 0 {
			first = v.Advice[0]
		}
		fmt.Fprintf(&b, "\n%s\n  says   %s\n  cause  %v, %v\n  do     %s\n", name, v.Sentence, v.Cause, v.Confidence, first)
	}
	const file = "testdata/verdicts.golden"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != string(want) {
		t.Errorf("the words of a verdict changed: read them, and write them with -update\n%s", got)
	}
}
