// Package exchange is what a request is, whatever version of HTTP brought it: a message, a stream to answer it on, and a reason
// to stop.
//
// A connection's own package (serve1 for HTTP/1, serve2 for HTTP/2) makes an Exchange for each request and hands it to a handler. The handler sees
// no connection: it asks the Exchange for the body and writes the answer to it.
package exchange

import (
	"net/netip"
	"time"

	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/conn"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
)

// Exchange is one request and the way to answer it. It belongs to the handler's goroutine until the handler returns, and is then
// used again for another request; only Next may be called from another goroutine, by one at a time.
//
// The handler sets State, Last and Ended. Everything else is the Stream's to set.
type Exchange struct {
	Stream

	Request httpmsg.Request
	Peer    *Peer
	Cancel  *cancel.Cancel // ends what the handler waits for on behalf of the exchange
	State   any            // the handler's own, kept from one request to the next; nil at first

	Began mono.Time     // when the request's first octet was there
	Ready mono.Time     // when its head was complete: what comes after is not the client's slowness
	Ended mono.Time     // the clock as the handler last read it, at the answer's end; 0 if it did not
	Idle  time.Duration // how long a client may be silent, or not read; 0 for any time

	Body     []byte         // the request body, where BodyHere
	BodyHere bool           // all of the body is here without reading: it need not be streamed, and stays for another attempt
	BodyRead bool           // the request body was read to its end; a request without one begins so
	Broke    fault.Evidence // how Next ended, where that was not the body's end

	Broken  bool      // the request head could not be read: there may be no method and no target
	Last    bool      // the connection ends after this exchange
	Status  int       // of the response head that was written, 0 before
	Payload int64     // octets of the response body that were passed on
	Sent    int64     // octets of the response that were given to the kernel, interim ones aside
	Lost    fault.End // how writing to the client failed, Completed while it did not
	Aborted bool      // the answer was cut short, by us or by the client's leaving
}

// Peer is who a connection comes from, and where to.
type Peer struct {
	Client string     // the peer's address as text, without its port; empty for a unix socket
	Addr   netip.Addr // the same; not valid for a unix socket
	Port   uint16     // of the peer; 0 for a unix socket
	Secure bool       // it came over TLS
	Local  string     // the address that the client came to
	Shown  *Shown     // what the handshake showed beside; nil for nothing, and in clear
}

// Shown is what certificates say of a connection over TLS, and what its answers say of its port. It has memory of its own: connections in clear have no use for it.
type Shown struct {
	// Subject is whom the client's certificate is for, as a header's value; empty if it showed none. It has been verified.
	Subject string

	// Covers reports whether the certificate that the client was shown has a host name. nil where that is not known.
	Covers func(host string) bool

	// AltSvc is where else the same is served, as Alt-Svc's value (RFC 7838), nil for nowhere at present. The func is nil where nothing else
	// ever is.
	AltSvc func() []byte
}

// Stream is an exchange's place on its connection. Contrary to house style it has ten methods: a message goes both ways.
type Stream interface {
	// Detach prepares for Next: the request's octets move to where the body does not overwrite them. It does nothing the second time.
	Detach()
	// Next returns more of the request body: a view that is valid until the next call. An empty view with Completed is the body's end.
	// Any other end means that it is broken, and Exchange.Broke says how. After a 101 it returns the client's octets as they come.
	Next() ([]byte, fault.End)
	// Obey makes Next end with this Cancel: an upload has one of its own, so that it can end alone. nil undoes that. It must be called
	// while nobody waits in Next.
	Obey(*cancel.Cancel)

	// Interim writes a 1xx response at once, where the client knows them. It commits to nothing.
	Interim(status int, reason []byte, fields *httpmsg.Fields) fault.End
	// Head writes a final response head. It leaves with the first of the body, at the latest with Flush or End.
	Head(*Head)
	// Write passes on a piece of the response body. It leaves at once if it is large, else with the next Flush or End. It fails only if
	// the client is gone, or if there are more octets than the head declared (Malformed).
	Write([]byte) fault.End
	// Flush writes what is held back. Whoever is about to wait calls it first.
	Flush() fault.End
	// End completes the response; trailers may be nil. Only who has seen the whole body may call it. It is false when octets are
	// missing, and the answer is aborted then. After a 101 it ends our direction of the tunnel.
	End(trailers *httpmsg.Fields) bool
	// Abort ends the response so that the client sees that it is not complete. It does nothing the second time.
	Abort()

	// Left looks, without waiting, whether the client has gone away since it sent the request. A client whose end came together with the
	// request has not: it sends no more, and waits for the answer.
	Left() bool
}

// Head is a response head to write. Fields that name the framing or the connection are the Stream's to make: those in Fields and
// Extra must be dropped or absent.
type Head struct {
	Status int
	Reason []byte          // nil for the usual phrase
	Length int64           // octets of the body; httpmsg.LengthUnknown or LengthClose where that is not known
	Fields *httpmsg.Fields // passed on except those dropped; may be nil
	Extra  *httpmsg.Fields // of our own; may be nil
	NoBody bool            // the answer to HEAD, or a 204 or 304: a Length of 0 or more is declared as it is, but no body follows
}

// Begin empties the exchange for another request, of a connection from p whose client may be silent for idle. The request itself and
// its body are the Stream's to fill in; until then there is no body.
//
// hot: once per request.
func (x *Exchange) Begin(p *Peer, c *cancel.Cancel, idle time.Duration) {
	x.Peer, x.Cancel, x.Idle = p, c, idle
	x.Began = mono.Now()
	x.Ready, x.Ended = x.Began, 0
	x.Body, x.BodyHere, x.BodyRead = nil, false, true
	x.Broken, x.Last, x.Status, x.Payload, x.Sent, x.Lost, x.Aborted = false, false, 0, 0, 0, fault.Completed, false
}

// Release lets go of what belongs to others, and of a refusal's evidence, which is large and hardly ever there.
func (x *Exchange) Release() {
	x.Peer, x.Cancel, x.Body = nil, nil, nil
	if x.Broke.End != fault.Completed {
		x.Broke = fault.Evidence{}
	}
}

// Committed reports whether an octet of the answer may have reached the client: after that there is no other answer.
func (x *Exchange) Committed() bool { return x.Sent > 0 || x.Aborted }

// charger is a Stream whose server bounds what all exchanges hold.
type charger interface{ Charge(n int64) }

// Charge tells that the handler holds n octets more on behalf of the exchange, until it returns: where many share a connection, that bounds
// what their client may make us hold.
func (x *Exchange) Charge(n int64) {
	if c, is := x.Stream.(charger); is {
		c.Charge(n)
	}
}

// splicer is a Stream that may take octets inside the kernel.
type splicer interface {
	CanSplice(src *conn.Conn) bool
	Splice(src *conn.Conn, n int64, gap conn.Gap) (moved int64, read, write fault.End)
}

// CanSplice reports whether the next octets of the response body may move inside the kernel from src: they have no framing
// between them, and both ends are sockets in clear.
func (x *Exchange) CanSplice(src *conn.Conn) bool {
	s, can := x.Stream.(splicer)
	return can && s.CanSplice(src)
}

// Splice moves n octets of the response body from src. It returns how each side stands. gap is a deadline for src's next octets.
func (x *Exchange) Splice(src *conn.Conn, n int64, gap conn.Gap) (moved int64, read, write fault.End) {
	return x.Stream.(splicer).Splice(src, n, gap)
}
