package upstream

import (
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/mono"
)

// Apart is a target of the same endpoint whose connections nobody else uses, and that keeps none: for checks, which over HTTP/2 would share a
// connection with requests otherwise, and not test the accept queue. TLS is the target's own: its sessions are resumed, and what the endpoint
// shows is noted.
func (t *Target) Apart() *Target {
	o := t.Options
	o.Idle, o.Learn = 0, IdleFixed
	apart := New(t.Endpoint, o)
	apart.of, apart.tlsConf, apart.tlsShared = t, t.tlsConf, t.tlsShared
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
