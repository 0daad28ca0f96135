// Package listener accepts connections and hands each to the package of the protocol that is spoken on it. It owns what comes
// before the first request and what concerns all connections: sockets, TLS, how many there may be, and the drain.
//
// It must not know what a request is, where it goes, or what an error page looks like.
package listener
