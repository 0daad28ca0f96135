package main

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	line := "4711 (a) b (c) S 1 4700 4700 0 -1 4194560 900 0 0 0 123 45 0 0 20 0 7 0 100 0 0"
	got, err := parseStat(line)
	if err != nil {
		t.Fatal(err)
	}
	want := stat{pid: 4711, group: 4700, cpu: 1680 * time.Millisecond}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, bad := range []string{"", "1 (x", "1 (x) S 1", "x (x) S 1 1 1 0 -1 1 1 1 1 1 1 1"} {
		if _, err := parseStat(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestParseCoreTime(t *testing.T) {
	text := "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 1 2 3 1000 1000 4 5 6 0 0\ncpu1 10 20 30 1000 1000 40 50 60 7 7\n"
	if got, err := parseCoreTime(text, 1); err != nil || got != 2100*time.Millisecond {
		t.Errorf("got %v, %v; want 2.1s", got, err)
	}
	if _, err := parseCoreTime(text, 2); err == nil {
		t.Error("core 2: no error")
	}
}

func TestOwnAccounting(t *testing.T) {
	pids := []int{os.Getpid()}
	before, err := cpuTime(pids)
	if err != nil {
		t.Fatal(err)
	}
	for begin := time.Now(); time.Since(begin) < 30*time.Millisecond; {
	}
	after, err := cpuTime(pids)
	if err != nil {
		t.Fatal(err)
	}
	if after <= before {
		t.Errorf("CPU time went from %v to %v while this test was busy", before, after)
	}
	if kib, err := resident(pids); err != nil || kib < 1000 {
		t.Errorf("resident: %d KiB, %v", kib, err)
	}
}

func TestParseCores(t *testing.T) {
	for list, want := range map[string][]int{"0": {0}, "0-1": {0, 1}, "0-2,7": {0, 1, 2, 7}, "": nil, "a": nil, "1-x": nil} {
		got, err := parseCores(list)
		if !slices.Equal(got, want) || (err != nil) != (want == nil) {
			t.Errorf("%q: got %v, %v; want %v", list, got, err, want)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		sorted []float64
		want   float64
	}{{[]float64{7}, 7}, {[]float64{1, 3}, 2}, {[]float64{1, 2, 9}, 2}} {
		if got := median(tt.sorted); got != tt.want {
			t.Errorf("%v: got %v, want %v", tt.sorted, got, tt.want)
		}
	}
}

func TestRatioIsOfMinima(t *testing.T) {
	r := Result{Series: []Series{
		{Proxy: whygate, Runs: []Run{{CPUUS: 30}, {CPUUS: 19}, {CPUUS: 40}}},
		{Proxy: nginx, Runs: []Run{{CPUUS: 20}, {CPUUS: 90}, {CPUUS: 21}}},
	}}
	for i := range r.Series {
		r.Series[i].summarise()
	}
	r.compare(map[string]float64{nginx: 0.95}, 0)
	want := []Ratio{{Peer: nginx, Ratio: 0.95, Limit: 0.95, Reached: true}}
	if !slices.Equal(r.Ratios, want) {
		t.Errorf("got %+v, want %+v", r.Ratios, want)
	}
}

func TestParseWrkRefusesErrors(t *testing.T) {
	c := benchCase{answer: 100}
	good := wrkResult{Requests: 10, DurationUS: 1e6, Bytes: 3000, P50US: 1, P99US: 2}
	line := func(change func(*wrkResult)) string {
		r := good
		change(&r)
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return "Running 1s test\n" + string(b) + "\n"
	}
	if got, err := parseWrk(line(func(*wrkResult) {}), c); err != nil || got != good {
		t.Errorf("got %+v, %v; want %+v", got, err, good)
	}
	for name, out := range map[string]string{
		"nothing":     "Running 1s test\n",
		"status":      line(func(r *wrkResult) { r.Errors.Status = 1 }),
		"timeout":     line(func(r *wrkResult) { r.Errors.Timeout = 1 }),
		"read":        line(func(r *wrkResult) { r.Errors.Read = 1 }),
		"no requests": line(func(r *wrkResult) { r.Requests = 0 }),
		"truncated":   line(func(r *wrkResult) { r.Bytes = 999 }),
	} {
		if _, err := parseWrk(out, c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestConfigsRender(t *testing.T) {
	dir := t.TempDir()
	s := settings{Dir: dir, Listen: "127.0.0.1:1", Origin: "127.0.0.1:2", Admin: "127.0.0.1:3", Cert: "c", Key: "k", Bundle: "b", AccessLog: "/log", Large: true, Body: 7, Cores: 2}
	for name, want := range map[string]string{
		"origin.conf": "listen 127.0.0.1:1 ", "nginx.conf": "worker_processes 2;", "haproxy.cfg": "nbthread 2\n",
		"whygate.yaml": "tls: {cert: c, key: k}", "load.lua": `string.rep("x", 7)`,
	} {
		path, err := render(name, dir, s)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), want) {
			t.Errorf("%s: no %q in:\n%s", name, want, text)
		}
	}
}

func TestWrongUse(t *testing.T) {
	for _, args := range [][]string{
		{"--rounds", "0"},
		{"--seconds", "1000"},
		{"--cases", "nonesuch"},
		{"--cases", "["},
		{"--peers", "apache"},
		{"extra"},
		{"--nonesuch"},
	} {
		var out, errs strings.Builder
		if code := run(args, &out, &errs); code != exitWrongUse {
			t.Errorf("%v: exit %d, want %d", args, code, exitWrongUse)
		}
	}
}

func TestSelectCases(t *testing.T) {
	var got []string
	for _, c := range selectCases([]string{"get-*", "tls"}) {
		got = append(got, c.name)
	}
	if want := []string{"get-64", "get-512", "get-2000", "get-64-2-cores", "get-64-log", "tls"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestParseH2load(t *testing.T) {
	const good = "Application protocol: h2\nrequests: 9 total, 10 started, 9 done, 9 succeeded, 0 failed, 0 errored, 0 timeout\n"
	if n, err := parseH2load(good); n != 9 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	for _, bad := range []string{"", strings.Replace(good, "h2\n", "http/1.1\n", 1), strings.Replace(good, "0 errored", "1 errored", 1), strings.Replace(good, "9 succeeded", "0 succeeded", 1), "Application protocol: h2\n"} {
		if n, err := parseH2load(bad); err == nil {
			t.Errorf("%q: %d", bad, n)
		}
	}
}
