// Package proxy is the life of an exchange: from a request head to the last octet of its answer, with every way it can
// end. It is the only package that sees routing, balancing, resilience and the two connections together.
//
// It must not know configuration files, storage or where logs go: it is given a Snapshot, and calls Observe.
package proxy
