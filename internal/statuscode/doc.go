// Package statuscode is the reference of HTTP status codes: every code of IANA's registry, and the unofficial ones that
// somebody who runs a gateway meets, each with its source, its meaning, what a gateway does with it, the causes, the steps
// to find them, and the constant that names it in eleven places.
//
// It knows the causes of package fault and nothing else of ours. The command line and the documents under docs/codes are
// rendered from it.
package statuscode
