package proxy

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
)

// Auth asks for a name and a password (HTTP Basic, RFC 7617). It is safe for concurrent use.
type Auth struct {
	Realm string
	// Check compares a password with the one that is kept for a user. It may be as slow as its hash.
	Check func(user, password []byte) bool

	key [32]byte // of what is remembered, so that it is no use to who reads the memory later

	mu   sync.Mutex            // guards the field below
	good map[[32]byte]struct{} // user and password that were right
}

// turns are for comparing passwords, whose hashes are slow on purpose: half of the cores for all routes together. waiting is how many
// requests wait for one.
var (
	turns   = make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))
	waiting atomic.Int64
)

// goodMax bounds what is remembered.
const goodMax = 1024

// NewAuth makes an Auth.
func NewAuth(realm string, check func(user, password []byte) bool) *Auth {
	a := &Auth{Realm: realm, Check: check, good: map[[32]byte]struct{}{}}
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

// authorized reports whether the request has a name and its password. Otherwise it has been answered: by a challenge, by 429 where too
// many passwords wait to be compared, or not at all where the client left.
func (s *serving) authorized(a *Auth) bool {
	value, given := s.x.Request.Fields.Lookup("Authorization")
	user, password, ok := credentials(value)
	if !given || !ok {
		s.challenge(a)
		return false
	}
	sum := a.sum(user, password)
	if a.known(sum) {
		return true
	}
	if !s.takeTurn() {
		return false
	}
	right := a.Check(user, password)
	<-turns
	if !right {
		s.challenge(a)
		return false
	}
	a.remember(sum)
	return true
}

// waitingMax is how many passwords wait to be compared. More are of somebody who tries them out.
const waitingMax = 256

// takeTurn waits for a turn to compare a password. It is false where the request has been answered instead: there are too many before it,
// the client left, or the gateway ends.
func (s *serving) takeTurn() bool {
	select {
	case turns <- struct{}{}:
		return true
	default:
	}
	defer waiting.Add(-1)
	if waiting.Add(1) > waitingMax {
		s.failEarly(&fault.Evidence{Stage: fault.Select, End: fault.Limit, Told: fault.CauseRateLimited, By: fault.PartyGateway, Detail: "too many passwords wait to be compared", Declared: -1})
		return false
	}
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		select {
		case turns <- struct{}{}:
			return true
		case <-s.x.Cancel.Done():
			s.gone()
			return false
		case <-look.C:
			if s.x.Cancel.Ask() {
				s.gone()
				return false
			}
		}
	}
}

// sum stands for a user and a password that were right. It is of no use to who reads the memory later.
func (a *Auth) sum(user, password []byte) (sum [32]byte) {
	mac := hmac.New(sha256.New, a.key[:])
	mac.Write(user)
	mac.Write([]byte{':'}) // a name has none
	mac.Write(password)
	mac.Sum(sum[:0])
	return sum
}

func (a *Auth) known(sum [32]byte) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, known := a.good[sum]
	return known
}

func (a *Auth) remember(sum [32]byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.good) >= goodMax {
		clear(a.good)
	}
	a.good[sum] = struct{}{}
}

// challenge asks for a name and a password.
func (s *serving) challenge(a *Auth) {
	end := s.ownError(401, "401 Unauthorized\n\nA name and its password are asked for.\n")
	s.extra.Append("WWW-Authenticate", []byte(`Basic realm="`+a.Realm+`", charset="UTF-8"`), httpmsg.Other)
	end()
}
