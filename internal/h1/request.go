package h1

import (
	"bytes"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
)

// emptiesMax is how many empty lines may precede a request line. RFC 9112, section 2.2, wants at least one to be ignored,
// for clients that end a POST with an extra CRLF; nobody needs more than a few.
const emptiesMax = 4

// ParseRequest parses the head of a request at the front of buf. It returns one of
//
//   - the octets of the head, when it is complete and req is filled in with views into buf;
//   - 0 and nil, when more is needed. The next call wants the same octets and more behind them, in the same buffer or
//     another, so req has no field and no view until the head is whole;
//   - an Error as soon as the octets cannot become a request that it would accept. req.Fields then has the lines before
//     the broken one, as views into buf.
//
// hot: once per read of a request's head.
func ParseRequest(buf []byte, p *Progress, req *httpmsg.Request, lim *Limits) (int, *Error) {
	limit := lim.head()
	b := buf[:min(len(buf), limit)]
	if p.state < AwaitFieldLine {
		req.Fields.Reset(buf)
		req.Trailers.Reset(nil)
		if err := p.requestLine(b, lim); err != nil {
			return 0, err
		}
	} else {
		req.Fields.Resume(buf)
	}
	if p.state >= AwaitFieldLine {
		done, err := p.fieldLines(b, &req.Fields, lim)
		if err != nil {
			return 0, err
		}
		if done {
			n := p.pos
			if err := p.request(buf, req); err != nil {
				return 0, err
			}
			p.Reset()
			return n, nil
		}
	}
	if len(buf) < limit {
		req.Fields.Suspend()
		return 0, nil
	}
	if p.state == AwaitTarget || p.state == AwaitVersion || p.state == AwaitLineEnd {
		return 0, p.tooLarge(fault.RuleTargetSize, buf, limit, &req.Fields)
	}
	return 0, p.tooLarge(fault.RuleHeadSize, buf, limit, &req.Fields)
}

// requestLine reads RFC 9112, section 3: method SP request-target SP HTTP-version. It is read when p.state is AwaitFieldLine.
//
// hot: a state machine, so that it can stop between any two octets.
func (p *Progress) requestLine(b []byte, lim *Limits) *Error {
	i := p.pos
	switch p.state {
	case AwaitStartLine:
		if err := p.emptyLines(b, lim); err != nil || p.state == AwaitStartLine {
			return err
		}
		i = p.pos
		fallthrough
	case AwaitMethod:
		for i < len(b) && class[b[i]]&tokenOctet != 0 {
			i++
		}
		if p.pos = i; i == len(b) {
			return nil
		}
		if b[i] != ' ' || i == p.start {
			return p.fail(methodRule(b[i], i == p.start), i)
		}
		p.methodEnd = i
		i++
		p.target, p.state = i, AwaitTarget
		fallthrough
	case AwaitTarget:
		for i < len(b) && class[b[i]]&targetOctet != 0 {
			i++
		}
		if p.pos = i; i == len(b) {
			return nil
		}
		if b[i] != ' ' || i == p.target {
			return p.fail(targetRule(b[i]), i)
		}
		p.targetEnd = i
		p.state = AwaitVersion
		fallthrough
	case AwaitVersion:
		from := p.targetEnd + 1
		if from > len(b) {
			return nil
		}
		n, ok := matchVersion(b[from:])
		switch {
		case !ok && n == 0: // most likely a space in the target, which ended it early
			return p.fail(fault.RuleRequestLine, from)
		case !ok:
			return p.fail(fault.RuleVersion, from+n)
		case n < versionSize:
			return nil
		}
		i = from + n
		p.version = versionOf(b[i-1])
		p.pos, p.state = i, AwaitLineEnd
		fallthrough
	case AwaitLineEnd:
		if i == len(b) {
			return nil
		}
		return p.startLineEnd(b, lim)
	}
	return nil
}

// emptyLines skips empty lines before the request line and leaves AwaitMethod behind when it has begun.
func (p *Progress) emptyLines(b []byte, lim *Limits) *Error {
	for p.pos < len(b) {
		if !isLineEnd(b[p.pos]) {
			p.start, p.state = p.pos, AwaitMethod
			return nil
		}
		if p.empties == emptiesMax {
			return p.fail(fault.RuleRequestLine, p.pos)
		}
		n, rule := lineEnd(b, p.pos, lim)
		if rule != fault.RuleNone {
			return p.fail(rule, p.pos)
		}
		if n == 0 {
			return nil
		}
		p.pos += n
		p.empties++
	}
	return nil
}

// startLineEnd reads the line end at p.pos, where there is an octet, and leaves AwaitFieldLine behind when it is there.
func (p *Progress) startLineEnd(b []byte, lim *Limits) *Error {
	i := p.pos
	if !isLineEnd(b[i]) {
		if class[b[i]]&digitOctet != 0 {
			return p.fail(fault.RuleVersion, i)
		}
		return p.fail(fault.RuleRequestLine, i)
	}
	n, rule := lineEnd(b, i, lim)
	if rule != fault.RuleNone {
		return p.fail(rule, i)
	}
	if n > 0 {
		p.pos, p.state = i+n, AwaitFieldLine
	}
	return nil
}

// methodRule is the rule that an octet broke that ended a method. The first octet of a TLS record or of a binary protocol
// is a CTL or not ASCII, which no method begins with.
func methodRule(c byte, first bool) fault.Rule {
	switch {
	case isLineEnd(c):
		return fault.RuleRequestLine
	case first && class[c]&ctlOctet != 0:
		return fault.RuleNotHTTP
	}
	return fault.RuleMethod
}

// targetRule is the rule that an octet broke that ended a request target. A line that ends there is HTTP/0.9's.
func targetRule(c byte) fault.Rule {
	if isLineEnd(c) || c == ' ' {
		return fault.RuleRequestLine
	}
	return fault.RuleTarget
}

// request fills in req from a head that is complete, and judges what can be judged only then.
//
// hot: once per request.
func (p *Progress) request(buf []byte, req *httpmsg.Request) *Error {
	p.state = AwaitHeadEnd
	req.Version = p.version
	req.Name = buf[p.start:p.methodEnd]
	req.Method = httpmsg.ParseMethod(req.Name)
	req.Target = buf[p.target:p.targetEnd]
	req.Scheme, req.Authority, req.Path, req.Query = nil, nil, nil, nil
	if rule := splitTarget(req); rule != fault.RuleNone {
		e := p.fail(rule, p.target)
		e.Value = string(req.Target[:min(len(req.Target), valueMax)])
		return e
	}
	host, err := p.host(buf, &req.Fields)
	if err != nil {
		return err
	}
	if req.Authority == nil {
		req.Authority = host
	}
	req.Length, err = requestLength(buf, &req.Fields, p.version)
	req.KeepAlive = keepAlive(&req.Fields, p.version)
	return err
}

// host is the value of the one Host field, nil where HTTP/1.0 has none.
func (p *Progress) host(buf []byte, f *httpmsg.Fields) ([]byte, *Error) {
	first := -1
	for i := range f.Len() {
		if f.ID(i) != httpmsg.Host {
			continue
		}
		if first >= 0 {
			return nil, aboutLineAt(fault.RuleHostMultiple, buf, f, i)
		}
		first = i
	}
	if first < 0 {
		if p.version == httpmsg.HTTP10 {
			return nil, nil
		}
		return nil, p.fail(fault.RuleHostMissing, p.pos)
	}
	value := f.Value(first)
	if at, ok := httpmsg.ValidHost(value); !ok {
		return nil, aboutValue(fault.RuleHostInvalid, buf, value[at:], "Host")
	}
	return value, nil
}

// The paths of targets that have none: RFC 9112, sections 3.2.2 and 3.2.4. They are only read.
var (
	rootPath     = []byte("/")
	asteriskPath = []byte("*")
)

// splitTarget finds the form of the request target (RFC 9112, section 3.2) and its parts.
func splitTarget(req *httpmsg.Request) fault.Rule {
	t := req.Target
	switch {
	case req.Method == httpmsg.CONNECT: // authority-form, and no other
		colon := bytes.LastIndexByte(t, ':')
		_, ok := httpmsg.ValidHost(t)
		if !ok || colon < 0 || colon == len(t)-1 || t[len(t)-1] == ']' {
			return fault.RuleTarget
		}
		req.Authority = t
	case t[0] == '/':
		splitPath(req, t)
	case len(t) == 1 && t[0] == '*':
		if req.Method != httpmsg.OPTIONS {
			return fault.RuleTarget
		}
		req.Path = t
	default:
		return splitAbsolute(req, t)
	}
	return fault.RuleNone
}

// splitAbsolute takes apart an absolute-form target. Its authority overrides the Host field.
func splitAbsolute(req *httpmsg.Request, t []byte) fault.Rule {
	n := bytes.IndexByte(t, ':')
	if n < 0 || !bytes.HasPrefix(t[n:], []byte("://")) {
		return fault.RuleTarget
	}
	scheme, rest := t[:n], t[n+len("://"):]
	if !httpmsg.EqualFold(scheme, "http") && !httpmsg.EqualFold(scheme, "https") {
		return fault.RuleTarget
	}
	n = bytes.IndexAny(rest, "/?")
	if n < 0 {
		n = len(rest)
	}
	if _, ok := httpmsg.ValidHost(rest[:n]); !ok {
		return fault.RuleTarget
	}
	req.Scheme, req.Authority = scheme, rest[:n]
	splitPath(req, rest[n:])
	if len(req.Path) == 0 {
		req.Path = rootPath
		if req.Method == httpmsg.OPTIONS && req.Query == nil {
			req.Path = asteriskPath
		}
	}
	return fault.RuleNone
}

func splitPath(req *httpmsg.Request, t []byte) {
	req.Path = t
	if n := bytes.IndexByte(t, '?'); n >= 0 {
		req.Path, req.Query = t[:n], t[n:]
	}
}
