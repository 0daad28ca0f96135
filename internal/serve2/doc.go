// Package serve2 is the server's side of HTTP/2 as exchanges see it: it makes an Exchange of each stream of package mux, and hands it
// to a handler on the worker's goroutine that mux gives it.
//
// It must not know where requests go, how frames look, or who accepted the connection.
package serve2
