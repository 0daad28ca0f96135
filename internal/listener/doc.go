// Package listener accepts connections, reads requests from them and hands each to a handler function as an Exchange,
// through which the answer goes back. It owns the client's side: sockets, TLS, keep-alive, limits on what a client may make
// us hold or wait for, and the drain.
//
// It must not know where requests go or what an error page looks like.
package listener
