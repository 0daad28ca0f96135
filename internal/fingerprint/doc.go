// Package fingerprint says who made an HTTP answer: the application, a proxy, a balancer or a CDN, by the fields that each of
// them sets and by the error pages that each of them makes. A 502 that a CDN relays looks like any other; its page, its Server
// and its Via fields tell whose it is.
//
// It knows messages only as a status, fields and the beginning of a body, and it knows no cause: it must not know sockets,
// logs or the terminal.
package fingerprint
