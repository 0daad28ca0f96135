package explain

import (
	"testing"

	"github.com/whygate/whygate/internal/fault"
)

// TestPeersInWords: whom an error is about, in the shapes of many languages' libraries. Names of containers have no point, and hosts and
// ports may stand apart. A page about the error, or the name server that was asked, is not the peer.
func TestPeersInWords(t *testing.T) {
	t.Parallel()
	for text, c := range map[string]struct {
		cause fault.Cause
		at    string
	}{
		`Error: getaddrinfo ENOTFOUND backend`:                             {fault.CauseDNSNXDomain, "backend"},
		`curl: (7) Failed to connect to app port 3000: Connection refused`: {fault.CauseConnectionRefused, "app:3000"},
		`curl: (6) Could not resolve host: app`:                            {fault.CauseDNSNXDomain, "app"},
		`Errno::ECONNREFUSED (Failed to open TCP connection to app:3000 (Connection refused - connect(2) for "app" port 3000)):`:                                                                                                                                                       {fault.CauseConnectionRefused, "app:3000"},
		`requests.exceptions.ConnectionError: HTTPConnectionPool(host='app', port=8000): Max retries exceeded with url: /x (Caused by NewConnectionError('<urllib3.connection.HTTPConnection object at 0x7f>: Failed to establish a new connection: [Errno 111] Connection refused'))`: {fault.CauseConnectionRefused, "app:8000"},
		`java.net.UnknownHostException: user-service`:                                                                                                                     {fault.CauseDNSNXDomain, "user-service"},
		`java.net.ConnectException: Failed to connect to user-service/10.0.0.3:8080`:                                                                                      {fault.CauseConnectionRefused, "10.0.0.3:8080"},
		`org.apache.http.conn.HttpHostConnectException: Connect to app:8080 [app/172.18.0.3] failed: Connection refused (Connection refused)`:                             {fault.CauseConnectionRefused, "app:8080"},
		`Caused by: java.net.ConnectException: Connection refused: no further information: localhost/127.0.0.1:8761`:                                                      {fault.CauseConnectionRefused, "127.0.0.1:8761"},
		`dial tcp: lookup app on 127.0.0.11:53: no such host`:                                                                                                             {fault.CauseDNSNXDomain, "app"},
		`System.Net.Http.HttpRequestException: Connection refused (app:5001)`:                                                                                             {fault.CauseConnectionRefused, "app:5001"},
		`System.Net.Http.HttpRequestException: Name or service not known (app:80)`:                                                                                        {fault.CauseDNSNXDomain, "app:80"},
		`cURL error 7: Failed to connect to app port 80 after 3 ms: Connection refused (see https://curl.haxx.se/libcurl/c/libcurl-errors.html) for http://app/api`:       {fault.CauseConnectionRefused, "app:80"},
		`cURL error 28: Operation timed out after 30001 milliseconds with 0 bytes received (see https://curl.haxx.se/libcurl/c/libcurl-errors.html) for http://app:9000/`: {fault.CauseHeadTimeout, "app:9000"},
		`aiohttp.client_exceptions.ClientConnectorError: Cannot connect to host app:8000 ssl:default [Connect call failed ('172.18.0.3', 8000)]`:                          {fault.CauseConnectionRefused, "172.18.0.3:8000"},
		`reqwest::Error { kind: Request, url: Url { scheme: "http", host: Some(Domain("app")), port: Some(8080) }, source: hyper::Error(Connect, ConnectError("tcp connect error", Os { code: 111, kind: ConnectionRefused, message: "Connection refused" })) }`: {fault.CauseConnectionRefused, "app:8080"},
		"Proxy error: Could not proxy request /api from localhost:3000 to http://app:5000.\nSee https://nodejs.org/api/errors.html#errors_common_system_errors for more information (ECONNREFUSED).":                                                             {fault.CauseConnectionRefused, "app:5000"},
		`Error occured while trying to proxy to: localhost:3000/api/authenticate`:                             {fault.CauseConnectionRefused, "localhost:3000"},
		`dns lookup failed for the upstream: no such host`:                                                    {fault.CauseDNSNXDomain, ""},
		`error trying to connect: dns error: failed to lookup address information: Name or service not known`: {fault.CauseDNSNXDomain, ""},
		`user lookup missed, connect ECONNREFUSED 10.0.0.5:5432`:                                              {fault.CauseConnectionRefused, "10.0.0.5:5432"},
		`connect: Connection timed out (errno:110)`:                                                           {fault.CauseConnectTimeout, ""},
		`Connection refused (attempt:3) http://app.internal:8080/`:                                            {fault.CauseConnectionRefused, "app.internal:8080"},
		`Health check: http://10.0.0.5:8080/health failed: connection refused`:                                {fault.CauseConnectionRefused, "10.0.0.5:8080"},
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			r := explainText(t, "posted.log", text+"\n")
			if len(r.Findings) != 1 || r.Findings[0].Cause != c.cause {
				t.Fatalf("%+v, want one %s", r.Findings, c.cause)
			}
			at := ""
			if len(r.Findings[0].Upstreams) > 0 {
				at = r.Findings[0].Upstreams[0].Name
			}
			if at != c.at {
				t.Errorf("at %q, want %q", at, c.at)
			}
		})
	}
}

// TestCodesInWords: products' own names for errors mean in a sentence, on a page and in an object what they mean by themselves.
func TestCodesInWords(t *testing.T) {
	t.Parallel()
	for text, cause := range map[string]fault.Cause{
		`502: BAD_GATEWAY Code: DNS_HOSTNAME_NOT_FOUND ID: fra1::abcd-1234`:                                           fault.CauseDNSNXDomain,
		`An error occurred with your deployment FUNCTION_INVOCATION_TIMEOUT fra1::abcd`:                               fault.CauseWorkerTimeout,
		`{"category":"FrontdoorAccessLog","properties":{"httpStatusCode":"503","errorInfo":"OriginInvalidResponse"}}`: fault.CauseNotHTTP,
		`{"properties":{"httpStatusCode":"502","errorInfo":"SSLMismatchedSNI"}}`:                                      fault.CauseTLSNameUnknown,
		`t=2024-01-01T10:00:00+0000 lvl=eror msg="failed to open private leg" err="ERR_NGROK_8012"`:                   fault.CauseConnectionRefused,
		`{"message":"An invalid response was received from the upstream server"}`:                                     fault.CauseClosedBeforeAnswer,
		`The request was aborted because there was no available instance.`:                                            fault.CauseNobodyAvailable,
		`RequestId: 3a1b2c3d-1111 Error: Runtime exited with error: signal: killed Runtime.ExitError`:                 fault.CauseWorkerKilled,
		`[2024-01-09 13:25:03 +0000] [1637] [WARNING] Worker with pid 7289 was terminated due to signal 6`:            fault.CauseWorkerTimeout,
	} {
		if r := explainText(t, "posted.log", text+"\n"); len(r.Findings) != 1 || r.Findings[0].Cause != cause {
			t.Errorf("%s: %+v, want %s", text, r.Findings, cause)
		}
	}
}
