package proxy

import (
	"net/netip"

	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/route"
)

// match finds the request's route, the first from one on; -1 if there is none.
//
// hot: once per request.
func (s *serving) match(from int) int {
	q := &s.x.Request
	ask := route.Ask{Host: q.Authority, Method: q.Name, Path: q.Path, Query: q.Query, From: from, Header: s.rare.header, Kept: &s.rare.canonical}
	if s.snap.Ways {
		ask.Scheme, ask.Port = s.scheme(), portOf(s.x.Peer.Local)
	}
	return s.snap.Table.Find(&ask)
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
