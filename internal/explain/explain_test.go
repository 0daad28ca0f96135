package explain

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/whygate/whygate/internal/fault"
)

// explainText reads texts as files, by name and content.
func explainText(t *testing.T, files ...string) *Report {
	t.Helper()
	o := Options{Now: corpusNow, Zone: time.UTC}
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(t.TempDir(), files[i])
		if err := os.WriteFile(path, []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
		s := FileSource(path)
		s.Name = files[i]
		o.Sources = append(o.Sources, s)
	}
	r, err := Explain(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// nginxAt writes lines of an nginx error log and of an access log, a second apart.
type nginxAt struct {
	errors, access strings.Builder
	at             time.Time
	conn           int
}

func newNginx() *nginxAt { return &nginxAt{at: time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)} }

func (n *nginxAt) fail(message, method, path, upstream string, status int) {
	n.conn++
	fmt.Fprintf(&n.errors, "%s [error] 7#7: *%d %s, client: 10.0.0.9, server: s, request: \"%s %s HTTP/1.1\", upstream: \"http://%s%s\", host: \"s\"\n",
		n.at.Format("2006/01/02 15:04:05"), n.conn, message, method, path, upstream, path)
	n.answer(method, path, status)
}

func (n *nginxAt) answer(method, path string, status int) {
	if status > 0 {
		fmt.Fprintf(&n.access, "10.0.0.9 - - [%s] \"%s %s HTTP/1.1\" %d 150 \"-\" \"curl\"\n", n.at.Format("02/Jan/2006:15:04:05 -0700"), method, path, status)
	}
}

const (
	refused = "connect() failed (111: Connection refused) while connecting to upstream"
	closed  = "upstream prematurely closed connection while reading response header from upstream"
	noLive  = "no live upstreams while connecting to upstream"
)

// TestJoin reads the error log and the access log of the same requests: each fault counts once, and has both what happened
// and what the client was told.
func TestJoin(t *testing.T) {
	t.Parallel()
	n := newNginx()
	for i := range 20 {
		n.fail(refused, "GET", fmt.Sprintf("/orders/%d?k=v", i), "10.0.1.7:80", 502)
		n.answer("GET", "/ok", 200)
		n.at = n.at.Add(time.Second)
	}
	for name, order := range map[string][]string{
		"error log first":  {"error.log", n.errors.String(), "access.log", n.access.String()},
		"access log first": {"access.log", n.access.String(), "error.log", n.errors.String()},
		"one file":         {"all.log", interleave(n.access.String(), n.errors.String())},
	} {
		r := explainText(t, order...)
		if r.Faults != 20 || len(r.Findings) != 1 || r.Findings[0].Cause.String() != "connection-refused" || r.Joined != 20 {
			t.Errorf("%s: %d faults, %d joined, %d findings", name, r.Faults, r.Joined, len(r.Findings))
			continue
		}
		f := r.Findings[0]
		if name != "one file" && (len(f.Statuses) != 1 || f.Statuses[0] != (StatusShown{502, 20})) {
			t.Errorf("%s: statuses %v", name, f.Statuses)
		}
		if len(f.Groups) != 1 || f.Groups[0].Route != "/orders/{n}" || f.Groups[0].Upstream != "10.0.1.7:80" || f.Groups[0].Count != 20 {
			t.Errorf("%s: groups %+v", name, f.Groups)
		}
	}
}

// interleave puts the lines of two texts one after another, the first's before the second's.
func interleave(a, b string) string {
	var out strings.Builder
	as, bs := strings.SplitAfter(a, "\n"), strings.SplitAfter(b, "\n")
	for i := range max(len(as), len(bs)) {
		if i < len(as) {
			out.WriteString(as[i])
		}
		if i < len(as) && strings.Contains(as[i], " 502 ") && len(bs) > 0 {
			out.WriteString(bs[0])
			bs = bs[1:]
		}
	}
	return out.String()
}

// TestNear reads an application's log beside the proxy's: what it says decides among the candidates, and is the proof.
func TestNear(t *testing.T) {
	t.Parallel()
	n := newNginx()
	var app strings.Builder
	for i := range 12 {
		n.fail(closed, "POST", "/import", "10.0.1.7:80", 0)
		fmt.Fprintf(&app, "[%s +0000] [1] [ERROR] Worker (pid:%d) was sent SIGKILL! Perhaps out of memory?\n", n.at.Add(-time.Second).Format("2006-01-02 15:04:05"), 100+i)
		n.at = n.at.Add(time.Minute)
	}
	r := explainText(t, "error.log", n.errors.String(), "gunicorn.log", app.String())
	if len(r.Findings) != 1 {
		t.Fatalf("%d findings", len(r.Findings))
	}
	f := r.Findings[0]
	if f.Confidence != Likely || len(f.Confirmed) != 1 || f.Confirmed[0].Count != 12 || f.Confirmed[0].Of != 12 || f.Cause != f.Confirmed[0].Cause || f.Product != "nginx" {
		t.Errorf("%s, %s, confirmed by %+v", f.Cause, f.Confidence, f.Confirmed)
	}
	alone := explainText(t, "error.log", n.errors.String())
	if f := alone.Findings[0]; f.Confidence != Open || len(f.Candidates) < 3 || f.Cause.String() != "closed-before-answer" {
		t.Errorf("alone: %s, %s, %d candidates", f.Cause, f.Confidence, len(f.Candidates))
	}
}

// TestSymptom: "no live upstreams" is what the refusals before it lead to.
func TestSymptom(t *testing.T) {
	t.Parallel()
	n := newNginx()
	for i := range 30 {
		message := noLive
		if i%10 == 0 {
			message = refused
		}
		n.fail(message, "GET", "/", "app", 0)
		n.at = n.at.Add(time.Second)
	}
	r := explainText(t, "error.log", n.errors.String())
	if len(r.Findings) != 2 || r.Findings[0].Cause.String() != "connection-refused" || r.Findings[1].SymptomOf.String() != "connection-refused" {
		t.Errorf("%+v", r.Findings)
	}
	n = newNginx()
	n.fail(noLive, "GET", "/", "app", 0)
	if f := explainText(t, "error.log", n.errors.String()).Findings[0]; f.SymptomOf != fault.CauseNone || f.Cause.String() != "nobody-available" {
		t.Errorf("alone, it is a symptom of %q", f.SymptomOf)
	}
}

// patternTexts gives what a report's finding says of patterns.
func patternTexts(f *Finding) string {
	var all []string
	for _, p := range f.Patterns {
		all = append(all, p.Kind+": "+p.Text)
	}
	return strings.Join(all, "\n")
}

func TestPatterns(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	haproxy := func(at time.Time, state, path, server string, status, active int) string {
		return fmt.Sprintf("10.0.0.9:51 [%s] fe be/%s 0/0/1/-1/%d %d 200 - - %s 1/1/1/1/0 0/0 \"GET %s HTTP/1.1\"\n", at.Format("02/Jan/2006:15:04:05.000"), server, active, status, state, path)
	}
	ok := func(at time.Time, server string) string {
		return fmt.Sprintf("10.0.0.9:51 [%s] fe be/%s 0/0/1/2/3 200 200 - - ---- 1/1/1/1/0 0/0 \"GET / HTTP/1.1\"\n", at.Format("02/Jan/2006:15:04:05.000"), server)
	}
	cases := map[string]struct {
		make func(b *strings.Builder)
		want []string
	}{
		"a timer, at one upstream": {
			func(b *strings.Builder) {
				for i := range 20 {
					at := start.Add(time.Duration(i) * 30 * time.Second)
					b.WriteString(ok(at, "s2"))
					b.WriteString(haproxy(at, "sH--", "/report", "s1", 504, 30000+i%5))
				}
			}, []string{"timer: all took 30.0 s", "configured to 30 s", "upstream: only be/s1"},
		},
		"after a reload": {
			func(b *strings.Builder) {
				for i := range 20 {
					b.WriteString(ok(start.Add(time.Duration(i)*30*time.Second), "s1"))
				}
				b.WriteString("Mar 14 12:10:00 lb haproxy[1]: Reloading HAProxy\n")
				for i := range 20 {
					b.WriteString(haproxy(start.Add(10*time.Minute+time.Duration(i+2)*time.Second), "SC--", "/", "s1", 503, 0))
				}
			}, []string{"marker: began 2 s after the proxy reloaded"},
		},
		"every five minutes": {
			func(b *strings.Builder) {
				for i := range 10 {
					for k := range 3 {
						b.WriteString(haproxy(start.Add(time.Duration(i)*5*time.Minute+time.Duration(k)*time.Second), "SC--", "/", "s1", 503, 0))
					}
				}
			}, []string{"periodic: comes every 5 min"},
		},
		"from a time on": {
			func(b *strings.Builder) {
				for i := range 60 {
					b.WriteString(ok(start.Add(time.Duration(i)*30*time.Second), "s1"))
				}
				for i := range 20 {
					b.WriteString(haproxy(start.Add(25*time.Minute+time.Duration(i)*15*time.Second), "SC--", "/", "s1", 503, 0))
				}
			}, []string{"began: began at 12:25:00, and goes on"},
		},
	}
	for name, c := range cases {
		var b strings.Builder
		c.make(&b)
		r := explainText(t, "haproxy.log", b.String())
		if len(r.Findings) != 1 {
			t.Errorf("%s: %d findings", name, len(r.Findings))
			continue
		}
		for _, want := range c.want {
			if text := patternTexts(r.Findings[0]); !strings.Contains(text, want) {
				t.Errorf("%s: want %q in\n%s", name, want, text)
			}
		}
	}
}

func TestRoute(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"/users/17/orders?token=x":                   "/users/{n}/orders",
		"/a/9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d":    "/a/{uuid}",
		"/static/app.3f2a9c01d4.js":                  "/static/app.{hash}.js",
		"/blob/e3b0c44298fc1c149afbf4c8996fb92427ae": "/blob/{hash}",
		"/v1/items":                        "/v1/items",
		"/order-12345/x":                   "/order-{n}/x",
		"/u/jo@example.com":                "/u/{mail}",
		"/":                                "/",
		"":                                 "",
		"/t/eyJhbGciOiJIUzI1NiJ9abcdef123": "/t/{token}",
	} {
		if got := string(appendRoute(nil, []byte(in))); got != want {
			t.Errorf("%s gives %s, want %s", in, got, want)
		}
	}
}

// oneRefusalBzip2 is a line of nginx's about a refused connection, by bzip2 1.0.8.
const oneRefusalBzip2 = "QlpoOTFBWSZTWc/oQlQAACxfgAAQWHX9sArARAov5//AMACq2GgoJpoZkTTRoaYGo9I0w1U/TKbJT9SPKADagAAAamo00NT0E8iMAEwEbUyNLwfViWHpPyZbMuZiO9ywu3yMKxUpYkTTjSas1RBOO4pw11Z2ELr0FKsHOysRIyYqGZY7LotGruFKRZchSnA9so88LqktuO9ZM+w/hwqEVIMQkHluGBJ9XQ9XwapCUp/oB2Ka2sSVAl8vERiUY7hon0A5BsIYT4ReFiQRBMKloKKTI1whRbQTgFdBg/INLQcfxdyRThQkM/oQlQA="

// TestPacked reads gzip, bzip2 and zstd, told by their magic numbers and not by their names.
func TestPacked(t *testing.T) {
	t.Parallel()
	n := newNginx()
	for range 500 {
		n.fail(refused, "GET", "/", "10.0.1.7:80", 0)
	}
	var zipped, zst bytes.Buffer
	w := gzip.NewWriter(&zipped)
	io.WriteString(w, n.errors.String())
	w.Close()
	z, err := zstd.NewWriter(&zst)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(z, n.errors.String())
	z.Close()
	for _, text := range []string{n.errors.String(), zipped.String(), zst.String()} {
		if r := explainText(t, "log", text); r.Faults != 500 || r.Files[0].Lines != 500 {
			t.Errorf("%d faults in %d lines", r.Faults, r.Files[0].Lines)
		}
	}
	bz, err := base64.StdEncoding.DecodeString(oneRefusalBzip2)
	if err != nil {
		t.Fatal(err)
	}
	if r := explainText(t, "log", string(bz)); r.Faults != 1 || r.Files[0].Lines != 1 {
		t.Errorf("bzip2: %d faults in %d lines", r.Faults, r.Files[0].Lines)
	}
	cut := Options{Sources: []Source{StreamSource("-", bytes.NewReader(zipped.Bytes()[:zipped.Len()-20]))}}
	if r, err := Explain(t.Context(), cut); err != nil || r.Faults == 0 || r.Files[0].Err() == nil || r.Files[0].Error == "" {
		t.Errorf("a cut gzip file: %v, %+v", err, r)
	}
	cut.Sources = []Source{StreamSource("-", bytes.NewReader(zipped.Bytes()[:4]))}
	if _, err := Explain(t.Context(), cut); !errors.Is(err, ErrNothingRead) {
		t.Errorf("a gzip file without a whole header: %v", err)
	}
}

// TestLongLines: a line that is longer than the limit is read up to it and counted; the numbers of later lines stay right.
func TestLongLines(t *testing.T) {
	t.Parallel()
	n := newNginx()
	n.fail(refused, "GET", "/", "10.0.1.7:80", 0)
	text := strings.Repeat("x", 3*blockSize) + "\n" + strings.Repeat("y", lineMax+5) + "\nshort\n" + n.errors.String()
	r := explainText(t, "log", text)
	if r.Long != 2 || r.Lines != 4 || r.Faults != 1 || r.Findings[0].Example.Line != 4 {
		t.Errorf("%d long of %d lines, %d faults, the last at %d", r.Long, r.Lines, r.Faults, r.Findings[0].Example.Line)
	}
}

// TestSince leaves out what is older, and --each has one object for each line with the documented keys.
func TestSinceAndEach(t *testing.T) {
	t.Parallel()
	n := newNginx()
	for range 10 {
		n.fail(refused, "GET", "/", "10.0.1.7:80", 0)
		n.at = n.at.Add(time.Hour)
	}
	o := Options{Sources: []Source{StreamSource("-", strings.NewReader(n.errors.String()))}, Now: n.at, Zone: time.UTC, Since: 150 * time.Minute}
	r, err := Explain(t.Context(), o)
	if err != nil || r.Faults != 2 || r.Skipped != 8 {
		t.Errorf("since: %d faults, %d skipped, %v", r.Faults, r.Skipped, err)
	}
	var out bytes.Buffer
	all := slices.DeleteFunc(corpora(t), func(c corpusLine) bool { return len(c.text) > lineMax })
	var text bytes.Buffer
	for _, c := range all {
		text.Write(append(c.text, '\n'))
	}
	if _, err := Explain(t.Context(), Options{Sources: []Source{StreamSource("-", &text)}, Now: corpusNow, Each: &out}); err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
	if len(lines) != len(all) {
		t.Fatalf("%d objects for %d lines", len(lines), len(all))
	}
	for i, line := range lines {
		var object map[string]any
		if err := json.Unmarshal(line, &object); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if object["line"] != float64(i+1) || object["format"] != all[i].format || object["kind"] != all[i].want[0] || len(object) != 12 {
			t.Errorf("%d: %s", i+1, line)
		}
	}
}

// endless is a log of any size with ever new paths and upstreams, made as it is read.
type endless struct {
	left int
	n    int
	rest []byte
}

func (e *endless) Read(p []byte) (int, error) {
	if len(e.rest) == 0 {
		if e.left <= 0 {
			return 0, io.EOF
		}
		e.n++
		e.rest = fmt.Appendf(e.rest[:0], "2026/03/14 12:%02d:%02d [error] 7#7: *%d %s, client: 10.%d.%d.9, server: s, request: \"GET /p%c%c%c/%c%c/x HTTP/1.1\", upstream: \"http://10.0.%d.%d:80/x\", host: \"s\"\n",
			e.n/60%60, e.n%60, e.n, closed, e.n%250, e.n/250%250, 'a'+e.n%26, 'a'+e.n/26%26, 'a'+e.n/676%26, 'a'+e.n/17576%26, 'a'+e.n%7, e.n%200, e.n/200%200)
		e.left -= len(e.rest)
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

// TestMemory reads much more than may be held, with more groups than are kept: the heap stays bounded.
func TestMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector's own memory is in the way")
	}
	var least, most runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&least)
	peak := uint64(0)
	o := Options{Sources: []Source{StreamSource("-", &endless{left: 64 << 20})}, Now: corpusNow, Zone: time.UTC, Progress: func(int64) {
		runtime.ReadMemStats(&most)
		peak = max(peak, most.HeapInuse)
	}}
	r, err := Explain(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if grown := int64(peak) - int64(least.HeapInuse); grown > 48<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
	if r.Others == 0 || r.Faults < 200000 || len(r.Findings) != 1 || r.Findings[0].Count != r.Faults {
		t.Errorf("%d faults, %d without a group of their own, %d findings", r.Faults, r.Others, len(r.Findings))
	}
}

// TestOrder: the report is the same however many goroutines parse.
func TestOrder(t *testing.T) {
	t.Parallel()
	var want []byte
	for _, workers := range []int{1, 2, 7} {
		o := Options{Sources: []Source{StreamSource("-", &endless{left: 3 << 20})}, Now: corpusNow, Zone: time.UTC, Workers: workers}
		r, err := Explain(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		} else if !bytes.Equal(got, want) {
			t.Errorf("%d workers: another report", workers)
		}
	}
}

// TestStop: a context that ends stops everything, and says so.
func TestStop(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	var once sync.Once
	o := Options{Sources: []Source{StreamSource("-", &endless{left: 1 << 40})}, Progress: func(int64) { once.Do(stop) }}
	if _, err := Explain(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// TestDecideByTime: when all that were closed took a worker's time limit, that is what it was.
func TestDecideByTime(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	at := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	for i := range 10 {
		fmt.Fprintf(&b, "10.0.0.9 - - [%s] \"GET /slow HTTP/1.1\" 502 157 \"-\" \"curl\" rt=30.%03d uct=\"0.000\" uht=\"-\" urt=\"30.%03d\" ua=\"10.0.1.7:80\" us=\"502\"\n",
			at.Add(time.Duration(i)*time.Minute).Format("02/Jan/2006:15:04:05 -0700"), i*3, i*3)
	}
	r := explainText(t, "access.log", b.String())
	if f := r.Findings[0]; f.Cause != fault.CauseWorkerTimeout || !strings.Contains(patternTexts(f), "gunicorn") {
		t.Errorf("%s: %s", f.Cause, patternTexts(f))
	}
}
