package explain

import (
	"bytes"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// php-fpm's lines are [02-Jan-2024 10:00:00] LEVEL: message, by sapi/fpm: fpm_children.c, fpm_process_ctl.c,
// fpm_request.c; PHP's own error log has the zone behind the time and "PHP Fatal error: " instead of a level.

var phpFPMLog = &Format{
	begins: "[Ps", marks: []string{"[pool ", "PHP Fatal error:  ", "PHP Parse error:  "},
	Name: "php-fpm", Title: "php-fpm log", Product: "php-fpm", Role: RoleApplication,
	Gives: "That all children are busy, a child was killed for its time limit, by the kernel, or crashed; the script, and how long it ran.",
	Lacks: "The request that a crashed child was at.",
	Better: `; in the pool's file
slowlog = /var/log/php-fpm/slow.log
request_slowlog_timeout = 5s
request_terminate_timeout = 30s
catch_workers_output = yes
access.log = /var/log/php-fpm/access.log
access.format = "%R - %u %t \"%m %r%Q%q\" %s %f %{mili}d %{kilo}M %C%%"`,
	Parse: parsePHPFPM,
}

func parsePHPFPM(e *Entry, line []byte) bool {
	if len(line) < 23 || line[0] != '[' {
		return phpStackLine(e, line)
	}
	t, rest, ok := datedClock(line[1:])
	if !ok {
		return phpStackLine(e, line)
	}
	e.Time = t
	if starts(rest, " ") { // PHP's own log names the zone: UTC, or a place
		zone := upTo(rest[1:], ']')
		if string(zone) == "UTC" {
			_, offset := t.Zone()
			e.Time, e.Zoned = t.Add(time.Duration(offset)*time.Second).UTC(), true
		}
		rest = rest[1+len(zone):]
	}
	if !starts(rest, "]") {
		return false
	}
	rest = bytes.TrimLeft(rest[1:], " ")
	e.Said = rest
	level, msg, ok := bytes.Cut(rest, []byte(": "))
	if !ok {
		e.noise(MarkerNone)
		return starts(rest, "[pool ") && has(rest, "] pid ") // the head of a slow log's entry
	}
	switch string(level) {
	case "DEBUG", "NOTICE", "WARNING", "ERROR", "ALERT":
	default:
		return phpSaid(e, level)
	}
	e.Said = msg
	phpFPMSaid(e, msg)
	return true
}

// phpStackLine takes what the slow log and a fatal error print under their first line.
func phpStackLine(e *Entry, line []byte) bool {
	if level, _, ok := bytes.Cut(line, []byte(":  ")); ok && starts(level, "PHP ") { // log_errors to standard error, as in a container
		e.Said = line
		return phpSaid(e, level)
	}
	e.noise(MarkerNone)
	return starts(line, "script_filename = ") || starts(line, "[0x0000") && has(line, "] ") && has(line, "() ")
}

// phpSaid judges PHP's own log: PHP Fatal error, PHP Parse error, PHP Warning, …
func phpSaid(e *Entry, level []byte) bool {
	e.noise(MarkerNone)
	switch string(level) {
	case "PHP Fatal error", "PHP Parse error", "PHP Recoverable fatal error":
		e.told(ByOrigin, fault.CauseApplicationError)
	case "PHP Warning", "PHP Notice", "PHP Deprecated", "PHP Strict Standards":
	default:
		return false
	}
	return true
}

func phpFPMSaid(e *Entry, msg []byte) {
	e.noise(MarkerNone)
	if pool := between(msg, "[pool ", "]"); pool != nil {
		e.Upstream = pool
	}
	e.Process = uint64(max(numberAfter(msg, "child "), 0))
	switch {
	case has(msg, "server reached pm.max_children setting"), has(msg, "server reached max_children setting"), starts(msg, "The maximum number of processes has been reached"):
		e.told(ByOrigin, fault.CauseWorkersBusy)
	case has(msg, "seems busy") && has(msg, "there are 0 idle"):
		e.told(ByOrigin, fault.CauseWorkersBusy)
	case has(msg, "execution timed out ("):
		e.told(ByOrigin, fault.CauseWorkerTimeout)
		phpRequest(e, msg, "execution timed out (")
	case has(msg, "executing too slow ("):
		phpRequest(e, msg, "executing too slow (") // slow, and not yet a failure
	case has(msg, "exited on signal "):
		phpSignal(e, numberAfter(msg, "exited on signal "))
	case has(msg, "exited with code ") && numberAfter(msg, "exited with code ") > 0:
		e.told(ByOrigin, fault.CauseWorkerCrashed)
	case starts(msg, "failed processes threshold"):
		e.told(ByOrigin, fault.CauseWorkerCrashed)
		e.Marker = MarkerReload
	case starts(msg, "unable to bind listening socket"), starts(msg, "Another FPM instance seems to already listen"), starts(msg, "FPM initialization failed"):
		e.told(ByOrigin, fault.CauseServiceFailed)
	case has(msg, "PHP Fatal error:"):
		e.told(ByOrigin, fault.CauseApplicationError)
	case starts(msg, "fork() failed: Cannot allocate memory"):
		e.told(ByOrigin, fault.CauseOutOfMemory)
	case starts(msg, "ready to handle connections"):
		e.Marker = MarkerStart
	case starts(msg, "Terminating ..."), starts(msg, "exiting, bye-bye"), starts(msg, "Finishing ..."):
		e.Marker = MarkerStop
	case starts(msg, "Reloading in progress"), starts(msg, "reloading: execvp"):
		e.Marker = MarkerReload
	}
}

// phpRequest reads (request: "GET /index.php?x=1") and the seconds.
func phpRequest(e *Entry, msg []byte, mark string) {
	e.setRequest(between(msg, `(request: "`, `")`))
	if tail := between(msg, mark, " sec)"); tail != nil {
		e.Took = decimalSeconds(tail)
	}
}

// phpSignal: TERM is what follows a time limit or an idle child's end, QUIT a graceful one; KILL comes from outside.
func phpSignal(e *Entry, signal int64) {
	switch signal {
	case 9:
		e.told(ByOrigin, fault.CauseWorkerKilled)
		e.suspect(fault.CauseWorkerKilled, fault.CauseOutOfMemory)
	case 3, 15:
	default:
		e.told(ByOrigin, fault.CauseWorkerCrashed)
	}
}
