// Package conn is one transport connection with one read buffer: reads, writes, deadlines, octet counts, and the reason
// it ended, in package fault's words. On Linux it talks to the socket itself, so that a buffer is held only while there
// is something in it, a deadline costs a timer once in a while instead of once per read, and plaintext bodies move by splice(2).
// A connection that is silent for long is parked in a Lot, where it needs no goroutine.
//
// It must not know HTTP, policy or configuration. One goroutine may read while another writes; beyond that a Conn has
// one owner, and ownership moves, it is never shared.
package conn
