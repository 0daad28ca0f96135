package telemetry

import (
	"bytes"
	"net/netip"
	"strconv"
	"sync"
)

// Shape is what of the requests goes into the access log. The zero Shape is everything. It is not changed once a log has it.
type Shape struct {
	Sample     uint32 // of good requests one in so many has a line; 0 and 1 for all
	Without    Fields // what the lines of good requests lack
	MaskClient bool   // the end of the client's address is hidden
	MaskQuery  bool   // the values in queries are
	MaskAgent  bool   // the user agent is, except for its first word
}

// Fields is a set of keys of a line.
type Fields uint16

// The keys that a line may lack.
const (
	FieldHost Fields = 1 << iota
	FieldTarget
	FieldClient
	FieldRequestID
	FieldTraceID
	FieldAgent
	FieldReferer
	FieldRoute
	FieldAttempts
)

var fieldNames = [...]string{"host", "target", "client", "request_id", "trace_id", "user_agent", "referer", "route", "attempts"}

// FieldsOf gives the set of the keys of those names, as a line spells them; what is none of them is left out.
func FieldsOf(names []string) (f Fields) {
	for _, name := range names {
		for i, known := range fieldNames {
			if name == known {
				f |= 1 << i
			}
		}
	}
	return f
}

// Good reports whether nothing is wrong with an exchange: no fault, none that a retry saved it from, no 5xx.
func (r *Record) Good() bool { return !r.Fault.Is() && r.Status < 500 }

// Takes reports whether an exchange has a line. Which of the good ones have follows from the request id, so that gateways in a row keep
// the same.
//
// hot: once per request.
func (s *Shape) Takes(r *Record) bool {
	return s.Sample <= 1 || !r.Good() || Hash(r.ID)%s.Sample == 0
}

// Hash is a number of an id that is the same at every gateway: FNV-1a, with its weak low bits stirred.
func Hash(id []byte) uint32 {
	const offset, prime = 2166136261, 16777619
	h := uint32(offset)
	for _, c := range id {
		h = (h ^ uint32(c)) * prime
	}
	return h ^ h>>15
}

// masks reports whether the shape hides anything.
func (s *Shape) masks() bool { return s.MaskClient || s.MaskQuery || s.MaskAgent }

// Format gives the format of a log with this shape: JSON, or the readable one, which has the masks alone.
func (s Shape) Format(format func(dst []byte, r *Record) []byte, readable bool) func(dst []byte, r *Record) []byte {
	inner := format
	if !readable && (s.Without != 0 || s.Sample > 1) {
		inner = s.json
	}
	if !s.masks() {
		return inner
	}
	return func(dst []byte, r *Record) []byte {
		m := maskings.Get().(*masking)
		defer maskings.Put(m)
		m.of(&s, r)
		dst = inner(dst, &m.record)
		m.record = Record{}
		return dst
	}
}

// json is JSON without what the lines of good requests lack, and with what they stand for.
func (s *Shape) json(dst []byte, r *Record) []byte {
	if !r.Good() {
		return JSON(dst, r)
	}
	dst = appendLine(dst, r, s.Without)
	if s.Sample > 1 {
		dst = append(dst[:len(dst)-2], `,"sample":`...)
		dst = append(strconv.AppendUint(dst, uint64(s.Sample), 10), '}', '\n')
	}
	return dst
}

// masking is room for a record in which something is hidden.
type masking struct {
	record          Record
	target, referer []byte
}

var maskings = sync.Pool{New: func() any { return new(masking) }}

func (m *masking) of(s *Shape, r *Record) {
	m.record = *r
	if s.MaskClient {
		m.record.Client = maskAddress(r.Client)
	}
	if s.MaskQuery {
		m.target, m.referer = appendMasked(m.target[:0], r.Target), appendMasked(m.referer[:0], r.Referer)
		m.record.Target, m.record.Referer = m.target, m.referer
	}
	if s.MaskAgent {
		if i := bytes.IndexByte(r.Agent, ' '); i >= 0 {
			m.record.Agent = r.Agent[:i]
		}
	}
}

// maskAddress hides the end of an address: the last octet of one of IPv4, all but 48 bits of one of IPv6.
func maskAddress(client string) string {
	addr, err := netip.ParseAddr(client)
	if err != nil {
		return ""
	}
	addr = addr.Unmap().WithZone("")
	bits := 48
	if addr.Is4() {
		bits = 24
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return ""
	}
	return prefix.Addr().String()
}

// appendMasked appends a target or a URL with *** in the place of the values of its query. A part without a name is a value.
func appendMasked(dst, url []byte) []byte {
	i := bytes.IndexByte(url, '?')
	if i < 0 {
		return append(dst, url...)
	}
	dst = append(dst, url[:i+1]...)
	for rest := url[i+1:]; ; {
		part, after, more := bytes.Cut(rest, []byte{'&'})
		name, _, named := bytes.Cut(part, []byte{'='})
		switch {
		case named:
			dst = append(append(dst, name...), "=***"...)
		case len(part) > 0:
			dst = append(dst, "***"...)
		}
		if !more {
			return dst
		}
		dst, rest = append(dst, '&'), after
	}
}
