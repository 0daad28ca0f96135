// Package term makes text look right on a terminal: its width, wrapped paragraphs, tables, bars, a progress line, and
// colour only where somebody sees it. It turns values into strings and knows nothing of what they mean.
//
// Colour is used if the writer is a terminal, TERM is not "dumb", and NO_COLOR is not set (https://no-color.org). Whatever
// comes from outside (a log line, a name out of a response) goes through Clean where it must stay on its line, and everything is
// written through a Guard, which lets no escape sequence but ours reach the terminal.
package term
