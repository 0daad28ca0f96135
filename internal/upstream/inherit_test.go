package upstream

import (
	"net/http"
	"testing"

	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
)

// A target of other settings knows what one before it has learned of the endpoint.
func TestInherit(t *testing.T) {
	old := over2(t, true, nil, func(http.ResponseWriter, *http.Request) {})
	var a Attempt
	a.Begin(old, mono.Now())
	var res httpmsg.Response
	if !a.Ask(request(), nil, AnyConnection) || !a.ReadHead(&res) {
		t.Fatalf("%+v", a.Evidence)
	}
	a.Drop()
	old.mu.Lock()
	old.habits.limit, old.habits.most = 5, 7
	old.mu.Unlock()
	old.prefersHTTP1(mono.Now())
	o := old.Options
	o.Head *= 2
	next := New(old.Endpoint, o)
	next.Inherit(old)
	if next.Shown() == nil || next.streams.Load() == 0 || next.habits.limit != 5 || next.habits.most != 7 || next.sharesStill(mono.Now()) {
		t.Errorf("%v, %d streams, %+v", next.Shown(), next.streams.Load(), next.habits)
	}
	o.Protocol = ProtocolHTTP2
	next = New(old.Endpoint, o)
	next.Inherit(old)
	if !next.sharesStill(mono.Now()) {
		t.Error("one that is to speak HTTP/2 alone would be asked in HTTP/1.1")
	}
}
