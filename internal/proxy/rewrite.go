package proxy

import (
	"bytes"

	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/route"
)

// rewritten is the path and the query that an endpoint is asked for. A query of the template stands before the client's; one that ends with
// a question mark replaces it.
func (s *serving) rewritten(t *Template) (path, query []byte) {
	path, own, has := bytes.Cut(t.expand(nil, s, s.canonical()), []byte{'?'})
	if len(path) == 0 || path[0] != '/' {
		path = append([]byte{'/'}, path...)
	}
	if route.Dotted(path) { // what was put together of harmless parts may be a way out
		path = route.Canonical(nil, path)
	}
	query = s.x.Request.Query
	if !has {
		return path, query
	}
	if alone, replaces := bytes.CutSuffix(own, []byte{'?'}); replaces || len(own) == 0 {
		own, query = alone, nil
	}
	if len(own) == 0 {
		return path, nil
	}
	whole := append([]byte{'?'}, own...)
	if len(query) > 1 {
		whole = append(append(whole, '&'), query[1:]...)
	}
	return path, whole
}

// forwardedProto is what a trusted proxy in front says of the client's connection; trusted is false where none says anything.
func (s *serving) forwardedProto() (trusted bool, says string) {
	f := &s.x.Request.Fields
	if !f.Has(httpmsg.XForwardedProto) || len(s.snap.Trusted) == 0 || !s.snap.trusts(s.x.Peer.Addr) {
		return false, ""
	}
	switch value := f.Get(httpmsg.XForwardedProto); {
	case httpmsg.EqualFold(value, "https"):
		return true, "https"
	case httpmsg.EqualFold(value, "http"):
		return true, "http"
	}
	return false, ""
}
