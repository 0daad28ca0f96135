package fault

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/redact"
)

// Lengths of what a sentence quotes, in octets. They keep a sentence on one line.
const (
	valueMax  = 80 // a name, a detail
	sampleMax = 40 // octets of a message
	triedMax  = 2  // other addresses
)

// Sentence is AppendSentence as a string.
func (f Fault) Sentence(e *Evidence) string {
	return string(f.AppendSentence(nil, e))
}

// AppendSentence appends the one sentence that tells an operator who failed, how, and with which facts: printable ASCII
// on one line, without a full stop. It has addresses and names in it; PublicSentence has not. There is none if there is
// no fault.
func (f Fault) AppendSentence(dst []byte, e *Evidence) []byte {
	if f.Cause == CauseNone {
		return dst
	}
	w := writer{e: e}
	dst, _, _ = w.render(dst, f.Cause.Entry().sentence)
	return w.appendTail(dst)
}

// SentenceElsewhere is Sentence for what another program's log tells: without the names of Whygate's stages and timers, which
// mean nothing there.
func (f Fault) SentenceElsewhere(e *Evidence) string {
	if f.Cause == CauseNone {
		return ""
	}
	w := writer{e: e, elsewhere: true}
	dst, _, _ := w.render(nil, f.Cause.Entry().sentence)
	return string(w.appendTail(dst))
}

// PublicSentence tells a visitor what happened, with a capital letter and a full stop, and without any fact that belongs
// to this installation: no address, name or value. Empty if there is no fault.
func (f Fault) PublicSentence() string {
	if f.Cause == CauseNone {
		return ""
	}
	w := writer{e: &Evidence{Stage: Stage(Stages)}, public: true} // no stage: it means nothing to a visitor
	dst, _, _ := w.render(make([]byte, 0, 160), f.Cause.Entry().sentence)
	dst[0] = strings.ToUpper(string(dst[:1]))[0]
	return string(append(dst, '.'))
}

// writer renders the template of an entry. In a template, {word} stands for a fact, and [...] is left out with all that
// is in it if one of its facts is not known. The facts peer, name and server are always known, by a name of their own or
// by a general one.
type writer struct {
	e      *Evidence
	public bool // leave out what identifies hosts, names and contents

	elsewhere bool // leave out what is called so in Whygate alone
}

// render appends the template up to its end or to the bracket that closes it, and gives what follows. It is false if a
// fact outside of inner brackets was not known.
func (w *writer) render(dst []byte, template string) (out []byte, rest string, known bool) {
	known = true
	for template != "" {
		switch template[0] {
		case '{':
			name, after, _ := strings.Cut(template[1:], "}")
			length := len(dst)
			dst = w.appendFact(dst, name)
			known = known && len(dst) > length
			template = after
		case '[':
			length := len(dst)
			inner, after, all := w.render(dst, template[1:])
			if dst = inner; !all {
				dst = dst[:length]
			}
			template = after
		case ']':
			return dst, template[1:], known
		default:
			next := strings.IndexAny(template, "{[]")
			if next < 0 {
				next = len(template)
			}
			dst = append(dst, template[:next]...)
			template = template[next:]
		}
	}
	return dst, "", known
}

// appendFact appends what is known of a fact, nothing if that is nothing.
func (w *writer) appendFact(dst []byte, name string) []byte {
	switch name {
	case "peer":
		return w.appendPeer(dst)
	case "name":
		return w.appendName(dst)
	case "server":
		return w.appendServer(dst)
	}
	if !w.public {
		if out := w.appendPrivate(dst, name); len(out) > len(dst) {
			return out
		}
	}
	if out := w.appendNumber(dst, name); len(out) > len(dst) {
		return out
	}
	return w.appendWord(dst, name)
}

// appendWord appends the facts that are words and give away nothing.
func (w *writer) appendWord(dst []byte, name string) []byte {
	e := w.e
	switch name {
	case "door":
		if isUnix(e) {
			return append(dst, "socket"...)
		}
		return append(dst, "port"...)
	case "errno":
		return appendErrno(dst, e)
	case "timer":
		if w.elsewhere {
			return dst
		}
		return append(dst, e.Timer.String()...)
	case "rule":
		return append(dst, e.Rule.Text()...)
	case "ref":
		return append(dst, e.Rule.Reference()...)
	case "field":
		return appendPrintable(dst, e.Field, valueMax)
	case "stage":
		if int(e.Stage) < Stages && !w.elsewhere {
			return append(dst, e.Stage.String()...)
		}
	case "alert":
		if e.End == Alert {
			dst = append(appendInt(dst, int64(e.Alert)), ' ')
			return append(dst, AlertName(e.Alert)...)
		}
	case "rcode":
		if e.DNS != nil && e.DNS.Answered {
			return append(dst, RCodeName(e.DNS.RCode)...)
		}
	case "ede":
		if e.DNS != nil && e.DNS.Answered && e.DNS.EDE >= 0 {
			dst = appendInt(append(dst, "EDE "...), int64(e.DNS.EDE))
			return append(append(dst, ' '), EDEName(e.DNS.EDE)...)
		}
	case "code":
		if e.End == StreamReset || e.End == GoAway {
			return append(dst, e.Code.String()...)
		}
	case "proto":
		if p := Recognise(e.Sample); p != ProtocolUnknown {
			return append(dst, p.String()...)
		}
	}
	return dst
}

// appendNumber appends the facts that are numbers and durations. Zero is not known, but where it says something.
func (w *writer) appendNumber(dst []byte, name string) []byte {
	e := w.e
	switch name {
	case "nth":
		return appendPositive(dst, int64(e.Nth))
	case "sent":
		return appendPositive(dst, e.Sent)
	case "got":
		return appendPositive(dst, e.Got)
	case "offset":
		return appendPositive(dst, e.Offset)
	case "limit":
		return appendPositive(dst, e.Limit)
	case "size":
		return appendPositive(dst, e.Size)
	case "status":
		return appendPositive(dst, int64(e.Status))
	case "declared":
		return appendPositive(dst, e.Declared)
	case "body":
		if e.Body > 0 || e.Declared > 0 {
			return appendInt(dst, e.Body)
		}
	case "idle":
		return appendPositiveDuration(dst, e.Idle)
	case "after":
		return appendPositiveDuration(dst, e.After)
	case "wait":
		return appendPositiveDuration(dst, e.wait())
	}
	return dst
}

// appendPrivate appends the facts that name hosts or show contents.
func (w *writer) appendPrivate(dst []byte, name string) []byte {
	e := w.e
	switch name {
	case "sample":
		return appendQuoted(dst, redact.Head(e.Sample), sampleMax)
	case "near":
		return appendQuoted(dst, nearOffset(redact.Head(e.Sample), e.Offset), sampleMax)
	case "edetext":
		if e.DNS != nil {
			return appendPrintable(dst, e.DNS.EDEText, valueMax)
		}
	}
	if e.Cert == nil {
		return dst
	}
	switch name {
	case "wanted":
		return appendPrintable(dst, e.Cert.Wanted, valueMax)
	case "authority":
		return appendPrintable(dst, e.Cert.Authority, valueMax)
	}
	if len(e.Cert.Chain) == 0 {
		return dst
	}
	leaf := &e.Cert.Chain[0]
	switch name {
	case "subject":
		return appendPrintable(dst, leaf.Subject, valueMax)
	case "names":
		return appendPrintable(dst, strings.Join(leaf.Names, ", "), valueMax)
	case "notafter":
		return appendDate(dst, leaf.NotAfter)
	case "notbefore":
		return appendDate(dst, leaf.NotBefore)
	}
	return dst
}

// appendPeer appends the endpoint as host and port, and the address if that says more.
func (w *writer) appendPeer(dst []byte) []byte {
	host := hostOf(w.e.Endpoint)
	switch {
	case w.public || host == "" && w.e.Addr == "":
		return append(dst, "the upstream server"...)
	case host == "":
		return appendPrintable(dst, w.e.Addr, valueMax)
	}
	dst = appendPrintable(dst, host, valueMax)
	if w.e.Addr == "" || w.e.Addr == host || strings.HasPrefix(host, "unix:") {
		return dst
	}
	return append(appendPrintable(append(dst, " ("...), w.e.Addr, valueMax), ')')
}

// appendName appends the name that did not resolve.
func (w *writer) appendName(dst []byte) []byte {
	name := ""
	if w.e.DNS != nil {
		name = w.e.DNS.Name
	}
	if name == "" {
		name = hostOf(w.e.Endpoint)
	}
	if name == "" || w.public {
		return append(dst, "the upstream server's name"...)
	}
	return appendPrintable(dst, name, valueMax)
}

// appendServer appends the name server that was asked.
func (w *writer) appendServer(dst []byte) []byte {
	if w.e.DNS == nil || w.e.DNS.Server == "" || w.public {
		return append(dst, "the name server"...)
	}
	return appendPrintable(append(dst, "name server "...), w.e.DNS.Server, valueMax)
}

// appendTail appends what every sentence may end with: the other addresses that failed, and the layer's own line.
func (w *writer) appendTail(dst []byte) []byte {
	if len(w.e.Tried) > 1 {
		dst = appendInt(append(dst, "; "...), int64(len(w.e.Tried)))
		dst = append(dst, " addresses failed: "...)
		for i := range w.e.Tried {
			if i == triedMax {
				return append(dst, ", ..."...)
			}
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = appendPrintable(dst, w.e.Tried[i].Addr, valueMax)
			dst = append(append(dst, ' '), w.e.Tried[i].End.String()...)
		}
	}
	if w.e.Detail != "" {
		dst = appendPrintable(append(dst, "; "...), w.e.Detail, valueMax)
	}
	return dst
}

// wait gives how long the stage's peer was waited for: from the request's first octet if the response was awaited.
func (e *Evidence) wait() time.Duration {
	switch {
	case int(e.Stage) >= Stages:
		return 0
	case e.Stage == FirstByte || e.Stage == Head:
		return e.Spent[Write] + e.Spent[FirstByte] + e.Spent[Head]
	}
	return e.Spent[e.Stage]
}

// hostOf gives host and port of an endpoint, or the path of a unix one.
func hostOf(endpoint string) string {
	if _, after, found := strings.Cut(endpoint, "://"); found {
		endpoint = after
		if slash := strings.IndexByte(endpoint, '/'); slash >= 0 {
			endpoint = endpoint[:slash]
		}
	}
	return endpoint
}

// nearOffset gives the line that the offset is in, from at most sampleMax octets before it; nothing if the sample ends
// before it.
func nearOffset(sample []byte, offset int64) []byte {
	if offset <= 0 || offset >= int64(len(sample)) {
		return nil
	}
	at := int(offset)
	start := bytes.LastIndexByte(sample[:at], '\n') + 1
	line, _, _ := bytes.Cut(sample[max(start, at-sampleMax/2):], []byte("\n"))
	return bytes.TrimRight(line, "\r")
}

func appendErrno(dst []byte, e *Evidence) []byte {
	if e.Errno == 0 {
		return dst
	}
	if name := ErrnoName(e.Errno); name != "" {
		return append(dst, name...)
	}
	return appendPrintable(dst, e.Errno.Error(), valueMax)
}

func appendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }

func appendPositive(dst []byte, n int64) []byte {
	if n <= 0 {
		return dst
	}
	return appendInt(dst, n)
}

func appendPositiveDuration(dst []byte, d time.Duration) []byte {
	if d <= 0 {
		return dst
	}
	return mono.AppendWords(dst, d)
}

func appendDate(dst []byte, t time.Time) []byte {
	if t.IsZero() {
		return dst
	}
	return t.UTC().AppendFormat(dst, "2006-01-02 15:04Z")
}

// appendPrintable appends at most limit octets of s, each that is not printable ASCII as a question mark.
func appendPrintable(dst []byte, s string, limit int) []byte {
	for i := range len(s) {
		if i == limit {
			return append(dst, "..."...)
		}
		c := s[i]
		if c < 0x20 || c > 0x7e {
			c = '?'
		}
		dst = append(dst, c)
	}
	return dst
}

// appendQuoted appends at most limit octets of b between quotes, escaped as in Go; nothing if there are none.
func appendQuoted(dst, b []byte, limit int) []byte {
	if len(b) == 0 {
		return dst
	}
	dst = append(dst, '"')
	dst = appendEscaped(dst, b[:min(len(b), limit)])
	if len(b) > limit {
		dst = append(dst, "..."...)
	}
	return append(dst, '"')
}

// appendEscaped appends octets as printable ASCII: \r, \n, \t, \", \\ and \xHH.
func appendEscaped(dst, b []byte) []byte {
	const hexDigits = "0123456789abcdef"
	for _, c := range b {
		switch {
		case c == '\r':
			dst = append(dst, `\r`...)
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '\t':
			dst = append(dst, `\t`...)
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < 0x20 || c > 0x7e:
			dst = append(dst, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
