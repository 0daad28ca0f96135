package explain

import (
	"bytes"

	"github.com/whygate/whygate/internal/fault"
)

// systemd's lines are those of src/core/service.c, unit.c and job.c. What happened to a unit is told of by two of them: how
// its process ended, and then the result. The first is the fault; the result is one only where it alone tells, as for
// oom-kill.

var systemdLog = &Format{
	begins: "SRF", marks: []string{"Failed to start ", ".service: ", ".scope: ", ".socket: ", ".slice: "},
	Name: "systemd", Title: "systemd unit messages", Product: "systemd", Role: RoleSystem,
	Gives:  "That a service was killed, crashed, failed or was stopped, and when it came back.",
	Lacks:  "Why an application exited with a status of its own.",
	Better: "journalctl -u UNIT -o short-iso-precise   # with the application's own lines between",
	Parse:  parseSystemd,
}

func parseSystemd(e *Entry, line []byte) bool {
	e.Said = line
	e.noise(MarkerNone)
	if unit, msg, ok := bytes.Cut(line, []byte(": ")); ok && isUnit(unit) {
		e.Upstream = unit
		return systemdUnit(e, msg)
	}
	return systemdJob(e, line)
}

// isUnit reports whether b is the name of a service, a scope, a socket or a slice.
func isUnit(b []byte) bool {
	if len(b) > 256 || bytes.IndexByte(b, ' ') >= 0 {
		return false
	}
	return ends(b, ".service") || ends(b, ".scope") || ends(b, ".socket") || ends(b, ".slice")
}

func systemdUnit(e *Entry, msg []byte) bool {
	switch {
	case starts(msg, "Main process exited, code="):
		systemdExit(e, msg)
	case starts(msg, "A process of this unit has been killed by the OOM killer"):
		// "Failed with result 'oom-kill'" follows.
	case starts(msg, "Failed with result '"):
		systemdResult(e, between(msg, "result '", "'"))
	case starts(msg, "Start request repeated too quickly"):
		e.told(ByOrigin, fault.CauseServiceFailed)
	case starts(msg, "Watchdog timeout"):
		e.told(ByOrigin, fault.CauseWorkerTimeout)
	case starts(msg, "State 'stop-sigterm' timed out. Killing"), starts(msg, "State 'final-sigterm' timed out"), starts(msg, "Killing process "):
	case starts(msg, "Deactivated successfully"), starts(msg, "Succeeded."):
		e.Marker = MarkerStop
	case starts(msg, "Scheduled restart job"), starts(msg, "Service RestartSec="), starts(msg, "Consumed "), starts(msg, "Control process exited"),
		starts(msg, "Unit entered failed state"), starts(msg, "Unit process "), starts(msg, "Found left-over process"), starts(msg, "Supervising process"),
		starts(msg, "Service hold-off time over"), starts(msg, "Sent signal "), starts(msg, "Changed "), starts(msg, "Triggering OnFailure="), starts(msg, "Failed to "):
	default:
		return false
	}
	return true
}

// systemdExit reads code=killed, status=9/KILL. TERM, INT and HUP are how services are stopped; 143 is what a Java
// machine exits with after TERM.
func systemdExit(e *Entry, msg []byte) {
	code := between(msg, "code=", ",")
	status := numberAfter(msg, "status=")
	switch {
	case string(code) == "killed" && status == 9:
		e.told(ByOrigin, fault.CauseWorkerKilled)
		e.suspect(fault.CauseWorkerKilled, fault.CauseOutOfMemory)
	case string(code) == "killed" && (status == 15 || status == 2 || status == 1), string(code) == "exited" && (status == 0 || status == 143):
		e.Marker = MarkerStop
	case string(code) == "killed", string(code) == "dumped":
		e.told(ByOrigin, fault.CauseWorkerCrashed)
	default:
		e.told(ByOrigin, fault.CauseServiceFailed)
	}
}

func systemdResult(e *Entry, result []byte) {
	switch string(result) {
	case "oom-kill":
		e.told(ByOrigin, fault.CauseOutOfMemory)
	case "timeout", "protocol", "resources", "start-limit-hit", "exec-condition":
		e.told(ByOrigin, fault.CauseServiceFailed)
	case "watchdog":
		e.told(ByOrigin, fault.CauseWorkerTimeout)
	default: // exit-code, signal, core-dump: "Main process exited" said it
		e.Marker = MarkerStop
	}
}

// systemdJob reads what jobs did: "Started nginx.service - A web server.", or before version 249 "Started A web server.".
// Such a sentence begins with one of these words and ends with a full stop, and has no quotes or braces in it.
func systemdJob(e *Entry, line []byte) bool {
	verb, rest, ok := bytes.Cut(line, []byte(" "))
	if !ok || len(line) > 256 || !ends(line, ".") || bytes.ContainsAny(line, "\"{}=<>[]") || len(rest) < 3 {
		return false
	}
	switch string(verb) {
	case "Started":
		e.Marker = MarkerStart
	case "Stopped":
		e.Marker = MarkerStop
	case "Reloaded":
		e.Marker = MarkerReload
	case "Starting", "Stopping", "Reloading":
		if !ends(line, "...") {
			return false
		}
	case "Failed":
		if !starts(rest, "to start ") {
			return false
		}
		e.told(ByOrigin, fault.CauseServiceFailed)
	default:
		return false
	}
	if unit, _, found := bytes.Cut(rest, []byte(" - ")); found && isUnit(unit) {
		e.Upstream = unit
	}
	return true
}
