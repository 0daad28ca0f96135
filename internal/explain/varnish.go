package explain

import (
	"bytes"
	"syscall"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// The texts of FetchError are those of Varnish 4 to 7 (cache_backend.c, cache_http1_fetch.c, cache_fetch.c and the HTC
// states of cache_session.c). varnishncsa writes the whole URL into the request, and no cause.

const varnishBetter = `varnishncsa -b -F '%h %l %u %t "%r" %s %b %D %{VSL:FetchError}x %{VSL:BackendOpen[2]}x'
varnishlog -g request -q 'FetchError or BerespStatus >= 500'`

var varnishNCSA = &Format{
	common: true,
	Name:   "varnishncsa", Title: "varnishncsa log", Product: "varnish", Role: RoleProxy,
	Gives:  "Status and size: Varnish's built-in error page is about 280 bytes long.",
	Lacks:  "Why: FetchError is in varnishlog, or in varnishncsa with -F.",
	Better: varnishBetter, Parse: parseVarnishNCSA,
}

var varnishLog = &Format{
	begins: "0-* ",
	Name:   "varnishlog", Title: "varnishlog", Product: "varnish", Role: RoleProxy,
	Gives:  "FetchError: which step of the fetch failed, and errno.",
	Lacks:  "The request beside it: each tag is a line of its own.",
	Better: varnishBetter, Parse: parseVarnishLog,
}

// Sizes that the built-in vcl_backend_error page of Varnish 4 to 7 has for a 503: its reason stands in it three times.
const (
	varnishPageLow  = 230
	varnishPageHigh = 330
)

func parseVarnishNCSA(e *Entry, line []byte) bool {
	w := words{line}
	e.Client = w.next()
	w.skip(2)
	stamp, ok := w.bracketed()
	if !ok {
		return false
	}
	if e.Time, _, ok = commonClock(stamp); !ok {
		return false
	}
	e.Zoned = true
	request, ok := w.quoted()
	if !ok || !has(upTo(between(request, " ", ""), ' '), "://") || !starts(request, "- ") && !e.setRequest(request) {
		return false
	}
	e.Status = wholeStatus(w.next())
	size := w.next()
	if rest := bytes.TrimLeft(w.rest, " "); len(rest) > 0 && isDigit(rest[0]) {
		return varnishAdvised(e, rest, wholeUint(size))
	}
	_, referred := w.quoted()
	_, agent := w.quoted()
	if e.Status == 0 || !referred || !agent || len(bytes.TrimSpace(w.rest)) > 0 {
		return false
	}
	octets := wholeUint(size)
	switch {
	case e.Status < 500:
		e.originSaid(e.Status)
	case e.Status == 503 && octets >= varnishPageLow && octets <= varnishPageHigh:
		e.told(ByGateway, fault.CauseUnknown) // one page for all that goes wrong
		e.Bare = true
		e.may(fault.CauseConnectionRefused, fault.CauseNobodyAvailable, fault.CauseHeadTimeout, fault.CauseClosedBeforeAnswer,
			fault.CauseResetBeforeAnswer, fault.CauseNotHTTP, fault.CauseHeadTooLarge)
	default:
		e.originSaid(e.Status)
	}
	return true
}

// varnishAdvised reads what varnishBetter has behind the size: %D, FetchError and the backend's name.
func varnishAdvised(e *Entry, rest []byte, size int64) bool {
	took, rest := upTo(rest, ' '), between(rest, " ", "")
	i := bytes.LastIndexByte(rest, ' ')
	if wholeUint(took) < 0 || i <= 0 {
		return false
	}
	said := rest[:i]
	e.Took, e.Upstream = time.Duration(wholeUint(took))*time.Microsecond, dashed(rest[i+1:])
	switch {
	case string(said) != "-":
		e.Said = said
		upstream := e.Upstream
		varnishFetch(e, said)
		if e.Upstream == nil {
			e.Upstream = upstream
		}
	case e.Status >= 500 && size <= 0 && e.Took == 0: // nothing came of it, and nothing failed in the fetch itself
		varnishFetch(e, []byte("Body cannot be fetched"))
	default:
		e.originSaid(e.Status)
	}
	return true
}

// varnishTags are the tags of VSL(7) that a backend's story or a client's is told with.
var varnishTags = map[string]bool{
	"Begin": true, "End": true, "Link": true, "Timestamp": true, "ReqStart": true, "ReqMethod": true, "ReqURL": true, "ReqProtocol": true,
	"ReqHeader": true, "ReqUnset": true, "ReqAcct": true, "RespProtocol": true, "RespStatus": true, "RespReason": true, "RespHeader": true,
	"RespUnset": true, "BereqMethod": true, "BereqURL": true, "BereqProtocol": true, "BereqHeader": true, "BereqUnset": true,
	"BereqAcct": true, "BerespProtocol": true, "BerespStatus": true, "BerespReason": true, "BerespHeader": true, "BerespUnset": true,
	"BackendOpen": true, "BackendReuse": true, "BackendClose": true, "BackendStart": true, "Backend": true, "Backend_health": true,
	"FetchError": true, "Fetch_Body": true, "VCL_call": true, "VCL_return": true, "VCL_use": true, "VCL_Error": true, "VCL_Log": true,
	"Error": true, "Hit": true, "HitPass": true, "HitMiss": true, "TTL": true, "Storage": true, "Length": true, "Filters": true, "Gzip": true,
	"SessOpen": true, "SessClose": true, "SessError": true, "HttpGarbage": true, "BogoHeader": true, "LostHeader": true, "Debug": true,
	"Proxy": true, "ExpKill": true, "ExpBan": true, "CLI": true, "Notice": true, "VdpAcct": true, "PipeAcct": true, "ESI_xmlerror": true,
	"ObjProtocol": true, "ObjStatus": true, "ObjReason": true, "ObjHeader": true, "ObjUnset": true, "Witness": true, "WorkThread": true,
}

// parseVarnishLog reads the three layouts of a line: "--  Tag   text" in a group, "*   << Request  >> 2" at a group's head,
// and "  3 FetchError b text" with -g raw.
func parseVarnishLog(e *Entry, line []byte) bool {
	if len(line) < 6 {
		return false
	}
	e.noise(MarkerNone)
	rest := bytes.TrimLeft(line, "-")
	switch dashes := len(line) - len(rest); {
	case line[0] == '*':
		rest = bytes.TrimLeft(line, "*")
		kind := between(rest, "<< ", " >>")
		return starts(rest, " ") && (starts(kind, "Request") || starts(kind, "BeReq") || starts(kind, "Session"))
	case dashes > 0:
		if len(rest) == 0 || dashes > 4 && !isDigit(rest[0]) || !has(rest[:min(4, len(rest))], " ") {
			return false
		}
	default:
		var ok bool
		if _, rest, ok = readUint(bytes.TrimLeft(line, " ")); !ok || !starts(rest, " ") {
			return false
		}
	}
	w := words{rest}
	if dash := rest[0]; isDigit(dash) {
		w.next()
	}
	tag := w.next()
	if !varnishTags[string(tag)] {
		return false
	}
	text := bytes.TrimSpace(w.rest)
	backend := len(line) > 1 && line[1] == '-'
	if line[0] != '-' { // -g raw has c, b or - before the text
		if len(text) < 2 || text[1] != ' ' {
			return false
		}
		backend = text[0] == 'b'
		text = bytes.TrimLeft(text[2:], " ")
	}
	e.Said = text
	if string(tag) == "HttpGarbage" && backend { // FetchError says the same
		return true
	}
	varnishTag(e, tag, text)
	return true
}

func varnishTag(e *Entry, tag, text []byte) {
	switch string(tag) {
	case "FetchError":
		varnishFetch(e, text)
	case "Error":
		if starts(text, "Body cannot be fetched") {
			varnishFetch(e, text)
		}
	case "BerespReason":
		if status := varnishReasons[string(text)]; status != 0 {
			e.originSaid(status)
			e.Evidence.Spent[fault.FirstByte] = 0
		}
	case "SessError":
		e.fail(ByGateway, fault.Receive, fault.Exhausted)
		e.Evidence.Errno = errnoIn(text)
	case "HttpGarbage":
		e.clientFault(400)
	}
}

// varnishReasons are the reason phrases by which a backend's own error is known: the line of its status has the same shape as
// that of Varnish's own, whose reason is "Backend fetch failed".
var varnishReasons = map[string]int{
	"Internal Server Error": 500, "INTERNAL SERVER ERROR": 500, "Not Implemented": 501, "Bad Gateway": 502, "Service Unavailable": 503,
	"Service Temporarily Unavailable": 503, "Gateway Timeout": 504, "Gateway Time-out": 504,
}

// varnishFetch judges a FetchError.
func varnishFetch(e *Entry, text []byte) {
	e.fail(ByGateway, fault.Head, fault.Malformed)
	v := &e.Evidence
	if name := between(text, "backend ", ":"); name != nil {
		e.Upstream = name
	}
	switch {
	case has(text, ": fail errno 0 "): // it failed just now, and is not tried again for backend_local_error_holddown
		v.Stage, v.End = fault.Dial, fault.Refused
		e.suspect(fault.CauseConnectionRefused, fault.CauseHostUnreachable, fault.CauseConnectTimeout)
	case has(text, ": fail errno 110 "): // connect_timeout ends with the same errno
		v.Stage, v.End, v.Timer = fault.Dial, fault.Timeout, fault.TimerConnect
		e.may(fault.CauseConnectTimeout, fault.CauseKernelConnectTimeout)
	case has(text, ": fail errno "):
		v.Stage = fault.Dial
		e.errno(syscall.Errno(max(numberAfter(text, "errno "), 0)))
		if v.Errno == syscall.EHOSTUNREACH {
			e.may(fault.CauseHostUnreachable, fault.CauseFirewallRejected)
		}
	case has(text, ": fail"):
		v.Stage, v.End = fault.Dial, fault.Refused
		e.suspect(fault.CauseConnectionRefused, fault.CauseConnectTimeout)
	case has(text, ": unhealthy"), starts(text, "No backend"), has(text, "returned no backend"), has(text, "no backend connection"):
		v.Stage, v.End = fault.Select, fault.Unavailable
	case has(text, ": busy"):
		v.Stage, v.End = fault.Select, fault.Limit
	case has(text, "first byte timeout"), has(text, "HTC timeout"), has(text, "Timed out reusing backend connection"):
		v.Stage, v.End = fault.FirstByte, fault.Timeout
	case string(text) == "timeout": // the head had begun
		v.Stage, v.End = fault.Head, fault.Timeout
		e.suspect(fault.CauseSlowHead, fault.CauseHeadTimeout, fault.CauseNotHTTP)
	case string(text) == "Resource temporarily unavailable": // EAGAIN: between_bytes_timeout
		v.Stage, v.End, v.Timer = fault.Body, fault.Timeout, fault.TimerRead
	case string(text) == "Connection reset by peer":
		v.Stage, v.End = fault.Body, fault.Reset
		v.Errno = syscall.ECONNRESET
	case has(text, "between bytes timeout"), has(text, "last byte timeout"):
		v.Stage, v.End = fault.Body, fault.Timeout
	case has(text, "HTC eof"), has(text, "http first read error: EOF"):
		// Once more on a fresh connection, Varnish has tried a request without a body already (vbe_dir_gethdrs). The same
		// text stands for a head that was cut.
		e.closedSilently(fault.Closed)
		e.suspect(fault.CauseClosedBeforeAnswer, fault.CauseHeadCut, fault.CauseBadField, fault.CauseWorkerCrashed)
	case has(text, "backend write error"), has(text, "bereq"), has(text, "req.body"):
		v.Stage, v.End, v.Upload = fault.Write, fault.Reset, true
		v.Errno, e.Again = errnoIn(text), true
		switch {
		case starts(text, "req.body") && v.Errno == 0:
			e.clientGone()
		case starts(text, "req.body"): // the errno may be the backend's as well as the client's
			e.suspect(fault.CauseUploadCut, fault.CauseResetBeforeAnswer, fault.CauseClientLeft)
		}
	default:
		varnishAnswer(e, text)
	}
}

// varnishAnswer judges what was wrong with an answer that came.
func varnishAnswer(e *Entry, text []byte) {
	v := &e.Evidence
	switch {
	case has(text, "overflow"):
		v.End, v.Rule = fault.TooLarge, fault.RuleHeadSize
	case has(text, "http format error"):
		v.Rule, e.Again = fault.RuleNotHTTP, true // behind the line of a 503 that nobody sent
		e.suspect(fault.CauseNotHTTP, fault.CauseBadField, fault.CauseInvalidLength)
	case has(text, "straight insufficient bytes"), has(text, "straight read_error"), has(text, "eof socket fail"):
		v.Stage, v.End, v.Rule = fault.Body, fault.Closed, fault.RuleBodyShort
		e.Again = true
	case has(text, "chunked insufficient bytes"), has(text, "chunked read err"), has(text, "chunked hdr EOF"):
		v.Stage, v.End, v.Rule = fault.Body, fault.Closed, fault.RuleChunksCut
		e.Again = true
	case has(text, "chunked header too long"), has(text, "chunked header non-hex"), has(text, "chunked header no NL"), has(text, "chunked tail no NL"), has(text, "chunked missing"), has(text, "bogusly large chunk size"):
		v.Stage, v.Rule = fault.Body, fault.RuleChunkSize
	case has(text, "zip data error"), has(text, "Invalid Gzip"), has(text, "gunzip"), has(text, "TestGunzip"):
		e.told(ByGateway, fault.CauseBadContentCoding)
	case has(text, "Could not get storage"), has(text, "out of workspace"), has(text, "workspace"):
		v.End, v.Errno = fault.Exhausted, syscall.ENOMEM
	case has(text, "Body cannot be fetched"):
		v.Rule = fault.RuleContentLength
		e.suspect(fault.CauseInvalidLength, fault.CauseUnknownTransferCoding, fault.CauseLengthAndEncoding, fault.CauseConflictingLengths,
			fault.CauseUnaskedInterim, fault.CauseUnaskedUpgrade, fault.CauseFramingNotAllowed)
	case has(text, "HTC error"), errnoIn(text) == syscall.ECONNRESET:
		e.closedSilently(fault.Reset)
	default:
		e.told(ByGateway, fault.CauseUnknown)
	}
}
