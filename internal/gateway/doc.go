// Package gateway wires: it makes a proxy's snapshot of a configuration, opens the sockets, starts, reloads, drains and
// stops. It is the only package that reads config and the only one that knows all others.
package gateway
