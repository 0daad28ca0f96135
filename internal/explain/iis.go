package explain

import (
	"bytes"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// IIS writes the W3C fields that were chosen, but always in one order: date time s-sitename s-computername s-ip cs-method
// cs-uri-stem cs-uri-query s-port cs-username c-ip cs-version cs(User-Agent) cs(Cookie) cs(Referer) cs-host sc-status
// sc-substatus sc-win32-status sc-bytes cs-bytes time-taken. A line therefore tells by its shape which of them it has, and
// is read without the #Fields line, which another part of the file may have been cut off from. The substatus codes are
// those of "HTTP status codes in IIS", the others WinHTTP's and Windows' error numbers.

const iisBetter = `appcmd set config -section:system.applicationHost/sites ^
  /siteDefaults.logFile.logExtFileFlags:"Date,Time,ClientIP,ServerIP,Method,UriStem,UriQuery,HttpStatus,HttpSubStatus,Win32Status,TimeTaken,ServerPort,Host,UserAgent"
rem and a trace of each 502, with the step of Application Request Routing that failed:
appcmd configure trace "Default Web Site" /enablesite
appcmd configure trace "Default Web Site" /enable /path:* /areas:"WWW Server=Rewrite,RequestRouting" /statuscodes:502-504`

var iisW3C = &Format{
	begins: "#", dated: datedDashes,
	Name: "iis", Title: "IIS and ARR log", Product: "iis", Role: RoleProxy,
	Gives:  "Status, substatus and Windows' error number, which name the step and the reason; the time taken.",
	Lacks:  "The endpoint that Application Request Routing asked, and whether its connection was reused.",
	Better: iisBetter, Parse: parseIIS,
}

var iisHTTPERR = &Format{
	begins: "#", dated: datedDashes, marks: []string{" Timer_", " Connection_", " Client_Reset", " AppOffline", " QueueFull", " AppShutdown", " BadRequest", " AppPoolTimer"},
	Name: "iis-httperr", Title: "Windows HTTP.sys error log", Product: "iis", Role: RoleProxy,
	Gives:  "Why HTTP.sys answered by itself: the reason phrase names the queue, the limit or the timer.",
	Lacks:  "What the application pool's own events say: they are in the System event log, source WAS.",
	Better: iisBetter, Parse: parseHTTPERR,
}

// iisHead reads date and time, which both logs begin with, and are in UTC.
func iisHead(e *Entry, line []byte) ([]byte, bool) {
	if len(line) < 21 || line[10] != ' ' || line[19] != ' ' {
		return nil, false
	}
	y, m, d, c := four(line), two(line[5:]), two(line[8:]), clockOf(line[11:])
	if line[4] != '-' || line[7] != '-' || y < 0 || m < 1 || m > 12 || d < 1 || d > 31 || c < 0 {
		return nil, false
	}
	e.Time, e.Zoned = moment(y, time.Month(m), d, c, 0, 0), true
	return line[20:], true
}

func parseIIS(e *Entry, line []byte) bool {
	if starts(line, "#") {
		e.noise(MarkerNone)
		return starts(line, "#Software: Microsoft Internet Information Services") || starts(line, "#Fields: date time") && has(line, "cs-method") && !has(line, "x-edge-")
	}
	rest, ok := iisHead(e, line)
	if !ok {
		return false
	}
	w := words{rest}
	var method []byte
	for range 4 { // at most site, computer and server address stand before the method
		if method = w.next(); isMethod(method) && starts(bytes.TrimLeft(w.rest, " "), "/") {
			break
		}
		method = nil
	}
	stem := w.next()
	if method == nil || stem == nil {
		return false
	}
	e.Method, e.Path = method, stem
	w.next() // the query
	if port := w.next(); wholeUint(port) < 0 {
		return false
	}
	w.next() // the user
	client := w.next()
	if !isAddress(client) {
		return false
	}
	e.Client = client
	return iisNumbers(e, &w)
}

// iisNumbers finds the status behind whatever client fields there are: the first three digits that only numbers follow.
func iisNumbers(e *Entry, w *words) bool {
	var number [6]int64
	status, count := 0, 0
	for word := w.next(); word != nil; word = w.next() {
		n := wholeUint(word)
		switch {
		case status == 0 && n >= 100 && n <= 599 && len(word) == 3:
			status, count = int(n), 0
		case status != 0 && n < 0:
			status, count = 0, 0
		case status != 0 && count < len(number):
			number[count] = n
			count++
		}
	}
	if status == 0 || count == 0 || count > 5 {
		return false
	}
	e.Status = status
	if count != 2 && count != 4 { // otherwise there is no time-taken, or one cannot tell
		e.Took = time.Duration(number[count-1]) * time.Millisecond
	}
	sub, win32 := int64(0), number[0]
	if count >= 2 {
		sub, win32 = number[0], number[1]
	}
	iisJudge(e, status, sub, win32)
	return true
}

// winHTTP gives the number of a WinHTTP error, which IIS also writes as an HRESULT: 0x80070000 and the number.
func winHTTP(n int64) int64 {
	if n >= 0x80070000 && n < 0x80080000 {
		return n - 0x80070000
	}
	return n
}

func iisJudge(e *Entry, status int, sub, win32 int64) {
	win32 = winHTTP(win32)
	switch {
	case status < 400 && (win32 == 64 || win32 == 1236 || win32 == 995): // ERROR_NETNAME_DELETED and its kin: the client left
		e.clientGone()
	case status < 400:
		e.originSaid(status)
	case status < 500:
		e.By, e.Kind = ByOrigin, KindOK
		switch status {
		case 400, 408, 413, 414, 431:
			e.clientFault(status)
		}
	case win32 >= 12000 && win32 < 12200:
		iisForward(e, win32)
	case status == 502:
		iisBadGateway(e, sub)
	case status == 503:
		iisUnavailable(e, sub)
	case status == 500 && sub == 13:
		e.told(ByOrigin, fault.CauseWorkersBusy)
	case status == 500 && sub >= 30 && sub <= 38: // the ASP.NET Core module: the application did not start
		e.told(ByOrigin, fault.CauseServiceFailed)
	default:
		e.originSaid(status)
	}
}

// iisForward judges WinHTTP's error, with which Application Request Routing failed to have the request answered.
func iisForward(e *Entry, win32 int64) {
	switch win32 {
	case 12002: // ERROR_WINHTTP_TIMEOUT
		e.fail(ByGateway, fault.FirstByte, fault.Timeout)
		e.waited()
		e.suspect(fault.CauseHeadTimeout, fault.CauseConnectTimeout)
	case 12007: // ERROR_WINHTTP_NAME_NOT_RESOLVED
		e.fail(ByGateway, fault.Resolve, fault.NoAddress)
	case 12029: // ERROR_WINHTTP_CANNOT_CONNECT
		e.fail(ByGateway, fault.Dial, fault.Refused)
		e.waited()
		if e.Took >= 15*time.Second {
			e.suspect(fault.CauseConnectTimeout, fault.CauseConnectionRefused)
		} else {
			e.suspect(fault.CauseConnectionRefused, fault.CauseConnectTimeout, fault.CauseHostUnreachable)
		}
	case 12030: // ERROR_WINHTTP_CONNECTION_ERROR: reset or closed, or an SSL version that does not fit
		e.closedSilently(fault.Reset)
	case 12152: // ERROR_WINHTTP_INVALID_SERVER_RESPONSE
		e.fail(ByGateway, fault.Head, fault.Malformed)
		e.suspect(fault.CauseNotHTTP, fault.CauseBadField)
	case 12183: // ERROR_WINHTTP_CHUNKED_ENCODING_HEADER_SIZE_OVERFLOW
		e.fail(ByGateway, fault.Body, fault.Malformed)
		e.Evidence.Rule = fault.RuleChunkSizeOverflow
	case 12184: // ERROR_WINHTTP_RESPONSE_DRAIN_OVERFLOW
		e.told(ByGateway, fault.CauseResponseBodyTooLarge)
	case 12017: // ERROR_WINHTTP_OPERATION_CANCELLED
		e.clientGone()
	case 12157, 12175: // ERROR_WINHTTP_SECURE_CHANNEL_ERROR, ERROR_WINHTTP_SECURE_FAILURE
		e.fail(ByGateway, fault.TLS, fault.Malformed)
		e.suspect(fault.CauseTLSCertificateUntrusted, fault.CauseTLSProtocolError, fault.CauseTLSVersionMismatch)
	case 12037, 12038, 12045, 12169, 12170: // SECURE_CERT_DATE_INVALID, _CN_INVALID, _INVALID_CA, _INVALID_CERT, _CERT_REVOKED
		e.fail(ByGateway, fault.TLS, fault.Untrusted)
		e.Evidence.Cert = &fault.Certificate{Problem: iisCertificate(win32)}
	case 12044, 12185: // ERROR_WINHTTP_CLIENT_AUTH_CERT_NEEDED, …_CLIENT_CERT_NO_PRIVATE_KEY
		e.told(ByGateway, fault.CauseTLSClientCertificateRequired)
	default:
		e.told(ByGateway, fault.CauseUnknown)
	}
}

func iisCertificate(win32 int64) fault.CertProblem {
	switch win32 {
	case 12037:
		return fault.CertExpired
	case 12038:
		return fault.CertWrongName
	case 12045:
		return fault.CertUnknownAuthority
	case 12170:
		return fault.CertRevoked
	}
	return fault.CertOther
}

// iisBadGateway judges the substatus of a 502 that Windows has no number for.
func iisBadGateway(e *Entry, sub int64) {
	switch sub {
	case 1: // CGI application timeout
		e.told(ByOrigin, fault.CauseWorkerTimeout)
	case 2: // CGI application exited early, or ARR's map request failure
		e.told(ByOrigin, fault.CauseWorkerCrashed)
		e.suspect(fault.CauseWorkerCrashed, fault.CauseClosedBeforeAnswer)
	case 4: // no server
		e.fail(ByGateway, fault.Select, fault.Unavailable)
	case 5: // WebSocket failure in ARR; in the ASP.NET Core module the process could not be started
		e.told(ByGateway, fault.CauseServiceFailed)
		e.suspect(fault.CauseServiceFailed, fault.CauseUpgradeRefused)
	case 3, 6, 7: // forwarder connection error, forwarded request failure, execute request failure
		e.closedSilently(fault.Closed)
	default:
		e.originSaid(502)
	}
}

func iisUnavailable(e *Entry, sub int64) {
	switch sub {
	case 2, 3, 4: // appConcurrentRequestLimit, ASP.NET's queue, FastCGI's queue
		e.told(ByOrigin, fault.CauseQueueFull)
	default: // the application pool is stopped, or the origin said so by itself
		e.told(ByOrigin, fault.CauseServiceStopped)
		e.suspect(fault.CauseServiceStopped, fault.CauseUpstreamStatus)
	}
}

// parseHTTPERR reads date time c-ip c-port s-ip s-port cs-version cs-method cs-uri [streamid] [streamid_ex] sc-status
// s-siteid s-reason s-queuename.
func parseHTTPERR(e *Entry, line []byte) bool {
	if starts(line, "#") {
		e.noise(MarkerNone)
		return starts(line, "#Software: Microsoft HTTP API") || starts(line, "#Fields: date time c-ip") && has(line, "s-reason")
	}
	rest, ok := iisHead(e, line)
	if !ok {
		return false
	}
	w := words{rest}
	client, port, server := w.next(), w.next(), w.next()
	serverPort, version, method, path := w.next(), w.next(), w.next(), w.next()
	if !isAddress(client) || !isAddress(server) || wholeUint(port) < 0 || wholeUint(serverPort) < 0 || !starts(version, "HTTP/") && string(version) != "-" {
		return false
	}
	e.Client, e.Method, e.Path = client, dashed(method), dashed(path)
	var reason []byte
	for word := w.next(); word != nil; word = w.next() {
		if n := wholeStatus(word); n != 0 && e.Status == 0 {
			e.Status = n
		}
		if len(word) > 1 && (isUpper(word[0]) || bytes.IndexByte(word, '_') > 0) && reason == nil {
			reason = word
		}
	}
	if reason == nil {
		return false
	}
	e.Said = reason
	httperrReason(e, reason)
	return true
}

// httperrReason judges s-reason, by the page "Error logging in HTTP APIs" of Microsoft's support.
func httperrReason(e *Entry, reason []byte) {
	switch string(reason) {
	case "AppOffline", "Disabled", "AppShutdown", "N/A":
		e.told(ByGateway, fault.CauseServiceStopped)
	case "AppPoolTimer", "Connection_Abandoned_By_ReqQueue", "Connection_Abandoned_By_AppPool":
		e.told(ByGateway, fault.CauseWorkerCrashed)
	case "QueueFull":
		e.told(ByGateway, fault.CauseQueueFull)
	case "ConnLimit":
		e.told(ByGateway, fault.CauseOwnLimit)
	case "Timer_AppPool":
		e.told(ByGateway, fault.CauseQueueTimeout)
	case "Timer_HeaderWait":
		e.clientFault(408)
	case "Timer_EntityBody", "Timer_MinBytesPerSecond", "Connection_Dropped", "Client_Reset":
		e.clientGone()
	case "Timer_ConnectionIdle":
		e.noise(MarkerNone)
	case "Internal":
		e.fail(ByGateway, fault.Select, fault.Bug)
	default: // BadRequest, Hostname, URL_Length, FieldLength, RequestLength, Verb, Version, Forbidden, …
		e.clientFault(max(e.Status, 400))
	}
}
