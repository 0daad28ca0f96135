package diagnose

// hpackStatus reads :status from a response's first block, where it is the first field, as the pseudo-fields are: RFC 9113, section
// 8.3. It is 0 where it is not there. Nothing else of the block is read.
func hpackStatus(block []byte) int {
	for len(block) > 0 && block[0]>>5 == 1 { // the table's size, RFC 7541, section 6.3
		n := 1
		if block[0]&31 == 31 {
			for n < len(block) && block[n]&128 != 0 {
				n++
			}
			n++
		}
		block = block[min(n, len(block)):]
	}
	if len(block) == 0 {
		return 0
	}
	indexed := [...]int{200, 204, 206, 304, 400, 404, 500} // RFC 7541, appendix A, from 8 on
	index, literal := int(block[0]&127), false
	switch {
	case block[0]>>6 == 1:
		index, literal = int(block[0]&63), true
	case block[0]>>7 == 0:
		index, literal = int(block[0]&15), true
	}
	if index < 8 || index > 14 {
		return 0
	}
	if !literal {
		return indexed[index-8]
	}
	if len(block) < 2 || len(block) < 2+int(block[1]&127) {
		return 0
	}
	value := block[2 : 2+int(block[1]&127)]
	if block[1]&128 != 0 {
		return huffmanDigits(value)
	}
	if len(value) != 3 {
		return 0
	}
	return statusOf(value)
}

// huffmanDigits reads digits in Huffman's code: 0 to 2 have five bits, 3 to 9 six (RFC 7541, appendix B), and the rest of the last octet
// is ones. It is 0 where they are none.
func huffmanDigits(b []byte) (n int) {
	var bits uint64
	have := 0
	for len(b) > 0 || have >= 5 {
		for have <= 48 && len(b) > 0 {
			bits, have, b = bits<<8|uint64(b[0]), have+8, b[1:]
		}
		switch five := int(bits >> (have - 5) & 31); {
		case five <= 2:
			n, have = n*10+five, have-5
		case have >= 6 && bits>>(have-6)&63 >= 25 && bits>>(have-6)&63 <= 31:
			n, have = n*10+int(bits>>(have-6)&63)-22, have-6
		case have < 8 && bits&(1<<have-1) == 1<<have-1:
			return n
		default:
			return 0
		}
		if n > 1<<48 {
			return 0
		}
	}
	return n
}

// staticLength is Content-Length's place in HPACK's static table: RFC 7541, appendix A.
const staticLength = 28

// hpackLength reads Content-Length from a response's block, -1 where it has none. Names in Huffman's code are not read: encoders have
// the field in their table.
func hpackLength(block []byte) int64 {
	for len(block) > 0 {
		first := block[0]
		prefix := 4
		switch {
		case first>>7 == 1:
			prefix = 7
		case first>>6 == 1:
			prefix = 6
		case first>>5 == 1:
			prefix = 5
		}
		index, rest, ok := hpackInt(block, prefix)
		if !ok {
			return -1
		}
		if block = rest; prefix == 7 || prefix == 5 { // a whole field of a table, or the table's size
			continue
		}
		named := index == staticLength
		if index == 0 {
			name, coded, rest, ok := hpackString(block)
			if !ok {
				return -1
			}
			named, block = !coded && string(name) == "content-length", rest
		}
		value, coded, rest, ok := hpackString(block)
		if !ok {
			return -1
		}
		block = rest
		switch {
		case !named:
		case coded:
			return int64(huffmanDigits(value))
		default:
			n := int64(0)
			for _, c := range value[:min(len(value), 15)] {
				if c < '0' || c > '9' {
					return -1
				}
				n = n*10 + int64(c-'0')
			}
			return n
		}
	}
	return -1
}

// hpackInt reads an integer with a prefix of so many bits: RFC 7541, section 5.1.
func hpackInt(b []byte, prefix int) (n int, rest []byte, ok bool) {
	if len(b) == 0 {
		return 0, nil, false
	}
	most := 1<<prefix - 1
	if n = int(b[0]) & most; n < most {
		return n, b[1:], true
	}
	for i, shift := 1, 0; i < len(b) && shift < 28; i, shift = i+1, shift+7 {
		n += int(b[i]&127) << shift
		if b[i]&128 == 0 {
			return n, b[i+1:], true
		}
	}
	return 0, nil, false
}

// hpackString reads a string, and whether it is in Huffman's code: RFC 7541, section 5.2.
func hpackString(b []byte) (text []byte, coded bool, rest []byte, ok bool) {
	n, rest, ok := hpackInt(b, 7)
	if !ok || n > len(rest) {
		return nil, false, nil, false
	}
	return rest[:n], b[0]&128 != 0, rest[n:], true
}
