package explain

import (
	"bytes"

	"github.com/whygate/whygate/internal/fault"
)

// Puma's lines are those of lib/puma/cluster.rb, launcher.rb, error_logger.rb and log_writer.rb, versions 3 to 6: with
// "[PID] " before them in cluster mode, "=> " or "* " or "- " or "! " as the mark of their weight.

var pumaLog = &Format{
	begins: "[!P*=-", marks: []string{"! Terminating timed out worker", "! Out-of-sync worker", "! Unable to ", "=== puma startup: ", "=== puma shutdown: ", "Rack app error handling request ", "Rack app (\"", "HTTP parse error, malformed request", "bundler: failed to load command: puma", "Early termination of worker", "Error in reactor loop escaped", "Error reached top of "},
	Name: "puma", Title: "Puma log", Product: "puma", Role: RoleApplication,
	Gives:  "That a worker did not check in in time and was killed, an application error with its request, restarts.",
	Lacks:  "Which request a killed worker was at, and a worker that the kernel killed: that is in the kernel's log.",
	Better: "# config/puma.rb\nlog_requests true\nworker_timeout 60\nbefore_fork { } # and config.log_tags = [:request_id] in Rails",
	Parse:  parsePuma,
}

func parsePuma(e *Entry, line []byte) bool {
	if starts(line, "[") {
		if len(line) < 8 || !isDigit(line[1]) {
			return false
		}
		w := words{line}
		pid, ok := w.bracketed()
		if !ok || wholeUint(pid) < 0 {
			return false
		}
		e.Process = uint64(wholeUint(pid))
		line = bytes.TrimLeft(w.rest, " ")
	}
	if t, zoned, rest, ok := spacedClock(line); ok && zoned {
		e.Time, e.Zoned = t, true
		line = bytes.TrimLeft(rest, ": ")
	}
	e.Said = line
	e.noise(MarkerNone)
	switch {
	case starts(line, "! Terminating timed out worker"), starts(line, "! Out-of-sync worker"):
		e.told(ByOrigin, fault.CauseWorkerTimeout)
	case starts(line, "Rack app error handling request "), starts(line, `Rack app ("`):
		e.told(ByOrigin, fault.CauseApplicationError)
		e.setRequest(between(line, "{ ", " }"))
	case starts(line, "HTTP parse error, malformed request"):
		pumaParseError(e, line)
	case starts(line, "! Unable to load application"), starts(line, "bundler: failed to load command: puma"), starts(line, "! Unable to start worker"):
		e.told(ByOrigin, fault.CauseServiceFailed)
	case starts(line, "Error in reactor loop escaped"), starts(line, "Error reached top of ThreadPool"), starts(line, "Error reached top of thread-pool"), starts(line, "Error reached top of retry loop"):
		e.told(ByOrigin, fault.CauseWorkerCrashed)
	case starts(line, "Early termination of worker"):
		e.told(ByOrigin, fault.CauseWorkerCrashed)
	default:
		return pumaMark(e, line)
	}
	return true
}

// pumaParseError: Puma itself asks in its message whether somebody spoke TLS to it.
func pumaParseError(e *Entry, line []byte) {
	e.clientFault(400)
	e.By = ByOrigin
	if has(line, "SSL connection to a non-SSL Puma") {
		e.suspect(fault.CauseRequestMalformed, fault.CauseRequestTLSOnPlainPort)
	}
}

func pumaMark(e *Entry, line []byte) bool {
	switch {
	case starts(line, "Puma starting in "), starts(line, "* Listening on "):
		if line[0] == '*' {
			e.Marker = MarkerStart
		}
	case starts(line, "=== puma startup: "):
		e.Marker = MarkerStart
	case starts(line, "=== puma shutdown: "), starts(line, "- Gracefully shutting down workers"), starts(line, "- Gracefully stopping, waiting for requests to finish"), starts(line, "- Goodbye!"):
		e.Marker = MarkerStop
	case starts(line, "- Starting phased worker restart"), starts(line, "* Restarting..."), starts(line, "- Phased restart"):
		e.Marker = MarkerReload
	case starts(line, "- Worker ") && (has(line, " booted") || has(line, "terminating")), starts(line, "- Stopping ") && has(line, " for phased upgrade"),
		starts(line, "* Puma version: "), starts(line, "*  Min threads: "), starts(line, "*  Max threads: "), starts(line, "* Min threads: "),
		starts(line, "*  Environment: "), starts(line, "*   Master PID: "), starts(line, "*      Workers: "), starts(line, "* Preloading application"),
		starts(line, "*     Restarts: "), starts(line, "! WARNING: Detected "), starts(line, "* Version ") && has(line, "codename"), starts(line, "* Phased restart available"),
		starts(line, "* Process workers: "), starts(line, "* Environment: "):
	default:
		return false
	}
	return true
}
