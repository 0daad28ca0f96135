package explain

import (
	"slices"
	"testing"

	"github.com/whygate/whygate/internal/fault"
)

// The lines are what nginx 1.22 and Caddy 2.6 wrote before the lab's HTTP/2 scenarios. Where a program says the same whatever was spoken, the
// causes of HTTP/2 are among the candidates if the line tells that it was HTTP/2.
func TestUpstreamsOfHTTP2(t *testing.T) {
	t.Parallel()
	const nginx = `2026/12/01 15:10:25 [error] 63#63: *63 %, client: 192.0.2.7, server: , request: "GET /a HTTP/1.1", upstream: "grpc://10.0.0.9:50051", host: "a.example"`
	for _, tt := range []struct {
		line  string
		cause fault.Cause
		among fault.Cause // a candidate beside it; CauseUnknown asks for none
	}{
		{"upstream prematurely closed connection while reading response header from upstream", fault.CauseClosedBeforeAnswer, fault.CauseHTTP2GoAway},
		{"upstream timed out (110: Connection timed out) while reading response header from upstream", fault.CauseHeadTimeout, fault.CauseHTTP2NoSettings},
		{"upstream prematurely closed connection while reading upstream", fault.CauseBodyShort, fault.CauseHTTP2StreamCut},
		{"upstream sent goaway with error 0 while reading response header from upstream", fault.CauseHTTP2GoAway, fault.CauseUnknown},
		{"upstream sent too large http2 frame: 4740180 while reading response header from upstream", fault.CauseHTTP1OnHTTP2Port, fault.CauseUnknown},
		{"upstream rejected request with error 7 while reading response header from upstream", fault.CauseHTTP2RefusedStream, fault.CauseUnknown},
		{"upstream sent unexpected push promise frame while reading response header from upstream", fault.CauseHTTP2ProtocolError, fault.CauseUnknown},
	} {
		line := nginx[:len("2026/12/01 15:10:25 [error] 63#63: *63 ")] + tt.line + nginx[len("2026/12/01 15:10:25 [error] 63#63: *63 %"):]
		r := explainText(t, "error.log", line+"\n")
		if len(r.Findings) != 1 || r.Findings[0].Cause != tt.cause {
			t.Errorf("%s: %+v, want %s", tt.line, r.Findings, tt.cause)
			continue
		}
		isAmong := slices.ContainsFunc(r.Findings[0].Candidates, func(c Candidate) bool { return c.Cause == tt.among })
		if tt.among != fault.CauseUnknown && !isAmong {
			t.Errorf("%s: %s is not among %v", tt.line, tt.among, r.Findings[0].Candidates)
		}
	}

	// The same end of an upstream of HTTP/1 may not be called one of HTTP/2's.
	r := explainText(t, "error.log", `2026/12/01 15:10:25 [error] 63#63: *63 upstream prematurely closed connection while reading response header from upstream, client: 192.0.2.7, server: , request: "GET /a HTTP/1.1", upstream: "http://10.0.0.9:8080/a", host: "a.example"`+"\n")
	if slices.ContainsFunc(r.Findings[0].Candidates, func(c Candidate) bool { return c.Cause == fault.CauseHTTP2GoAway }) {
		t.Errorf("GOAWAY of HTTP/1: %v", r.Findings[0].Candidates)
	}

	r = explainText(t, "caddy.log", `{"level":"info","ts":1796137825.891158,"msg":"Transport: unhandled response frame type *http2.UnknownFrame"}`+"\n")
	if len(r.Findings) > 0 || r.Unknown > 0 {
		t.Errorf("a frame that nobody knows: %+v, %d unknown", r.Findings, r.Unknown)
	}
	r = explainText(t, "caddy.log", `{"level":"error","ts":1796137922.7316754,"logger":"http.log.error","msg":"unexpected EOF","request":{"remote_ip":"192.0.2.7","proto":"HTTP/1.1","method":"GET","host":"a.example","uri":"/a","headers":{}},"duration":0.0095,"status":502,"err_id":"dchf34bxk"}`+"\n")
	if len(r.Findings) != 1 || !slices.ContainsFunc(r.Findings[0].Candidates, func(c Candidate) bool { return c.Cause == fault.CauseClosedBeforeAnswer }) {
		t.Errorf("unexpected EOF: %+v", r.Findings)
	}
}
