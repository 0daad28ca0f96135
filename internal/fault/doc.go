// Package fault is the vocabulary of failure: the Evidence that an attempt leaves, the Fault it amounts to, and the words
// for it. It holds RFC 9209's error types, our finer causes, and one pure function, Classify, from the one to the other.
// Everything that shows a fault to somebody (page, Proxy-Status field, access log, metrics, command line, docs) takes its
// words from the Catalogue here, so that they never disagree.
//
// It must not know sockets, configuration or HTTP messages: it is words only.
package fault
