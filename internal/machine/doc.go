// Package machine says what this machine knows of a port: which process listens there, in which namespaces, how full its
// queue is, how many descriptors it has left; and what the kernel says of memory and connections. It reads /proc, /sys and the kernel's
// log, and nothing else.
//
// It must not know proxies or HTTP. Where there is no /proc it finds nothing and says so.
package machine
