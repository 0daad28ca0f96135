package proxy

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/visible"
)

// A page for programs is read with curl at a terminal, too.
func TestProblemShowsWhatActs(t *testing.T) {
	const evil = "\u009b\x7f\u202e\U000e0041"
	p := page{Status: 502, Incident: "A", Request: evil, Sentence: evil}
	b := p.json()
	var got problem
	if err := json.Unmarshal(b, &got); err != nil || got.Detail != evil || got.RequestID != evil {
		t.Errorf("%v: %q", err, b)
	}
	if text := strings.TrimSuffix(string(b), "\n"); visible.Line(text) != text {
		t.Errorf("raw: %q", b)
	}
}
