package proxy

import (
	"bytes"
	"strconv"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/telemetry"
	"github.com/whygate/whygate/internal/upstream"
)

// isGRPC reports whether a request is a call of gRPC. gRPC-Web is not: it is a message like any other.
func isGRPC(q *httpmsg.Request) bool {
	return q.Version >= httpmsg.HTTP2 && grpcContent(q.Fields.Get(httpmsg.ContentType))
}

// grpcContent reports whether a message is gRPC's: application/grpc, with a format behind + or parameters behind ;.
func grpcContent(contentType []byte) bool {
	const name = "application/grpc"
	if len(contentType) < len(name) || !httpmsg.EqualFold(contentType[:len(name)], name) {
		return false
	}
	rest := contentType[len(name):]
	return len(rest) == 0 || rest[0] == '+' || rest[0] == ';' || rest[0] == ' '
}

// deadline has the client's own deadline end what the call waits for.
func (s *serving) deadline() {
	text, there := s.x.Request.Fields.Lookup("grpc-timeout")
	if !there {
		return
	}
	d, ok := grpcTimeout(text)
	if !ok {
		return
	}
	if until := s.x.Ready.Add(d); s.until == 0 || until < s.until {
		s.until, s.setting, s.timer = until, d, fault.TimerGRPC
	}
}

// deadlineSlack is how much the clocks of two machines and the pass from one to the other may differ.
const deadlineSlack = 50 * time.Millisecond

// outcomeOf is what an attempt failed of. An endpoint of gRPC knows the call's deadline as well, and may be a moment before us: a stream that it
// takes back then ended for the deadline's sake, and for no fault of its own.
func (s *serving) outcomeOf(a *upstream.Attempt) fault.Fault {
	if ev := &a.Evidence; s.timer == fault.TimerGRPC && ev.End == fault.StreamReset && mono.Now() >= s.until.Add(-deadlineSlack) {
		ev.Told = fault.CauseGRPCDeadline
	}
	return fault.Classify(&a.Evidence)
}

// grpcTimeout reads up to eight digits and a unit: the field grpc-timeout.
func grpcTimeout(text []byte) (time.Duration, bool) {
	if len(text) < 2 || len(text) > 9 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(text[:len(text)-1]), 10, 32)
	if err != nil {
		return 0, false
	}
	units := map[byte]time.Duration{'H': time.Hour, 'M': time.Minute, 'S': time.Second, 'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond}
	unit, ok := units[text[len(text)-1]]
	if !ok {
		return 0, false
	}
	const most = 100_000 * time.Hour // more is no bound, and would not fit
	return min(time.Duration(min(int64(n), int64(most/unit)))*unit, most), true
}

// passDeadline tells the endpoint how much of the deadline is left, so that it does not work for somebody who has given up.
func (s *serving) passDeadline() {
	f := &s.x.Request.Fields
	for i := range f.Len() {
		if f.ID(i) == httpmsg.Other && httpmsg.EqualFold(f.Name(i), "grpc-timeout") {
			f.Drop(i)
		}
	}
	var text [16]byte
	s.extra.Append("grpc-timeout", appendGRPCTimeout(text[:0], s.until.Sub(mono.Now())), httpmsg.Other)
}

// appendGRPCTimeout appends a duration as grpc-timeout has it: in the smallest unit in which it has no more than eight digits, rounded down. Less
// than a millisecond, as of a deadline that is over, is one.
func appendGRPCTimeout(dst []byte, d time.Duration) []byte {
	const most = 99_999_999
	d = max(d, time.Millisecond)
	for _, u := range []struct {
		size time.Duration
		name byte
	}{{time.Microsecond, 'u'}, {time.Millisecond, 'm'}, {time.Second, 'S'}, {time.Minute, 'M'}} {
		if n := int64(d / u.size); n <= most {
			return append(strconv.AppendInt(dst, n, 10), u.name)
		}
	}
	return append(strconv.AppendInt(dst, int64(d/time.Hour), 10), 'H')
}

// answerGRPC tells a client of gRPC what happened, in its own way: a response of trailers alone, with the status 200.
func (s *serving) answerGRPC(ev *fault.Evidence, f fault.Fault) {
	status := f.GRPCStatus()
	s.record.GRPC = telemetry.GRPC(int(status))
	if !s.x.BodyRead && !s.x.BodyHere {
		s.x.Last = true
	}
	contentType := bytes.Clone(s.x.Request.Fields.Get(httpmsg.ContentType))
	h := s.newHead(200, httpmsg.LengthUnknown)
	h.NoBody = true
	s.extra.AppendKnown(httpmsg.ContentType, contentType)
	s.extra.Append("grpc-status", strconv.AppendInt(nil, int64(status), 10), httpmsg.Other)
	s.extra.Append("grpc-message", grpcMessage(f.PublicSentence()+" Incident "+s.record.Incident+"."), httpmsg.Other)
	if f.Status() == 503 {
		s.extra.Append("grpc-retry-pushback-ms", strconv.AppendInt(nil, int64(s.retrySeconds())*1000, 10), httpmsg.Other)
	}
	if s.snap.Disclosure != fault.DisclosureOff {
		s.extra.AppendKnown(httpmsg.ProxyStatus, fault.AppendProxyStatus(nil, s.snap.Name, f, ev, s.snap.Disclosure))
	}
	id := s.passedID()
	if id == nil {
		id = s.id[:]
	}
	s.extra.Append("X-Request-ID", id, httpmsg.Other)
	s.x.Head(h)
	s.extraBuf = s.extra.Buffer()
	s.x.End(nil)
}

// endGRPC ends a call whose answer broke after its head: the status in the trailers says that it is not whole, and why, which RST_STREAM could
// not. It is false where that cannot be.
func (s *serving) endGRPC(f fault.Fault) bool {
	if s.x.Status != 200 || s.x.Aborted || s.response.Length >= 0 || !grpcContent(s.response.Fields.Get(httpmsg.ContentType)) {
		return false
	}
	status := f.GRPCStatus()
	s.extra.Reset(s.extraBuf[:0])
	s.extra.Append("grpc-status", strconv.AppendInt(nil, int64(status), 10), httpmsg.Other)
	s.extra.Append("grpc-message", grpcMessage(f.PublicSentence()+" Incident "+s.record.Incident+"."), httpmsg.Other)
	s.extraBuf = s.extra.Buffer()
	if !s.x.End(&s.extra) {
		return false
	}
	s.record.GRPC = telemetry.GRPC(int(status))
	return true
}

// grpcMessage encodes a text as grpc-message has it: printable ASCII, and anything else, and %, by percent and two digits.
func grpcMessage(text string) []byte {
	var b []byte
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '%' {
			b = append(b, '%', "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15])
		} else {
			b = append(b, c)
		}
	}
	return b
}

// grpcEnded notes the status that a call ended with: in the trailers, or in a head that is all there is. A call that ended without one is a
// fault, though the client has the answer as it came.
func (s *serving) grpcEnded(a *upstream.Attempt) {
	r := &s.response
	text, there := r.Trailers.Lookup("grpc-status")
	if !there {
		text, there = r.Fields.Lookup("grpc-status")
	}
	n, err := strconv.ParseUint(string(text), 10, 8)
	switch {
	case there && err == nil:
		s.record.GRPC = telemetry.GRPC(int(n))
		return
	case r.Status != 200: // a client makes a status of that
		return
	case a.Evidence.Version < httpmsg.HTTP2 && !grpcContent(r.Fields.Get(httpmsg.ContentType)):
		a.Evidence.Told = fault.CauseGRPCOverHTTP1
	default:
		a.Evidence.Told = fault.CauseGRPCStatusMissing
	}
	s.record.Fault, s.record.Saved = fault.Classify(&a.Evidence), false
	s.record.Evidence = &a.Evidence
	s.record.Incident = NewIncidentID()
}
