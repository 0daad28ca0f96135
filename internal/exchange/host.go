package exchange

import (
	"sync/atomic"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// Host is what a connection needs of the server that accepted it. The funcs are called on the connection's goroutine, and must
// not keep the Exchange.
type Host struct {
	Serve    func(*Exchange)                  // answers a request
	Refuse   func(*Exchange, *fault.Evidence) // answers what was no request, or one too many
	Panicked func(reason any)                 // is told of a bug of ours that ended a connection, from where it was recovered

	Draining atomic.Bool  // the server is on its way out: no connection is kept
	Leaving  atomic.Bool  // each answer says that its connection ends, and what was promised before that is kept
	Busy     atomic.Int64 // exchanges under way
}

// Limits bound what a client may make us hold or wait for. They are read once per connection.
type Limits struct {
	Connections int           // open client connections, over all listeners of a server
	RequestHead int           // octets of a request head
	HeadTime    time.Duration // from a request head's first octet to its last; also for the TLS handshake
	RequestBody int64         // octets of a request body, 0 for no bound
	Idle        time.Duration // silence between requests, and inside a request body
	Park        time.Duration // silence between requests after which a connection gives its goroutine up, 0 for never
}
