package explain

import (
	"bytes"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// Traffic Server's squid.log has Squid's native layout, with result codes of its own, of which those that begin with ERR_
// are no codes of Squid's: "%<cqtq> %<ttms> %<chi> %<crc>/%<pssc> %<psql> %<cqhm> %<pquc> %<caun> %<phr>/%<shn> %<psct>", and
// proxy.process.http's names of transaction results.

var trafficServerLog = &Format{
	begins: "0",
	Name:   "trafficserver", Title: "Traffic Server's squid.log", Product: "trafficserver", Role: RoleProxy,
	Gives:  "The result code, the status, the time taken.",
	Lacks:  "A connection that could not be made and one that was closed without an answer are both ERR_CONNECT_FAIL.",
	Better: "# error.log beside it has the reason: grep CONNECT /var/log/trafficserver/error.log",
	Parse:  parseTrafficServer,
}

func parseTrafficServer(e *Entry, line []byte) bool {
	w := words{line}
	e.Time, e.Zoned = epochTime(w.next()), true
	took, client, result := w.next(), w.next(), w.next()
	if e.Time.IsZero() || client == nil || !starts(result, "ERR_") {
		return false
	}
	if e.Took = millis(took); e.Took < 0 {
		return false
	}
	code, status, ok := bytes.Cut(result, []byte("/"))
	if !ok || len(status) != 3 || wholeUint(status) < 0 || wholeUint(w.next()) < 0 {
		return false
	}
	method, target := w.next(), w.next()
	w.next() // the user
	if _, _, ok := bytes.Cut(w.next(), []byte("/")); !ok {
		return false
	}
	e.Client, e.Method, e.Status = client, dashed(method), wholeStatus(status)
	e.setTarget(target)
	e.Upstream = authorityOf(target)
	e.Said = result
	trafficServerCode(e, code)
	return true
}

// authorityOf gives HOST:PORT of an absolute URL, nil for another target.
func authorityOf(target []byte) []byte {
	_, rest, ok := bytes.Cut(target, []byte("://"))
	if !ok {
		return nil
	}
	return withoutUser(upTo(rest, '/'))
}

// connectFast is the time within which a connection that fails was refused: one that was opened takes longer to be closed.
const connectFast = 2 * time.Millisecond

func trafficServerCode(e *Entry, code []byte) {
	switch string(code) {
	case "ERR_CONNECT_FAIL":
		switch {
		case e.Took >= 2*time.Second:
			e.fail(ByGateway, fault.Dial, fault.Timeout)
			e.waited()
			e.suspect(fault.CauseConnectTimeout, fault.CauseHeadTimeout, fault.CauseHostUnreachable)
		case e.Took < connectFast:
			e.fail(ByGateway, fault.Dial, fault.Refused)
			e.suspect(fault.CauseConnectionRefused, fault.CauseClosedBeforeAnswer, fault.CauseResetBeforeAnswer, fault.CauseNotHTTP)
		default:
			e.closedSilently(fault.Closed)
			e.suspect(fault.CauseClosedBeforeAnswer, fault.CauseResetBeforeAnswer, fault.CauseConnectionRefused, fault.CauseNotHTTP, fault.CauseKeepaliveRace)
		}
	case "ERR_READ_ERROR":
		e.fail(ByGateway, fault.Body, fault.Closed)
		e.suspect(fault.CauseBodyShort, fault.CauseBodyReset, fault.CauseChunksCut)
	case "ERR_READ_TIMEOUT":
		e.fail(ByGateway, fault.FirstByte, fault.Timeout)
		e.waited()
	case "ERR_DNS_FAIL":
		e.fail(ByGateway, fault.Resolve, fault.NoAddress)
	case "ERR_CLIENT_ABORT", "ERR_CLIENT_READ_ERROR":
		e.clientGone()
	case "ERR_INVALID_REQ", "ERR_INVALID_URL", "ERR_UNSUPPORTED_REQUEST", "ERR_INVALID_METHOD":
		e.clientFault(400)
	default:
		e.gatewayStatus(e.Status)
	}
}
