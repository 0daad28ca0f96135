package h1

import (
	"encoding/binary"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
)

// Progress remembers how far the head of a message had been read when it was not complete yet, so that one that drips in
// octet by octet costs linear time. It holds offsets only, so the buffer may move. The zero value is the start of a
// message, and a parser that completes a head leaves that behind.
type Progress struct {
	state   State
	repair  bool // a response: whitespace before a colon is removed, not refused
	version httpmsg.Version
	empties uint8 // empty lines before the request line
	status  int
	pos     int // the first octet that has not been judged

	start, methodEnd, target, targetEnd int // of the request line
	reason, reasonEnd                   int // of the status line
	name, nameEnd, value                int // of the field line being read
}

// State is what is awaited.
func (p *Progress) State() State { return p.state }

// Reset goes back to the start of a message.
func (p *Progress) Reset() { *p = Progress{} }

func (p *Progress) fail(rule fault.Rule, at int) *Error {
	return &Error{Rule: rule, State: p.state, Offset: int64(at)}
}

// failField is fail about the field line being read.
func (p *Progress) failField(rule fault.Rule, at int, b []byte) *Error {
	e := p.fail(rule, at)
	e.Field = string(b[p.name:p.nameEnd])
	return e
}

const versionSize = len("HTTP/1.1")

// matchVersion compares b with the two versions there are (RFC 9112, section 2.3) and returns how many octets agree;
// false if the next one does not. All agree and the version is complete at versionSize.
//
// hot: once per head.
func matchVersion(b []byte) (int, bool) {
	const prefix = "HTTP/1."
	if len(b) >= versionSize {
		const http11, lastBit = 0x312e312f50545448, 0x0100000000000000 // "HTTP/1.1" from its lowest octet up
		if binary.LittleEndian.Uint64(b)|lastBit == http11 {
			return versionSize, true
		}
	}
	for i := range min(len(b), len(prefix)) {
		if b[i] != prefix[i] {
			return i, false
		}
	}
	return min(len(b), len(prefix)), len(b) < versionSize
}

// fieldLines reads field lines up to and with the empty line; true when that has been read, and p.pos is behind it.
//
// hot: a state machine, so that it can stop between any two octets.
func (p *Progress) fieldLines(b []byte, f *httpmsg.Fields, lim *Limits) (bool, *Error) {
	i := p.pos
	for i < len(b) {
		switch p.state {
		case AwaitFieldLine, AwaitHeadEnd:
			if class[b[i]]&tokenOctet == 0 {
				return p.noFieldName(b, i, f, lim)
			}
			if f.Len() == httpmsg.FieldsMax {
				return false, &Error{Rule: fault.RuleFieldCount, State: p.state, Offset: int64(i), Limit: httpmsg.FieldsMax, Size: httpmsg.FieldsMax + 1}
			}
			p.name, p.state = i, AwaitFieldName
			fallthrough
		case AwaitFieldName:
			for i < len(b) && class[b[i]]&tokenOctet != 0 {
				i++
			}
			if i == len(b) {
				break
			}
			p.nameEnd = i
			if b[i] != ':' {
				if !isBlank(b[i]) {
					return false, p.noColon(b, i)
				}
				p.state = AwaitColon
				continue
			}
			i++
			p.state = AwaitFieldValue
			fallthrough
		case AwaitFieldValue:
			for i < len(b) && isBlank(b[i]) {
				i++
			}
			if i == len(b) {
				break
			}
			p.value, p.state = i, AwaitValueEnd
			fallthrough
		case AwaitValueEnd:
			i = valueEnd(b, i)
			if i == len(b) {
				break
			}
			next := i + 2
			if b[i] != '\r' || next > len(b) || b[i+1] != '\n' {
				n, err := p.oddValueEnd(b, i, lim)
				if n == 0 {
					p.pos = i
					return false, err
				}
				next = i + n
			}
			for i > p.value && isBlank(b[i-1]) {
				i--
			}
			f.Add(p.name, p.nameEnd, p.value, i, httpmsg.Identify(b[p.name:p.nameEnd]))
			i, p.state = next, AwaitFieldLine
		case AwaitColon:
			for i < len(b) && isBlank(b[i]) {
				i++
			}
			if i == len(b) {
				break
			}
			if b[i] != ':' || !p.repair {
				return false, p.noColon(b, i)
			}
			i++
			p.state = AwaitFieldValue
		}
	}
	p.pos = i
	return false, nil
}

// noFieldName judges a field line that does not begin with a name: the empty line, or an error.
func (p *Progress) noFieldName(b []byte, i int, f *httpmsg.Fields, lim *Limits) (bool, *Error) {
	p.pos = i
	switch c := b[i]; {
	case isLineEnd(c):
		n, rule := lineEnd(b, i, lim)
		p.state = AwaitHeadEnd
		if rule != fault.RuleNone {
			return false, p.fail(rule, i)
		}
		p.pos += n
		return n > 0, nil
	case isBlank(c) && f.Len() == 0:
		// RFC 9112, section 2.2: a recipient either rejects the message or ignores such lines; ignoring is smuggling's friend.
		return false, p.fail(fault.RuleLeadingSpace, i)
	case isBlank(c):
		// RFC 9112, section 5.2, has a gateway reject an obs-fold, or replace it by SP, in a request as in a response. It is
		// refused in both: the repair would have to move octets, and no current server folds.
		return false, p.failField(fault.RuleObsFold, i, b)
	}
	return false, p.fail(fault.RuleFieldName, i)
}

// noColon is the error of a name b[p.name:p.nameEnd] that is followed, after whitespace if any, by b[i].
func (p *Progress) noColon(b []byte, i int) *Error {
	switch {
	case isLineEnd(b[i]):
		return p.failField(fault.RuleMissingColon, i, b)
	case b[i] == ':':
		// RFC 9112, section 5.1: a server MUST answer 400 to this in a request.
		return p.failField(fault.RuleSpaceBeforeColon, p.nameEnd, b)
	}
	return p.failField(fault.RuleFieldName, p.nameEnd, b)
}

// oddValueEnd judges b[i], which ended a field value but not with a CRLF that is already there: the octets of the line
// end, 0 if more must come or it is an error.
func (p *Progress) oddValueEnd(b []byte, i int, lim *Limits) (int, *Error) {
	rule := fault.RuleFieldValue
	if b[i] == 0 {
		rule = fault.RuleNUL
	}
	if isLineEnd(b[i]) {
		var n int
		if n, rule = lineEnd(b, i, lim); rule == fault.RuleNone {
			return n, nil
		}
	}
	return 0, p.failField(rule, i, b)
}

// tooLarge is the error of a section that passed its limit without an end. It names the field that takes more than half
// of it, because that is the one to look for.
func (p *Progress) tooLarge(rule fault.Rule, buf []byte, limit int, f *httpmsg.Fields) *Error {
	e := &Error{Rule: rule, State: p.state, Offset: int64(limit), Limit: int64(limit), Size: int64(len(buf))}
	for i := range f.Len() {
		name, value := f.Name(i), f.Value(i)
		if offsetIn(buf, value)+int64(len(value))-offsetIn(buf, name) > int64(limit)/2 {
			e.Field = string(name)
		}
	}
	reading := p.state == AwaitColon || p.state == AwaitFieldValue || p.state == AwaitValueEnd
	if reading && limit-p.name > limit/2 {
		e.Field = string(buf[p.name:p.nameEnd])
	}
	return e
}

// versionOf is the version by its minor's digit, which was checked.
func versionOf(minor byte) httpmsg.Version { return httpmsg.HTTP10 + httpmsg.Version(minor-'0') }
