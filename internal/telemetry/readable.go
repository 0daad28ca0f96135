package telemetry

import (
	"cmp"
	"strconv"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/mono"
)

// Readable appends one line of the access log for a person at a terminal: time, status, request, what it took, who
// answered; and under it, for a fault, its sentence and what to do.
func Readable(dst []byte, r *Record) []byte { return appendReadable(dst, r, noColors) }

// Colored is Readable for a terminal that shows colours.
func Colored(dst []byte, r *Record) []byte { return appendReadable(dst, r, ansi) }

type colors struct{ good, warn, bad, soft, off string }

var (
	noColors colors
	ansi     = colors{good: "\x1b[32m", warn: "\x1b[33m", bad: "\x1b[31;1m", soft: "\x1b[2m", off: "\x1b[0m"}
)

func appendReadable(dst []byte, r *Record, c colors) []byte {
	color := c.good
	switch {
	case r.Status >= 500 || r.Late:
		color = c.bad
	case r.Status >= 400:
		color = c.warn
	}
	dst = append(dst, c.soft...)
	dst = r.At.Local().AppendFormat(dst, "15:04:05.000")
	dst = append(append(append(dst, c.off...), ' '), color...)
	dst = strconv.AppendInt(dst, int64(r.Status), 10)
	dst = append(append(dst, c.off...), ' ')
	if len(r.Method) == 0 {
		dst = append(dst, "(no request)"...)
	} else {
		dst = append(appendPlain(dst, r.Method), ' ')
		dst = appendPlain(dst, r.Host)
		dst = appendPlain(dst, r.Target)
	}
	dst = append(append(dst, "  "...), c.soft...)
	dst = mono.AppendWords(dst, r.Duration)
	dst = append(dst, "  "...)
	dst = strconv.AppendInt(dst, r.Sent, 10)
	dst = append(dst, " B"...)
	if n := len(r.Attempts); n > 0 {
		dst = append(dst, "  "...)
		dst = append(dst, r.Attempts[n-1].Endpoint...)
		if n > 1 {
			dst = append(dst, "  attempt "...)
			dst = strconv.AppendInt(dst, int64(n), 10)
		}
	}
	if r.Client != "" {
		dst = append(append(dst, "  from "...), r.Client...)
	}
	dst = append(append(dst, c.off...), '\n')
	if r.Evidence != nil && r.Fault.Is() && r.Fault.Cause != fault.CauseClientLeft {
		dst = appendStory(dst, r, c)
	}
	return dst
}

// appendStory appends what went wrong, and what to do.
func appendStory(dst []byte, r *Record, c colors) []byte {
	dst = append(append(dst, "  "...), c.bad...)
	dst = append(append(dst, r.Fault.Cause.String()...), c.off...)
	dst = append(dst, ": "...)
	dst = r.Fault.AppendSentence(dst, r.Evidence)
	switch {
	case r.Saved:
		dst = append(dst, "; a retry saved the request"...)
	case r.Late:
		dst = append(dst, "; the client saw the answer cut short"...)
	}
	if r.Incident != "" {
		dst = append(append(append(append(dst, c.soft...), "  incident "...), r.Incident...), c.off...)
	}
	dst = append(dst, '\n')
	if r.Fault.Cause != fault.CauseUpstreamStatus {
		dst = append(append(append(append(dst, "  "...), c.soft...), "do: "...), cmp.Or(r.Advice, r.Fault.Advice())...)
		dst = append(append(dst, c.off...), '\n')
	}
	return dst
}

// appendPlain appends a client's words so that they cannot steer the terminal.
func appendPlain(dst, b []byte) []byte {
	for _, ch := range b[:min(len(b), 200)] {
		if ch < ' ' || ch >= 0x7f {
			ch = '?'
		}
		dst = append(dst, ch)
	}
	if len(b) > 200 {
		dst = append(dst, "..."...)
	}
	return dst
}
