package proxy

import (
	"bytes"

	"github.com/whygate/whygate/internal/balance"
	"github.com/whygate/whygate/internal/httpmsg"
)

// FNV-1a: keys are short, and nobody gains by a collision, which puts two clients at one endpoint.
const (
	fnvOffset = 0xcbf29ce484222325
	fnvPrime  = 0x100000001b3
)

func hash(h uint64, b []byte) uint64 {
	for _, c := range b {
		h = (h ^ uint64(c)) * fnvPrime
	}
	return h
}

// classify finds the class of the request: those of one route, method and first path segment are expected to take about as long as
// each other.
//
// hot: once per request.
func (s *serving) classify(route int) {
	q := &s.x.Request
	segment := q.Path
	if len(segment) > 1 {
		if end := bytes.IndexByte(segment[1:], '/'); end >= 0 {
			segment = segment[:end+1]
		}
	}
	s.class = int(balance.Mix(hash(fnvOffset^uint64(route)<<8^uint64(q.Method), segment[:min(len(segment), 32)])) % balance.Classes)
}

// pick is the endpoint to ask next, -1 if there is none.
//
// hot: once per attempt.
func (s *serving) pick() int {
	if s.pool.Sticky != nil && s.made == 0 {
		if i := s.stuck(); i >= 0 && !s.tried.Has(i) && s.pool.Balance.Usable(i, s.now) {
			return i
		}
	}
	if s.adm.passed && s.made == 0 && s.full == 0 && s.pool.Balance.Sound(s.now) {
		return s.pool.Balance.PickSound(&s.tried, s.key(), s.now) // to wait for one that is only full is better than to ask one that is dead
	}
	return s.pool.Balance.Pick(&s.tried, s.key(), s.now)
}

// key is what the request is spread by, 0 where the pool does not.
func (s *serving) key() uint64 {
	p := s.pool
	switch p.Key {
	case KeyIP:
		return balance.Mix(s.client())
	case KeyPath:
		return balance.Mix(hash(fnvOffset, s.x.Request.Path))
	case KeyHeader:
		return balance.Mix(hash(fnvOffset, named(&s.x.Request.Fields, p.KeyName)))
	case KeyCookie:
		return balance.Mix(hash(fnvOffset, cookie(&s.x.Request.Fields, p.KeyName)))
	}
	return 0
}

// named is the value of the first field of that name, nil if there is none.
func named(f *httpmsg.Fields, name []byte) []byte {
	for i := range f.Len() {
		if n := f.Name(i); len(n) == len(name) && bytes.EqualFold(n, name) {
			return f.Value(i)
		}
	}
	return nil
}

// stuck is the endpoint that the client's cookie names, -1 if it names none.
func (s *serving) stuck() int {
	token := cookie(&s.x.Request.Fields, s.pool.Sticky)
	if token == nil {
		return -1
	}
	for i := range s.pool.Endpoints {
		if bytes.Equal(s.pool.Endpoints[i].Token, token) {
			return i
		}
	}
	return -1
}

// stick tells the client where it was answered, unless it knows.
func (s *serving) stick() {
	if s.pool.Sticky == nil || s.asking < 0 || s.stuck() == s.asking {
		return
	}
	v := append(append([]byte(nil), s.pool.Sticky...), '=')
	v = append(v, s.pool.Endpoints[s.asking].Token...)
	v = append(v, "; Path=/; HttpOnly; SameSite=Lax"...)
	if s.x.Peer.Secure {
		v = append(v, "; Secure"...)
	}
	s.extra.Append("Set-Cookie", v, httpmsg.Other)
}

// cookie is the value of the first cookie of that name in a request (RFC 6265, section 4.2.1), nil if there is none.
func cookie(f *httpmsg.Fields, name []byte) []byte {
	for i := range f.Len() {
		if f.ID(i) != httpmsg.Cookie {
			continue
		}
		for rest := f.Value(i); len(rest) > 0; {
			var pair []byte
			pair, rest, _ = bytes.Cut(rest, []byte{';'})
			key, value, found := bytes.Cut(bytes.TrimSpace(pair), []byte{'='})
			if found && bytes.Equal(key, name) {
				return value
			}
		}
	}
	return nil
}
