package h2

import "math/bits"

// huffmanLengths are the lengths in bits of the codes of RFC 7541, appendix B, by octet. The code is canonical: the codes of a
// length follow each other in the order of their octets, and each length goes on where the one before it ended, so the
// lengths say all. EOS has eosLength bits, all of them ones.
var huffmanLengths = [256]uint8{
	13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
	6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
	13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
	15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
	20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
	22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
	26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
	20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
}

const (
	eosLength    = 30
	huffmanShort = 8 // codes of at most so many bits are found by one look into a table
)

// huffman is what decoding looks at. It is only read.
var huffman = func() (t struct {
	short   [1 << huffmanShort]struct{ octet, length uint8 } // by the next eight bits; a length of 0 is a longer code
	above   [eosLength + 1]uint32                            // the first value, of eosLength bits, that no code of this length or a shorter one begins
	from    [eosLength + 1]uint32                            // the first code of this length, in its own bits
	index   [eosLength + 1]uint16                            // where its octets begin in octets
	octets  [256]uint8                                       // in the order of their codes
	longest int                                              // bits of the longest code of an octet
},
) {
	code, n := uint32(0), uint16(0)
	for length := 1; length <= eosLength; length++ {
		code <<= 1
		t.from[length], t.index[length] = code, n
		for octet, l := range huffmanLengths {
			if int(l) != length {
				continue
			}
			if length <= huffmanShort {
				for i := range 1 << (huffmanShort - length) {
					e := &t.short[int(code)<<(huffmanShort-length)|i]
					e.octet, e.length = uint8(octet), l
				}
			}
			t.octets[n] = uint8(octet)
			n++
			code++
			t.longest = length
		}
		t.above[length] = code << (eosLength - length)
	}
	return t
}()

// appendHuffman decodes src onto dst. It is false where the padding is longer than seven bits or not of ones, or EOS is in
// it: RFC 7541, section 5.2. An octet takes five bits at least, so dst grows by at most eight octets for five of src.
//
// hot: most strings of a head are coded so.
func appendHuffman(dst, src []byte) ([]byte, bool) {
	var window uint64 // the next bits, from the top down
	have := 0         // how many of them there are
	for i := 0; ; {
		for have <= 56 && i < len(src) {
			window |= uint64(src[i]) << (56 - have)
			have += 8
			i++
		}
		e := huffman.short[window>>(64-huffmanShort)]
		if length := int(e.length); length != 0 && length <= have {
			dst = append(dst, e.octet)
			window <<= length
			have -= length
			continue
		}
		if have < huffmanShort { // padding, or nothing: the most significant bits of EOS
			return dst, bits.LeadingZeros64(^window) >= have
		}
		octet, length := longCode(uint32(window >> (64 - eosLength)))
		if length == 0 || length > have {
			return dst, false
		}
		dst = append(dst, octet)
		window <<= length
		have -= length
	}
}

// longCode finds the code that the next eosLength bits begin with; a length of 0 is EOS.
func longCode(next uint32) (octet uint8, length int) {
	for length = huffmanShort + 1; length <= huffman.longest; length++ {
		if next < huffman.above[length] {
			code := next >> (eosLength - length)
			return huffman.octets[uint32(huffman.index[length])+code-huffman.from[length]], length
		}
	}
	return 0, 0
}
