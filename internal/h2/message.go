package h2

import (
	"bytes"
	"math"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
)

// Limits bounds what a message may make us hold.
type Limits struct {
	Head     int // octets of a head's fields, counted as SETTINGS_MAX_HEADER_LIST_SIZE counts them; 0 for 32 KiB
	Trailers int // the same of trailers, 0 for 8 KiB
}

// Sizes that apply where a Limits says 0. They are package h1's.
const (
	headDefault     = 32 << 10
	trailersDefault = 8 << 10
)

func (l *Limits) head() int {
	if l.Head > 0 {
		return l.Head
	}
	return headDefault
}

func (l *Limits) trailers() int {
	if l.Trailers > 0 {
		return l.Trailers
	}
	return trailersDefault
}

// The pseudo-fields of each kind of message: RFC 9113, sections 8.3.1 and 8.3.2, and RFC 8441, section 4.
const (
	requestPseudo  = 1<<pseudoMethod | 1<<pseudoScheme | 1<<pseudoAuthority | 1<<pseudoPath
	responsePseudo = 1 << pseudoStatus
)

// RequestOptions are what a request head is read by.
type RequestOptions struct {
	Limits   *Limits
	End      bool // the stream ends with the head: there is no body
	Extended bool // SETTINGS_ENABLE_CONNECT_PROTOCOL was sent, so :protocol is allowed
}

// ReadRequest decodes a whole field block into a request. Lines are appended to buf, which is returned and which the request's
// views point into. An Error whose Code is CompressionError ends the connection; any other one is the stream's, and
// has no Stream yet since the decoder does not know it.
//
// hot: once per request.
func (d *Decoder) ReadRequest(block, buf []byte, req *httpmsg.Request, o RequestOptions) ([]byte, *Error) {
	s := section{buf: buf, fields: &req.Fields, may: requestPseudo, limit: o.Limits.head()}
	if o.Extended {
		s.may |= 1 << pseudoProtocol
	}
	req.Fields.Reset(nil)
	req.Trailers.Reset(nil)
	if err := d.read(block, &s); err != nil {
		return s.buf, err
	}
	s.finish()
	if s.rule != fault.RuleNone {
		return s.buf, s.malformed()
	}
	return s.buf, s.request(req, o.End)
}

// malformed is the Error of a message that breaks a rule: RFC 9113, section 8.1.1.
func (s *section) malformed() *Error {
	e := &Error{Rule: s.rule, Code: ProtocolError, Frame: Headers, Field: clip(s.buf[s.bad.from:s.bad.to])}
	switch s.rule {
	case fault.RuleHeadSize, fault.RuleTrailerSize:
		e.Code, e.Limit, e.Size = EnhanceYourCalm, int64(s.limit), int64(s.size)
	case fault.RuleFieldCount:
		e.Code, e.Limit, e.Size = EnhanceYourCalm, httpmsg.FieldsMax, int64(s.count)
	}
	return e
}

// about is malformed for a field that is known, and a part of its value.
func about(rule fault.Rule, field string, part []byte) *Error {
	return &Error{Rule: rule, Code: ProtocolError, Frame: Headers, Field: field, Value: clip(part)}
}

// request fills in req and judges what can be judged only when all fields are there.
//
// hot: once per request.
func (s *section) request(req *httpmsg.Request, end bool) *Error {
	req.Version, req.KeepAlive = httpmsg.HTTP2, true
	req.Name, req.Scheme, req.Protocol = s.value(pseudoMethod), s.value(pseudoScheme), s.value(pseudoProtocol)
	req.Authority = s.value(pseudoAuthority)
	req.Target = s.value(pseudoPath)
	req.Method = httpmsg.ParseMethod(req.Name)
	switch {
	case req.Name == nil:
		return about(fault.RuleH2PseudoMissing, pseudoNames[pseudoMethod], nil)
	case len(req.Name) == 0 || !allOf(req.Name, tokenOctet):
		return about(fault.RuleMethod, pseudoNames[pseudoMethod], req.Name)
	}
	var err *Error
	if req.Method == httpmsg.CONNECT && req.Protocol == nil {
		err = connectTarget(req)
	} else {
		err = target(req)
	}
	if err == nil {
		err = authority(req)
	}
	if err == nil {
		req.Length, err = requestLength(&req.Fields, end)
	}
	return err
}

// connectTarget is RFC 9113, section 8.5: a method and an authority with a port, and nothing else.
func connectTarget(req *httpmsg.Request) *Error {
	a := req.Authority
	colon := bytes.LastIndexByte(a, ':')
	switch {
	case a == nil:
		return about(fault.RuleH2PseudoMissing, pseudoNames[pseudoAuthority], nil)
	case req.Scheme != nil || req.Target != nil:
		return about(fault.RuleH2Connect, pseudoNames[pseudoMethod], req.Name)
	case colon < 0 || colon == len(a)-1 || a[len(a)-1] == ']':
		return about(fault.RuleTarget, pseudoNames[pseudoAuthority], a)
	}
	req.Target, req.Path, req.Query = a, nil, nil
	return nil
}

// target judges :scheme and :path, and takes the path apart.
func target(req *httpmsg.Request) *Error {
	t := req.Target
	switch {
	case req.Scheme == nil:
		return about(fault.RuleH2PseudoMissing, pseudoNames[pseudoScheme], nil)
	case t == nil:
		return about(fault.RuleH2PseudoMissing, pseudoNames[pseudoPath], nil)
	case req.Protocol != nil && req.Method != httpmsg.CONNECT:
		return about(fault.RuleH2Connect, pseudoNames[pseudoProtocol], req.Protocol)
	case req.Protocol != nil && (len(req.Protocol) == 0 || !allOf(req.Protocol, tokenOctet)):
		return about(fault.RuleH2Connect, pseudoNames[pseudoProtocol], req.Protocol)
	case !httpmsg.EqualFold(req.Scheme, "http") && !httpmsg.EqualFold(req.Scheme, "https"):
		return about(fault.RuleH2Scheme, pseudoNames[pseudoScheme], req.Scheme)
	case len(t) == 1 && t[0] == '*' && req.Method == httpmsg.OPTIONS:
	case len(t) == 0 || t[0] != '/' || !allOf(t, targetOctet):
		return about(fault.RuleTarget, pseudoNames[pseudoPath], t)
	}
	req.Path, req.Query = t, nil
	if n := bytes.IndexByte(t, '?'); n >= 0 {
		req.Path, req.Query = t[:n], t[n:]
	}
	return nil
}

// authority judges :authority and Host: one of them is there, and if both are, they say the same (RFC 9113, section 8.3.1).
func authority(req *httpmsg.Request) *Error {
	f := &req.Fields
	name := pseudoNames[pseudoAuthority]
	if f.Has(httpmsg.Host) {
		host, err := oneHost(f)
		if err != nil {
			return err
		}
		switch {
		case req.Authority == nil:
			req.Authority, name = host, "host"
		case !httpmsg.EqualFold(req.Authority, string(host)):
			return about(fault.RuleH2Authority, "host", host)
		}
	}
	if req.Authority == nil {
		return about(fault.RuleH2PseudoMissing, name, nil)
	}
	if at, ok := httpmsg.ValidHost(req.Authority); !ok {
		return about(fault.RuleHostInvalid, name, req.Authority[at:])
	}
	return nil
}

func oneHost(f *httpmsg.Fields) (host []byte, err *Error) {
	found := false
	for i := range f.Len() {
		if f.ID(i) != httpmsg.Host {
			continue
		}
		if found {
			return nil, about(fault.RuleHostMultiple, "host", f.Value(i))
		}
		host, found = f.Value(i), true
	}
	return host, nil
}

// requestLength is the length of a request's body: RFC 9113, section 8.1.1, read as strictly as package h1 reads RFC 9112.
func requestLength(f *httpmsg.Fields, end bool) (int64, *Error) {
	length := int64(httpmsg.LengthUnknown)
	if f.Has(httpmsg.ContentLength) {
		for i := range f.Len() {
			if f.ID(i) != httpmsg.ContentLength {
				continue
			}
			if length >= 0 {
				return 0, about(fault.RuleContentLengthConflict, "content-length", f.Value(i))
			}
			n, err := parseLength(f.Value(i))
			if err != nil {
				return 0, err
			}
			length = n
		}
	}
	if !end {
		return length, nil
	}
	if length > 0 {
		return 0, lengthError(length, 0)
	}
	return 0, nil
}

// lengthError is a body that is not as long as was said: a stream error, RFC 9113, section 8.1.1.
func lengthError(declared, received int64) *Error {
	return &Error{Rule: fault.RuleH2Length, Code: ProtocolError, Frame: Data, Limit: declared, Size: received, Field: "content-length"}
}

// parseLength parses 1*DIGIT that 63 bits hold: RFC 9110, section 8.6.
func parseLength(v []byte) (int64, *Error) {
	if len(v) == 0 {
		return 0, about(fault.RuleContentLength, "content-length", v)
	}
	n := int64(0)
	for i, c := range v {
		digit := int64(c) - '0'
		if digit < 0 || digit > 9 {
			return 0, about(fault.RuleContentLength, "content-length", v[i:])
		}
		if n > (math.MaxInt64-digit)/10 {
			return 0, about(fault.RuleContentLengthOverflow, "content-length", v[i:])
		}
		n = n*10 + digit
	}
	return n, nil
}

// ResponseOptions are what a response head is read by.
type ResponseOptions struct {
	Limits *Limits
	Method httpmsg.Method // of the request
	End    bool           // the stream ends with the head
}

// ReadResponse decodes a whole field block into a response, as ReadRequest does. An interim response is a response: more heads
// follow on the stream.
//
// hot: once per response.
func (d *Decoder) ReadResponse(block, buf []byte, res *httpmsg.Response, o ResponseOptions) ([]byte, *Error) {
	s := section{buf: buf, fields: &res.Fields, may: responsePseudo, limit: o.Limits.head()}
	res.Fields.Reset(nil)
	res.Trailers.Reset(nil)
	if err := d.read(block, &s); err != nil {
		return s.buf, err
	}
	s.finish()
	if s.rule != fault.RuleNone {
		return s.buf, s.malformed()
	}
	return s.buf, s.response(res, o)
}

func (s *section) response(res *httpmsg.Response, o ResponseOptions) *Error {
	res.Version, res.KeepAlive, res.Reason = httpmsg.HTTP2, true, nil
	status := s.value(pseudoStatus)
	switch {
	case status == nil:
		return about(fault.RuleH2PseudoMissing, pseudoNames[pseudoStatus], nil)
	case len(status) != 3 || status[0] < '1' || status[0] > '9' || !isDigit(status[1]) || !isDigit(status[2]):
		return about(fault.RuleStatusCode, pseudoNames[pseudoStatus], status)
	}
	res.Status = int(status[0]-'0')*100 + int(status[1]-'0')*10 + int(status[2]-'0')
	switch {
	case res.Status == 101: // RFC 9113, section 8.6
		return about(fault.RuleH2Status, pseudoNames[pseudoStatus], status)
	case res.Status < 200 && o.End: // section 8.1
		return about(fault.RuleH2TrailersEnd, pseudoNames[pseudoStatus], status)
	}
	length, err := responseLength(res, o)
	res.Length = length
	return err
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// responseLength is the length of a response's body. A response that has none by its nature may say what another request would
// have had.
func responseLength(res *httpmsg.Response, o ResponseOptions) (int64, *Error) {
	f := &res.Fields
	length := int64(httpmsg.LengthUnknown)
	if f.Has(httpmsg.ContentLength) {
		n, err := equalLengths(f)
		if err != nil {
			return 0, err
		}
		length = n
	}
	switch {
	case res.Status < 200 || res.Status == 204:
		// RFC 9110, section 8.6, forbids the field here. "0" on a 204 is widespread and says the same as its absence.
		if length > 0 || length == 0 && res.Status < 200 {
			return 0, about(fault.RuleForbiddenFraming, "content-length", f.Get(httpmsg.ContentLength))
		}
		return 0, nil
	case o.Method == httpmsg.HEAD || res.Status == 304:
		return 0, nil
	case o.Method == httpmsg.CONNECT && res.Status < 300:
		return httpmsg.LengthUnknown, nil // a tunnel
	case !o.End:
		return length, nil
	case length > 0:
		return 0, lengthError(length, 0)
	}
	return 0, nil
}

// equalLengths is the value of a response's Content-Length where all lines and all list elements agree, which package h1
// takes as one.
func equalLengths(f *httpmsg.Fields) (int64, *Error) {
	length := int64(-1)
	for i := range f.Len() {
		if f.ID(i) != httpmsg.ContentLength {
			continue
		}
		for rest, more := f.Value(i), true; more; {
			var one []byte
			one, rest, more = bytes.Cut(rest, comma)
			one = bytes.Trim(one, " \t")
			n, err := parseLength(one)
			if err != nil {
				return 0, err
			}
			if length >= 0 && n != length {
				return 0, about(fault.RuleContentLengthConflict, "content-length", one)
			}
			length = n
		}
	}
	return length, nil
}

// comma is only read.
var comma = []byte(",")

// ReadTrailers decodes a whole field block into trailer fields: RFC 9113, section 8.1.
func (d *Decoder) ReadTrailers(block, buf []byte, f *httpmsg.Fields, lim *Limits) ([]byte, *Error) {
	s := section{buf: buf, fields: f, limit: lim.trailers()}
	f.Reset(nil)
	if err := d.read(block, &s); err != nil {
		return s.buf, err
	}
	s.finish()
	if s.rule == fault.RuleHeadSize {
		s.rule = fault.RuleTrailerSize
	}
	if s.rule != fault.RuleNone {
		return s.buf, s.malformed()
	}
	if i := f.ForbiddenTrailer(); i >= 0 {
		return s.buf, about(fault.RuleTrailer, string(f.Name(i)), f.Value(i))
	}
	return s.buf, nil
}

// Skip decodes a block that nobody will read, to keep the table in step.
func (d *Decoder) Skip(block []byte) *Error {
	var f httpmsg.Fields
	s := section{fields: &f, rule: fault.RuleH2StreamClosed}
	return d.read(block, &s)
}
