// Package resilience has the rules that keep one failure from becoming another: whether a request is sent again (Again),
// how much of that a pool can stand (Budget), and how many may be inside at a time (Guard).
//
// It must not know HTTP, endpoints or connections: it is told whether a request is idempotent and replayable, and is shown
// the evidence and the verdict of the attempt that failed.
package resilience
