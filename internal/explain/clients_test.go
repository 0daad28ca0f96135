package explain

import (
	"testing"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// An error that a program shows by its class is at error level, whatever stands before it, and the name of a class is no errno.
func TestErrorsByTheirClass(t *testing.T) {
	t.Parallel()
	r := NewRecogniser(formats, time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC))
	for line, want := range map[string]fault.Cause{
		"profile of user 4711 could not be loaded: RequestError: connection refused by the other side":                                                          fault.CauseConnectionRefused,
		"profile of user 4711 could not be loaded: FetchError: Invalid response body while trying to fetch x: aborted":                                          fault.CauseBodyShort,
		"profile of user 4711 could not be loaded: RequestError: incorrect header check in what came from the other side":                                       fault.CauseBadContentCoding,
		"2026-11-30 09:40:01,123 ERROR app.sync: httpx.RemoteProtocolError: conflicting Content-Length headers":                                                 fault.CauseConflictingLengths,
		"ERROR:app:RemoteProtocolError('illegal request line')":                                                                                                 fault.CauseNone,
		"[30-Nov-2026 09:40:00 UTC] PHP Warning:  file_get_contents(http://10.0.0.5/a): Failed to open stream: Connection refused in /var/www/a.php on line 12": fault.CauseConnectionRefused,
		"[Mon Nov 30 09:40:00 2026] [error] sync.pl: GET http://10.0.0.5/a: 500 Can't connect to 10.0.0.5:80 (Connection refused)":                              fault.CauseConnectionRefused,
	} {
		var e Entry
		if r.Read(&e, []byte(line)); e.Fault().Cause != want {
			t.Errorf("%s\nis %v; want %v", line, e.Fault().Cause, want)
		}
	}
}
