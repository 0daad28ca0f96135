package upstream

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h2"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
)

// What a link's reader does with its mu held does not wait for the target's, which is taken the other way round where a link is chosen.
func TestLinkDoesNotWaitForTarget(t *testing.T) {
	target := &Target{}
	l := &link{target: target, h2: h2.NewConn(h2.Config{Role: h2.Client})}
	c := newCall()
	target.mu.Lock()
	defer target.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.goAway(&h2.Event{Kind: h2.EventGoAway, Code: h2.HTTP11Required})
		l.reset(&h2.Event{Kind: h2.EventReset, Code: h2.HTTP11Required, Stream: &h2.Stream{Owner: c}})
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("a link's reader waits for the target's mu: a deadlock with who chooses a link")
	}
	if target.http1.Load() == 0 || c.end == nil {
		t.Error("it was not noted that the endpoint wants HTTP/1.1")
	}
}

// When it is time to ask again whether an endpoint of HTTP/1.1 speaks HTTP/2, its connections that rest are used all the same, and without
// any one request alone finds out.
func TestHTTP1AskedAgain(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	target := targetOf(t, s.URL, func(o *Options) { o.TLSConf = &tls.Config{InsecureSkipVerify: true} })
	var a Attempt
	for range 2 {
		if _, good := exchange(&a, target, AnyConnection); !good {
			t.Fatalf("%+v", a.Evidence)
		}
	}
	if n := target.IdleCount(); n != 1 {
		t.Fatalf("%d connections rest", n)
	}
	target.http1.Store(1) // its time is over
	target.Port = "1"     // nobody is there for a new connection
	if _, good := exchange(&a, target, AnyConnection); !good || !a.Evidence.Reused {
		t.Errorf("a connection rests, and was not used: %+v", a.Evidence)
	}
	target.Renew() // none rests
	asking := 0
	for range 8 {
		if target.shares(request(), mono.Now()) {
			asking++
		}
	}
	if asking != 1 {
		t.Errorf("%d of 8 requests ask for HTTP/2", asking)
	}
}

// standIn gives a target a link that has no connection.
func (t *Target) standIn(role h2.Role) *link {
	l := &link{target: t, h2: h2.NewConn(h2.Config{Role: role}), more: make(chan struct{}, 1), wrote: make(chan struct{})}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.links = append(t.links, l)
	return l
}

// within fails a test whose part does not end.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal(what)
	}
}

// A link whose stream identifiers are used up is not tried again and again: another one is opened.
func TestStreamIdentifiersUsedUp(t *testing.T) {
	target := over2(t, false, nil, func(http.ResponseWriter, *http.Request) {})
	l := target.standIn(h2.Server) // a server opens no streams
	var a Attempt
	within(t, "the link is chosen for ever", func() {
		if _, good := exchange(&a, target, AnyConnection); !good {
			t.Errorf("%+v", a.Evidence)
		}
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.usable() {
		t.Error("the link is still one to choose")
	}
}

// An endpoint that lets go of each new connection at once is not asked for ever, and a client that has left is not waited for.
func TestLinksInVain(t *testing.T) {
	target := over2(t, false, nil, func(http.ResponseWriter, *http.Request) {})
	var a Attempt
	a.Begin(target, mono.Now())
	a.Cancel = new(cancel.Cancel)
	a.Cancel.Cancel(cancel.ClientLeft)
	if a.Ask(request(), nil, AnyConnection) || a.Evidence.End != fault.Canceled || len(target.links) != 0 {
		t.Errorf("%+v, %d links", a.Evidence, len(target.links))
	}
	a.Drop()
	a.Begin(target, mono.Now())
	gone := target.standIn(h2.Client)
	gone.gone = &ending{end: fault.GoAway, code: h2.EnhanceYourCalm}
	a.noStream(gone)
	if ev := &a.Evidence; ev.End != fault.GoAway || ev.Code != h2.EnhanceYourCalm || !ev.Unprocessed || ev.Version != httpmsg.HTTP2 {
		t.Errorf("%+v", ev)
	}
}

// Links that the endpoint has said good-bye to, each with a stream that lasts, keep no new one from being opened until there are very many.
func TestLinksThatGo(t *testing.T) {
	target := over2(t, false, nil, func(http.ResponseWriter, *http.Request) {})
	for range linksMax {
		l := target.standIn(h2.Client)
		l.gone, l.calls = &ending{end: fault.GoAway}, 1
	}
	var a Attempt
	if _, good := exchange(&a, target, AnyConnection); !good {
		t.Errorf("nothing new reaches the endpoint: %+v", a.Evidence)
	}
	target.Renew() // so that the link just opened is none to choose
	for range linksAll - linksMax {
		l := target.standIn(h2.Client)
		l.gone, l.calls = &ending{end: fault.GoAway}, 1
	}
	if _, good := exchange(&a, target, AnyConnection); good || a.Evidence.End != fault.Limit || a.Evidence.Rule != fault.RuleH2StreamLimit {
		t.Errorf("there is no bound: %+v", a.Evidence)
	}
}

// An answer that came whole before the request was sent to its end, with RST_STREAM(NO_ERROR) behind it, is an answer (RFC 9113, section 8.1).
func TestHTTP2EarlyAnswer(t *testing.T) {
	target := targetOf(t, framed(t, func(p *peer2) {
		for h := p.headers(); h != nil; h = p.headers() {
			p.answer(h.StreamID, true, ":status", "413")
			if !h.StreamEnded() {
				_ = p.WriteRSTStream(h.StreamID, http2.ErrCodeNo)
			}
		}
	}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1000}), nil)
	var a Attempt
	if _, good := exchange(&a, target, AnyConnection); !good { // from now on the small window is known
		t.Fatalf("%+v", a.Evidence)
	}
	for range 10 {
		a.Begin(target, mono.Now())
		h := request()
		h.Method, h.Length, h.SaysLength = []byte("POST"), 5000, true
		var res httpmsg.Response
		if !a.Ask(h, make([]byte, 5000), AnyConnection) || !a.ReadHead(&res) || res.Status != 413 {
			t.Fatalf("the answer that came was thrown away: %+v", a.Evidence)
		}
		if _, good := rest(&a); !good {
			t.Errorf("the answer is not whole: %+v", a.Evidence)
		}
		a.Finish(mono.Now())
		a.Drop()
	}
}

// How a connection failed that was to relieve a crowded link is no part of what is known of a request that went over that link.
func TestCrowdedLinkBlame(t *testing.T) {
	target := targetOf(t, framed(t, func(p *peer2) {
		for p.next() != nil { // it never answers
		}
	}), func(o *Options) { o.Head = 200 * time.Millisecond })
	var many [linkStreams]Attempt
	for i := range many {
		many[i].Begin(target, mono.Now())
		h := request()
		h.Method, h.Length = []byte("POST"), httpmsg.LengthUnknown
		if !many[i].Open(h, AnyConnection) {
			t.Fatalf("%+v", many[i].Evidence)
		}
		defer many[i].Drop()
	}
	target.Port = "1" // the next connection is refused
	var a Attempt
	a.Begin(target, mono.Now())
	if a.Ask(request(), nil, AnyConnection) {
		t.Fatal("it was answered")
	}
	ev := &a.Evidence
	if ev.Stage != fault.FirstByte || ev.End != fault.Timeout || ev.Errno != 0 || len(ev.Tried) > 0 || ev.Timer != fault.TimerHead {
		t.Errorf("the wait for the answer has the connection's error: %+v", ev)
	}
	a.Drop()
}
