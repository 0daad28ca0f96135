package explain

import (
	"bytes"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// The codes and their lines are those of the page "Heroku Error Codes": H for the router, R for the dyno, L for the log
// pipe. A line is TIME SOURCE[DYNO]: MESSAGE, as `heroku logs` prints it; through a drain it comes without that head.

var herokuLog = &Format{
	begins: "asE", marks: []string{" heroku[", " app[api", "at=info ", "at=error "},
	Name: "heroku", Title: "Heroku log", Product: "heroku", Role: RoleProxy,
	Gives: "The code, which names the failure; the dyno, the times to connect and to serve, the status and the request's id.",
	Lacks: "Whether the router's connection to the dyno was reused, and why an application closed it.",
	Better: `heroku labs:enable http-routing-request-ids -a APP   # the id of the line in the application's own log
heroku labs:enable log-runtime-metrics -a APP        # memory and load of each dyno, to see an R14 coming`,
	Parse: parseHeroku,
}

func parseHeroku(e *Entry, line []byte) bool {
	source := []byte(nil)
	if t, zoned, rest, ok := rfc3339Clock(line); ok && zoned && starts(rest, " ") {
		head, message, found := bytes.Cut(rest[1:], []byte("]: "))
		if !found || !starts(head, "heroku[") && !starts(head, "app[") {
			return false
		}
		e.Time, e.Zoned = t, true
		source, line = head, message
	}
	e.Said = line
	switch {
	case starts(source, "app["):
		return parseHerokuAPI(e, source, line)
	case starts(line, "at="), starts(line, "sock=") && has(line, " at="):
		return parseHerokuRouter(e, line)
	case starts(line, "Error ") && len(line) > 10 && line[9] == ' ' && line[10] == '(':
		herokuRuntime(e, line[6:9])
		return line[6] == 'R' || line[6] == 'L'
	case starts(source, "heroku[router"):
		return false
	}
	return parseHerokuDyno(e, source, line)
}

// parseHerokuRouter reads the router's key=value pairs.
func parseHerokuRouter(e *Entry, line []byte) bool {
	var code, at, dyno []byte
	octets, serviced := int64(-1), false
	for rest := line; len(rest) > 0; {
		var key, value []byte
		if key, value, rest = logfmtPair(rest); key == nil {
			return false
		}
		switch string(key) {
		case "at":
			at = value
		case "code":
			code = value
		case "method":
			e.Method = value
		case "path":
			e.Path = value
		case "host":
			e.Host = value
		case "request_id":
			e.ID = value
		case "fwd":
			e.Client = upTo(value, ',')
		case "dyno":
			dyno = value
		case "service":
			serviced = true
			e.Took = millis(bytes.TrimSuffix(value, []byte("ms")))
		case "status":
			e.Status = wholeStatus(value)
		case "bytes":
			octets = wholeUint(value)
		}
	}
	if at == nil || e.Method == nil || !serviced {
		return false
	}
	if len(dyno) > 0 {
		e.Upstream = dyno
	}
	if code == nil {
		e.originSaid(e.Status)
		return true
	}
	herokuCode(e, code, octets)
	return true
}

// logfmtPair cuts one key=value or key="value" off a line.
func logfmtPair(b []byte) (key, value, rest []byte) {
	for len(b) > 0 && b[0] == ' ' {
		b = b[1:]
	}
	equals := bytes.IndexByte(b, '=')
	if equals <= 0 || bytes.IndexByte(b[:equals], ' ') >= 0 {
		return nil, nil, nil
	}
	key, b = b[:equals], b[equals+1:]
	w := words{b}
	if len(b) > 0 && b[0] == '"' {
		if value, ok := w.quoted(); ok {
			return key, value, w.rest
		}
	}
	if len(b) > 0 && b[0] == ' ' {
		return key, b[:0], b
	}
	return key, w.next(), w.rest
}

// herokuCode judges a code of the router.
func herokuCode(e *Entry, code []byte, octets int64) {
	v := &e.Evidence
	switch string(code) {
	case "H10":
		e.told(ByGateway, fault.CauseServiceFailed)
		e.suspect(fault.CauseServiceFailed, fault.CauseWorkerCrashed)
	case "H11":
		e.told(ByGateway, fault.CauseQueueFull)
	case "H12":
		e.fail(ByGateway, fault.FirstByte, fault.Timeout)
		v.After = 30 * time.Second
	case "H13":
		e.closedSilently(fault.Closed)
	case "H14":
		e.fail(ByGateway, fault.Select, fault.Unavailable)
		v.Rule = fault.RulePoolEmpty
	case "H15":
		e.fail(ByGateway, fault.Body, fault.Timeout)
		v.After = 55 * time.Second
	case "H17", "H25":
		e.fail(ByGateway, fault.Head, fault.Malformed)
		e.suspect(fault.CauseBadField, fault.CauseNotHTTP)
	case "H18":
		herokuInterrupted(e, octets)
	case "H19":
		e.fail(ByGateway, fault.Dial, fault.Timeout)
		v.After = 5 * time.Second
	case "H20":
		e.told(ByGateway, fault.CauseQueueTimeout)
		e.suspect(fault.CauseQueueTimeout, fault.CauseServiceFailed)
	case "H21":
		e.fail(ByGateway, fault.Dial, fault.Refused)
	case "H22":
		e.fail(ByGateway, fault.Select, fault.Limit)
	case "H23":
		e.fail(ByGateway, fault.Select, fault.Misconfigured)
	case "H24":
		e.told(ByGateway, fault.CauseServiceStopped)
	case "H26", "H31":
		e.clientFault(400)
	case "H27":
		e.clientGone()
	case "H28":
		e.Kind, e.By = KindClient, ByClient
		v.Stage, v.End, v.Timer = fault.Receive, fault.Timeout, fault.TimerIdle
	case "H32":
		e.clientFault(400)
	case "H80", "H83":
		e.told(ByGateway, fault.CauseMaintenance)
	case "H81":
		e.fail(ByGateway, fault.Select, fault.Unavailable)
		v.Rule = fault.RulePoolEmpty
	case "H82":
		e.told(ByGateway, fault.CauseServiceStopped)
	case "H99":
		e.fail(ByGateway, fault.Select, fault.Bug)
	default:
		e.told(ByGateway, fault.CauseUnknown)
	}
	e.waited()
}

// herokuInterrupted: H18 is a socket that was destroyed before the answer was whole. With no octet sent to the client it is
// an upload that the application did not read, or, since the router keeps its connections, the keep-alive race.
func herokuInterrupted(e *Entry, octets int64) {
	if octets > 0 && e.Status < 500 {
		e.fail(ByGateway, fault.Body, fault.Closed)
		e.suspect(fault.CauseBodyShort, fault.CauseChunksCut, fault.CauseBodyReset)
		return
	}
	e.fail(ByGateway, fault.FirstByte, fault.Reset)
	e.Evidence.Upload = e.raceable()
	e.waited()
	if e.raceable() {
		e.suspect(fault.CauseUploadCut, fault.CauseKeepaliveRace, fault.CauseResetBeforeAnswer)
		return
	}
	e.suspect(fault.CauseResetBeforeAnswer, fault.CauseKeepaliveRace, fault.CauseWorkerCrashed)
}

// herokuRuntime judges a code of the dyno or of the log pipe.
func herokuRuntime(e *Entry, code []byte) {
	switch string(code) {
	case "R10":
		e.told(ByOrigin, fault.CauseServiceFailed)
	case "R12":
		e.told(ByOrigin, fault.CauseWorkerKilled)
	case "R14", "R15":
		e.told(ByOrigin, fault.CauseOutOfMemory)
	case "R99":
		e.fail(ByGateway, fault.Select, fault.Bug)
	default: // R13, R16, R17; L10 to L15: lines were lost, no request was
		e.noise(MarkerNone)
	}
}

// parseHerokuDyno reads what the platform says of a dyno.
func parseHerokuDyno(e *Entry, source, line []byte) bool {
	if source == nil {
		return false
	}
	if end := bytes.IndexByte(source, '['); end > 0 {
		e.Upstream = source[end+1:]
	}
	switch {
	case starts(line, "State changed from ") && ends(line, " to crashed"):
		e.told(ByOrigin, fault.CauseServiceFailed)
		e.Marker = MarkerStop
	case starts(line, "State changed from ") && ends(line, " to up"):
		e.noise(MarkerStart)
	case starts(line, "State changed from ") && ends(line, " to down"), starts(line, "Stopping all processes with SIGTERM"):
		e.noise(MarkerStop)
	case starts(line, "Stopping process with SIGKILL"), starts(line, "Process exited with status 137"):
		e.told(ByOrigin, fault.CauseWorkerKilled)
		e.suspect(fault.CauseWorkerKilled, fault.CauseOutOfMemory)
	default:
		e.noise(MarkerNone)
	}
	return true
}

// parseHerokuAPI reads deploys, scalings and changes of the configuration, after each of which dynos start anew.
func parseHerokuAPI(e *Entry, source, line []byte) bool {
	if !starts(source, "app[api") {
		return false // an application's own lines are their formats'
	}
	e.noise(MarkerNone)
	if starts(line, "Deploy ") || starts(line, "Release ") || starts(line, "Set ") || starts(line, "Scaled to ") || starts(line, "Rollback ") {
		e.Marker = MarkerReload
	}
	return true
}
