package upstream

import (
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/mono"
)

// Apart is a target of the same endpoint whose connections nobody else uses, and that keeps none: for checks, which over HTTP/2 would share a
// connection with requests otherwise, and not test the accept queue. TLS is the target's own: its sessions are resumed, and what the endpoint
// shows is noted. So is it that the endpoint wants HTTP/1.1.
func (t *Target) Apart() *Target {
	apart := t.ApartForHTTP2()
	apart.only2 = false
	apart.http1.Store(t.http1.Load())
	return apart
}

// ApartForHTTP2 is Apart for who can do with HTTP/2 alone. That the endpoint wanted HTTP/1.1 is neither believed nor noted: it may be replaced
// by one that does not, and nobody is to wait for that longer than for the next check.
func (t *Target) ApartForHTTP2() *Target {
	o := t.Options
	o.Idle, o.Learn = 0, IdleFixed
	apart := New(t.Endpoint, o)
	apart.of, apart.only2, apart.tlsConf, apart.tlsShared = t, true, t.tlsConf, t.tlsShared
	return apart
}

// Connect opens a connection, with the handshake of requests where the endpoint speaks TLS, and asks nothing on it: a check. Drop closes it.
func (a *Attempt) Connect() bool {
	conf := a.target.tlsConf
	if a.target.tlsShared != nil {
		conf = a.target.tlsShared
	}
	c := a.openWith(conf)
	if c == nil {
		return false
	}
	a.began = mono.Now()
	a.use(c, a.began)
	a.Evidence.Stage, a.Evidence.End = fault.Done, fault.Completed
	return true
}
