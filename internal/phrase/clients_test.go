package phrase

import (
	"testing"

	"github.com/whygate/whygate/internal/fault"
)

// TestClients has what HTTP clients wrote of a server that had one fault each; the client and its version stand before each.
func TestClients(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		client, text string
		want         fault.Cause
	}{
		{"axios 1", "AxiosError: Request failed with status code 502", fault.CauseUpstreamStatus},
		{"axios 1", "AxiosError: stream has been aborted", fault.CauseBodyShort},
		{"axios 1", "Error: Parse Error: Header overflow", fault.CauseHeadTooLarge},
		{"axios 1", "Error: Parse Error: Invalid character in chunk size", fault.CauseBadChunk},
		{"axios 1", "Error [ERR_FR_TOO_MANY_REDIRECTS]: Maximum number of redirects exceeded", fault.CauseRedirectLoop},
		{"got 14", "HTTPError: Request failed with status code 503 (Service Unavailable): GET http://10.0.0.5:8080/a", fault.CauseUpstreamStatus},
		{"got 14", "RequestError: Parse Error: Duplicate Content-Length\n  code: 'HPE_UNEXPECTED_CONTENT_LENGTH'", fault.CauseConflictingLengths},
		{"got 14", "ReadError: The server aborted pending request {\n  code: 'ECONNRESET'", fault.CauseBodyShort},
		{"got 14", "TimeoutError: Timeout awaiting 'request' for 1500ms {\n  code: 'ETIMEDOUT'", fault.CauseHeadTimeout},
		{"got 14", "RequestError: getaddrinfo ENOTFOUND nosuch.invalid", fault.CauseDNSNXDomain},
		{"node-fetch 3", "FetchError: Invalid response body while trying to fetch http://10.0.0.5:8080/a: Premature close", fault.CauseBodyShort},
		{"node-fetch 3", "FetchError: Invalid response body while trying to fetch http://10.0.0.5:8080/a: incorrect header check", fault.CauseBadContentCoding},
		{"node-fetch 3", "FetchError: request to http://10.0.0.5:8080/a failed, reason: Parse Error: Header overflow", fault.CauseHeadTooLarge},
		{"undici 7", "TypeError: fetch failed\n  [cause]: HTTPParserError: Response does not match the HTTP/1.1 protocol (Invalid header token)", fault.CauseBadField},
		{"undici 7", "TypeError: terminated\n  [cause]: HTTPParserError: Response does not match the HTTP/1.1 protocol (Invalid character in chunk size)", fault.CauseBadChunk},
		{"undici 7", "TypeError: fetch failed\n  [cause]: Error: self-signed certificate", fault.CauseTLSCertificateSelfSigned},
		{"Node 20", "DOMException [TimeoutError]: The operation was aborted due to timeout", fault.CauseHeadTimeout},
		{"requests 2.28", "requests.exceptions.HTTPError: 503 Server Error: Service Unavailable for url: http://10.0.0.5:8080/a", fault.CauseUpstreamStatus},
		{"requests 2.28", "requests.exceptions.ConnectionError: HTTPConnectionPool(host='10.0.0.5', port=8080): Read timed out.", fault.CauseBodyStalled},
		{"requests 2.28", "requests.exceptions.ReadTimeout: HTTPConnectionPool(host='10.0.0.5', port=8080): Read timed out. (read timeout=1.2)", fault.CauseHeadTimeout},
		{"requests 2.28", `ChunkedEncodingError(ProtocolError("Connection broken: InvalidChunkLength(got length b'', 0 bytes read)", InvalidChunkLength(got length b'', 0 bytes read)))`, fault.CauseChunksCut},
		{"requests 2.28", `ChunkedEncodingError(ProtocolError("Connection broken: InvalidChunkLength(got length b'zz\\r\\n', 0 bytes read)"))`, fault.CauseBadChunk},
		{"requests 2.28", `ChunkedEncodingError(ProtocolError("Connection broken: ConnectionResetError(104, 'Connection reset by peer')"))`, fault.CauseBodyReset},
		{"requests 2.28", `SSLError(CertificateError("hostname 'a.example' doesn't match 'b.example'"))`, fault.CauseTLSCertificateWrongName},
		{"urllib3 1.26", "InvalidHeader('Content-Length contained multiple unmatching values (3, 5)')", fault.CauseConflictingLengths},
		{"urllib3 1.26", "DecodeError('Received response with content-encoding: gzip, but failed to decode it.', error('Error -3 while decompressing data: incorrect header check'))", fault.CauseBadContentCoding},
		{"urllib", "urllib.error.HTTPError: HTTP Error 502: Bad Gateway", fault.CauseUpstreamStatus},
		{"http.client", "http.client.IncompleteRead: IncompleteRead(3 bytes read, 97 more expected)", fault.CauseBodyShort},
		{"http.client", "http.client.IncompleteRead: IncompleteRead(0 bytes read)", fault.CauseChunksCut},
		{"httpx 0.23", `httpx.RemoteProtocolError: illegal chunk header: bytearray(b'zz\r\n')`, fault.CauseBadChunk},
		{"httpx 0.23", `httpx.RemoteProtocolError: illegal header line: bytearray(b'Bad Field\x00: x')`, fault.CauseBadField},
		{"httpx 0.23", "httpx.RemoteProtocolError: Receive buffer too long", fault.CauseHeadTooLarge},
		{"httpx 0.23", "httpx.HTTPStatusError: Server error '503 Service Unavailable' for url 'http://10.0.0.5:8080/a'", fault.CauseUpstreamStatus},
		{"aiohttp 3.8", `aiohttp.client_exceptions.ClientPayloadError: 400, message='Can not decode content-encoding: gzip'`, fault.CauseBadContentCoding},
		{"Go 1.26", "reading response body: unexpected EOF", fault.CauseBodyShort},
		{"Go 1.26", "reading response body: context deadline exceeded (Client.Timeout or context cancellation while reading body)", fault.CauseBodyStalled},
		{"Go 1.26", "httputil: ReverseProxy read error during body copy: context deadline exceeded", fault.CauseBodyStalled},
		{"Go 1.26", "unexpected status code 503 from http://10.0.0.5:8080/a", fault.CauseUpstreamStatus},
		{"curl 7.88", "curl: (56) Illegal or missing hexadecimal sequence in chunked-encoding", fault.CauseBadChunk},
		{"curl 7.88", "curl: (18) transfer closed with outstanding read data remaining", fault.CauseChunksCut},
		{"curl 7.88", "curl: (28) Operation timed out after 2001 milliseconds with 0 bytes received", fault.CauseHeadTimeout},
		{"curl 7.88", "curl: (28) Operation timed out after 2001 milliseconds with 3 out of 100 bytes received", fault.CauseBodyStalled},
		{"curl 7.88", "curl: (22) The requested URL returned error: 503", fault.CauseUpstreamStatus},
		{"curl 7.88", "curl: (8) Nul byte in header", fault.CauseBadField},
		{"Wget 1.21", "2026-11-30 09:50:26 ERROR 502: Bad Gateway.", fault.CauseUpstreamStatus},
		{"Wget 1.21", "Read error (Connection timed out) in headers.", fault.CauseHeadTimeout},
		{"Wget 1.21", "Read error at byte 3/100 (Connection timed out).", fault.CauseBodyStalled},
		{"Wget 1.21", "2026-11-30 09:50:19 (1.2 MB/s) - Connection closed at byte 3. Giving up.", fault.CauseBodyShort},
		{"Wget 1.21", "ERROR: The certificate of 'localhost' doesn't have a known issuer.", fault.CauseTLSCertificateUnknownAuthority},
		{"Wget 1.21", "GnuTLS: An unexpected TLS packet was received.", fault.CauseTLSToPlainPort},
		{"Wget 1.21", "wget: unable to resolve host address 'nosuch.invalid'", fault.CauseDNSNXDomain},
		{"PHP 8.2", "PHP Warning:  file_get_contents(http://10.0.0.5/a): Failed to open stream: Connection refused in /var/www/sync.php on line 12", fault.CauseConnectionRefused},
		{"PHP 8.2", "PHP Warning:  file_get_contents(http://10.0.0.5/a): Failed to open stream: HTTP request failed! HTTP/1.1 503 Service Unavailable", fault.CauseUpstreamStatus},
		{"PHP 8.2", "PHP Warning:  file_get_contents(): php_network_getaddresses: getaddrinfo for nosuch.invalid failed: Name or service not known", fault.CauseDNSNXDomain},
		{"LWP 6.67", "GET http://10.0.0.5/a: 500 Can't connect to 10.0.0.5:80 (Connection refused)", fault.CauseConnectionRefused},
		{"LWP 6.67", "X-Died: Bad chunk-size in HTTP response: zz at /usr/share/perl5/Net/HTTP/Methods.pm line 542.", fault.CauseBadChunk},
		{"HTTP::Tiny 0.080", "599 Internal Exception Malformed Status-Line: SSH-2.0-OpenSSH_9.2p1", fault.CauseBadStatusLine},
		{"Faraday 1.1", "Faraday::ConnectionFailed: Failed to open TCP connection to nosuch.invalid:80 (getaddrinfo: Name or service not known)", fault.CauseDNSNXDomain},
		{"Faraday 1.1", "Faraday::ServerError: the server responded with status 503", fault.CauseUpstreamStatus},
		{"Excon 0.99", "Excon::Error::BadGateway: Expected([200]) <=> Actual(502 Bad Gateway)", fault.CauseUpstreamStatus},
		{"Tornado 6.2", "HTTP 599: Timeout during request", fault.CauseHeadTimeout},
	} {
		if r := Read([]byte(c.text)); r.Phrase == nil || r.Phrase.Causes[0] != c.want {
			t.Errorf("%s: %s\nis %v; want %v", c.client, c.text, r.Causes(), c.want)
		}
	}
}
