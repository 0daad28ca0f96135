package proxy

import (
	"net/netip"

	"github.com/whygate/whygate/internal/httpmsg"
)

// match finds the request's route, the first from one on; -1 if there is none.
//
// hot: once per request.
func (s *serving) match(from int) int {
	q := &s.x.Request
	s.ask.Host, s.ask.Method, s.ask.Path, s.ask.Query = q.Authority, q.Name, q.Path, q.Query
	s.ask.From = from
	if s.snap.Ways {
		s.ask.Scheme, s.ask.Port = s.scheme(), portOf(s.x.Peer.Local)
	}
	return s.snap.Table.Find(&s.ask)
}

// nth is the nth value of the request's header of that name. The Host header is the authority, whatever the version of HTTP.
func (s *serving) nth(name string, n int) ([]byte, bool) {
	if httpmsg.EqualFold([]byte("host"), name) {
		return s.x.Request.Authority, n == 0
	}
	f := &s.x.Request.Fields
	for i := range f.Len() {
		if httpmsg.EqualFold(f.Name(i), name) {
			if n == 0 {
				return f.Value(i), true
			}
			n--
		}
	}
	return nil, false
}

// portOf is the port of an address, 0 if it has none.
func portOf(address string) uint16 {
	if a, err := netip.ParseAddrPort(address); err == nil {
		return a.Port()
	}
	return 0
}
