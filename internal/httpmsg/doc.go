// Package httpmsg holds HTTP messages as the gateway passes them on: a request, a response, their fields, and the two
// ends of a body. Every protocol's codec fills them in and the proxy reads them, so it is the same for HTTP/1.1 and
// whatever comes after.
//
// It must not know any protocol's syntax, sockets or policy. Fields are views into a buffer that somebody else owns:
// they are valid until that buffer is used again, and whoever wants to keep one copies it.
package httpmsg
