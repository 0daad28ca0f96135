package proxy

import (
	"bytes"
	"net/http"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/route"
	"github.com/whygate/whygate/internal/telemetry"
)

// Local is what a route has the gateway do by itself, before an endpoint is asked, or in its place. A route with no such thing has none.
type Local struct {
	Access   *Access   // who may ask; nil for everybody
	Auth     *Auth     // who has a password; nil for everybody
	Redirect *Redirect // answer with this; at most one of these is set
	Respond  *Respond
	Files    *Files
	FastCGI  *FastCGI
}

// answers reports whether no endpoint is asked.
func (l *Local) answers() bool {
	return l != nil && (l.Redirect != nil || l.Respond != nil || l.Files != nil || l.FastCGI != nil)
}

// Redirect sends the client elsewhere.
type Redirect struct {
	To     *Template
	Status int  // 301, 302, 303, 307 or 308
	Slash  bool // To begins with two slashes, and is meant to
}

// Respond is an answer that is always the same.
type Respond struct {
	Status int
	Body   []byte
	Type   string // of the body
}

// here answers a request without an endpoint, or finds that it may go on to one, or to another route. True means that it was answered.
func (s *serving) here(l *Local) bool {
	switch {
	case l.Auth != nil && !s.authorized(l.Auth): // which has answered
	case l.Redirect != nil:
		s.redirect(l.Redirect)
	case l.Respond != nil:
		s.ownAnswer(l.Respond.Status, l.Respond.Type, l.Respond.Body)
	case l.Files != nil:
		return s.serveFile(l.Files)
	case l.FastCGI != nil:
		s.callFastCGI(l.FastCGI)
	default:
		return false
	}
	return true
}

// canonical is the request's path in the form that routes are compared in.
func (s *serving) canonical() []byte {
	if path := s.x.Request.Path; route.Plain(path) {
		return path
	}
	return route.Canonical(nil, s.x.Request.Path)
}

// redirect answers with a Location. One without a host stays on the host that was asked: what stood for a variable must not make
// another of it, as //elsewhere.example would.
func (s *serving) redirect(r *Redirect) {
	to := r.To.expand(nil, s, s.canonical())
	if !r.Slash && len(to) > 1 && to[0] == '/' {
		to = append([]byte{'/'}, bytes.TrimLeft(to, `/\`)...)
	}
	s.beginOwn(r.Status, 0)
	s.extra.Append("Location", to, httpmsg.Other)
	s.endOwn(nil)
}

// ownAnswer is an answer with a body that is here.
func (s *serving) ownAnswer(status int, media string, body []byte) {
	s.beginOwn(status, int64(len(body)))
	if len(body) > 0 && media != "" {
		s.extra.AppendKnown(httpmsg.ContentType, []byte(media))
	}
	s.endOwn(body)
}

// ownError begins an answer of ours that tells of an error: with the route's page where there is one. end writes it.
func (s *serving) ownError(status int, text string) (end func()) {
	body, media := []byte(text), "text/plain; charset=utf-8"
	if p := s.errorPage(status, false); p != nil {
		body, media = p.Body, p.Type
	}
	s.beginOwn(status, int64(len(body)))
	s.extra.AppendKnown(httpmsg.ContentType, []byte(media))
	return func() { s.endOwn(body) }
}

// beginOwn begins an answer of ours that is no failure.
func (s *serving) beginOwn(status int, length int64) {
	s.record.By = telemetry.ByGateway
	if !s.x.BodyRead && !s.x.BodyHere {
		s.x.Last = true
	}
	h := s.newHead(status, length)
	if h.NoBody {
		h.Length = httpmsg.LengthClose
	}
	if s.x.Request.Method == httpmsg.HEAD {
		h.NoBody = true
	}
	s.extra.AppendKnown(httpmsg.Date, time.Now().UTC().AppendFormat(nil, http.TimeFormat))
}

// endOwn writes the head that was begun, with the route's headers, and the body.
func (s *serving) endOwn(body []byte) {
	s.setOwn()
	s.tellAlternative(nil)
	s.x.Head(&s.head)
	s.extraBuf = s.extra.Buffer()
	if len(body) > 0 && !s.head.NoBody {
		s.x.Write(body)
	}
	s.x.End(nil)
}

// setOwn adds the headers that the route sets in answers, except those that say what the answer is and are there already.
func (s *serving) setOwn() {
	for _, e := range s.route.SetResponse {
		says := strings.EqualFold(e.Name, "Location") || strings.EqualFold(e.Name, "Content-Type")
		if _, there := s.extra.Lookup(e.Name); !says || !there {
			s.addEdit(e)
		}
	}
	if !edited(s.route.SetResponse, []byte("X-Request-ID")) {
		id := s.passedID()
		if id == nil {
			id = s.id[:]
		}
		s.extra.AppendKnown(httpmsg.XRequestID, id)
	}
}

// addEdit adds a header that the route sets in an answer.
func (s *serving) addEdit(e Edit) {
	switch {
	case e.Made != nil:
		s.extra.Append(e.Name, e.Made.expand(nil, s, s.canonical()), httpmsg.Other)
	case e.Value != "":
		s.extra.Append(e.Name, []byte(e.Value), httpmsg.Other)
	}
}
