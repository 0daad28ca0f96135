package explain

import (
	"bytes"
	"syscall"

	"github.com/whygate/whygate/internal/fault"
)

// What nginx's words for an upstream that went silent may stand for. It logs neither whether the connection was reused nor
// how long it waited, which would tell them apart.
var (
	nginxClosedCauses = []fault.Cause{
		fault.CauseClosedBeforeAnswer, fault.CauseKeepaliveRace, fault.CauseWorkerTimeout, fault.CauseWorkerKilled, fault.CauseWorkerCrashed,
	}
	nginxResetCauses = []fault.Cause{
		fault.CauseResetBeforeAnswer, fault.CauseKeepaliveRace, fault.CauseWorkerTimeout, fault.CauseWorkerKilled, fault.CauseWorkerCrashed,
	}
	nginxWriteCauses   = []fault.Cause{fault.CauseUploadCut, fault.CauseKeepaliveRace, fault.CauseWorkerKilled}
	nginxGarbageCauses = []fault.Cause{fault.CauseNotHTTP, fault.CauseWrongService, fault.CausePlainToTLSPort, fault.CauseHTTP2OnHTTP1Port}
	nginxNoLiveCauses  = []fault.Cause{fault.CauseNobodyAvailable, fault.CauseConnectionLimit}
	bodyCutCauses      = []fault.Cause{fault.CauseBodyShort, fault.CauseChunksCut, fault.CauseWorkerKilled}
)

// judgeConnect reads the failures of connect(2) and of the sockets that nginx opens for it.
func (l *nginxLine) judgeConnect(e *Entry) bool {
	m := l.message
	if e.Evidence.Stage == fault.Resolve || !starts(m, "connect() ") && !has(m, "that connect() failed") && !starts(m, "socket() failed") {
		return false
	}
	errno := l.errno()
	blameConnect(e, errno, starts(e.Upstream, "unix:") || starts(m, "connect() to unix:") || starts(m, "connect() to /"))
	return true
}

// blameConnect judges an errno of connect(2).
func blameConnect(e *Entry, errno syscall.Errno, unix bool) {
	e.fail(ByGateway, fault.Dial, fault.Failed)
	v := &e.Evidence
	v.Errno = errno
	v.End = fault.EndOf(errno)
	switch {
	case unix, errno == syscall.EAGAIN: // which connect(2) says of unix sockets alone
		v.End = fault.EndOfUnix(errno)
	case errno == syscall.EADDRNOTAVAIL:
		e.noIPv6()
	case errno == syscall.EHOSTUNREACH:
		e.may(fault.CauseHostUnreachable, fault.CauseFirewallRejected)
	}
	if unix {
		v.Endpoint = "unix:"
	}
}

// judgeUpstream reads what ngx_http_upstream.c and the protocol modules say of an upstream.
func (l *nginxLine) judgeUpstream(e *Entry) bool {
	m := l.message
	stage := e.Evidence.Stage
	if stage == fault.Receive && has(m, " while sending to client") { // the answer had begun, and passes through unbuffered
		stage = fault.Body
	}
	switch {
	case starts(m, "upstream timed out"):
		l.judgeTimeout(e, stage)
	case starts(m, "upstream prematurely closed"):
		l.judgeClosed(e, stage)
	case starts(m, "no live upstreams"):
		e.fail(ByGateway, fault.Select, fault.Unavailable)
		e.may(nginxNoLiveCauses...)
	case starts(m, "upstream sent "), starts(m, "upstream violated "), starts(m, "upstream rejected "):
		judgeNginxSent(e, m, stage)
	case starts(m, "FastCGI sent in stderr"), starts(m, "PHP message"):
		judgePHP(e, m)
	case starts(m, "upstream server temporarily disabled"):
		e.Kind = KindNoise
	case stage >= fault.Write && stage <= fault.Body && has(m, ") failed ("), starts(m, "kevent() reported"):
		return l.judgeSocket(e, stage)
	default:
		return false
	}
	return true
}

// garbage says what an answer that is no HTTP stands for, by what the line has: a gRPC method is asked for by HTTP/2, and a
// port of TLS speaks TLS.
func (e *Entry) garbage() {
	switch {
	case isGRPC(e.Method, e.Path):
		e.Evidence.Told = fault.CauseHTTP2OnHTTP1Port
		e.may(fault.CauseHTTP2OnHTTP1Port, fault.CauseNotHTTP, fault.CauseWrongService)
	case ends(e.Upstream, ":443"), ends(e.Upstream, ":8443"):
		e.Evidence.Told = fault.CausePlainToTLSPort
		e.may(fault.CausePlainToTLSPort, fault.CauseNotHTTP, fault.CauseWrongService)
	default:
		e.may(nginxGarbageCauses...)
	}
}

// isGRPC reports whether a request is one of gRPC: POST /package.Service/Method.
func isGRPC(method, path []byte) bool {
	if string(method) != "POST" || bytes.Count(path, []byte{'/'}) != 2 || path[0] != '/' {
		return false
	}
	service, name, _ := bytes.Cut(path[1:], []byte{'/'})
	dot := bytes.LastIndexByte(service, '.')
	return dot > 0 && dot+1 < len(service) && isUpper(service[dot+1]) && len(name) > 0 && isUpper(name[0]) && bytes.IndexByte(name, '?') < 0
}

// judgeTimeout: nginx's own timers; which one, the stage tells.
func (l *nginxLine) judgeTimeout(e *Entry, stage fault.Stage) {
	if stage < fault.Dial {
		stage = fault.FirstByte
	}
	e.fail(ByGateway, stage, fault.Timeout)
	switch stage {
	case fault.Dial:
		e.Evidence.Timer = fault.TimerConnect
	case fault.TLS:
		e.Evidence.Timer = fault.TimerTLS
	case fault.Write:
		e.Evidence.Timer = fault.TimerWrite
	case fault.FirstByte:
		e.Evidence.Timer = fault.TimerHead
		e.may(fault.CauseHeadTimeout, fault.CauseWorkersBusy)
	default:
		e.Evidence.Timer = fault.TimerRead
	}
}

func (l *nginxLine) judgeClosed(e *Entry, stage fault.Stage) {
	if stage < fault.Write {
		stage = fault.FirstByte
	}
	e.fail(ByGateway, stage, fault.Closed)
	switch {
	case has(l.message, "closed stream"):
		e.Evidence.Told = fault.CauseHTTP2StreamCut
	case stage == fault.Body:
		e.may(bodyCutCauses...)
	case stage == fault.Write:
		e.Evidence.Upload = true
		e.may(nginxWriteCauses...)
	default:
		e.may(nginxClosedCauses...)
	}
}

// judgeSocket reads a failed call on the connection to the upstream: recv() failed (104: ...), writev() failed (32: ...).
func (l *nginxLine) judgeSocket(e *Entry, stage fault.Stage) bool {
	if !l.tail && len(l.upstream) == 0 || starts(l.message, "SSL_") {
		return false
	}
	errno := l.errno()
	e.fail(ByGateway, stage, fault.Failed)
	e.Evidence.Errno = errno
	switch errno {
	case syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED:
		e.Evidence.End = fault.Reset
	case syscall.ETIMEDOUT:
		e.Evidence.End = fault.Timeout
	case syscall.EHOSTUNREACH, syscall.ENETUNREACH:
		e.Evidence.End = fault.Unreachable
	case syscall.ECONNREFUSED:
		e.Evidence.End = fault.Refused
	case syscall.ENOMEM, syscall.ENOBUFS, syscall.EMFILE, syscall.ENFILE:
		e.Evidence.End = fault.Exhausted
	}
	if e.Evidence.End != fault.Reset {
		return true
	}
	switch {
	case stage == fault.Write:
		e.Evidence.Upload = true
		e.may(nginxWriteCauses...)
	case stage == fault.FirstByte:
		e.may(nginxResetCauses...)
	}
	return true
}

// sentRule is one of nginx's sentences on what an upstream sent.
type sentRule struct {
	text  string
	end   fault.End
	rule  fault.Rule
	cause fault.Cause // told, where no rule of HTTP/1 says it
}

var nginxSent = [...]sentRule{
	{"too big header", fault.TooLarge, fault.RuleHeadSize, 0},
	{"no valid HTTP/1.0 header", fault.Malformed, fault.RuleNotHTTP, 0},
	{"more data than specified", fault.Malformed, fault.RuleExtraOctets, 0},
	{"data after final chunk", fault.Malformed, fault.RuleExtraOctets, 0},
	{"data after trailer", fault.Malformed, fault.RuleExtraOctets, 0},
	{"too big trailers", fault.TooLarge, fault.RuleTrailerSize, 0},
	{"invalid trailer", fault.Malformed, fault.RuleTrailer, 0},
	{"invalid chunked response", fault.Malformed, fault.RuleChunkSize, 0},
	{`"Content-Length" and "Transfer-Encoding" headers`, fault.Malformed, fault.RuleLengthAndEncoding, 0},
	{`duplicate header line: "Content-Length`, fault.Malformed, fault.RuleContentLengthConflict, 0},
	{`duplicate header line: "content-length`, fault.Malformed, fault.RuleContentLengthConflict, 0},
	{"duplicate header line", fault.Malformed, fault.RuleFieldValue, 0},
	{`invalid "Content-Length"`, fault.Malformed, fault.RuleContentLength, 0},
	{`unknown "Transfer-Encoding"`, fault.Malformed, fault.RuleTransferEncoding, 0},
	{"HTTP/1.0 response with early hints", fault.Malformed, fault.RuleInterim, 0},
	{"too big early hints", fault.TooLarge, fault.RuleHeadSize, 0},
	{"goaway", fault.Closed, 0, fault.CauseHTTP2GoAway},
	{"too large http2 frame: 4740180", fault.Malformed, 0, fault.CauseHTTP1OnHTTP2Port},
	{"http2", fault.Malformed, 0, fault.CauseHTTP2ProtocolError},
	{"window update", fault.Malformed, 0, fault.CauseHTTP2ProtocolError},
	{"flow control", fault.Malformed, 0, fault.CauseHTTP2ProtocolError},
	{":status", fault.Malformed, 0, fault.CauseHTTP2ProtocolError},
	{"frame", fault.Malformed, 0, fault.CauseHTTP2ProtocolError},
	{"response body larger than indicated content length", fault.Malformed, 0, fault.CauseHTTP2ProtocolError},
	{"invalid header", fault.Malformed, fault.RuleFieldName, 0},
	{"invalid status", fault.Malformed, fault.RuleStatusCode, 0},
	{"no valid status", fault.Malformed, fault.RuleStatusLine, 0},
	{"unexpected FastCGI", fault.Malformed, 0, fault.CauseWrongService},
	{"unsupported FastCGI protocol version", fault.Malformed, 0, fault.CauseWrongService},
	{"invalid response", fault.Malformed, fault.RuleNotHTTP, 0},
}

// judgeNginxSent reads "upstream sent ..." and its kin.
func judgeNginxSent(e *Entry, m []byte, stage fault.Stage) {
	if stage < fault.FirstByte {
		stage = fault.Head
	}
	if rest, found := after(m, "rejected request with error "); found {
		n, _, _ := readUint(rest)
		switch n {
		case 7:
			told(e, ByGateway, fault.FirstByte, fault.Reset, fault.CauseHTTP2RefusedStream)
		case 13:
			told(e, ByGateway, fault.FirstByte, fault.Reset, fault.CauseHTTP2NotWanted)
		default:
			told(e, ByGateway, fault.FirstByte, fault.Reset, fault.CauseHTTP2StreamReset)
		}
		return
	}
	e.fail(ByGateway, stage, fault.Malformed)
	for i := range nginxSent {
		r := &nginxSent[i]
		if !has(m, r.text) {
			continue
		}
		e.Evidence.End, e.Evidence.Rule, e.Evidence.Told = r.end, r.rule, r.cause
		switch r.rule {
		case fault.RuleExtraOctets:
			e.Evidence.Stage = fault.Done
		case fault.RuleNotHTTP:
			e.Evidence.Stage = fault.Head
			e.garbage()
		case fault.RuleTrailer, fault.RuleTrailerSize, fault.RuleChunkSize:
			e.Evidence.Stage = fault.Body
		case fault.RuleNone:
		default:
			e.Evidence.Stage = fault.Head
		}
		return
	}
}

// judgePHP reads what a FastCGI application wrote to its standard error: PHP's warnings are no fault of an exchange.
func judgePHP(e *Entry, m []byte) {
	switch {
	case has(m, "rimary script"): // unknown, or could not be opened: php-fpm has no such file
		e.fail(ByGateway, fault.Select, fault.Misconfigured)
	case has(m, "Allowed memory size of"), has(m, "Out of memory"):
		told(e, ByOrigin, fault.FirstByte, fault.Completed, fault.CauseApplicationError)
	case has(m, "Maximum execution time of"):
		told(e, ByOrigin, fault.FirstByte, fault.Completed, fault.CauseWorkerTimeout)
	case has(m, "PHP Fatal error"), has(m, "PHP Parse error"), has(m, "Uncaught "), has(m, "PHP Recoverable fatal error"):
		told(e, ByOrigin, fault.FirstByte, fault.Completed, fault.CauseApplicationError)
	default:
		e.Kind, e.By = KindNoise, ByOrigin
		e.Evidence = fault.Evidence{}
	}
}

// judgeNames reads the resolver's failures.
func (l *nginxLine) judgeNames(e *Entry) bool {
	m := l.message
	if rest, found := after(m, "could not be resolved ("); found {
		n, _, _ := readUint(rest)
		e.fail(ByGateway, fault.Resolve, fault.NoAddress)
		e.Upstream = bytes.TrimSpace(m[:indexText(m, "could not be resolved")])
		blameName(e, n)
		return true
	}
	switch {
	case starts(m, "no resolver defined to resolve"):
		e.fail(ByGateway, fault.Resolve, fault.Misconfigured)
		rest, _ := after(m, "to resolve ")
		e.Upstream, _ = cutField(rest)
	case starts(m, "host not found in upstream"), starts(m, "host not found in resolver"), has(m, " host not found in "):
		e.fail(ByGateway, fault.Resolve, fault.NoAddress)
		e.Evidence.DNS = &dnsNXDomain
		e.may(fault.CauseDNSNXDomain, fault.CauseDNSNoData, fault.CauseDNSServFail, fault.CauseDNSTimeout)
		if rest, found := after(m, ` "`); found {
			e.Upstream = upTo(rest, '"')
		}
	case e.Evidence.Stage == fault.Resolve && has(m, ") failed ("):
		e.fail(ByGateway, fault.Resolve, fault.Refused)
		e.Evidence.Errno = l.errno()
	default:
		return false
	}
	return true
}

// What a name server said, as a log tells it: shared, since nobody changes them.
var (
	dnsNXDomain = fault.DNS{Answered: true, RCode: 3, EDE: -1}
	dnsServFail = fault.DNS{Answered: true, RCode: 2, EDE: -1}
	dnsRefused  = fault.DNS{Answered: true, RCode: 5, EDE: -1}
	dnsFormErr  = fault.DNS{Answered: true, RCode: 1, EDE: -1}
	dnsNoData   = fault.DNS{Answered: true, RCode: 0, EDE: -1}
)

// blameName reads the number of ngx_resolver_strerror: a response code, or ETIMEDOUT.
func blameName(e *Entry, n int64) {
	switch n {
	case 2:
		e.Evidence.DNS = &dnsServFail
	case 3: // nginx says the same of a name that exists and has no address
		e.Evidence.DNS = &dnsNXDomain
		e.may(fault.CauseDNSNXDomain, fault.CauseDNSNoData)
	case 5:
		e.Evidence.DNS = &dnsRefused
	case 110, 60, 145, 10060:
		e.Evidence.End = fault.Timeout
	default:
		e.Evidence.DNS = &dnsFormErr
	}
}
