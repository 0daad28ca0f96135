// Package serve1 is the server's side of HTTP/1 on one connection: it reads requests, hands each to a handler as an Exchange,
// writes the answer, and decides what becomes of the connection. What each state owns and may do is drawn in
// docs/connection.md.
//
// It must not know where requests go, who accepted the connection, or how TLS began on it.
package serve1
