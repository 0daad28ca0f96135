package telemetry

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
)

// example is the exchange whose line docs/access-log.md shows: one endpoint refused, and another answered.
func example() *Record {
	refused := &fault.Evidence{Stage: fault.Dial, End: fault.Refused, Errno: 111, Endpoint: "http://10.0.0.1:8080", Addr: "10.0.0.1:8080", Declared: -1}
	refused.Spent[fault.Resolve], refused.Spent[fault.Dial] = 2*time.Microsecond, 214*time.Microsecond
	answered := &fault.Evidence{Stage: fault.Done, Reused: true, Nth: 12, Idle: 3402 * time.Millisecond, Sent: 312, Got: 4391, Status: 200, Endpoint: "http://10.0.0.2:8080", Addr: "10.0.0.2:8080", Declared: 4096}
	answered.Spent[fault.Write], answered.Spent[fault.FirstByte], answered.Spent[fault.Body] = 21*time.Microsecond, 18402*time.Microsecond, 95*time.Microsecond
	return &Record{
		At: time.Date(2026, 11, 30, 2, 47, 11, 381e6, time.UTC), Duration: 19012 * time.Microsecond, Client: "203.0.113.7", Secure: true,
		ID: []byte("1f0b6c1e9a4d4f0c8a2e6b7d5c3f9e10"), Traceparent: []byte("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
		Method: []byte("GET"), Host: []byte("shop.example.com"), Target: []byte("/api/cart"), Version: httpmsg.HTTP11,
		Agent: []byte("curl/8.5.0"), Referer: []byte("https://shop.example.com/"), Route: "shop.example.com/api/*", Pool: "api", Status: 200, Sent: 4402, By: ByOrigin,
		Attempts: []*fault.Evidence{refused, answered}, Fault: fault.Classify(refused), Evidence: refused, Retry: "nothing-written", Incident: "5CM75JH251", Saved: true,
	}
}

// The line that docs/access-log.md shows is what the log writes, and its table has every key of it.
func TestDocumentedLine(t *testing.T) {
	b, err := os.ReadFile("../../docs/access-log.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(b), "```json\n")
	shown, _, _ := strings.Cut(block, "```")
	line := JSON(nil, example())
	if shown != string(line) {
		t.Errorf("docs/access-log.md shows\n%s\nand the log writes\n%s", shown, line)
	}
	var keys map[string]any
	if err := json.Unmarshal(line, &keys); err != nil {
		t.Fatal(err)
	}
	for key := range keys {
		if !strings.Contains(string(b), "`"+key) {
			t.Errorf("docs/access-log.md does not say what %s is", key)
		}
	}
}
