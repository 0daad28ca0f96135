package upstream

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/h2"
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
