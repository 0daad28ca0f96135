// Package h2 is the HTTP/2 codec of RFC 9113 with the field compression of RFC 7541: octets in, values out. The server and the
// client side share it. Its messages are httpmsg's: a head is decoded into lines of HTTP/1 one behind the other, so that it
// can go on as either version without another pass.
//
// Conn reads one connection's frames, keeps what RFC 9113 wants remembered of it (the states of streams, windows, settings),
// and says of each frame what it means (an Event) or which rule it breaks (an Error with its code and its scope).
// What we send is appended to a buffer of the caller. The parts can be used alone: ParseFrame, Decoder, and the Append
// functions.
//
// It is strict, as package h1 is and for the same reason. It must not know sockets, clocks, goroutines or policy. Nothing here
// blocks, and in the ordinary course of a connection nothing allocates.
package h2
