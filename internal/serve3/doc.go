// Package serve3 is the server's side of HTTP/3 as exchanges see it: a stream of a QUIC connection becomes an Exchange, and goes to a
// handler on a goroutine of its own. Package h3 has the octets' meaning, quic-go the transport, and no other package knows quic-go.
//
// It must not know where requests go, or who accepts connections of TCP.
package serve3
