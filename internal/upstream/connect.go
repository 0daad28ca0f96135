package upstream

import "github.com/whygate/whygate/internal/fault"

// Connect opens a connection, with its handshake where the endpoint speaks TLS, and asks nothing on it: a check. Drop closes it.
func (a *Attempt) Connect() bool {
	if !a.dial() {
		return false
	}
	a.Evidence.Stage, a.Evidence.End = fault.Done, fault.Completed
	return true
}
