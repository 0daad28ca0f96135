package explain

import "testing"

// An object of JSON on a line of its own is a record: the lines behind it are not part of it, whatever braces they have. One that begins in
// a line and ends further down is read with what stands behind its first brace.
func TestObjectsOfOneLine(t *testing.T) {
	t.Parallel()
	r := explainText(t, "mixed.log", `{"severity":"INFO","message":"Listening on :5020"}
[Mon Nov 30 10:00:00.000001 2026] [mpm_event:notice] [pid 1:tid 1] AH00489: Apache/2.4.62 (Debian) configured -- resuming normal operations
PASS tests/test_proxy.py::test_upstream_timed_out
I1130 10:00:00.000000       1 controller.go:210] "Starting backend reload"
{"severity":"INFO","message":"Stopping"}
`)
	if len(r.Findings) > 0 || len(r.Unjudged) > 0 {
		t.Errorf("findings %+v, unjudged %+v", r.Findings, r.Unjudged)
	}
	r = explainText(t, "app.log", "{ \"upstream\": \"http://10.0.0.7:8080\",\n  \"level\": \"error\",\n  \"msg\": \"connect: connection refused\"\n}\nnext\n")
	if len(r.Findings) != 1 || len(r.Findings[0].Upstreams) != 1 || r.Findings[0].Upstreams[0].Name != "10.0.0.7:8080" {
		t.Errorf("findings %+v", r.Findings)
	}
}

// A number of three digits beside a good status counts something.
func TestGoodStatusWithNumbers(t *testing.T) {
	t.Parallel()
	for line, unjudged := range map[string]int{
		`{"level":"info","msg":"request completed","status":200,"bytes":502,"duration_ms":12}`: 0,
		`level=info msg="request completed" method=GET status=304 bytes=503`:                   0,
	} {
		r := explainText(t, "app.log", line+"\n")
		if len(r.Findings) > 0 || len(r.Unjudged) != unjudged {
			t.Errorf("%s: findings %+v, unjudged %+v", line, r.Findings, r.Unjudged)
		}
	}
}
