package explain

import (
	"bytes"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// uWSGI's lines are those of core/master_utils.c, core/master_checks.c, core/utils.c and core/logging.c, with or without
// the "Tue Jan  2 10:00:00 2024 - " that log-date and uwsgi_log_verbose put before them.

var uwsgiLog = &Format{
	begins: "[*MTWFS", marks: uwsgiMarks,
	Name: "uwsgi", Title: "uWSGI log", Product: "uwsgi", Role: RoleApplication,
	Gives: "That the listen queue is full, a worker was killed for its time limit, by the kernel, or crashed; each request with its time.",
	Lacks: "Which request a killed worker was at, unless harakiri-verbose is set.",
	Better: `[uwsgi]
harakiri = 30
harakiri-verbose = true
memory-report = true
log-date = true`,
	Parse: parseUWSGI,
}

// uwsgiMarks stand in each line of uWSGI's that does not begin with the request's bracket, with stars or with a date.
var uwsgiMarks = []string{
	"DAMN ! worker ", "SIGPIPE: writing to a closed pipe", "uwsgi_response_write", "uwsgi_response_sendfile", "invalid request block size: ", "invalid HTTP request size (max ",
	"worker respawning too fast !!!", "--- no python application found", "bind(): Address already in use", "unable to load app ", "fork(): Cannot allocate memory",
	"Respawned uWSGI worker ", "spawned uWSGI ", "uWSGI worker ", "HARAKIRI", "...The work of process ", "Gracefully killing worker ", " buried after ", "WSGI app 0 (mountpoint=",
	"SIGINT/SIGTERM received", "SIGINT/SIGQUIT received", "goodbye to uWSGI", "VACUUM: ", "...gracefully killing workers", "binary reloading uWSGI", "chdir() to ",
	"*** no app loaded", "*** uWSGI listen queue",
}

func parseUWSGI(e *Entry, line []byte) bool {
	if t, rest, ok := unixClock(line); ok && starts(rest, " - ") {
		e.Time, line = t, rest[3:]
	}
	e.Said = line
	switch {
	case starts(line, "[pid: ") && has(line, "|app: "):
		return uwsgiRequest(e, line)
	case starts(line, "*** "):
		return uwsgiStars(e, line)
	case starts(line, "DAMN ! worker "):
		return uwsgiDamn(e, line)
	}
	return uwsgiSaid(e, line)
}

// uwsgiRequest reads [pid: 1|app: 0|req: 1/2] ADDR (USER) {30 vars in 400 bytes} [DATE] GET /x => generated 10 bytes in 5
// msecs (HTTP/1.1 200) 3 headers in 100 bytes (1 switches on core 0).
func uwsgiRequest(e *Entry, line []byte) bool {
	e.Process = uint64(max(numberAfter(line, "[pid: "), 0))
	_, rest, ok := bytes.Cut(line, []byte("] "))
	if !ok {
		return false
	}
	e.Client = upTo(rest, ' ')
	_, rest, ok = bytes.Cut(rest, []byte("} ["))
	if !ok {
		return false
	}
	if t, _, ok := unixClock(rest); ok {
		e.Time = t
	}
	_, rest, ok = bytes.Cut(rest, []byte("] "))
	request, rest, found := bytes.Cut(rest, []byte(" => generated "))
	if !ok || !found || !e.setRequest(request) {
		return false
	}
	if ms := numberAfter(rest, " bytes in "); ms >= 0 {
		e.Took = time.Duration(ms) * time.Millisecond
		if has(rest, " micros ") {
			e.Took /= 1000
		}
	}
	protocol := between(rest, "(", ")")
	_, code, _ := bytes.Cut(protocol, []byte(" "))
	if e.Status = wholeStatus(code); e.Status == 0 {
		return false
	}
	e.originSaid(e.Status)
	return true
}

func uwsgiStars(e *Entry, line []byte) bool {
	e.noise(MarkerNone)
	switch {
	case has(line, "listen queue of socket ") && has(line, "full !!!"):
		e.told(ByOrigin, fault.CauseWorkersBusy)
		e.Upstream = between(line, `socket "`, `"`)
	case starts(line, "*** HARAKIRI ON WORKER "):
		e.told(ByOrigin, fault.CauseWorkerTimeout)
		e.Process = uint64(max(numberAfter(line, "(pid: "), 0))
	case starts(line, "*** Starting uWSGI "):
		e.Marker = MarkerStart
	case has(line, "uWSGI"), starts(line, "*** Operational MODE"), starts(line, "*** no app loaded"):
		// Notices of the start.
	default:
		return false
	}
	return true
}

// uwsgiDamn reads how a worker died: signal 9 is the kernel's, an operator's, or harakiri's own.
func uwsgiDamn(e *Entry, line []byte) bool {
	e.Process = uint64(max(numberAfter(line, "(pid: "), 0))
	e.told(ByOrigin, fault.CauseWorkerCrashed)
	if numberAfter(line, "killed by signal ") == 9 {
		e.suspect(fault.CauseWorkerKilled, fault.CauseOutOfMemory, fault.CauseWorkerTimeout)
	}
	return has(line, " died")
}

func uwsgiSaid(e *Entry, line []byte) bool {
	e.noise(MarkerNone)
	switch {
	case starts(line, "SIGPIPE: writing to a closed pipe"), starts(line, "uwsgi_response_write") && has(line, "Broken pipe"), starts(line, "uwsgi_response_sendfile") && has(line, "Broken pipe"):
		e.clientGone()
	case starts(line, "invalid request block size: "):
		uwsgiBlock(e, numberAfter(line, "size: "))
	case starts(line, "invalid HTTP request size (max "): // of --http-socket
		e.told(ByOrigin, fault.CauseRequestHeadTooLarge)
	case starts(line, "worker respawning too fast !!!"), starts(line, "--- no python application found"), starts(line, "bind(): Address already in use"):
		e.told(ByOrigin, fault.CauseServiceFailed)
	case starts(line, "--- no python application found"), starts(line, "unable to load app "):
		e.told(ByOrigin, fault.CauseServiceFailed)
	case starts(line, "fork(): Cannot allocate memory"):
		e.told(ByOrigin, fault.CauseOutOfMemory)
	case starts(line, "Respawned uWSGI worker "), starts(line, "spawned uWSGI "), starts(line, "uWSGI worker "), starts(line, "HARAKIRI"),
		starts(line, "...The work of process "), starts(line, "Gracefully killing worker "), starts(line, "worker ") && has(line, " buried after "):
		// The respawn after it, and what runs as it should.
	case starts(line, "WSGI app 0 (mountpoint="):
		e.Marker = MarkerStart
	case starts(line, "SIGINT/SIGTERM received"), starts(line, "SIGINT/SIGQUIT received"), starts(line, "goodbye to uWSGI"), starts(line, "VACUUM: "):
		e.Marker = MarkerStop
	case starts(line, "...gracefully killing workers"), starts(line, "binary reloading uWSGI"), starts(line, "chdir() to ") && has(line, "reload"):
		e.Marker = MarkerReload
	default:
		return false
	}
	return true
}

// uwsgiBlock: a block size whose octets are letters is no size but the method of an HTTP request: the socket speaks the
// uwsgi protocol, and was asked with HTTP. 21573 is the "ET" of GET.
func uwsgiBlock(e *Entry, size int64) {
	low, high := byte(size), byte(size>>8)
	if size > 0 && isUpper(low) && isUpper(high) {
		e.told(ByOrigin, fault.CauseWrongService)
		return
	}
	e.told(ByOrigin, fault.CauseRequestHeadTooLarge) // the limit is uWSGI's own: buffer-size
}
