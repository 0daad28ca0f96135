package admin

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/whygate/whygate/internal/visible"
)

// Incidents have text of clients and upstreams in them, and are read with curl at a terminal.
func TestJSONShowsWhatActs(t *testing.T) {
	const evil = "\x1b\u009b\x7f\u202e\u2028\U000e0041"
	w := httptest.NewRecorder()
	JSON(w, http.StatusOK, map[string]any{"path": evil})
	var got map[string]string
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got["path"] != evil {
		t.Errorf("%v: %q", err, got)
	}
	if text := w.Body.String(); visible.Lines(text) != text {
		t.Errorf("raw: %q", text)
	}
}
