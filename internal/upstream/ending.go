package upstream

import (
	"fmt"
	"syscall"

	"github.com/whygate/whygate/internal/conn"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h2"
)

// ending is how a stream ended before its end, or a link with all that was on it. It is only read once it is made.
type ending struct {
	end         fault.End
	unprocessed bool // the endpoint has not acted on the request
	writing     bool // it was a write that failed
	code        fault.ErrorCode
	errno       syscall.Errno
	timer       fault.Timer
	rule        fault.Rule
	alert       uint8
	offset      int64
	limit, size int64
	field       string
	detail      string
	sample      []byte
	bug         *Panic // of the link's goroutine: whoever waits for it raises it again
}

// broke is the ending that a broken rule makes.
func broke(err *h2.Error, sample []byte) *ending {
	e := &ending{end: fault.Malformed, rule: err.Rule, offset: err.Offset, limit: err.Limit, size: err.Size, field: err.Field, sample: sample}
	switch err.Rule {
	case fault.RuleHeadSize, fault.RuleFieldCount, fault.RuleTrailerSize, fault.RuleH2BlockSize:
		e.end = fault.TooLarge
	}
	return e
}

// readEnding is how the connection's octets ended.
func readEnding(c *conn.Conn, end fault.End) *ending {
	e := &ending{end: end, errno: c.ReadErrno()}
	switch end {
	case fault.Alert:
		e.alert, _ = conn.AlertOf(c.ReadErr())
	case fault.Malformed:
		e.rule, e.detail = fault.RuleTLSRecord, text(c.ReadErr()) // a socket's read says Malformed only of TLS
	case fault.Failed:
		e.detail = text(c.ReadErr())
	case fault.Canceled: // it was closed by us: whatever was on it found another reason before
		e.end = fault.Closed
	}
	return e
}

// goneBy is what GOAWAY said.
func goneBy(ev *h2.Event) *ending {
	e := &ending{end: fault.GoAway, code: ev.Code, detail: fmt.Sprintf("GOAWAY: last stream %d, %v", ev.ID, ev.Code)}
	if len(ev.Data) > 0 {
		e.detail += fmt.Sprintf(", %q", ev.Data)
	}
	return e
}

// write writes the ending into evidence.
func (e *ending) write(ev *fault.Evidence) {
	if e.bug != nil {
		panic(e.bug)
	}
	ev.End, ev.Unprocessed, ev.Code, ev.Errno, ev.Timer, ev.Rule = e.end, e.unprocessed, e.code, e.errno, e.timer, e.rule
	ev.Alert, ev.Offset, ev.Limit, ev.Size, ev.Field, ev.Detail, ev.Sample = e.alert, e.offset, e.limit, e.size, e.field, e.detail, e.sample
}
