package proxy

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"runtime"
	"sync"

	"github.com/whygate/whygate/internal/httpmsg"
)

// Auth asks for a name and a password (HTTP Basic, RFC 7617). It is safe for concurrent use.
type Auth struct {
	Realm string
	// Check compares a password with the one that is kept for a user. It may be as slow as its hash.
	Check func(user, password []byte) bool

	turns chan struct{} // so many passwords are compared at once: their hashes are slow on purpose
	key   [32]byte      // of what is remembered, so that it is no use to who reads the memory later

	mu   sync.Mutex            // guards the field below
	good map[[32]byte]struct{} // user and password that were right
}

// goodMax bounds what is remembered.
const goodMax = 1024

// NewAuth makes an Auth.
func NewAuth(realm string, check func(user, password []byte) bool) *Auth {
	a := &Auth{Realm: realm, Check: check, turns: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)), good: map[[32]byte]struct{}{}}
	_, _ = rand.Read(a.key[:]) // it never fails
	return a
}

// credentials are the user and the password of a Basic field; ok is false where it has none.
func credentials(value []byte) (user, password []byte, ok bool) {
	scheme, rest, found := bytes.Cut(value, []byte{' '})
	if !found || !httpmsg.EqualFold(scheme, "basic") {
		return nil, nil, false
	}
	text, err := base64.StdEncoding.AppendDecode(nil, bytes.TrimSpace(rest))
	if err != nil {
		return nil, nil, false
	}
	user, password, ok = bytes.Cut(text, []byte{':'})
	return user, password, ok
}

// authorized reports whether the request has a name and its password.
func (s *serving) authorized(a *Auth) bool {
	value, given := s.x.Request.Fields.Lookup("Authorization")
	if !given {
		return false
	}
	user, password, ok := credentials(value)
	return ok && a.right(user, password)
}

// right compares a password, once for as long as it is remembered.
func (a *Auth) right(user, password []byte) bool {
	mac := hmac.New(sha256.New, a.key[:])
	mac.Write(user)
	mac.Write([]byte{':'}) // a name has none
	mac.Write(password)
	var sum [32]byte
	mac.Sum(sum[:0])
	a.mu.Lock()
	_, known := a.good[sum]
	a.mu.Unlock()
	if known {
		return true
	}
	a.turns <- struct{}{} // as long as those before take
	right := a.Check(user, password)
	<-a.turns
	if !right {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.good) >= goodMax {
		clear(a.good)
	}
	a.good[sum] = struct{}{}
	return true
}

// challenge asks for a name and a password.
func (s *serving) challenge(a *Auth) {
	body := []byte("401 Unauthorized\n\nA name and its password are asked for.\n")
	s.beginOwn(401, int64(len(body)))
	s.extra.Append("WWW-Authenticate", []byte(`Basic realm="`+a.Realm+`", charset="UTF-8"`), httpmsg.Other)
	s.extra.AppendKnown(httpmsg.ContentType, []byte("text/plain; charset=utf-8"))
	s.endOwn(body)
}
