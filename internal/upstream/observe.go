package upstream

import (
	"bytes"

	"github.com/whygate/whygate/internal/conn"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h1"
	"github.com/whygate/whygate/internal/mono"
)

// What an attempt observes is written into its Evidence where it is seen, and judged elsewhere.

// violation notes a rule that the response body broke.
func (a *Attempt) violation(err *h1.Error) {
	a.Evidence.Stage = fault.Body
	a.Evidence.Declared, a.Evidence.Body = max(a.length, -1), a.dec.Received()
	a.malformed(err)
}

// malformed notes a rule that the response broke.
func (a *Attempt) malformed(err *h1.Error) {
	ev := &a.Evidence
	if a.call != nil {
		_, ev.Got, _ = a.call.progress()
	} else {
		ev.Got = a.conn.Received() - a.conn.got
	}
	ev.Rule, ev.Offset, ev.Limit, ev.Size, ev.Field = err.Rule, err.Offset, err.Limit, err.Size, err.Field
	ev.End = fault.Malformed
	if err.Rule == fault.RuleHeadSize && err.Field != "" { // the head is too large for the sake of one field
		ev.Rule, ev.Size = fault.RuleFieldSize, fieldSize(a.conn.Buffered(), err.Field)
	}
	switch err.Rule {
	case fault.RuleHeadSize, fault.RuleFieldSize, fault.RuleFieldCount, fault.RuleTrailerSize, fault.RuleBodySize:
		ev.End = fault.TooLarge
	}
	a.sample()
}

// fieldSize is how many octets a field line takes of a head, as far as that was read.
func fieldSize(head []byte, name string) int64 {
	i := bytes.Index(head, []byte("\n"+name))
	line := head[i+1:]
	if end := bytes.IndexByte(line, '\n'); end >= 0 {
		line = line[:end+1]
	}
	return int64(len(line))
}

// Violated notes a rule that the response as a whole broke, with the limit it passed, if that is what the rule is about.
func (a *Attempt) Violated(rule fault.Rule, limit, size int64) {
	a.malformed(&h1.Error{Rule: rule, Limit: limit, Size: size})
}

// sample keeps the first octets of what is buffered.
func (a *Attempt) sample() {
	if a.call != nil {
		return // its octets are decoded, and show nothing
	}
	b := a.conn.Buffered()
	a.Evidence.Sample = append([]byte(nil), b[:min(len(b), fault.SampleMax)]...)
}

// readFailed notes how a wait for the answer ended.
func (a *Attempt) readFailed(stage fault.Stage, end fault.End) {
	ev := &a.Evidence
	c := a.conn
	ev.Stage, ev.End = stage, end
	ev.Got = c.Received() - c.got
	ev.Errno = c.ReadErrno()
	switch end {
	case fault.Timeout:
		if ev.Errno == 0 { // else the kernel gave up: no timer of ours
			a.timedOut(stage)
		}
	case fault.Canceled:
		a.canceled()
	case fault.TooLarge:
		ev.Rule, ev.Limit, ev.Size = fault.RuleHeadSize, int64(a.target.HeadMax), int64(len(c.Buffered()))
		a.sample()
	case fault.Closed:
		if stage == fault.Head {
			ev.Rule = fault.RuleHeadCut
			a.sample()
		}
	case fault.Alert:
		ev.Alert, _ = conn.AlertOf(c.ReadErr())
	case fault.Malformed, fault.Failed:
		ev.Detail = text(c.ReadErr())
		if end == fault.Malformed {
			ev.Rule = fault.RuleTLSRecord // a socket's read says Malformed only of TLS
		}
	}
	if stage == fault.Head && end == fault.Reset {
		a.sample()
	}
}

// timedOut notes which timer ended the wait for the answer.
func (a *Attempt) timedOut(stage fault.Stage) {
	ev := &a.Evidence
	switch {
	case a.Whole.Until != 0 && mono.Now() >= a.Whole.Until:
		a.Whole.over(ev)
	case stage == fault.Body:
		ev.Timer, ev.After = fault.TimerRead, a.target.Read
	default:
		ev.Timer, ev.After = fault.TimerHead, a.target.Head
	}
}

// writeTimedOut notes which timer ended the wait for room.
func (a *Attempt) writeTimedOut() {
	ev := &a.Evidence
	if a.Whole.Until != 0 && mono.Now() >= a.Whole.Until {
		a.Whole.over(ev)
		return
	}
	ev.Timer, ev.After = fault.TimerWrite, a.target.Write
}

// WriteFailed notes how a write of the request ended. An answer may have come first: see AnswerAnyway.
func (a *Attempt) WriteFailed(end fault.End) { a.writeFailed(end) }

func (a *Attempt) writeFailed(end fault.End) {
	if a.call != nil {
		a.writeFailedShared(end)
		return
	}
	ev := &a.Evidence
	ev.Stage, ev.End = fault.Write, end
	ev.Sent = a.conn.Sent() - a.conn.sent
	ev.Errno = a.conn.WriteErrno()
	switch {
	case end == fault.Canceled:
		a.canceled()
	case end == fault.Timeout && ev.Errno == 0:
		a.writeTimedOut()
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
