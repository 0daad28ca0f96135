//go:build !race

package config

// slack multiplies bounds on memory and time: the race detector costs both.
const slack = 1
