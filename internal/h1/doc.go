// Package h1 is the HTTP/1 codec of RFC 9112: octets in, values out. It parses request and response heads, finds the end
// of a body, and writes both. The server and the client side share it.
//
// It is strict. A message that two implementations could read in two ways is an Error, never a guess, because a gateway
// that guesses differently from its upstream is how requests are smuggled. Where RFC 9112 tells a proxy to repair rather
// than to refuse, the place says so.
//
// It must not know sockets, clocks, policy or what becomes of an error. Nothing here blocks, and nothing allocates unless
// a message is refused.
package h1
