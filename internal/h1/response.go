package h1

import (
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
)

// ParseResponse parses the head of a response to a request with the given method at the front of buf. It returns as
// ParseRequest does, and like it gives nothing out before the head is whole. An interim response is a response: whoever asked
// for the final one calls again.
//
// hot: once per read of a response's head.
func ParseResponse(buf []byte, p *Progress, res *httpmsg.Response, method httpmsg.Method, lim *Limits) (int, *Error) {
	limit := lim.head()
	b := buf[:min(len(buf), limit)]
	if p.state < AwaitFieldLine {
		res.Fields.Reset(buf)
		res.Trailers.Reset(nil)
		p.repair = true
		if err := p.statusLine(b, lim); err != nil {
			return 0, err
		}
	} else {
		res.Fields.Resume(buf)
	}
	if p.state >= AwaitFieldLine {
		done, err := p.fieldLines(b, &res.Fields, lim)
		if err != nil {
			return 0, err
		}
		if done {
			n := p.pos
			if err := p.response(buf, res, method); err != nil {
				return 0, err
			}
			p.Reset()
			return n, nil
		}
	}
	if len(buf) < limit {
		res.Fields.Suspend()
		return 0, nil
	}
	return 0, p.tooLarge(fault.RuleHeadSize, buf, limit, &res.Fields)
}

// Offsets in a status line, all of whose parts but the last have a fixed size.
const (
	statusAt    = versionSize + 1
	statusEndAt = statusAt + 3
)

// statusLine reads RFC 9112, section 4: HTTP-version SP status-code SP [ reason-phrase ]. It is read when p.state is
// AwaitFieldLine. An empty line before it is not skipped: only servers are told to.
//
// hot: what precedes the reason phrase is short enough to begin anew.
func (p *Progress) statusLine(b []byte, lim *Limits) *Error {
	if p.state != AwaitReason {
		p.state = AwaitStatusLine
		if done, err := p.statusCode(b); !done {
			return err
		}
	}
	i := valueEnd(b, p.pos)
	if p.pos = i; i == len(b) {
		return nil
	}
	if !isLineEnd(b[i]) {
		return p.fail(fault.RuleStatusLine, i)
	}
	n, rule := lineEnd(b, i, lim)
	if rule != fault.RuleNone {
		return p.fail(rule, i)
	}
	if n > 0 {
		p.reasonEnd = i
		p.pos, p.state = i+n, AwaitFieldLine
	}
	return nil
}

// statusCode reads a status line up to its reason phrase and leaves AwaitReason behind when it is there.
func (p *Progress) statusCode(b []byte) (bool, *Error) {
	n, ok := matchVersion(b)
	if !ok {
		if n < len("HTTP/") {
			return false, p.fail(fault.RuleNotHTTP, n)
		}
		return false, p.fail(fault.RuleVersion, n)
	}
	if n < versionSize || len(b) == versionSize {
		return false, nil
	}
	if b[versionSize] != ' ' {
		return false, p.fail(fault.RuleStatusLine, versionSize)
	}
	p.version = versionOf(b[versionSize-1])
	p.state = AwaitStatusCode
	status := 0
	for i := statusAt; i < statusEndAt; i++ {
		if i == len(b) {
			return false, nil
		}
		// RFC 9110, section 15: three digits, and the first one is the class, of which there is none numbered 0.
		if class[b[i]]&digitOctet == 0 || i == statusAt && b[i] == '0' {
			return false, p.fail(fault.RuleStatusCode, i)
		}
		status = status*10 + int(b[i]-'0')
	}
	if len(b) == statusEndAt {
		return false, nil
	}
	p.reason = statusEndAt
	switch c := b[statusEndAt]; {
	case c == ' ':
		p.reason++
	case isLineEnd(c): // without a reason the SP is often left out too; there is only one way to read that
	case class[c]&digitOctet != 0:
		return false, p.fail(fault.RuleStatusCode, statusEndAt)
	default:
		return false, p.fail(fault.RuleStatusLine, statusEndAt)
	}
	p.status = status
	p.pos, p.state = p.reason, AwaitReason
	return true, nil
}

// response fills in res from a head that is complete, and judges what can be judged only then.
//
// hot: once per response.
func (p *Progress) response(buf []byte, res *httpmsg.Response, method httpmsg.Method) *Error {
	p.state = AwaitHeadEnd
	res.Status, res.Version = p.status, p.version
	res.Reason = buf[p.reason:p.reasonEnd]
	length, err := responseLength(buf, res, method)
	res.Length = length
	res.KeepAlive = length != httpmsg.LengthClose && res.Status != 101 && keepAlive(&res.Fields, p.version)
	return err
}
