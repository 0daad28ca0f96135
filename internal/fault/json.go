package fault

import (
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"

	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/redact"
	"github.com/whygate/whygate/internal/visible"
)

// MarshalJSON is AppendJSON for encoding/json.
func (e *Evidence) MarshalJSON() ([]byte, error) { return e.AppendJSON(nil), nil }

// AppendJSON appends the evidence as one JSON object on one line. Keys are stable; what is zero is left out, but for
// stage, end and reused. Durations are milliseconds, sizes octets.
//
//	stage, end         their names
//	by                 who ended it, where that was not the upstream: "client", "gateway"
//	reused             whether the connection was
//	nth, idle_ms       which exchange on the connection; how long it had been idle
//	spent_ms           object: the time in each stage, by the stage's name
//	version            of HTTP, as it was spoken with the upstream: "1.1", "2"
//	stream, code       of HTTP/2: the stream, and the error code of RST_STREAM or GOAWAY
//	unprocessed        true if the upstream said that it did not act on the request
//	sent, got          octets given to and taken from the kernel
//	errno, errno_name, errno_text
//	timer, after_ms    the timer that fired, as its configuration key, and its value
//	alert, alert_name  the TLS alert
//	client_certificate "missing" or "shown", where the peer asked for one
//	rule, rule_text, rule_reference, field, offset, limit, size
//	status, declared, body
//	upload             true if the request body was not sent to its end
//	told               the cause that a log line or an operator named, where one did
//	endpoint, address
//	sample, sample_hex, sample_protocol
//	                   first octets, redacted: escaped as in Go, as hexadecimal, and what they look like
//	dns                object: name, server, answered, rcode, rcode_name, ede, ede_name, ede_text
//	certificate        object: problem, wanted, authority, chain
//	tried              array of objects: address, end, errno, errno_name, spent_ms
//	detail
func (e *Evidence) AppendJSON(dst []byte) []byte {
	o := object{dst: append(dst, '{')}
	o.text("stage", e.Stage.String())
	o.text("end", e.End.String())
	if e.By != PartyUpstream {
		o.text("by", e.By.String())
	}
	o.boolean("reused", e.Reused)
	o.number("nth", int64(e.Nth))
	o.duration("idle_ms", e.Idle)
	o.spent("spent_ms", &e.Spent)
	o.text("version", e.Version.String())
	o.number("stream", int64(e.Stream))
	if e.End == StreamReset || e.End == GoAway {
		o.text("code", e.Code.String())
	}
	if e.Hedge {
		o.boolean("hedge", true)
	}
	if e.Unprocessed {
		o.boolean("unprocessed", true)
	}
	o.number("sent", e.Sent)
	o.number("got", e.Got)
	o.errno(e)
	o.text("timer", e.Timer.String())
	o.duration("after_ms", e.After)
	if e.End == Alert {
		o.integer("alert", int64(e.Alert))
		o.text("alert_name", AlertName(e.Alert))
	}
	o.text("client_certificate", e.ClientCert.String())
	o.rule(e)
	o.number("status", int64(e.Status))
	o.number("declared", e.Declared)
	o.number("body", e.Body)
	if e.Upload {
		o.boolean("upload", true)
	}
	if e.Told != CauseNone {
		o.text("told", e.Told.String())
	}
	o.text("endpoint", e.Endpoint)
	o.text("address", e.Addr)
	o.sample(e.Sample)
	o.dns(e.DNS)
	o.certificate(e.Cert)
	o.tried(e.Tried)
	o.text("detail", e.Detail)
	return append(o.dst, '}')
}

// object writes the members of one JSON object behind its opening brace.
type object struct {
	dst  []byte
	more bool // a member was written
}

func (o *object) key(name string) {
	if o.more {
		o.dst = append(o.dst, ',')
	}
	o.more = true
	o.dst = append(append(append(o.dst, '"'), name...), '"', ':')
}

func (o *object) text(name, value string) {
	if value == "" {
		return
	}
	o.key(name)
	o.dst = visible.AppendString(o.dst, value)
}

func (o *object) boolean(name string, value bool) {
	o.key(name)
	o.dst = strconv.AppendBool(o.dst, value)
}

// integer writes a number even if it is zero.
func (o *object) integer(name string, value int64) {
	o.key(name)
	o.dst = appendInt(o.dst, value)
}

// number leaves zero out, and the -1 of Evidence.Declared.
func (o *object) number(name string, value int64) {
	if value > 0 {
		o.integer(name, value)
	}
}

func (o *object) duration(name string, value time.Duration) {
	if value > 0 {
		o.key(name)
		o.dst = appendMilliseconds(o.dst, value)
	}
}

func (o *object) spent(name string, spent *[Stages]time.Duration) {
	if *spent == [Stages]time.Duration{} {
		return
	}
	o.key(name)
	inner := object{dst: append(o.dst, '{')}
	for s, d := range spent {
		inner.duration(stageNames[s], d)
	}
	o.dst = append(inner.dst, '}')
}

func (o *object) errno(e *Evidence) {
	if e.Errno != 0 {
		o.integer("errno", int64(e.Errno))
		o.text("errno_name", ErrnoName(e.Errno))
		o.text("errno_text", e.Errno.Error())
	}
}

func (o *object) rule(e *Evidence) {
	if e.Rule != RuleNone {
		o.text("rule", e.Rule.String())
		o.text("rule_text", e.Rule.Text())
		o.text("rule_reference", e.Rule.Reference())
	}
	o.text("field", e.Field)
	o.number("offset", e.Offset)
	o.number("limit", e.Limit)
	o.number("size", e.Size)
}

func (o *object) sample(sample []byte) {
	if len(sample) == 0 {
		return
	}
	shown := redact.Head(sample)
	o.text("sample", string(appendEscaped(nil, shown)))
	o.text("sample_hex", hex.EncodeToString(shown))
	if p := Recognise(sample); p != ProtocolUnknown {
		o.text("sample_protocol", p.String())
	}
}

func (o *object) dns(d *DNS) {
	if d == nil {
		return
	}
	o.key("dns")
	inner := object{dst: append(o.dst, '{')}
	inner.text("name", d.Name)
	inner.text("server", d.Server)
	inner.boolean("answered", d.Answered)
	if d.Answered {
		inner.integer("rcode", int64(d.RCode))
		inner.text("rcode_name", RCodeName(d.RCode))
		if d.EDE >= 0 {
			inner.integer("ede", int64(d.EDE))
			inner.text("ede_name", EDEName(d.EDE))
			inner.text("ede_text", d.EDEText)
		}
	}
	o.dst = append(inner.dst, '}')
}

func (o *object) certificate(c *Certificate) {
	if c == nil {
		return
	}
	o.key("certificate")
	inner := object{dst: append(o.dst, '{')}
	inner.text("problem", c.Problem.String())
	inner.text("wanted", c.Wanted)
	inner.text("authority", c.Authority)
	if len(c.Chain) > 0 {
		inner.key("chain")
		chain, err := json.Marshal(c.Chain)
		if err != nil { // a year that RFC 3339 cannot write
			chain = []byte("null")
		}
		inner.dst = append(inner.dst, visible.JSON(chain)...)
	}
	o.dst = append(inner.dst, '}')
}

func (o *object) tried(tried []Address) {
	if len(tried) == 0 {
		return
	}
	o.key("tried")
	o.dst = append(o.dst, '[')
	for i := range tried {
		if i > 0 {
			o.dst = append(o.dst, ',')
		}
		o.dst = tried[i].appendJSON(o.dst)
	}
	o.dst = append(o.dst, ']')
}

// MarshalJSON gives the same object that stands in the evidence's "tried".
func (a Address) MarshalJSON() ([]byte, error) { return a.appendJSON(nil), nil }

func (a Address) appendJSON(dst []byte) []byte {
	o := object{dst: append(dst, '{')}
	o.text("address", a.Addr)
	o.text("end", a.End.String())
	o.errno(&Evidence{Errno: a.Errno})
	o.duration("spent_ms", a.Spent)
	return append(o.dst, '}')
}

// appendMilliseconds writes whole microseconds: 12.345.
func appendMilliseconds(dst []byte, d time.Duration) []byte {
	return mono.AppendNumber(dst, float64(d.Microseconds())/1000, 3)
}
