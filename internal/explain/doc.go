// Package explain reads the logs of proxies, load balancers, applications and the kernel, and says which root causes are at
// work: line → Entry → fault.Evidence → fault.Classify, the same judge as the live gateway's. Each format has a file of its
// own that knows only how its lines look; the reader, the joining of lines that belong to one exchange, the grouping and the
// words are the same for all.
//
// It must not know sockets, our own proxy, or the terminal it is printed on.
package explain
