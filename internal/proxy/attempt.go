package proxy

import (
	"bytes"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/exchange"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/upstream"
)

// try makes one attempt up to the final response head in s.response. False means that it failed, and the attempt's
// evidence says how.
//
// hot: once per attempt.
func (s *serving) try(a *upstream.Attempt, fresh upstream.Fresh) bool {
	a.Interim, a.Charge = s.interim, s.charge
	if !s.connect && !s.x.BodyHere && (s.streamed || !s.x.BodyRead) { // also where an attempt before this one has read some of it, or all
		return s.stream(a, fresh)
	}
	body := s.x.Body
	if s.connect { // octets of the tunnel, before there is one, would be another request to the endpoint
		body = nil
	}
	head := s.prepare()
	if s.pool.Hedge != nil && s.hedges() {
		s.arm(a)
	}
	answered := a.Ask(head, body, fresh) || a.Evidence.Stage == fault.Write && a.AnswerAnyway()
	if s.hedge != nil && s.hedge.armed {
		return s.decided(a, answered)
	}
	return answered && s.readHead(a)
}

// headCounts notes that an endpoint answered, and how long it took.
//
// hot: once per answer.
func (s *serving) headCounts(a *upstream.Attempt) {
	s.answered = s.response.Status
	s.headCame(a)
	if took, ok := s.took(a); ok && s.response.Status != 101 {
		if s.pool.Hedge != nil && s.made == 1 {
			s.pool.Hedge.Took(s.class, took)
		}
		s.pool.Balance.Answered(s.asking, s.class, took, s.now.Add(a.Evidence.Spent[fault.FirstByte]))
	}
}

// readHead reads the final response head.
func (s *serving) readHead(a *upstream.Attempt) bool {
	s.overflow = false
	return a.ReadHead(&s.response) && s.headRead(a)
}

// headRead looks at the final response head in s.response. It is false if that breaks a rule.
func (s *serving) headRead(a *upstream.Attempt) bool {
	if !s.back.collect(&s.response.Fields) || s.overflow {
		a.Violated(fault.RuleFieldValue, optionsMax, 0)
		return false
	}
	if s.connect {
		return s.upgraded(a)
	}
	if s.response.Status == 101 && !s.uploaded(a) {
		a.Violated(fault.RuleUnaskedUpgrade, 0, 0)
		return false
	}
	s.headCounts(a)
	return true
}

// passInterim passes an interim response on as it comes.
func (s *serving) passInterim(r *httpmsg.Response) {
	if !s.back.collect(&r.Fields) {
		s.overflow = true
		return
	}
	s.dropHopByHop(r)
	s.x.Interim(r.Status, r.Reason, &r.Fields)
}

// upload is the request body on its way, on a goroutine of its own: the answer may come before the body has ended.
type upload struct {
	done    chan struct{}  // closed when the goroutine has ended; nil while there is none
	cancel  cancel.Cancel  // ends what the goroutine waits for: the client's body, and room to send it on
	follows *cancel.Waiter // cancel follows the exchange's; nil while there is no goroutine
	read    atomic.Bool    // the client has sent the whole body
	client  fault.End      // how the client's side failed
	server  fault.End      // how the endpoint's side failed

	place    atomic.Uint32 // a place
	back     mono.Time     // since placeBack: when that was
	admitted int64         // and how many the endpoint had in flight then
	whole    bool          // the endpoint had the whole request before it answered
}

func (u *upload) reset() {
	u.done = nil
	u.client, u.server = fault.Completed, fault.Completed
	u.cancel.Clear()
	u.read.Store(false)
	u.place.Store(placeTaken)
	u.whole = false
}

// broken reports whether the client's body failed: then no endpoint can be asked again.
func (u *upload) broken() bool { return u.client != fault.Completed }

// stream makes an attempt for a request whose body is not here yet: one goroutine sends it on while this one awaits the answer.
func (s *serving) stream(a *upstream.Attempt, fresh upstream.Fresh) bool {
	s.streamed = true
	s.x.Detach() // before the head is prepared: its octets move
	if !a.Open(s.prepare(), fresh) {
		return false
	}
	u := &s.up
	u.reset()
	s.stepAside()
	u.done = make(chan struct{})
	u.follows = u.cancel.Follow(s.x.Cancel)
	s.x.Cancel.Join(u.follows)
	s.x.Obey(&u.cancel)
	a.SendUnder(&u.cancel)
	go s.send(a, len(s.replay)) // ends with the body, or by stopUpload, which waits for it
	if a.AwaitHead() && s.readHead(a) {
		return true
	}
	s.stopUpload(a)
	s.blame(a)
	return false
}

// blame says whose failure it was that ended an attempt with an upload.
func (s *serving) blame(a *upstream.Attempt) {
	u := &s.up
	switch {
	case u.client != fault.Completed:
		a.Evidence.By = fault.PartyClient
	case u.server != fault.Completed && a.Evidence.Got == 0:
		a.WriteFailed(u.server)
		a.Evidence.Upload = true
	default:
		ev := &a.Evidence
		ev.Upload = !a.SentAll()
		if ev.Upload && ev.Got == 0 && (ev.End == fault.Closed || ev.End == fault.Reset) {
			ev.Stage = fault.Write // the reader saw the end before the writer did
		}
	}
}

// send sends the request body: first what an earlier attempt had read, then what comes.
func (s *serving) send(a *upstream.Attempt, replay int) {
	u := &s.up
	defer close(u.done)
	defer func() {
		if r := recover(); r != nil { // a bug of ours: the body cannot go on, and the owner need not wait for an answer
			u.client = fault.Bug
			s.x.Cancel.Cancel(cancel.BodyBroke)
			s.p.panicked(r)
		}
	}()
	if replay > 0 && !s.sent(a, a.Send(s.replay[:replay])) {
		return
	}
	for {
		data, end := s.x.Next()
		switch {
		case end != fault.Completed:
			if r := u.cancel.Reason(); r == cancel.None || r == cancel.BodyBroke {
				u.client = end
				s.x.Cancel.Cancel(cancel.BodyBroke) // there is no answer to half a request
			}
			return
		case len(data) == 0:
			s.comeBack()
			u.read.Store(true)
			dropTrailers(&s.x.Request.Trailers, s.route.SetRequest, &s.hop, vouched)
			dropClaims(&s.x.Request.Trailers)
			s.sent(a, a.SendEnd(&s.x.Request.Trailers))
			return
		}
		if s.x.BodyRead {
			s.comeBack()
			u.read.Store(true) // before the endpoint can answer it
		}
		s.keepForReplay(data)
		if !s.sent(a, a.Send(data)) {
			return
		}
	}
}

// keepForReplay keeps a piece of body for another attempt, as long as all of it fits. What does not fit is lost only from the
// first piece on: before that an attempt has taken nothing of it.
func (s *serving) keepForReplay(data []byte) {
	if s.lost {
		return
	}
	if max(s.x.Request.Length, int64(len(s.replay)+len(data))) > int64(s.pool.ReplayBody) {
		s.lost, s.replay = true, s.replay[:0]
		return
	}
	counted := 0
	if len(s.replay) > 0 {
		counted = cap(s.replay)
	}
	s.replay = append(s.replay, data...)
	if more := cap(s.replay) - counted; more > 0 {
		s.x.Charge(int64(more))
	}
}

// sent notes a failed write, and bounds the wait for an answer that may have overtaken it.
func (s *serving) sent(a *upstream.Attempt, end fault.End) bool {
	if end == fault.Completed {
		return true
	}
	if s.up.cancel.Reason() == cancel.None {
		s.up.server = end
		a.SendFailed(end)
	}
	return false
}

// uploaded reports whether the whole request body was sent, and waits for that where only the last write is missing.
func (s *serving) uploaded(a *upstream.Attempt) bool {
	u := &s.up
	if u.done == nil {
		return true
	}
	if !u.read.Load() {
		return false
	}
	<-u.done // the client's part is here: what is left is bounded by timeouts.write
	s.stopUpload(a)
	return a.SentAll()
}

// stopUpload ends the upload's goroutine and waits for it.
func (s *serving) stopUpload(a *upstream.Attempt) {
	u := &s.up
	if u.done == nil {
		return
	}
	u.cancel.Cancel(cancel.NotWanted) // it changes nothing where the goroutine has ended
	<-u.done
	u.done = nil
	s.x.Cancel.Leave(u.follows)
	s.x.Obey(nil)
	a.Sent()
}

// dropHopByHop marks what concerned only the endpoint's connection: RFC 9110, section 7.6.1.
//
// hot: once per response.
func (s *serving) dropHopByHop(r *httpmsg.Response) {
	f := &r.Fields
	for i := range f.Len() {
		switch f.ID(i) {
		case httpmsg.KeepAlive:
			s.last().Said(keepAliveTimeout(f.Value(i)))
			f.Drop(i)
			continue
		case httpmsg.Connection, httpmsg.ProxyConnection, httpmsg.TransferEncoding:
			f.Drop(i)
			continue
		case httpmsg.Upgrade:
			if r.Status != 101 && r.Status != 426 {
				f.Drop(i)
			}
			continue
		case httpmsg.ContentLength:
			f.Drop(i) // made anew, once
			continue
		}
		if s.back.n > 0 && s.back.has(f.Name(i)) {
			f.Drop(i)
		}
	}
}

// keepAliveTimeout is the timeout parameter of a Keep-Alive field, 0 where it has none that makes sense: a number of seconds.
func keepAliveTimeout(v []byte) time.Duration {
	for param, rest := httpmsg.NextToken(v); param != nil; param, rest = httpmsg.NextToken(rest) {
		name, value, found := bytes.Cut(param, []byte("="))
		if !found || !httpmsg.EqualFold(bytes.TrimSpace(name), "timeout") {
			continue
		}
		n, err := strconv.ParseUint(string(bytes.Trim(value, " \t\"")), 10, 31)
		if err != nil {
			return 0
		}
		return time.Duration(n) * time.Second
	}
	return 0
}

// newHead is an empty response head of ours.
func (s *serving) newHead(status int, length int64) *exchange.Head {
	s.extra.Reset(s.extraBuf[:0])
	s.head = exchange.Head{Status: status, Length: length, Extra: &s.extra, NoBody: status == 204 || status == 304}
	return &s.head
}
