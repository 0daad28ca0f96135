package explain

import (
	"testing"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// TestNameless: proxies that send no name by default meet a handshake failure for that first; one that sends it does not.
func TestNameless(t *testing.T) {
	t.Parallel()
	r, e := NewRecogniser(formats, time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)), Entry{}
	for line, want := range map[string]fault.Cause{
		`2026/11/24 10:00:00 [error] 7#7: *1 SSL_do_handshake() failed (SSL: error:0A000410:SSL routines::sslv3 alert handshake failure:SSL alert number 40) while SSL handshaking to upstream, client: 192.0.2.1, server: s, request: "GET / HTTP/1.1", upstream: "https://192.0.2.9:443/", host: "s"`:                                                                       fault.CauseTLSNameUnknown,
		`127.0.0.1:36308 [22/Nov/2026:17:10:10.643] fe tls/s1 0/0/-1/-1/3007 503 217 - - SC-- 1/1/0/0/3 0/0 "GET /tls/1 HTTP/1.1" bc_err="SSL handshake failure" ssl_err="error:0A000410:SSL routines::sslv3 alert handshake failure (SSL alert number 40)"`:                                                                                                                  fault.CauseTLSNameUnknown,
		`{"level":"error","ts":1755770004.5,"logger":"http.log.error.log0","msg":"remote error: tls: handshake failure","request":{"remote_ip":"203.0.113.9","remote_port":"51234","client_ip":"203.0.113.9","proto":"HTTP/1.1","method":"GET","host":"s","uri":"/"},"duration":0.1,"status":502,"err_id":"a","err_trace":"reverseproxy.statusError (reverseproxy.go:1390)"}`: fault.CauseTLSNoSharedCipher,
	} {
		if f, _ := r.Read(&e, []byte(line)); f == nil || e.Fault().Cause != want {
			t.Errorf("%s, want %s: %s", e.Fault().Cause, want, line)
		}
	}
}
