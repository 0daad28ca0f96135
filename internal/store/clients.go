package store

import (
	"math"
	"math/bits"
)

// clientsBits gives 256 registers, and with them a standard error of 1.04/16, some seven per cent.
const clientsBits = 8

// clients estimates how many different addresses were seen (HyperLogLog: Flajolet and others, 2007): each register keeps the longest run
// of zeros that a hash of its share had.
type clients [1 << clientsBits]uint8

// add counts an address.
func (c *clients) add(address string) {
	h := mixed(hash(offset64, address))
	rest := h<<clientsBits | 1<<(clientsBits-1) // ends with a one, so that a run ends
	c[h>>(64-clientsBits)] = max(c[h>>(64-clientsBits)], uint8(bits.LeadingZeros64(rest))+1)
}

// merge adds what others have counted.
func (c *clients) merge(other []byte) {
	for i := range min(len(other), len(c)) {
		c[i] = max(c[i], other[i])
	}
}

// count is the estimate; small numbers are nearly exact.
func (c *clients) count() int64 {
	const m = 1 << clientsBits
	sum, empty := 0.0, 0
	for _, r := range c {
		sum += math.Ldexp(1, -int(r))
		if r == 0 {
			empty++
		}
	}
	estimate := 0.7213 / (1 + 1.079/m) * m * m / sum
	if estimate <= 2.5*m && empty > 0 {
		estimate = m * math.Log(m/float64(empty))
	}
	return int64(estimate + 0.5)
}

// FNV-1a of 64 bits: RFC 9923.
const (
	offset64 = 14695981039346656037
	prime64  = 1099511628211
)

func hash(h uint64, s string) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * prime64
	}
	return h
}

// mixed spreads what FNV leaves in the low bits over all of them (the finaliser of MurmurHash3).
func mixed(h uint64) uint64 {
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
