package incident

import (
	"fmt"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/mono"
)

func good(endpoint, path string, at time.Time) *Good {
	return &Good{At: at, Pool: "web", Route: "/", Endpoint: endpoint, Client: "10.0.0.7:41234", Method: []byte("GET"), Host: []byte("shop"), Target: []byte(path), UserAgent: []byte("curl/8"), Version: "1.1", Reused: true}
}

// TestWhatIsDifferent: the endpoint that all failures have and a third of good traffic is named first, and what both have alike not at all.
func TestWhatIsDifferent(t *testing.T) {
	var b Baseline
	now := time.Now()
	for i := range 300 {
		b.Add(good(fmt.Sprint("http://10.0.0.", i%3), fmt.Sprint("/items/", i), now))
	}
	b.Add(good("http://10.0.0.9", "/", now.Add(-time.Hour))) // too old
	outside := b.Since("web", now.Add(-time.Minute), "edge")
	if len(outside) != 300 || len(b.Since("other", now.Add(-time.Minute), "")) != 0 {
		t.Fatalf("%d samples", len(outside))
	}
	var inside []Values
	for i := range 40 {
		v := Values{Endpoint: "http://10.0.0.1", Route: "/", Instance: "edge", Connection: "reused", Path: "/items/:id", Method: "GET", Host: "shop", Client: "10.0.0.0/24", AgentFamily: "curl", Version: "1.1"}
		if i%4 == 0 {
			v[Endpoint] = "http://10.0.0.2"
		}
		if i%2 == 0 {
			v[Method] = "POST"
		}
		inside = append(inside, v)
	}
	facets := Compare(inside, outside)
	if len(facets) != 2 || facets[0].Dimension != "method" || facets[0].Value != "POST" || facets[0].Outside != 0 ||
		facets[1].Value != "http://10.0.0.1" || facets[1].Inside < 0.74 || facets[1].Inside > 0.76 || facets[1].Outside < 0.32 || facets[1].Outside > 0.34 {
		t.Errorf("%+v", facets)
	}
	if few := Compare(inside[:3], outside); len(few) > 0 && few[0].Score > 0.4 {
		t.Errorf("so sure of three: %+v", few)
	}
	if Compare(inside, outside[:10]) != nil || Compare(nil, outside) != nil {
		t.Error("compared with nothing")
	}
}

func TestBaselineIsBounded(t *testing.T) {
	var b Baseline
	now := time.Now()
	for i := range sampleMax + 5000 {
		b.Add(good("http://10.0.0.1", fmt.Sprintf("/word%c%c%c%c", 'a'+i%26, 'a'+i/26%26, 'a'+i/676%26, 'a'+i/17576%26), now))
	}
	if len(b.ring) != sampleMax || len(b.values[Path].texts) > internMax+1 {
		t.Errorf("%d samples, %d paths", len(b.ring), len(b.values[Path].texts))
	}
	if all := b.Since("web", now.Add(-time.Hour), ""); len(all) != sampleMax || all[0][Path] != other {
		t.Errorf("%d, the newest is %q", len(all), all[0][Path])
	}
}

// TestSampled: about one in so many, whatever the clock's grain.
func TestSampled(t *testing.T) {
	var b Baseline
	for _, grain := range []int64{1, 10, 100, 1000, 40_000} {
		n := 0
		for i := range int64(256_000) {
			began := mono.Time(1e12 + i*grain)
			b.last.Store(began)
			if b.Wants(began) {
				n++
			}
		}
		if n < 800 || n > 1200 {
			t.Errorf("every %d ns: %d of 256,000", grain, n)
		}
	}
}

// TestLightTrafficIsSampled: all of it, where there are less than ten requests a second.
func TestLightTrafficIsSampled(t *testing.T) {
	var b Baseline
	n := 0
	for i := range 100 {
		if b.Wants(mono.Time(1e12 + int64(i)*int64(150*time.Millisecond) + 1)) {
			n++
		}
	}
	if n != 100 {
		t.Errorf("%d of 100", n)
	}
}

func BenchmarkSample(b *testing.B) {
	var base Baseline
	g := good("http://10.0.0.1", "/items/42", time.Now())
	at := mono.Now()
	b.ReportAllocs()
	for b.Loop() {
		at += 7919
		if base.Wants(at) {
			base.Add(g)
		}
	}
}

func TestNetwork(t *testing.T) {
	for client, want := range map[string]string{"10.1.2.3:80": "10.1.2.0/24", "[2001:db8:1:2::3]:80": "2001:db8:1::/48", "10.1.2.3": "10.1.2.0/24", "::ffff:10.1.2.3": "10.1.2.0/24", "fe80::1%eth0": "fe80::/48", "": "", "@": ""} {
		if got := Network(client); got != want {
			t.Errorf("%q: %q, want %q", client, got, want)
		}
	}
}
