// Package mux serves one client's HTTP/2 connection: it reads frames, hands each stream to a worker, and gathers what the workers
// write.
//
// One goroutine per connection reads and dispatches. A worker from a pool runs the Handler of each stream. Nobody is the writer:
// whoever appends to the connection's output first becomes the flusher, yields once so that others may append as well, and
// writes for all. The reader never waits for a write; it stops reading while too much output or too many streams are there, so
// that a client which takes nothing, or asks for too much, holds up itself alone.
//
// It must not know where requests go, configuration or what becomes of an error.
package mux
