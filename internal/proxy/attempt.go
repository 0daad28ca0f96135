package proxy

import (
	"sync/atomic"

	"github.com/whygate/whygate/internal/conn"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h1"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/listener"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/upstream"
)

// interimMax is how many interim responses are passed on for one request. Real ones need two or three.
const interimMax = 10

// try makes one attempt up to the final response head in s.response. False means that it failed, and the attempt's
// evidence says how.
//
// hot: once per attempt.
func (s *exchange) try(a *upstream.Attempt, fresh upstream.Fresh) bool {
	out := s.appendRequest(conn.GetBuffer(), a.Target())
	body, whole := s.x.WholeBody()
	if !whole { // also where an attempt before this one has read some of it, or all
		return s.stream(a, out, fresh)
	}
	if !a.Ask(append(out, body...), fresh, s.gone) {
		if a.Evidence.Stage != fault.Write || !a.AnswerAnyway() {
			return false
		}
		s.up.began = true // the request was not sent to its end: the connection is not kept
	}
	return s.readHead(a)
}

// readHead reads the final response head. Interim ones are passed on as they come.
func (s *exchange) readHead(a *upstream.Attempt) bool {
	for interim := 0; ; interim++ {
		if !a.ReadHead(&s.response, s.x.Request.Method) {
			return false
		}
		if !s.back.collect(&s.response.Fields) {
			a.Violated(fault.RuleFieldValue, optionsMax, 0)
			return false
		}
		switch status := s.response.Status; {
		case status >= 200:
			return true
		case status == 101:
			if s.upgradeFits() && s.uploaded(a) {
				return true
			}
			a.Violated(fault.RuleUnaskedUpgrade, 0, 0)
			return false
		case interim >= interimMax:
			a.Violated(fault.RuleInterimCount, interimMax, int64(interim+1))
			return false
		}
		s.dropHopByHop(&s.response)
		s.x.WriteInterim(s.response.Status, s.response.Reason, &s.response.Fields)
	}
}

// upload is the request body on its way, on a goroutine of its own: the answer may come before the body has ended.
type upload struct {
	done     chan struct{} // closed when the goroutine has ended; nil while there is none
	stopping atomic.Bool   // whoever waits for done has no use for the rest
	read     atomic.Bool   // the client has sent the whole body
	ended    bool          // the body was sent to its end
	client   fault.End     // how the client's side failed
	server   fault.End     // how the endpoint's side failed
	began    bool          // there was an upload in this exchange
	buf      []byte
}

func (u *upload) reset() {
	u.done, u.ended, u.began = nil, false, false
	u.client, u.server = fault.Completed, fault.Completed
	u.stopping.Store(false)
	u.read.Store(false)
}

// broken reports whether the client's body failed: then no endpoint can be asked again.
func (u *upload) broken() bool { return u.client != fault.Completed }

// unfinished reports whether the endpoint was not sent the whole body.
func (u *upload) unfinished() bool { return u.began && !u.ended }

// stream makes an attempt for a request whose body is not here yet: one goroutine sends it on while this one awaits the answer.
func (s *exchange) stream(a *upstream.Attempt, head []byte, fresh upstream.Fresh) bool {
	x := s.x
	x.StreamBody()
	open := a.Open(head, fresh, s.gone)
	conn.PutBuffer(head)
	if !open {
		return false
	}
	u := &s.up
	u.reset()
	u.began, u.done = true, make(chan struct{})
	go s.send(a.Conn, len(s.replay)) // ends with the body, or by stopUpload, which waits for it
	if a.AwaitHead(s.gone) && s.readHead(a) {
		return true
	}
	s.stopUpload(a)
	s.blame(a)
	return false
}

// blame says whose failure it was that ended an attempt with an upload.
func (s *exchange) blame(a *upstream.Attempt) {
	u := &s.up
	switch {
	case u.client != fault.Completed:
		a.Evidence.End = fault.Canceled
	case u.server != fault.Completed && a.Evidence.Got == 0:
		a.WriteFailed(u.server)
		a.Evidence.Upload = true
	default:
		ev := &a.Evidence
		ev.Upload = !u.ended
		if ev.Upload && ev.Got == 0 && (ev.End == fault.Closed || ev.End == fault.Reset) {
			ev.Stage = fault.Write // the reader saw the end before the writer did
		}
	}
}

// send sends the request body: first what an earlier attempt had read, then what comes.
func (s *exchange) send(c *upstream.Conn, replay int) {
	u := &s.up
	defer close(u.done)
	defer func() {
		if r := recover(); r != nil { // a bug of ours: the body cannot go on, and the owner need not wait for an answer
			u.client = fault.Bug
			c.Hurry(mono.Now())
			s.p.panicked(r)
		}
	}()
	var enc h1.Encoder
	enc.Reset(s.x.Request.Length)
	if replay > 0 && !s.sendPiece(c, &enc, s.replay[:replay]) {
		return
	}
	for {
		data, end := s.x.NextBody()
		switch {
		case end != fault.Completed:
			if !u.stopping.Load() {
				u.client = end
				c.Hurry(mono.Now()) // nobody needs an answer to half a request
			}
			return
		case len(data) == 0:
			u.read.Store(true)
			s.sendEnd(c, &enc)
			return
		}
		if s.x.BodyRead() {
			u.read.Store(true) // before the endpoint can answer it
		}
		s.keepForReplay(data)
		if !s.sendPiece(c, &enc, data) {
			return
		}
	}
}

// keepForReplay keeps a piece of body for another attempt, as long as all of it fits. What does not fit is lost only from the
// first piece on: before that an attempt has taken nothing of it.
func (s *exchange) keepForReplay(data []byte) {
	if s.lost {
		return
	}
	if max(s.x.Request.Length, int64(len(s.replay)+len(data))) > int64(s.pool.ReplayBody) {
		s.lost, s.replay = true, s.replay[:0]
		return
	}
	s.replay = append(s.replay, data...)
}

func (s *exchange) sendPiece(c *upstream.Conn, enc *h1.Encoder, data []byte) bool {
	u := &s.up
	u.buf, _ = enc.Begin(u.buf[:0], len(data))
	head := len(u.buf)
	u.buf = enc.Finish(u.buf)
	end := c.Write2(u.buf[:head], data)
	if end == fault.Completed && len(u.buf) > head {
		end = c.Write(u.buf[head:])
	}
	return s.sent(c, end)
}

func (s *exchange) sendEnd(c *upstream.Conn, enc *h1.Encoder) {
	u := &s.up
	dropTrailers(&s.x.Request.Trailers, s.route.SetRequest, &s.hop, vouched)
	dropClaims(&s.x.Request.Trailers)
	u.buf, _ = enc.End(u.buf[:0], &s.x.Request.Trailers)
	end := fault.Completed
	if len(u.buf) > 0 {
		end = c.Write(u.buf)
	}
	if s.sent(c, end) {
		u.ended = true
		c.RequestEnded()
	}
}

// sent notes a failed write, and bounds the wait for an answer that may have overtaken it.
func (s *exchange) sent(c *upstream.Conn, end fault.End) bool {
	if end == fault.Completed {
		return true
	}
	if !s.up.stopping.Load() {
		s.up.server = end
		c.AnswerSoon(end)
	}
	return false
}

// uploaded reports whether the whole request body was sent, and waits for that where only the last write is missing.
func (s *exchange) uploaded(a *upstream.Attempt) bool {
	u := &s.up
	if u.done == nil {
		return true
	}
	if !u.read.Load() {
		return false
	}
	<-u.done // the client's part is here: what is left is bounded by timeouts.write
	s.stopUpload(a)
	return u.ended
}

// stopUpload ends the upload's goroutine and waits for it.
func (s *exchange) stopUpload(a *upstream.Attempt) {
	u := &s.up
	if u.done == nil {
		return
	}
	select {
	case <-u.done:
	default:
		u.stopping.Store(true)
		s.x.Interrupt()
		if a.Conn != nil {
			a.Conn.Interrupt()
		}
		<-u.done
		s.x.Resume()
		if a.Conn != nil {
			a.Resume()
		}
	}
	u.done = nil
	if a.Conn != nil {
		a.Uploaded()
	}
}

// dropHopByHop marks what concerned only the endpoint's connection: RFC 9110, section 7.6.1.
//
// hot: once per response.
func (s *exchange) dropHopByHop(r *httpmsg.Response) {
	f := &r.Fields
	for i := range f.Len() {
		switch f.ID(i) {
		case httpmsg.Connection, httpmsg.KeepAlive, httpmsg.ProxyConnection, httpmsg.TransferEncoding:
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

// newHead is an empty response head of ours.
func (s *exchange) newHead(status int, length int64) *listener.Head {
	s.extra.Reset(s.extraBuf[:0])
	s.head = listener.Head{Status: status, Length: length, Extra: &s.extra, NoBody: status == 204 || status == 304}
	return &s.head
}
