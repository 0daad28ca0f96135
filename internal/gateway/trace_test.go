//go:build linux

package gateway_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The trace id of a request stands in its line of the log, so that the two can be joined.
func TestTraceIDIsLogged(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "access.log")
	g := startText(t, strings.Replace(pool("127.0.0.1:0", httpOrigin(t, "x"), ""), `access_log: "off"`, "access_log: "+name, 1))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.address+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	req.Header.Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	var line []byte
	for deadline := time.Now().Add(patience); len(line) == 0 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if line, err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(string(line), `"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"`) {
		t.Errorf("%s", line)
	}
}
