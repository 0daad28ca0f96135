package serve3

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"sync"
	"time"
)

// Protocol is HTTP/3's name in the handshake: RFC 9114, section 3.1.
const Protocol = "h3"

// ticketTime is how long a key of session tickets is given out. It is taken as long again.
const ticketTime = 24 * time.Hour

// tickets are what sessions are resumed by. They begin anew with another configuration, so that no session is resumed which other
// authorities vouched for. Where the configuration has WrapSession and UnwrapSession, those make and take tickets, and not these keys.
type tickets struct {
	mu   sync.Mutex // guards the fields below
	of   *tls.Config
	conf *tls.Config // what connections are served with
	key  [32]byte
	made time.Time
}

// config is a tls.Config's GetConfigForClient. Challenges of certificate authorities are answered over TCP alone.
func (e *Endpoint) config(*tls.ClientHelloInfo) (*tls.Config, error) {
	base, t := e.conf(), &e.tickets
	if base == nil {
		return nil, errInClear
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of == base && time.Since(t.made) < ticketTime {
		return t.conf, nil
	}
	keys := make([][32]byte, 1, 2)
	randomize(keys[0][:])
	if t.of == base {
		keys = append(keys, t.key)
	}
	c := base.Clone()
	c.NextProtos, c.MinVersion, c.GetConfigForClient = []string{Protocol}, tls.VersionTLS13, nil
	c.SetSessionTicketKeys(keys)
	t.of, t.conf, t.key, t.made = base, c, keys[0], time.Now()
	return c, nil
}

var errInClear = errors.New("the listener speaks TLS no more")

func randomize(key []byte) {
	_, _ = rand.Read(key) // it never fails: it ends the program
}
