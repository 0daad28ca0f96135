package explain

import (
	"bytes"

	"github.com/whygate/whygate/internal/fault"
)

// Node has no log of its own; what it prints when it dies is told by its words: V8's FATAL ERROR, the errors of
// lib/internal/process, and PM2's daemon, God.js. The stack under them is not taken: any program prints such lines.

var nodeLog = &Format{
	begins: "Pp", marks: nodeMarks,
	Name: "node", Title: "Node.js and PM2 output", Product: "node", Role: RoleApplication,
	Gives:  "That the process died, and of what: no memory, an exception that nobody caught, a port that is taken.",
	Lacks:  "The time, unless PM2 or the carrier adds it, and which request it was at.",
	Better: "pm2 start app.js --time --max-memory-restart 400M --node-args=\"--max-old-space-size=512 --heapsnapshot-near-heap-limit=1\"",
	Parse:  parseNode,
}

// nodeMarks stand in each line of Node's and of PM2's that does not begin with PM2 or pid=.
var nodeMarks = []string{
	"FATAL ERROR: ", "Error: listen E", "[UnhandledPromiseRejection: ", "UnhandledPromiseRejectionWarning: ", "throw er; // Unhandled", "triggerUncaughtException(",
	"[nodemon] app crashed", "Uncaught Exception", "uncaughtException:", "Uncaught exception:", "(node:", "<--- Last few GCs", "<--- JS stacktrace", "node:internal/",
	"node:events:", "Node.js v", "npm ERR! code ELIFECYCLE", "npm error code ELIFECYCLE", "PM2 log: ", "App [", "App name:", "Script ", "Stopping app:",
	"exceeds --max-memory-restart value",
}

func parseNode(e *Entry, line []byte) bool {
	pm2 := false
	if rest, ok := bytes.CutPrefix(line, []byte("PM2 ")); ok { // pm2 logs puts the name before it
		if _, rest, ok = bytes.Cut(rest, []byte("| ")); !ok {
			return false
		}
		line, pm2 = rest, true
	}
	if t, zoned, rest, ok := rfc3339Clock(line); ok && starts(rest, ": ") {
		e.Time, e.Zoned = t, zoned
		line = rest[2:]
	}
	if rest, ok := bytes.CutPrefix(line, []byte("PM2 log: ")); ok {
		line, pm2 = rest, true
	}
	e.Said = line
	e.noise(MarkerNone)
	if nodeSaid(e, line) {
		return true
	}
	return pm2Said(e, line, pm2)
}

func nodeSaid(e *Entry, line []byte) bool {
	switch {
	case starts(line, "FATAL ERROR: ") && has(line, "JavaScript heap out of memory"):
		e.told(ByOrigin, fault.CauseOutOfMemory)
	case starts(line, "Error: listen EADDRINUSE"), starts(line, "Error: listen EACCES"):
		e.told(ByOrigin, fault.CauseServiceFailed)
	case starts(line, "[UnhandledPromiseRejection: "), starts(line, "throw er; // Unhandled 'error' event"), starts(line, "      throw er; // Unhandled 'error' event"),
		starts(line, "triggerUncaughtException("), starts(line, "            triggerUncaughtException("), starts(line, "    triggerUncaughtException("):
		e.told(ByOrigin, fault.CauseWorkerCrashed)
	case starts(line, "[nodemon] app crashed"):
		e.told(ByOrigin, fault.CauseWorkerCrashed)
	case starts(line, "Uncaught Exception"), starts(line, "uncaughtException:"), starts(line, "Uncaught exception:"):
		e.told(ByOrigin, fault.CauseWorkerCrashed)
	case has(line, "UnhandledPromiseRejectionWarning: "), starts(line, "(node:") && has(line, ") "):
		// Warnings: the process lives on.
	case starts(line, "<--- Last few GCs --->"), starts(line, "<--- JS stacktrace --->"), starts(line, "node:internal/"), starts(line, "node:events:"), starts(line, "Node.js v"):
		// The frame around a death that another line tells of.
	case starts(line, "npm ERR! code ELIFECYCLE"), starts(line, "npm error code ELIFECYCLE"):
	default:
		return false
	}
	return true
}

// pm2Said judges the daemon's own lines. It names SIGINT where no signal was: an exit by itself.
func pm2Said(e *Entry, line []byte, pm2 bool) bool {
	switch {
	case starts(line, "App [") && has(line, "] exited with code ["):
		e.Upstream = between(line, "App [", ":")
		code := between(line, "with code [", "]")
		switch {
		case has(line, "via signal [SIGKILL]"):
			e.told(ByOrigin, fault.CauseWorkerKilled)
			e.suspect(fault.CauseWorkerKilled, fault.CauseOutOfMemory)
		case string(code) != "0" && string(code) != "130" && string(code) != "143", has(line, "[SIGSEGV]"), has(line, "[SIGABRT]"), has(line, "[SIGBUS]"):
			e.told(ByOrigin, fault.CauseWorkerCrashed)
		default:
			e.Marker = MarkerStop
		}
	case starts(line, "App [") && ends(line, "] online"):
		e.Marker = MarkerStart
	case has(line, "exceeds --max-memory-restart value"):
		e.told(ByOrigin, fault.CauseOutOfMemory)
	case starts(line, "Script ") && has(line, "had too many unstable restarts"):
		e.told(ByOrigin, fault.CauseServiceFailed)
	case starts(line, "App [") && has(line, "starting in -"), starts(line, "Stopping app:"), starts(line, "pid="), starts(line, "App name:"):
	default:
		return pm2
	}
	return true
}
