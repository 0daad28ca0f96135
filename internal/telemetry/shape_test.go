package telemetry

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/fault"
)

func lineOf(t *testing.T, s Shape, r *Record) map[string]any {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal(s.Format(JSON, false)(nil, r), &got); err != nil {
		t.Fatal(err)
	}
	return got
}

func asked() *Record {
	return &Record{
		Status: 200, ID: []byte("a1"), Client: "203.0.113.7", Method: []byte("GET"), Host: []byte("shop.example.com"), Target: []byte("/search?q=red+shoes&page=2&x"),
		Agent: []byte("Mozilla/5.0 (X11; Linux x86_64)"), Referer: []byte("https://shop.example.com/?token=s3cret"), Route: "all", Pool: "web", Attempts: []*fault.Evidence{{Endpoint: "http://10.0.0.1"}},
	}
}

// TestShapeMasks: what is hidden is hidden in every line, of a failure as well.
func TestShapeMasks(t *testing.T) {
	t.Parallel()
	s := Shape{MaskClient: true, MaskQuery: true, MaskAgent: true}
	good, bad := asked(), asked()
	bad.Status, bad.Fault, bad.Client = 502, fault.Fault{Cause: fault.CauseConnectionRefused}, "2001:db8:1:2:3::4"
	for r, client := range map[*Record]string{good: "203.0.113.0", bad: "2001:db8:1::"} {
		got := lineOf(t, s, r)
		for key, want := range map[string]any{"client": client, "target": "/search?q=***&page=***&***", "referer": "https://shop.example.com/?token=***", "user_agent": "Mozilla/5.0"} {
			if got[key] != want {
				t.Errorf("%d: %s is %v, want %v", r.Status, key, got[key], want)
			}
		}
	}
	if string(good.Target) != "/search?q=red+shoes&page=2&x" || good.Client != "203.0.113.7" {
		t.Error("the record itself was changed")
	}
	if got := s.Format(Readable, true)(nil, bad); bytes.Contains(got, []byte("s3cret")) || bytes.Contains(got, []byte("red")) || bytes.Contains(got, []byte("::4")) {
		t.Errorf("the readable line shows it: %s", got)
	}
}

// TestShapeWithout: a good request's line lacks what is left out, every other is whole.
func TestShapeWithout(t *testing.T) {
	t.Parallel()
	s := Shape{Without: FieldsOf(fieldNames[:])}
	got := lineOf(t, s, asked())
	for _, name := range fieldNames {
		if _, there := got[name]; there {
			t.Errorf("a good request's line has %s", name)
		}
	}
	if got["status"] != 200.0 || got["pool"] != "web" {
		t.Errorf("it lacks more than that: %v", got)
	}
	for _, change := range []func(r *Record){
		func(r *Record) { r.Status = 503 },
		func(r *Record) { r.Fault, r.Saved = fault.Fault{Cause: fault.CauseConnectionRefused}, true },
	} {
		r := asked()
		change(r)
		if got, want := s.Format(JSON, false)(nil, r), JSON(nil, r); !bytes.Equal(got, want) {
			t.Errorf("the line of what failed is not whole:\n%s\n%s", got, want)
		}
	}
}

// TestShapeSample: about one in so many good requests has a line, the same ones at every gateway; whatever failed has one.
func TestShapeSample(t *testing.T) {
	t.Parallel()
	const of, all = 10, 20000
	s := Shape{Sample: of}
	taken := 0
	for i := range all {
		r := asked()
		r.ID = []byte(strings.Repeat("x", i%7) + string(rune('a'+i%26)) + strings.Repeat("0", i%5) + itoa(i))
		if takes := s.Takes(r); takes != (&Shape{Sample: of}).Takes(r) {
			t.Fatal("two gateways do not agree")
		} else if takes {
			taken++
		}
		if r.Status = 500; !s.Takes(r) {
			t.Fatal("a 500 has no line")
		}
	}
	if taken < all/of*8/10 || taken > all/of*12/10 {
		t.Errorf("%d of %d have a line, want about one in %d", taken, all, of)
	}
	if got := lineOf(t, s, asked()); got["sample"] != float64(of) {
		t.Errorf("the line does not say what it stands for: %v", got)
	}
}

func itoa(n int) string {
	b, _ := json.Marshal(n)
	return string(b)
}
