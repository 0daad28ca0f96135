package explain

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/fault"
)

// quotedWords is a log's own words in a page of the catalogue; reportValues has values for the letters that stand for them.
var quotedWords = regexp.MustCompile(`"[^" ][^"]*[^" ]"`)

var reportValues = strings.NewReplacer("IP:P", "10.0.0.7:8080", "H:P", "10.0.0.7:8080", "H/P", "10.0.0.7/8080", "/URI", "/a", "URL", "http://10.0.0.7:8080/a", "host='H'", "host='a'", " X ", " app.internal ", "R:53", "10.0.0.2:53", "...", "10.0.0.1:5")

// sharedWords has, for a cause, those whose words a proxy has for it as well: it cannot tell them apart.
var sharedWords = map[fault.Cause][]fault.Cause{
	fault.CauseConnectionRefused: {fault.CauseNobodyAvailable, fault.CauseClosedBeforeAnswer}, fault.CauseServiceStopped: {fault.CauseConnectionRefused, fault.CauseNobodyAvailable, fault.CauseClosedBeforeAnswer},
	fault.CauseServiceFailed: {fault.CauseConnectionRefused, fault.CauseNobodyAvailable, fault.CauseClosedBeforeAnswer}, fault.CauseConnectionLimit: {fault.CauseNobodyAvailable},
	fault.CauseKernelConnectTimeout: {fault.CauseConnectTimeout}, fault.CauseFirewallRejected: {fault.CauseNetworkUnreachable, fault.CauseHostUnreachable}, fault.CauseDescriptorsExhausted: {fault.CauseOwnLimit},
	fault.CauseDNSError: {fault.CauseDNSServFail}, fault.CauseDNSBogus: {fault.CauseDNSServFail},
	fault.CauseTLSCertificateNotYetValid: {fault.CauseTLSCertificateExpired}, fault.CauseTLSCertificateSelfSigned: {fault.CauseTLSCertificateUnknownAuthority},
	fault.CauseTLSClientCertificateRequired: {fault.CauseTLSNoSharedCipher}, fault.CauseTLSClientCertificateRefused: {fault.CauseTLSClientCertificateRequired},
	fault.CauseTLSToPlainPort: {fault.CauseTLSProtocolError}, fault.CauseTLSHandshakeClosed: {fault.CauseResetBeforeAnswer},
	fault.CauseWorkerTimeout: {fault.CauseClosedBeforeAnswer}, fault.CauseWorkerKilled: {fault.CauseClosedBeforeAnswer}, fault.CauseWorkerCrashed: {fault.CauseClosedBeforeAnswer},
	fault.CauseOutOfMemory: {fault.CauseClosedBeforeAnswer}, fault.CauseKeepaliveRace: {fault.CauseClosedBeforeAnswer, fault.CauseResetBeforeAnswer}, fault.CauseProxyProtocolMismatch: {fault.CauseClosedBeforeAnswer},
	fault.CauseHeadCut: {fault.CauseClosedBeforeAnswer, fault.CauseResetBeforeAnswer}, fault.CauseResetBeforeAnswer: {fault.CauseClosedBeforeAnswer}, fault.CauseUploadCut: {fault.CauseResetBeforeAnswer},
	fault.CauseBodyShort: {fault.CauseClosedBeforeAnswer}, fault.CauseChunksCut: {fault.CauseClosedBeforeAnswer, fault.CauseBodyShort}, fault.CauseBodyReset: {fault.CauseResetBeforeAnswer, fault.CauseBodyShort},
	fault.CauseHTTP2StreamCut: {fault.CauseClosedBeforeAnswer, fault.CauseBodyShort}, fault.CauseBodyStalled: {fault.CauseBodyShort},
	fault.CauseWorkersBusy: {fault.CauseHeadTimeout}, fault.CauseHeadTimeout: {fault.CauseClosedBeforeAnswer}, fault.CauseConnectionLost: {fault.CauseHeadTimeout}, fault.CauseHTTP2NoSettings: {fault.CauseHeadTimeout},
	fault.CauseNoHead: {fault.CauseNotHTTP, fault.CauseBadStatusLine}, fault.CauseBadStatusLine: {fault.CauseNotHTTP}, fault.CauseUnsupportedVersion: {fault.CauseNotHTTP, fault.CauseBadStatusLine},
	fault.CauseTooManyInterim: {fault.CauseHeadTooLarge}, fault.CauseHTTP2ProtocolError: {fault.CauseBadField, fault.CauseHeadTooLarge}, fault.CauseUpstreamStatus: {fault.CauseConnectionRefused},
}

// noWords are what stands in quotes and is no error's words: a field's name, octets, what a page says.
var noWords = []string{
	"Content-Length", "Transfer-Encoding", `NAME\x20`, "SSH-2.0", `\x15`, "Faithfully yours", "[vite] http proxy error", "no such package", "connection failed", "I/O error (head)", "envoy overloaded",
	"NAME OF THE ALERT", "handshake failure", "unsupported protocol", "Unimplemented", "after trailers", "cannot retry err",
}

// TestReportsAreRecognised: the words that a page of the catalogue quotes from a log are words that mean the cause to the
// parsers as well, by themselves and in the lines of the corpora.
func TestReportsAreRecognised(t *testing.T) {
	t.Parallel()
	lines := corpora(t)
	r, entry := NewRecogniser(formats, corpusNow), Entry{}
	known := 0
	for _, e := range fault.Catalogue() {
		means := func(causes []fault.Cause) bool {
			return slices.ContainsFunc(causes, func(c fault.Cause) bool { return c == e.Cause || slices.Contains(sharedWords[e.Cause], c) })
		}
		for _, report := range e.Reports() {
			for _, quoted := range quotedWords.FindAllString(report.Text, -1) {
				quoted = strings.Trim(quoted, `"`)
				if len(quoted) < 12 || slices.ContainsFunc(noWords, func(w string) bool { return strings.Contains(quoted, w) }) {
					continue
				}
				if causes := JudgeText([]byte(reportValues.Replace(quoted)), corpusNow); !means(causes) {
					t.Errorf("%s, %s: %q means %v", e.Slug, report.Proxy, quoted, causes)
				}
				known++
				for _, c := range lines {
					if len(quoted) < 24 || quoted == "aborting with incomplete response" || // which Caddy says whatever broke the body
						!strings.HasPrefix(c.format, report.Proxy) || !strings.Contains(string(c.text), quoted) {
						continue
					}
					if f, _ := r.Read(&entry, c.text); f != nil && entry.Kind == KindFault && !means(entry.causes()) && !slices.ContainsFunc(entry.causes(), func(o fault.Cause) bool { return slices.Contains(sharedWords[o], e.Cause) }) {
						t.Errorf("%s, %s: %q stands in a line of %v: %s", e.Slug, report.Proxy, quoted, entry.causes(), c.text)
					}
				}
			}
		}
	}
	if known < 250 {
		t.Errorf("only %d wordings were compared", known)
	}
}
