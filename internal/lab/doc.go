// Package lab plays every fault that an upstream can have, on demand and for any proxy. A Scenario is a small declaration: what
// the upstream does, octet by octet, and what a correct gateway makes of it. A Lab serves scenarios on ports of their own, makes
// configurations that put a proxy in front of them, plays them through it as a client, and scores the answers.
//
// It shares no code with the gateway that it tests: it writes raw octets, reads requests in its own naive way, and its client
// is the standard library's. Of ours it may import fault only, for the words of the expectation.
package lab
