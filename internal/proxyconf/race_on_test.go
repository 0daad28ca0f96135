//go:build race

package proxyconf

// slack multiplies bounds on memory and time: the race detector costs both.
const slack = 3
