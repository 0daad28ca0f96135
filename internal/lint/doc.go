// Package lint finds the 502, 503, 504 and 499 that a configuration will make or allow, before they happen. Each rule is a value with
// what it says, and one function that looks for it in what the configurations set up.
//
// A rule is true or it is not there: what it cannot be sure of is a note.
package lint
