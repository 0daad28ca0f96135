package explain_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/explain"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/lab"
)

// What the environment says of this test: make test-explain sets the first.
const (
	envAll   = "WHYGATE_EXPLAIN"       // not empty: every scenario is played, not a sample
	envStage = "WHYGATE_EXPLAIN_STAGE" // in the process of one stage: its name
	envKeep  = "WHYGATE_EXPLAIN_KEEP"  // a directory that each scenario's lines are kept in
	envOnly  = "SCENARIO"              // a regular expression of scenarios
)

// sampled are the scenarios that go test plays: one of each stage, and two that are healthy.
var sampled = []string{"ok", "dns-nxdomain", "connection-refused", "tls-expired", "closed-before-answer", "no-answer", "head-too-large", "chunks-cut", "upstream-503", "upstream-404"}

// TestLab plays the lab's scenarios through real proxies with their logs on, and compares what explain makes of the lines that
// each scenario caused with the cause that the lab knows. It prints a table. Each proxy runs in namespaces of its own, so it
// needs root; else it says what it skips.
func TestLab(t *testing.T) {
	if name := os.Getenv(envStage); name != "" && lab.Isolated() {
		onStage(t, stages[slices.IndexFunc(stages, func(s *stage) bool { return s.name == name })])
		return
	}
	if why := lab.CanIsolate(); why != nil {
		t.Skipf("skipped: the logs of real proxies: %v", why)
	}
	for _, s := range stages {
		t.Run(s.name, func(t *testing.T) {
			if _, err := lab.ProxyNamed(s.proxy).Program(""); err != nil {
				t.Skipf("skipped: the logs of %s: %v", s.proxy, err)
			}
			t.Parallel()
			isolated(t, s)
		})
	}
}

// isolated runs the test again, for one stage, in namespaces of its own.
func isolated(t *testing.T, s *stage) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestLab$", "-test.v", "-test.timeout=900s")
	cmd.Env = append(os.Environ(), envStage+"="+s.name)
	lab.Isolate(cmd)
	lab.Enclose(cmd)
	runtime.LockOSThread() // the process ends with the thread
	defer runtime.UnlockOSThread()
	out, err := cmd.CombinedOutput()
	if len(out) == 0 && err != nil {
		t.Skipf("skipped: the logs of %s: network namespaces: %v", s.proxy, err)
	}
	for line := range bytes.Lines(out) {
		if bytes.HasPrefix(line, []byte("|")) || err != nil {
			fmt.Print(string(line))
		}
	}
	if err != nil {
		t.Errorf("in the lab's network: %v", err)
	}
}

// onStage plays the scenarios through one proxy and judges what explain says, in a process of its own.
func onStage(t *testing.T, s *stage) {
	network, err := lab.OpenNetwork()
	if err != nil {
		t.Fatal(err)
	}
	defer network.Close()
	dir, err := os.MkdirTemp("", "whygate-explain-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // the proxy's workers may be another user's
		t.Fatal(err)
	}
	r := s.open(t, network, dir)
	defer r.close()
	table := &tally{t: t, stage: s, counts: map[string]map[verdict]int{}}
	for _, sc := range chosen() {
		if s.skips(sc) != "" || r.lab.Skipped[sc.Name] != "" {
			continue
		}
		result := r.player.Play(t.Context(), []*lab.Scenario{sc})[0]
		table.add(sc, result.Got, r.lines(sc.Name))
	}
	for _, c := range clientPlays {
		got := c.play(r.listen)
		sc := &lab.Scenario{Name: c.name}
		lines := r.lines(c.name)
		table.add(sc, got, lines)
	}
	table.print()
}

// chosen are the scenarios to play.
func chosen() []*lab.Scenario {
	all := slices.Clone(lab.All())
	if only := os.Getenv(envOnly); only != "" {
		return slices.DeleteFunc(all, func(s *lab.Scenario) bool { return !regexp.MustCompile(only).MatchString(s.Name) })
	}
	if os.Getenv(envAll) == "" {
		return slices.DeleteFunc(all, func(s *lab.Scenario) bool { return !slices.Contains(sampled, s.Name) })
	}
	return all
}

// verdict is how explain did with the lines of one scenario.
type verdict string

const (
	right     verdict = "right"     // it names the lab's cause, or nothing where there is none
	candidate verdict = "candidate" // the lab's cause is among the candidates, by itself or by the cause that stands for its kind
	untold    verdict = "untold"    // it says that something failed, and that the line cannot tell what
	wrong     verdict = "wrong"     // it names another one, or a cause where there is none
	silent    verdict = "silent"    // the client was harmed, and explain says nothing
	harmless  verdict = "harmless"  // the proxy made something good of it, and the log says nothing
)

var verdicts = []verdict{right, candidate, untold, wrong, silent, harmless}

// tally counts the verdicts of one stage.
type tally struct {
	t      *testing.T
	stage  *stage
	counts map[string]map[verdict]int // by view
	rows   []string
}

// harm is what a client's view of a failure looks like: lab.Result.Got.
var harm = regexp.MustCompile(`\b5\d\d\b|cut after|closed without|no answer|no HTTP`)

// add judges what explain says of the lines of one scenario, in each view of the logs.
func (y *tally) add(sc *lab.Scenario, got string, lines map[string][]string) {
	truth := y.stage.truth(sc)
	for _, v := range y.stage.views {
		said := y.explain(v, lines)
		how := said.judge(truth, harm.MatchString(got))
		why := y.stage.silent(sc, &v, got)
		if how == silent && why != "" {
			said.text = "nothing: " + why
		} else if how == silent || how == wrong || said.unknown > 0 && why == "" {
			y.t.Errorf("%s, %s, %s: the client got %s, the lab's cause is %s, explain says %s", y.stage.name, v.name, sc.Name, got, causes(truth), said.text)
		}
		if y.counts[v.name] == nil {
			y.counts[v.name] = map[verdict]int{}
		}
		y.counts[v.name][how]++
		y.rows = append(y.rows, fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %s |", y.stage.name, v.name, sc.Name, got, causes(truth), said.text, how))
		keep(y.stage.name, v, sc.Name, lines)
	}
}

// print prints the rows and the totals.
func (y *tally) print() {
	fmt.Println("| proxy | logs | scenario | the client got | the lab's cause | explain says | verdict |")
	for _, row := range y.rows {
		fmt.Println(row)
	}
	for _, v := range y.stage.views {
		words := []string{}
		for _, how := range verdicts {
			words = append(words, fmt.Sprintf("%s %d", how, y.counts[v.name][how]))
		}
		fmt.Printf("| total %s | %s | %s |\n", y.stage.name, v.name, strings.Join(words, " | "))
	}
}

// saying is what explain makes of some lines.
type saying struct {
	findings []*explain.Finding
	unknown  int64
	text     string
}

// explain reads the lines as the files that they are of.
func (y *tally) explain(v view, lines map[string][]string) saying {
	var sources []explain.Source
	for _, name := range v.files {
		var kept []string
		for _, line := range lines[name] {
			if v.takes == nil || v.takes(line) {
				kept = append(kept, line)
			}
		}
		text := strings.Join(kept, "\n")
		source := explain.StreamSource(name, strings.NewReader(text))
		source.Once, source.Open = false, func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
		sources = append(sources, source)
	}
	report, err := explain.Explain(y.t.Context(), explain.Options{Sources: sources})
	if err != nil {
		y.t.Fatal(err)
	}
	s := saying{findings: report.Findings, unknown: report.Unknown}
	var words []string
	for _, f := range report.Findings {
		word := fmt.Sprintf("%s by %s", f.Cause, cmp.Or(f.By, "?"))
		for i, c := range f.Candidates {
			if i == 0 {
				word += ", may be"
			}
			word += " " + c.Cause.String()
		}
		words = append(words, word)
	}
	for _, c := range report.Clients {
		words = append(words, "client: "+cmp.Or(c.Cause, "4xx"))
	}
	if report.Unknown > 0 {
		words = append(words, fmt.Sprintf("%d unknown lines", report.Unknown))
	}
	s.text = cmp.Or(strings.Join(words, "; "), "nothing")
	return s
}

// judge compares what was said with the truth. Every finding has to be true or to have the truth among its candidates.
func (s *saying) judge(truth []fault.Cause, harmed bool) verdict {
	if len(s.findings) == 0 {
		switch {
		case len(truth) == 0:
			return right
		case harmed:
			return silent
		}
		return harmless
	}
	how := right
	for _, f := range s.findings {
		named := slices.ContainsFunc(truth, func(c fault.Cause) bool { return c == f.Cause })
		stands := func(slug string) bool {
			return slices.ContainsFunc(truth, func(c fault.Cause) bool { return c.String() == slug || broader[c].String() == slug })
		}
		among := stands(f.Cause.String()) || slices.ContainsFunc(f.Candidates, func(x explain.Candidate) bool { return stands(x.Cause.String()) })
		byOrigin := f.By == "origin"
		switch {
		case byOrigin != (f.Cause == fault.CauseUpstreamStatus) && f.By != "":
			return wrong
		case named:
		case among:
			how = candidate
		case f.Cause == fault.CauseUnknown && len(truth) > 0:
			how = untold
		default:
			return wrong
		}
	}
	return how
}

// broader has the cause that stands for a kind of causes among the candidates, where a line cannot tell them apart: sixteen
// candidates are no help, and what to do begins alike.
var broader = map[fault.Cause]fault.Cause{
	fault.CauseDNSNXDomain: fault.CauseDNSError, fault.CauseDNSNoData: fault.CauseDNSError, fault.CauseDNSServFail: fault.CauseDNSError,
	fault.CauseDNSRefused: fault.CauseDNSError, fault.CauseDNSTimeout: fault.CauseDNSError, fault.CauseDNSBogus: fault.CauseDNSError, fault.CauseDNSBlocked: fault.CauseDNSError,

	fault.CauseTLSCertificateExpired: fault.CauseTLSCertificateUntrusted, fault.CauseTLSCertificateNotYetValid: fault.CauseTLSCertificateUntrusted,
	fault.CauseTLSCertificateWrongName: fault.CauseTLSCertificateUntrusted, fault.CauseTLSCertificateSelfSigned: fault.CauseTLSCertificateUntrusted,
	fault.CauseTLSCertificateUnknownAuthority: fault.CauseTLSCertificateUntrusted, fault.CauseTLSCertificateRevoked: fault.CauseTLSCertificateUntrusted,

	fault.CauseTLSVersionMismatch: fault.CauseTLSAlert, fault.CauseTLSNoSharedCipher: fault.CauseTLSAlert, fault.CauseTLSNameUnknown: fault.CauseTLSAlert,
	fault.CauseTLSClientCertificateRequired: fault.CauseTLSAlert, fault.CauseTLSClientCertificateRefused: fault.CauseTLSAlert, fault.CauseTLSALPN: fault.CauseTLSAlert,
	fault.CauseTLSRecordCorrupt: fault.CauseTLSAlert,

	fault.CauseWrongService: fault.CauseNotHTTP, fault.CausePlainToTLSPort: fault.CauseNotHTTP, fault.CauseHTTP2OnHTTP1Port: fault.CauseNotHTTP,
	fault.CauseProxyProtocolMismatch: fault.CauseNotHTTP, fault.CauseNoHead: fault.CauseNotHTTP, fault.CauseBadStatusLine: fault.CauseNotHTTP,
	fault.CauseUnsupportedVersion: fault.CauseNotHTTP,

	fault.CauseInvalidLength: fault.CauseBadField, fault.CauseConflictingLengths: fault.CauseBadField, fault.CauseUnknownTransferCoding: fault.CauseBadField,
	fault.CauseLengthAndEncoding: fault.CauseBadField,

	// Where a line does not say that HTTP/2 was spoken.
	fault.CauseHTTP2GoAway: fault.CauseClosedBeforeAnswer, fault.CauseHTTP2RefusedStream: fault.CauseClosedBeforeAnswer, fault.CauseHTTP2StreamReset: fault.CauseClosedBeforeAnswer,
	fault.CauseHTTP2NotWanted: fault.CauseClosedBeforeAnswer, fault.CauseHTTP2ProtocolError: fault.CauseBadField, fault.CauseHTTP1OnHTTP2Port: fault.CauseBadField,
	fault.CauseHTTP2NoSettings: fault.CauseHeadTimeout, fault.CauseHTTP2StreamCut: fault.CauseBodyShort,

	fault.CauseFieldTooLarge: fault.CauseHeadTooLarge, fault.CauseTooManyFields: fault.CauseHeadTooLarge, fault.CauseTrailerTooLarge: fault.CauseBadTrailer,
	fault.CauseTooManyInterim: fault.CauseUnaskedInterim,
}

// causes shows a truth.
func causes(truth []fault.Cause) string {
	var words []string
	for _, c := range truth {
		words = append(words, c.String())
	}
	return cmp.Or(strings.Join(words, " or "), "none")
}

// keep writes the lines of a scenario where the environment says so.
func keep(stage string, v view, scenario string, lines map[string][]string) {
	dir := os.Getenv(envKeep)
	if dir == "" {
		return
	}
	for _, name := range v.files {
		path := filepath.Join(dir, stage, scenario+"-"+name)
		_ = os.MkdirAll(filepath.Dir(path), 0o755)
		_ = os.WriteFile(path, []byte(strings.Join(lines[name], "\n")+"\n"), 0o644)
	}
}

// lines takes what was logged since the last call, when it is all there, and gives the lines of the scenario, by file.
func (r *running) lines(scenario string) map[string][]string {
	r.mark++
	mark := fmt.Sprintf("/ok/mark-%d-", r.mark)
	if err := r.ask(mark); err != nil {
		r.t.Fatalf("the proxy does not answer after %s: %v", scenario, err)
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), 10*time.Second)
	defer cancel()
	for !r.logged(mark) {
		select {
		case <-ctx.Done():
			r.t.Fatalf("after %s, %s has no line of %s", scenario, r.stage.marks, mark)
		case <-time.After(20 * time.Millisecond): // a log is a file: nothing tells of a line
		}
	}
	all := map[string][]string{}
	for _, name := range r.stage.files() {
		text := r.unread(name)
		end := bytes.LastIndexByte(text, '\n') + 1
		r.read[name] += int64(end)
		for _, record := range r.stage.records(name, text[:end]) {
			if sc := lab.Get(scenario); r.stage.late != "" && strings.Contains(record, r.stage.late) && (sc == nil || sc.Healthy() || sc.Group == lab.HTTP2) {
				continue
			}
			if owner := r.owner(record); owner == scenario || owner == "" {
				all[name] = append(all[name], strings.Split(record, "\n")...)
			}
		}
	}
	return all
}

// logged reports whether all the files that tell of every request have the text behind what was read of them.
func (r *running) logged(text string) bool {
	return !slices.ContainsFunc(strings.Fields(r.stage.marks), func(name string) bool { return !bytes.Contains(r.unread(name), []byte(text)) })
}

// unread is what a file has after what was read of it.
func (r *running) unread(name string) []byte {
	f, err := os.Open(filepath.Join(r.dir, name))
	if err != nil {
		return nil
	}
	defer f.Close()
	if _, err := f.Seek(r.read[name], io.SeekStart); err != nil {
		return nil
	}
	text, _ := io.ReadAll(bufio.NewReader(f))
	return text
}

var pathName = regexp.MustCompile(`/([a-z0-9-]+)/`)

// owner is the scenario whose path a line has, empty where it has none.
func (r *running) owner(line string) string {
	for _, m := range pathName.FindAllStringSubmatch(line, -1) {
		if lab.Get(m[1]) != nil || slices.ContainsFunc(clientPlays, func(c clientPlay) bool { return c.name == m[1] }) {
			return m[1]
		}
	}
	return ""
}
