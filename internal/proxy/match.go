package proxy

import "github.com/whygate/whygate/internal/httpmsg"

// match finds the request's route, the first from one on; -1 if there is none.
//
// hot: once per request.
func (s *serving) match(from int) int {
	q := &s.x.Request
	s.ask.Host, s.ask.Method, s.ask.Path, s.ask.Query = q.Authority, q.Name, q.Path, q.Query
	s.ask.From = from
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
