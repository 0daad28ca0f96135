package gateway

import (
	"io"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/telemetry"
)

// BenchmarkIncident is what a failed request pays for its incident.
func BenchmarkIncident(b *testing.B) {
	cfg, problems := config.Parse("bench.yaml", []byte("version: 1\nlisten: [{address: \"127.0.0.1:0\"}]\nadmin: \"off\"\naccess_log: \"off\"\nroutes: [{pool: web}]\npools: {web: {endpoints: [\"http://127.0.0.1:1\"]}}\n"), config.Options{})
	if err := problems.Err(); err != nil {
		b.Fatal(err)
	}
	g, err := New(cfg, Options{Stdout: io.Discard, Stderr: io.Discard})
	if err != nil {
		b.Fatal(err)
	}
	g.Start()
	defer g.Stop(0, time.Second)
	e := &fault.Evidence{Stage: fault.Dial, End: fault.Refused, Endpoint: "http://10.0.0.9:80", Addr: "10.0.0.9:80", Declared: -1}
	r := telemetry.Record{
		Began: mono.Now(), Duration: time.Millisecond, Client: "10.0.0.7:41234", ID: []byte("1f0b6c1e9a4d4f0c8a2e6b7d5c3f9e10"), Method: []byte("GET"), Host: []byte("shop.example"),
		Target: []byte("/items/42?key=x"), Agent: []byte("curl/8.5.0"), Route: "/", Pool: "web", Status: 502, By: telemetry.ByGateway, Attempts: []*fault.Evidence{e, e},
		Fault: fault.Classify(e), Evidence: e, Incident: "5CM75JH251",
	}
	b.ReportAllocs()
	for b.Loop() {
		g.record(newIncident(&r))
	}
}
