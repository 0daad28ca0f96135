package explain

import (
	"bytes"

	"github.com/whygate/whygate/internal/fault"
)

// gunicorn's error log is [2024-01-02 10:00:00 +0000] [PID] [LEVEL] message; the messages are those of arbiter.py, glogging.py
// and the workers, versions 19 to 23.

var gunicornLog = &Format{
	begins: "gE", dated: datedBracket,
	Name: "gunicorn", Title: "gunicorn log", Product: "gunicorn", Role: RoleApplication,
	Gives: "That a worker was killed for its time limit or by the kernel, crashed, or did not start, and when.",
	Lacks: "Which request the worker was at.",
	Better: `gunicorn --access-logfile - --access-logformat '%(t)s %(p)s "%(r)s" %(s)s %(B)s %(D)s %({x-request-id}i)s' \
  --log-level info --capture-output`,
	Parse: parseGunicorn,
}

func parseGunicorn(e *Entry, line []byte) bool {
	if starts(line, "gunicorn.errors.HaltServer: ") { // the end of the traceback that the arbiter dies with
		e.Said = line
		e.told(ByOrigin, fault.CauseServiceFailed)
		return true
	}
	if rest, ok := bytes.CutPrefix(line, []byte("ERROR:    ")); ok { // uvicorn's own layout, where no gunicorn is above it
		e.Said = rest
		switch {
		case starts(rest, "Exception in ASGI application"):
			e.told(ByOrigin, fault.CauseApplicationError)
		case starts(rest, "[Errno 98] error while attempting to bind"), starts(rest, "Application startup failed"):
			e.told(ByOrigin, fault.CauseServiceFailed)
		default:
			return false
		}
		return true
	}
	w := words{line}
	stamp, ok := w.bracketed()
	if !ok || len(stamp) < 19 {
		return false
	}
	t, zoned, rest, ok := spacedClock(stamp)
	if !ok || len(rest) > 0 {
		return false
	}
	pid, ok := w.bracketed()
	level, found := w.bracketed()
	if !ok || !found || wholeUint(pid) < 0 {
		return false
	}
	switch string(level) {
	case "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL":
	default:
		return false
	}
	e.Time, e.Zoned, e.Process = t, zoned, uint64(wholeUint(pid))
	e.Said = bytes.TrimLeft(w.rest, " ")
	e.Conn = gunicornWorker(e.Said)
	gunicornSaid(e, e.Said, string(level) == "ERROR")
	return true
}

// gunicornWorker is the process of the worker that a message is about, 0 where it names none.
func gunicornWorker(msg []byte) uint64 {
	for _, mark := range [...]string{"(pid:", "Worker with pid "} {
		if rest, ok := after(msg, mark); ok {
			if n, _, ok := readUint(rest); ok {
				return uint64(n)
			}
		}
	}
	return 0
}

func gunicornSaid(e *Entry, msg []byte, isError bool) {
	e.noise(MarkerNone)
	switch {
	case starts(msg, "WORKER TIMEOUT"):
		e.told(ByOrigin, fault.CauseWorkerTimeout)
	case starts(msg, "Worker (pid:") && has(msg, "was sent SIGKILL"), starts(msg, "Worker with pid ") && has(msg, "terminated due to signal 9"):
		// The arbiter kills a worker that is over its time limit with the same signal, after WORKER TIMEOUT.
		e.told(ByOrigin, fault.CauseWorkerKilled)
		e.suspect(fault.CauseWorkerKilled, fault.CauseOutOfMemory, fault.CauseWorkerTimeout)
		e.Again = true // where a line before it has the same worker
	case has(msg, "was sent SIGABRT"), ends(msg, "terminated due to signal 6"):
		// The arbiter first asks a worker that is over its time limit to abort.
		e.told(ByOrigin, fault.CauseWorkerTimeout)
		e.suspect(fault.CauseWorkerTimeout, fault.CauseWorkerCrashed)
		e.Again = true
	case has(msg, "was sent SIGTERM"), has(msg, "terminated due to signal 15"), has(msg, "was sent SIGINT"), has(msg, "was sent SIGQUIT"):
		// Stopped on purpose.
	case starts(msg, "Worker (pid:") && has(msg, "was sent SIG"), starts(msg, "Worker with pid ") && has(msg, "terminated due to signal"):
		e.told(ByOrigin, fault.CauseWorkerCrashed)
	case starts(msg, "Worker (pid:") && has(msg, "exited with code"):
		e.told(ByOrigin, fault.CauseWorkerCrashed)
	case starts(msg, "Worker failed to boot"), starts(msg, "App failed to load"), starts(msg, "Exception in worker process"),
		starts(msg, "Can't connect to "), starts(msg, "Reason: Worker failed to boot"), starts(msg, "Reason: App failed to load"):
		e.told(ByOrigin, fault.CauseServiceFailed)
	case starts(msg, "Connection in use: "):
		e.told(ByOrigin, fault.CauseServiceFailed)
	case starts(msg, "Error handling request"), starts(msg, "Exception in ASGI application"):
		e.told(ByOrigin, fault.CauseApplicationError)
		if path := bytes.TrimPrefix(msg, []byte("Error handling request ")); len(path) < len(msg) {
			e.Path = upTo(path, ' ')
		}
	case starts(msg, "Socket error processing request"):
		e.told(ByOrigin, fault.CauseUnknown)
		e.Kind = KindNoise
	case starts(msg, "Invalid request from ip="):
		e.clientFault(400)
		e.By = ByOrigin
	case starts(msg, "Ignoring EPIPE"), starts(msg, "Ignoring connection reset"), starts(msg, "Ignoring connection epipe"):
		e.clientGone()
	default:
		gunicornMark(e, msg, isError)
	}
}

func gunicornMark(e *Entry, msg []byte, isError bool) {
	switch {
	case starts(msg, "Listening at: "):
		e.Marker = MarkerStart
	case starts(msg, "Shutting down: "), starts(msg, "Handling signal: term"), starts(msg, "Handling signal: int"), starts(msg, "Handling signal: quit"):
		e.Marker = MarkerStop
	case starts(msg, "Handling signal: hup"), starts(msg, "Hang up: "), starts(msg, "Handling signal: usr2"):
		e.Marker = MarkerReload
	case isError && has(msg, "Retrying in 1 second"):
		// The same failure again.
	}
}
