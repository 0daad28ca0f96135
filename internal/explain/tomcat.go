package explain

import (
	"bytes"

	"github.com/whygate/whygate/internal/fault"
)

// Tomcat's catalina log is 02-Jan-2024 10:00:00.123 LEVEL [thread] class.method message, by juli's OneLineFormatter; the
// messages are those of the LocalStrings.properties files of Tomcat 7 to 11. An exception's name stands in a line of its
// own under it.

var tomcatLog = &Format{
	begins: "0jETo#", marks: []string{"java.lang.OutOfMemoryError", "# A fatal error has been detected by the Java", "# There is insufficient memory for the Java"},
	Name: "tomcat", Title: "Tomcat log", Product: "tomcat", Role: RoleApplication,
	Gives:  "That all threads are busy, the heap is exhausted, a servlet threw, a client left; starts and stops.",
	Lacks:  "Which request it was.",
	Better: `<Valve className="org.apache.catalina.valves.AccessLogValve" pattern="%t %I &quot;%r&quot; %s %b %D %{X-Request-ID}i"/>`,
	Parse:  parseTomcat,
}

func parseTomcat(e *Entry, line []byte) bool {
	t, rest, ok := datedClock(line)
	if !ok || !starts(rest, " ") {
		return tomcatBare(e, line)
	}
	w := words{rest}
	level := w.next()
	switch string(level) {
	case "SEVERE", "WARNING", "INFO", "CONFIG", "FINE", "FINER", "FINEST":
	default:
		return false
	}
	if _, ok := w.bracketed(); !ok {
		return false
	}
	class := w.next()
	if bytes.IndexByte(class, '.') < 0 {
		return false
	}
	e.Time = t
	e.Said = bytes.TrimLeft(w.rest, " ")
	tomcatSaid(e, e.Said, string(level) == "SEVERE")
	return true
}

func tomcatSaid(e *Entry, msg []byte, severe bool) {
	e.noise(MarkerNone)
	switch {
	case starts(msg, "Maximum number of threads (") && has(msg, "created for connector"), starts(msg, "All threads (") && has(msg, "are currently busy"),
		has(msg, "RejectedExecutionException"):
		e.told(ByOrigin, fault.CauseWorkersBusy)
	case has(msg, "OutOfMemoryError"):
		e.told(ByOrigin, fault.CauseOutOfMemory)
	case has(msg, "ClientAbortException"):
		e.clientGone()
	case starts(msg, "Servlet.service() for servlet ") && has(msg, "threw exception"), starts(msg, "Exception Processing "):
		e.told(ByOrigin, fault.CauseApplicationError)
		e.Path = between(msg, "in context with path [", "]")
	case has(msg, "Too many open files"):
		e.told(ByOrigin, fault.CauseUpstreamOverloaded)
	case starts(msg, "Error parsing HTTP request header"), has(msg, "Invalid character found in "):
		e.clientFault(400)
		e.By = ByOrigin
	case severe && (starts(msg, "Failed to initialize component") || starts(msg, "Failed to start component")), severe && starts(msg, "A child container failed during start"),
		severe && starts(msg, "One or more listeners failed to start"), severe && starts(msg, "Error deploying web application"):
		e.told(ByOrigin, fault.CauseServiceFailed)
	case starts(msg, "Server startup in "):
		e.Marker = MarkerStart
	case starts(msg, "Stopping service ["), starts(msg, "A valid shutdown command was received"), starts(msg, "Pausing ProtocolHandler"):
		e.Marker = MarkerStop
	case starts(msg, "Reloading Context with name ["):
		e.Marker = MarkerReload
	}
}

// tomcatBare reads the lines of the Java virtual machine and of exceptions, which have no head. Only those that no other
// program prints, and that are not the repetition of the line before, are taken.
func tomcatBare(e *Entry, line []byte) bool {
	e.Said = line
	e.noise(MarkerNone)
	switch {
	case starts(line, "java.lang.OutOfMemoryError: "), starts(line, `Exception in thread "`) && has(line, "java.lang.OutOfMemoryError"), starts(line, "Terminating due to java.lang.OutOfMemoryError"),
		starts(line, "Exception: java.lang.OutOfMemoryError thrown from the UncaughtExceptionHandler"):
		e.told(ByOrigin, fault.CauseOutOfMemory)
	case starts(line, "org.apache.catalina.connector.ClientAbortException: "):
		e.clientGone()
	case starts(line, "# A fatal error has been detected by the Java Runtime Environment:"):
		e.told(ByOrigin, fault.CauseWorkerCrashed)
	case starts(line, "# There is insufficient memory for the Java Runtime Environment to continue"):
		e.told(ByOrigin, fault.CauseOutOfMemory)
	default:
		return false
	}
	return true
}
