// Package advice is the one room for what to do about a cause in a product's own syntax: each product has a file with its
// table of directives by cause. What a line shows (the module, the kind of address, the time that was measured, the words)
// chooses among them, so that what is advised can work where it is read.
//
// It must not know how lines look, files or the terminal.
package advice
