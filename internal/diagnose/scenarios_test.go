package diagnose_test

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/certs"
	"github.com/whygate/whygate/internal/diagnose"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/lab"
)

// played is one scenario: what is walked, and the verdict that it must give.
type played struct {
	name    string
	options diagnose.Options
	want    []fault.Cause // one of these; empty is healthy
	at      string        // the hop that is to be blamed, empty for any
}

// TestScenarios walks to the lab's upstreams straight, and through real gateways, in the lab's network of namespaces. Each has one
// root cause, and the verdict must name it. It prints a table. As root it runs in a process of its own; else it says what it skips.
func TestScenarios(t *testing.T) {
	if why := lab.CanIsolate(); why != nil {
		t.Skipf("skipped: the scenarios of diagnose: %v", why)
	}
	if !lab.Isolated() {
		isolated(t)
		return
	}
	network, err := lab.OpenNetwork()
	if err != nil {
		t.Fatal(err)
	}
	defer network.Close()
	h := &house{t: t, network: network, dir: t.TempDir()}
	all := h.straight()
	all = append(all, h.through("nginx", 26000)...)
	all = append(all, h.through("haproxy", 27000)...)
	all = append(all, h.ownNginx()...)
	all = append(all, h.recorded()...)
	all = append(all, h.atTimes()...)
	all = append(all, h.lossy()...)
	all = append(all, h.here()...)
	all = append(all, h.more()...)
	holdsKinds(t, all)
	if only := os.Getenv("SCENARIO"); only != "" {
		all = slices.DeleteFunc(all, func(p played) bool { return !regexp.MustCompile(only).MatchString(p.name) })
	}
	if os.Getenv("WHYGATE_SCENARIOS") == "" {
		all = sample(all)
	}
	play(t, all)
}

// sampled is how many scenarios there are to one that is played unless all are asked for: make test-diagnose plays all.
const sampled = 9

func sample(all []played) (some []played) {
	for i := 0; i < len(all); i += sampled {
		some = append(some, all[i])
	}
	return some
}

// isolated runs the test again in namespaces of its own.
func isolated(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestScenarios$", "-test.v", "-test.timeout=400s")
	lab.Isolate(cmd)
	out, err := cmd.CombinedOutput()
	if len(out) == 0 && err != nil {
		t.Skipf("skipped: the scenarios of diagnose: network namespaces: %v", err)
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

// together is how many scenarios are walked at once.
const together = 6

// outcome is what became of one scenario.
type outcome struct {
	played
	report *diagnose.Report
	err    error
	took   time.Duration
}

func (o *outcome) right() bool {
	if o.err != nil {
		return false
	}
	v := &o.report.Verdict
	if len(o.want) == 0 {
		return v.Healthy
	}
	return !v.Healthy && slices.Contains(o.want, v.Cause) && (o.at == "" || v.At == o.at)
}

// play walks all scenarios and prints the table.
func play(t *testing.T, all []played) {
	outcomes := make([]outcome, len(all))
	slots := make(chan bool, together)
	var group sync.WaitGroup
	for i, p := range all {
		slots <- true
		group.Go(func() {
			defer func() { <-slots }()
			o := &outcomes[i]
			o.played = p
			began := time.Now()
			o.report, o.err = diagnose.Run(t.Context(), &p.options)
			o.took = time.Since(began)
		})
	}
	group.Wait()
	right, healthy := 0, 0
	fmt.Printf("| %-44s | %-34s | %-5s | %7s |\n", "scenario", "verdict", "right", "seconds")
	for i := range outcomes {
		o := &outcomes[i]
		mark := "WRONG"
		if o.right() {
			mark = "right"
			right++
			if len(o.want) == 0 {
				healthy++
			}
		}
		fmt.Printf("| %-44s | %-34s | %-5s | %7.2f |\n", o.name, o.words(), mark, o.took.Seconds())
		if mark == "WRONG" {
			t.Errorf("%s: the verdict is %s, want %s", o.name, o.words(), o.wanted())
			o.explain(t)
		}
		if o.err == nil && o.took > o.options.Budget+time.Second {
			t.Errorf("%s took %v", o.name, o.took)
		}
	}
	fmt.Printf("| %d scenarios, %d right, %d of them healthy %s|\n", len(outcomes), right, healthy, strings.Repeat(" ", 40))
}

func (o *outcome) words() string {
	switch {
	case o.err != nil:
		return o.err.Error()
	case o.report.Verdict.Healthy:
		return "healthy"
	}
	return o.report.Verdict.Cause.String()
}

func (o *outcome) wanted() string {
	if len(o.want) == 0 {
		return "healthy"
	}
	return fmt.Sprint(o.want, " ", o.at)
}

// explain logs what a wrong verdict rests on.
func (o *outcome) explain(t *testing.T) {
	if o.err != nil {
		return
	}
	v := &o.report.Verdict
	t.Logf("    %s; at %s, %s, pattern %q", v.Sentence, v.At, v.Confidence, v.Pattern)
	for _, p := range slices.Concat(v.Proof, v.Missing, v.Notes) {
		t.Logf("      - %s", p)
	}
	for _, s := range o.report.Steps {
		t.Logf("      %s %s %s: %s", s.Mark, s.Name, s.Of, s.Text)
	}
}

// house is where the scenarios play.
type house struct {
	t       *testing.T
	network *lab.Network
	dir     string
}

// open opens a lab of the scenarios at a base port of its own, so that counters of one part do not touch another's.
func (h *house) open(scenarios []*lab.Scenario, base int) *lab.Lab {
	h.t.Helper()
	l, err := lab.Open(scenarios, lab.Options{Base: base, Dir: h.dir, Network: h.network})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(l.Close)
	return l
}

// timeout of the walks: longer than the lab's slowest good answer, which takes 900 ms, and than a gateway's own timers.
const (
	straightTime = 1500 * time.Millisecond
	gatewayTime  = 3500 * time.Millisecond
)

// options are the options to walk to the scenario.
func (h *house) options(l *lab.Lab, s *lab.Scenario, url string) diagnose.Options {
	o := diagnose.Options{URL: url, ServerName: lab.UpstreamName, Roots: h.roots(l), Timeout: straightTime, Budget: diagnose.DefaultBudget}
	if s != nil && s.At.Lists {
		var err error
		if o.Revoked, err = certs.LoadRevocations(l.CRL()); err != nil {
			h.t.Fatal(err)
		}
	}
	if s != nil && s.At.Shows {
		pair, err := tls.LoadX509KeyPair(l.Client())
		if err != nil {
			h.t.Fatal(err)
		}
		o.Certificate = &pair
	}
	if s != nil {
		o.Method = cmp.Or(s.Ask.Method, "GET")
		for _, f := range s.Ask.Fields {
			name, value, _ := strings.Cut(f, ": ")
			o.Fields = append(o.Fields, diagnose.Field{Name: name, Value: value})
		}
	}
	return o
}

func (h *house) roots(l *lab.Lab) *x509.CertPool {
	b, err := os.ReadFile(l.CA())
	if err != nil {
		h.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(b)
	return pool
}

// upstreamURL is the scenario's own upstream.
func upstreamURL(l *lab.Lab, s *lab.Scenario, path string) string {
	if s.At.Unix != "" {
		return "unix:" + l.Address(s)
	}
	return s.At.URLScheme() + "://" + l.Address(s) + path
}

func pathOf(s *lab.Scenario) string { return "/" + s.Name + "/" + s.Ask.Target }

// straight walks to each of the lab's upstreams that a request without a body can show.
func (h *house) straight() (all []played) {
	l := h.open(lab.All(), lab.DefaultBase)
	for _, s := range lab.All() {
		if l.Skipped[s.Name] != "" || unfit(s) || slices.Contains(leftOut, s.Name) {
			continue
		}
		p := played{name: "straight " + s.Name, options: h.options(l, s, upstreamURL(l, s, pathOf(s))), want: s.Want.Cause}
		if other, differs := straightWants[s.Name]; differs {
			p.want = other
		}
		all = append(all, p)
	}
	return all
}

// unfit reports whether the scenario needs a body, which diagnose does not send, or HTTP/2 without TLS.
func unfit(s *lab.Scenario) bool {
	return s.Ask.Body > 0 || s.Ask.Content != "" || s.Ask.Method == "POST" || s.At.Scheme == "h2c" || s.Ask.Together || strings.Contains(strings.Join(s.Ask.Fields, "\n"), "Upgrade")
}

// through walks to a gateway with the lab's configuration, and straight to the upstreams behind it.
func (h *house) through(name string, base int) (all []played) {
	p := lab.ProxyNamed(name)
	if _, err := p.Program(""); err != nil {
		fmt.Printf("| skipped: the gateway %s: %v\n", name, err)
		return nil
	}
	var scenarios []*lab.Scenario
	for _, s := range lab.All() {
		if _, in := gatewayWants[s.Name]; in {
			scenarios = append(scenarios, s)
		}
	}
	l := h.open(scenarios, base)
	dir := h.t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir), h.dir} {
		if err := os.Chmod(d, 0o755); err != nil {
			h.t.Fatal(err)
		}
	}
	setup := &lab.Setup{Lab: l, Scenarios: scenarios, Listen: freeAddress(h.t), Dir: dir}
	running, err := p.Start(h.t.Context(), setup)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(running.Stop)
	if name == "haproxy" { // it resolves its servers' names in the background, all at once
		h.eventually("haproxy does not serve dns-ok", func() bool {
			res, err := http.Get("http://" + setup.Listen + "/dns-ok/")
			if err != nil {
				return false
			}
			defer res.Body.Close()
			return res.StatusCode == http.StatusOK
		})
	}
	for _, s := range scenarios {
		if p.Skip(s) != "" {
			continue
		}
		o := h.options(l, s, "http://"+setup.Listen+pathOf(s))
		o.Timeout = gatewayTime
		o.Upstreams = []string{upstreamURL(l, s, pathOf(s))}
		for _, beside := range s.At.Beside {
			if other := lab.Get(beside); other != nil {
				o.Upstreams = append(o.Upstreams, upstreamURL(l, other, pathOf(s)))
			}
		}
		all = append(all, played{name: name + " " + s.Name, options: o, want: gatewayWants[s.Name]})
	}
	return all
}

// eventually asks again until it is so, for ten seconds.
func (h *house) eventually(failure string, so func() bool) {
	h.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for range 200 {
		if so() {
			return
		}
		<-tick.C
	}
	h.t.Fatal(failure)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
