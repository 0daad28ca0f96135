package telemetry

import (
	"bytes"
	"strings"
	"testing"
)

func TestTraceID(t *testing.T) {
	const trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	for header, want := range map[string]string{
		"00-" + trace + "-" + parent + "-01":                   trace,
		"01-" + trace + "-" + parent + "-01":                   trace,
		"cc-" + trace + "-" + parent + "-01-what-comes":        trace,
		"00-" + trace + "-" + parent + "-01-x":                 "",
		"cc-" + trace + "-" + parent + "-01x":                  "",
		"ff-" + trace + "-" + parent + "-01":                   "",
		"00-" + strings.ToUpper(trace) + "-" + parent + "-01":  "",
		"00-" + strings.Repeat("0", 32) + "-" + parent + "-01": "",
		"00-" + trace + "-" + strings.Repeat("0", 16) + "-01":  "",
		"00-" + trace + "-" + parent + "-0":                    "",
		"00-" + trace + "_" + parent + "-01":                   "",
		"00-" + trace[:31] + "\"" + "-" + parent + "-01":       "",
		"0x-" + trace + "-" + parent + "-01":                   "",
		"":                                                     "", "-": "", strings.Repeat("-", 55): "", strings.Repeat("0", 55): "",
	} {
		if got := string(TraceID([]byte(header))); got != want {
			t.Errorf("%q: %q", header, got)
		}
	}
}

// The line has the trace's id and nothing else of what a client put into the header.
func TestTraceInLine(t *testing.T) {
	r := record()
	r.Traceparent = []byte("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	if line := JSON(nil, r); !bytes.Contains(line, []byte(`"request_id":"abc","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736",`)) {
		t.Errorf("%s", line)
	}
	r.Traceparent = []byte("anything else")
	if line := JSON(nil, r); bytes.Contains(line, []byte("trace")) {
		t.Errorf("%s", line)
	}
}
