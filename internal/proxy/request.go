package proxy

import (
	"bytes"
	"math/rand/v2"
	"net"
	"strconv"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/route"
	"github.com/whygate/whygate/internal/telemetry"
	"github.com/whygate/whygate/internal/upstream"
)

// refused finds what the gateway does not forward, whatever the configuration says: nil for a request in order.
//
// hot: once per request.
//
//go:noinline
func (s *serving) refused() *fault.Evidence {
	q := &s.x.Request
	rule := fault.RuleNone
	switch {
	case q.Method == httpmsg.CONNECT && !s.connect:
		rule = fault.RuleConnect
	case q.Method == httpmsg.TRACE:
		rule = fault.RuleTrace
	case q.Fields.Has(httpmsg.Expect) && !expectsContinue(&q.Fields):
		rule = fault.RuleExpectation
	}
	if rule != fault.RuleNone {
		return &fault.Evidence{Stage: fault.Receive, End: fault.Denied, Rule: rule}
	}
	if !s.hop.collect(&q.Fields) {
		return &fault.Evidence{Stage: fault.Receive, End: fault.Malformed, Rule: fault.RuleFieldValue, Field: httpmsg.Connection.String()}
	}
	if (q.Fields.Has(httpmsg.Via) || q.Fields.Has(httpmsg.CDNLoop)) && s.looped() {
		return &fault.Evidence{Stage: fault.Select, End: fault.Loop}
	}
	return nil
}

// noRoute is a request that no route is for. Over HTTP/2 a client may have taken a connection for a name that it was not opened for, and
// is told so, that it opens another.
//
//go:noinline
func (s *serving) noRoute() *fault.Evidence {
	e := &fault.Evidence{Stage: fault.Select, End: fault.NoRoute}
	q := &s.x.Request
	if q.Version >= httpmsg.HTTP2 && s.x.Peer.Shown != nil && s.x.Peer.Shown.Covers != nil {
		host := string(q.Authority)
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if !s.x.Peer.Shown.Covers(host) {
			e.Rule = fault.RuleMisdirected
		}
	}
	return e
}

// expectsContinue reports whether no Expect field asks for anything else than an interim response.
func expectsContinue(f *httpmsg.Fields) bool {
	for i := range f.Len() {
		if f.ID(i) == httpmsg.Expect && !httpmsg.EqualFold(f.Value(i), "100-continue") {
			return false
		}
	}
	return true
}

// looped reports whether the request has passed this gateway before: RFC 9110, section 7.6.3, and RFC 8586.
func (s *serving) looped() bool {
	f := &s.x.Request.Fields
	for i := range f.Len() {
		switch f.ID(i) {
		case httpmsg.Via:
			if s.looped1(f.Value(i)) {
				return true
			}
		case httpmsg.CDNLoop:
			for token, rest := httpmsg.NextToken(f.Value(i)); token != nil; token, rest = httpmsg.NextToken(rest) {
				id, _, _ := bytes.Cut(token, []byte(";"))
				if bytes.Equal(bytes.TrimSpace(id), s.snap.cdnLoop) {
					return true
				}
			}
		}
	}
	return false
}

// looped1 looks for our element in one Via value. Another gateway may have the same name, so the instance in the comment
// decides; an element of our name whose comment was stripped on the way counts as ours.
func (s *serving) looped1(via []byte) bool {
	for element := range bytes.SplitSeq(via, []byte(",")) {
		_, by, _ := bytes.Cut(bytes.TrimSpace(element), []byte(" "))
		by, comment, _ := bytes.Cut(bytes.TrimSpace(by), []byte(" "))
		if string(by) != s.snap.Name {
			continue
		}
		comment = bytes.TrimSpace(comment)
		if len(comment) == 0 || string(bytes.Trim(comment, "()")) == s.snap.Instance {
			return true
		}
	}
	return false
}

// answeredHere answers an OPTIONS request whose Max-Forwards is used up (RFC 9110, section 7.6.2).
func (s *serving) answeredHere() bool {
	q := &s.x.Request
	if q.Method != httpmsg.OPTIONS || !q.Fields.Has(httpmsg.MaxForwards) || string(q.Fields.Get(httpmsg.MaxForwards)) != "0" {
		return false
	}
	s.x.Head(s.newHead(204, httpmsg.LengthClose))
	s.x.End(nil)
	s.record.By = telemetry.ByGateway
	return true
}

// wantsUpgrade reports whether the client asks for another protocol on this connection: RFC 9110, section 7.8.
func wantsUpgrade(q *httpmsg.Request) bool {
	// Not to HTTP/2: requests inside it would pass by every route.
	if q.Version > httpmsg.HTTP10 && q.Fields.Has(httpmsg.Upgrade) && httpmsg.HasToken(q.Fields.Get(httpmsg.Upgrade), "h2c") {
		return false
	}
	return q.Version > httpmsg.HTTP10 && q.Fields.Has(httpmsg.Upgrade) && upgrades(&q.Fields)
}

// prepare makes the request head for one endpoint in s.asked. What concerned only the client's connection is left out (RFC
// 9110, section 7.6.1), and what the next hop must know of this one is added.
//
// hot: once per attempt.
func (s *serving) prepare() *upstream.Head {
	q := &s.x.Request
	h := &s.asked
	*h = upstream.Head{
		Method: q.Name, Path: s.path(), Query: q.Query, Fields: &q.Fields, Extra: &s.extra,
		Length: q.Length, SaysLength: q.Fields.Has(httpmsg.ContentLength),
		Trailers: q.Fields.Has(httpmsg.TE) && httpmsg.HasToken(q.Fields.Get(httpmsg.TE), "trailers"),
	}
	if s.route.Rewrite != nil {
		h.Path, h.Query = s.rewritten(s.route.Rewrite)
	}
	switch s.pool.Host {
	case HostEndpoint:
	case HostFixed:
		h.Authority = s.pool.HostName
	case HostClient:
		if h.Authority = q.Authority; h.Authority == nil {
			h.Authority = nobody // HTTP/1.0 without Host: the endpoint's own name would be a guess
		}
	}
	if s.upgrade {
		h.Upgrade = q.Fields.Get(httpmsg.Upgrade)
	}
	trusted := len(s.snap.Trusted) > 0 && s.snap.trusts(s.x.Peer.Addr)
	for i := range q.Fields.Len() {
		if !s.forwards(i, trusted) {
			q.Fields.Drop(i)
		}
	}
	s.extra.Reset(s.extraBuf[:0])
	if s.connect {
		s.askUpgrade(h)
	}
	s.addHop(trusted)
	if s.timer == fault.TimerGRPC {
		s.passDeadline()
	}
	for _, e := range s.route.SetRequest {
		if e.Made != nil {
			s.extra.Append(e.Name, e.Made.expand(nil, s, s.canonical()), httpmsg.Other)
			continue
		}
		if e.Value != "" {
			s.extra.Begin(e.Name, httpmsg.Other)
			s.extra.PutString(e.Value)
			s.extra.End()
		}
	}
	s.extraBuf = s.extra.Buffer()
	return h
}

// path is the target's path for the next hop: with the route's prefix stripped where it ends at a segment's end. What is not in
// canonical form was matched in that form, so the prefix is taken off that.
func (s *serving) path() []byte {
	path := s.x.Request.Path
	strip := s.route.Strip
	if strip == "" {
		return path
	}
	if !route.Plain(path) {
		path = route.Canonical(nil, path)
	}
	rest, ok := bytes.CutPrefix(path, []byte(strip))
	switch {
	case !ok || len(rest) > 0 && rest[0] != '/':
		return path
	case len(rest) == 0:
		return root
	}
	return rest
}

// root and nobody are only read.
var root, nobody = []byte("/"), []byte{}

// forwards reports whether the i-th field goes to the next hop as it is.
//
// hot: once per field line.
func (s *serving) forwards(i int, trusted bool) bool {
	f := &s.x.Request.Fields
	switch f.ID(i) {
	case httpmsg.Connection, httpmsg.KeepAlive, httpmsg.ProxyConnection, httpmsg.TransferEncoding, httpmsg.ContentLength,
		httpmsg.Host, httpmsg.HTTP2Settings, httpmsg.ProxyAuthorization, httpmsg.TE, httpmsg.Upgrade:
		return false // TE and Upgrade are made anew where they are meant
	case httpmsg.XForwardedFor, httpmsg.XRequestID, httpmsg.MaxForwards, httpmsg.CDNLoop, httpmsg.Forwarded:
		return false // made anew from what is believed of them
	case httpmsg.XForwardedHost, httpmsg.XForwardedProto, httpmsg.XForwardedPort, httpmsg.XRealIP:
		if !trusted {
			return false
		}
	case httpmsg.Other:
		if !trusted && claimed(f.Name(i)) || namesSubject(f.Name(i)) {
			return false
		}
	}
	if s.hop.n > 0 && s.hop.has(f.Name(i)) || f.ID(i) == httpmsg.Other && s.shadows(f.Name(i)) {
		return false
	}
	return len(s.route.SetRequest) == 0 || !edited(s.route.SetRequest, f.Name(i))
}

// upgrades reports whether a Connection field, on any of its lines, has the option upgrade.
func upgrades(f *httpmsg.Fields) bool {
	for i := range f.Len() {
		if f.ID(i) == httpmsg.Connection && httpmsg.HasToken(f.Value(i), "upgrade") {
			return true
		}
	}
	return false
}

// edits reports whether the route sets or removes a field that the gateway would make.
func (s *serving) edits(name string) bool {
	return len(s.route.SetRequest) > 0 && edited(s.route.SetRequest, []byte(name))
}

// addHop adds what this hop tells the next: who asked, how, through whom, under which id.
//
// hot: once per attempt.
func (s *serving) addHop(trusted bool) {
	q := &s.x.Request
	f, add := &q.Fields, &s.extra
	s.addForwarded(trusted)
	add.Begin("Via", httpmsg.Via)
	add.PutString(q.Version.String())
	add.Put(s.snap.via)
	add.End()
	if !s.edits("X-Request-ID") {
		id := s.passedID()
		if id == nil {
			id = s.id[:]
		}
		add.AppendKnown(httpmsg.XRequestID, id)
	}
	if shown := s.x.Peer.Shown; shown != nil && shown.Subject != "" && !s.edits(subjectHeader) {
		add.Begin(subjectHeader, httpmsg.Other)
		add.PutString(shown.Subject)
		add.End()
	}
	if f.Has(httpmsg.CDNLoop) {
		add.Begin("CDN-Loop", httpmsg.CDNLoop)
		if quotesClosed(f, httpmsg.CDNLoop) { // else it would swallow our element
			putList(add, f, httpmsg.CDNLoop)
		}
		add.Put(s.snap.cdnLoop)
		add.End()
	}
	if f.Has(httpmsg.MaxForwards) {
		add.AppendKnown(httpmsg.MaxForwards, maxForwards(q))
	}
}

// maxForwards counts Max-Forwards down where the RFC gives it a meaning, and else passes it on.
func maxForwards(q *httpmsg.Request) []byte {
	value := q.Fields.Get(httpmsg.MaxForwards)
	if n, err := strconv.ParseUint(string(value), 10, 31); err == nil && n > 0 && q.Method == httpmsg.OPTIONS {
		return strconv.AppendUint(nil, n-1, 10)
	}
	return value
}

// addForwarded adds who the client is. A peer that is not trusted may have written anything, so what it sent is left out; to a
// trusted one's list our peer is added (RFC 7239, section 4).
func (s *serving) addForwarded(trusted bool) {
	q := &s.x.Request
	f, add := &q.Fields, &s.extra
	client := s.x.Peer.Client
	proto := "http"
	if s.x.Peer.Secure {
		proto = "https"
	}
	if client == "" {
		client = "unknown"
	}
	if !s.edits("X-Forwarded-For") {
		add.Begin("X-Forwarded-For", httpmsg.XForwardedFor)
		if trusted {
			putList(add, f, httpmsg.XForwardedFor)
		}
		add.PutString(client)
		add.End()
	}
	if (!trusted || !f.Has(httpmsg.XForwardedProto)) && !s.edits("X-Forwarded-Proto") {
		add.Begin("X-Forwarded-Proto", httpmsg.XForwardedProto)
		add.PutString(proto)
		add.End()
	}
	if (!trusted || !f.Has(httpmsg.XForwardedHost)) && !s.edits("X-Forwarded-Host") {
		add.AppendKnown(httpmsg.XForwardedHost, q.Authority)
	}
	if s.edits("Forwarded") {
		return
	}
	add.Begin("Forwarded", httpmsg.Forwarded)
	if trusted {
		putForwardedList(add, f)
	}
	if s.x.Peer.Addr.Is6() {
		add.PutString(`for="[`)
		add.PutString(client)
		add.PutString(`]"`)
	} else {
		add.PutString("for=")
		add.PutString(client)
	}
	add.PutString(";proto=")
	add.PutString(proto)
	if len(q.Authority) > 0 {
		add.PutString(`;host="`)
		add.Put(q.Authority)
		add.PutString(`"`)
	}
	add.End()
}

// putList puts the values of all lines of a list field, with a comma behind each.
func putList(dst, f *httpmsg.Fields, id httpmsg.ID) {
	for i := range f.Len() {
		if f.ID(i) == id && len(f.Value(i)) > 0 {
			dst.Put(f.Value(i))
			dst.PutString(", ")
		}
	}
}

// idSize is the length of a request id that we make: 128 random bits in hex, as a trace id.
const idSize = 32

// idMax is the longest request id that is passed on.
const idMax = 128

// hexPairs has each octet's two hexadecimal digits.
var hexPairs = func() (t [256][2]byte) {
	const digits = "0123456789abcdef"
	for i := range t {
		t[i] = [2]byte{digits[i>>4], digits[i&15]}
	}
	return t
}()

// requestID makes an id for the request, in case it has none.
//
// hot: once per request.
func (s *serving) requestID() {
	for i := 0; i < idSize; i += 16 {
		r := rand.Uint64()
		for j := i; j < i+16; j += 2 {
			s.id[j], s.id[j+1] = hexPairs[r&255][0], hexPairs[r&255][1]
			r >>= 8
		}
	}
}

// passedID is the request id that came with the request, nil if there is none that can be passed on.
func (s *serving) passedID() []byte {
	id := s.x.Request.Fields.Get(httpmsg.XRequestID)
	if len(id) == 0 || len(id) > idMax {
		return nil
	}
	for _, c := range id {
		if c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' {
			return nil
		}
	}
	return id
}
