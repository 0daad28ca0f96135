package telemetry

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
)

// record is a request that went wrong in a way, with what a client can put into a line.
func record() *Record {
	e := &fault.Evidence{Stage: fault.FirstByte, End: fault.Reset, Reused: true, Nth: 7, Idle: 5 * time.Second, Sent: 300, Endpoint: "http://app:80", Addr: "10.0.0.1:80", Declared: -1}
	e.Spent[fault.Write], e.Spent[fault.FirstByte] = 12*time.Microsecond, 3*time.Millisecond
	return &Record{
		At: time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC), Duration: 1234567 * time.Nanosecond, Client: "192.0.2.1",
		ID: []byte("abc"), Method: []byte("GET"), Host: []byte("shop.example.com"), Target: []byte("/a?b=\"c\\\x01\xff"), Version: httpmsg.HTTP11,
		Agent: []byte("curl\x1b[31m"), Route: "/a/*", Pool: "web", Status: 502, Sent: 99, By: ByGateway,
		Attempts: []*fault.Evidence{e}, Fault: fault.Classify(e), Evidence: e, Incident: "0123456789", Retry: "not-repeatable",
	}
}

func TestJSON(t *testing.T) {
	line := JSON(nil, record())
	if bytes.Count(line, []byte("\n")) != 1 || line[len(line)-1] != '\n' {
		t.Errorf("not one line: %q", line)
	}
	var got struct {
		Time, By, Target, Route string
		Status                  int
		Duration                float64          `json:"duration_ms"`
		UserAgent               string           `json:"user_agent"`
		Attempts                []fault.Evidence // spelled as in an incident
		Fault                   struct{ Type, Cause, Family, Incident, Sentence, Retry string }
	}
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	a := got.Attempts[0]
	switch {
	case got.Time != "2026-01-02T03:04:05.678Z", got.By != "gateway", got.Status != 502, got.Duration != 1.234:
		t.Errorf("%s", line)
	case got.Target != "/a?b=\"c\\\x01\u00ff", got.UserAgent != "curl\x1b[31m":
		t.Errorf("a client's octets: %q %q", got.Target, got.UserAgent)
	case !a.Reused, a.Nth != 7, a.Idle != 5*time.Second, a.Sent != 300, a.End != fault.Reset, a.Stage != fault.FirstByte, a.Spent[fault.FirstByte] != 3*time.Millisecond, a.Addr != "10.0.0.1:80":
		t.Errorf("the four bits: %+v", a)
	case got.Fault.Cause != "keepalive-race", got.Fault.Type != "connection_terminated", got.Fault.Incident != "0123456789", got.Fault.Sentence == "":
		t.Errorf("the fault: %+v", got.Fault)
	}
}

func TestReadable(t *testing.T) {
	r := record()
	plain := string(Readable(nil, r))
	if strings.ContainsFunc(plain, func(r rune) bool { return r < ' ' && r != '\n' || r > '~' }) {
		t.Errorf("a client steers the terminal: %q", plain)
	}
	for _, want := range []string{"502 GET shop.example.com/a?b=", "keepalive-race: ", "incident 0123456789", "\n  do: "} {
		if !strings.Contains(plain, want) {
			t.Errorf("no %q in\n%s", want, plain)
		}
	}
	if n := strings.Count(plain, "\n"); n != 3 {
		t.Errorf("%d lines", n)
	}
	r.Fault, r.Evidence = fault.Fault{}, nil
	if n := strings.Count(string(Colored(nil, r)), "\n"); n != 1 {
		t.Errorf("a request without a fault takes %d lines", n)
	}
}

func FuzzJSON(f *testing.F) {
	f.Add([]byte("GET"), []byte("/x\""), "c")
	f.Fuzz(func(t *testing.T, method, target []byte, client string) {
		r := record()
		r.Method, r.Target, r.Client = method, target, client
		if line := JSON(nil, r); !json.Valid(line) {
			t.Errorf("%q", line)
		}
	})
}

func TestLogWritesEveryLineOnce(t *testing.T) {
	var out bytes.Buffer
	l := NewLog(&out, JSON)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range 500 {
				l.Write(record())
			}
		})
	}
	wait.Wait()
	l.Close()
	lines := bytes.Split(bytes.TrimSuffix(out.Bytes(), []byte("\n")), []byte("\n"))
	if len(lines) != 2000 || l.Dropped() != 0 {
		t.Errorf("%d lines, %d dropped", len(lines), l.Dropped())
	}
	for _, line := range lines {
		if !json.Valid(line) {
			t.Fatalf("a broken line: %s", line)
		}
	}
	if l.Write(record()) {
		t.Error("a closed log takes a line")
	}
}

// blocked is a writer that never returns until it is let go.
type blocked chan struct{}

func (b blocked) Write([]byte) (int, error) {
	<-b
	return 0, errors.New("let go")
}

func TestLogDropsInsteadOfWaiting(t *testing.T) {
	b := make(blocked)
	l := NewLog(b, JSON)
	written := 0
	for l.Dropped() == 0 { // the buffer fills up, and the loop ends
		l.Write(record())
		written++
	}
	if size := written * len(JSON(nil, record())); size < logMax {
		t.Errorf("a line is dropped when %d bytes wait", size)
	}
	close(b)
	l.Close()
}

func TestLogAllocates(t *testing.T) {
	r := record()
	r.Fault = fault.Fault{}
	dst := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { dst = JSON(dst[:0], r) }); n != 0 {
		t.Errorf("%v allocations per line", n)
	}
}

func TestMetrics(t *testing.T) {
	m := &Metrics{Open: func() int64 { return 3 }, Busy: func() int64 { return 1 }, Idle: func() map[string]int { return map[string]int{"web": 2} }, Dropped: func() uint64 { return 4 }}
	web := m.Pool("web")
	if m.Pool("web") != web {
		t.Error("a pool's counters are made twice")
	}
	r := record()
	m.Count(web, r)
	r.Saved = true
	m.Count(web, r)
	m.Count(nil, &Record{ID: []byte("x"), Status: 404, By: ByGateway, Version: httpmsg.HTTP3})
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(m)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, x := range f.Metric {
			key := f.GetName()
			for _, l := range x.Label {
				key += " " + l.GetName() + "=" + l.GetValue()
			}
			got[key] = x.GetCounter().GetValue() + x.GetGauge().GetValue() + float64(x.GetHistogram().GetSampleCount())
		}
	}
	for key, want := range map[string]float64{
		"whygate_requests_total by=gateway class=5xx pool=web":                          2,
		"whygate_requests_total by=gateway class=4xx pool=":                             1,
		"whygate_faults_total cause=keepalive-race pool=web type=connection_terminated": 2,
		"whygate_retries_saved_total cause=keepalive-race pool=web":                     1,
		"whygate_attempts_total pool=web reused=true":                                   2,
		"whygate_request_duration_seconds pool=web":                                     2,
		"whygate_stage_duration_seconds pool=web stage=first_byte":                      2,
		"whygate_requests_by_version_total version=3":                                   1,
		"whygate_client_connections":                                                    3,
		"whygate_upstream_idle_connections pool=web":                                    2,
		"whygate_log_lines_dropped_total":                                               4,
	} {
		if got[key] != want {
			t.Errorf("%s = %v, want %v", key, got[key], want)
		}
	}
}

func TestCountAllocates(t *testing.T) {
	m := &Metrics{}
	p, r := m.Pool("web"), record()
	if n := testing.AllocsPerRun(100, func() { m.Count(p, r) }); n != 1 { // its incident, which the counter names
		t.Errorf("%v allocations with an incident", n)
	}
	r.Incident = ""
	if n := testing.AllocsPerRun(100, func() { m.Count(p, r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkJSON(b *testing.B) {
	r := record()
	r.Fault = fault.Fault{}
	l := NewLog(io.Discard, JSON)
	defer l.Close()
	b.ReportAllocs()
	for b.Loop() {
		l.Write(r)
	}
}
