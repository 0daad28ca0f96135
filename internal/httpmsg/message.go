package httpmsg

// Method is a request method that the gateway knows the semantics of.
type Method uint8

// RFC 9110 section 9.3, and PATCH of RFC 5789.
const (
	MethodOther Method = iota
	GET
	HEAD
	POST
	PUT
	DELETE
	CONNECT
	OPTIONS
	TRACE
	PATCH
)

var methodNames = [...]string{"", "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}

// ParseMethod finds the method; methods are case-sensitive (RFC 9110 section 9.1).
func ParseMethod(b []byte) Method {
	for m := GET; int(m) < len(methodNames); m++ {
		if string(b) == methodNames[m] {
			return m
		}
	}
	return MethodOther
}

// Idempotent reports whether a repeated request has the effect of one: RFC 9110 section 9.2.2.
func (m Method) Idempotent() bool {
	switch m {
	case GET, HEAD, OPTIONS, TRACE, PUT, DELETE:
		return true
	}
	return false
}

// Lengths of a body that are not a number of octets.
const (
	LengthUnknown = -1 // chunked, or by streams: it ends where the framing says
	LengthClose   = -2 // a response only: it ends where the connection does
)

// Request is a request head. The octet strings are views into the buffer of its Fields.
type Request struct {
	Method    Method
	Version   Version
	KeepAlive bool   // the client wants the connection kept: RFC 9112 section 9.3
	Name      []byte // the method as sent
	Target    []byte // the request target as sent
	Scheme    []byte // of an absolute-form target or :scheme, else nil
	Protocol  []byte // of an extended CONNECT (RFC 8441): what it wants to speak, else nil
	Authority []byte // the Host field's value, or the target's authority where it has one (RFC 9112 section 3.2.2)
	Path      []byte // the path as sent, not decoded; "*" for OPTIONS *
	Query     []byte // what follows the first "?", with it; nil if there is none
	Length    int64  // octets of the body, or LengthUnknown; 0 if there is none
	Fields    Fields
	Trailers  Fields // filled in when a body that has them has ended
}

// Reset empties the request for its next use and keeps its memory. It does so in place: a copy would be a large part of the stack of
// whoever calls it.
func (r *Request) Reset() {
	r.Method, r.Version, r.KeepAlive, r.Length = 0, 0, false, 0
	r.Name, r.Target, r.Scheme, r.Protocol, r.Authority, r.Path, r.Query = nil, nil, nil, nil, nil, nil, nil
	r.Fields.Reset(nil)
	r.Trailers.Reset(nil)
}

// Response is a response head.
type Response struct {
	Status    int
	Version   Version // the peer's
	KeepAlive bool    // the connection may carry another exchange after this one
	Reason    []byte  // the reason phrase as sent
	Length    int64   // octets of the body, LengthUnknown or LengthClose; 0 if there is none
	Fields    Fields
	Trailers  Fields
}

// Reset empties the response for its next use and keeps its memory.
func (r *Response) Reset() {
	r.Status, r.Version, r.KeepAlive, r.Reason, r.Length = 0, 0, false, nil, 0
	r.Fields.Reset(nil)
	r.Trailers.Reset(nil)
}
