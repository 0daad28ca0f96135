//go:build race

package mux

// raceEnabled tells tests of memory and allocations that the race detector is on: it has its own.
const raceEnabled = true
