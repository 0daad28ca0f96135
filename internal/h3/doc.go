// Package h3 is the HTTP/3 codec for the server's side: frames, settings, the order of what a stream may carry (RFC 9114), and QPACK with
// the static table alone (RFC 9204). It offers no dynamic table, so no header block depends on what another stream brought, there is no
// state of a decoder, and no stream is ever blocked.
//
// Messages are judged by package h2, whose rules RFC 9114, sections 4.2 and 4.3, repeats. There is no I/O, no clock and no goroutine in
// it: its user has the octets.
package h3
