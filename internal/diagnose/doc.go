// Package diagnose walks the path to a URL as a gateway would, and says which step is broken: the name, the path, TLS, HTTP,
// who made the answer, and the upstreams behind a gateway. Each step is a probe that returns facts with a fault.Evidence; one
// pure function, Judge, weighs them all and names one root cause where they allow it.
//
// It asks with the live proxy's own code (package upstream), so that what it sees is what a gateway sees. Probing harms
// nobody: a handful of requests with safe methods, connections without a request, a few ICMP echoes; Report.Sent says what was
// sent. It must not know the terminal, the configuration of any proxy, or logs: who does is called through Options.
package diagnose
