package httpmsg

// ValidHost checks uri-host [ ":" port ] (RFC 9110, section 7.2, by RFC 3986, section 3.2.2) and returns where it is
// broken. An empty host is refused: it is legal only for URIs that have no authority, and http URIs must have one.
//
// hot: once per request.
func ValidHost(h []byte) (at int, ok bool) {
	i := 0
	if len(h) > 0 && h[0] == '[' {
		i = addressEnd(h)
		if i < 0 {
			return 0, false
		}
	} else {
		for i < len(h) && hostOctets[h[i]] || encoded(h, i) {
			i++
		}
		if i == 0 {
			return 0, false
		}
	}
	if i == len(h) {
		return i, true
	}
	if h[i] != ':' {
		return i, false
	}
	return validPort(h, i+1)
}

// encoded reports whether h[i] begins, or is inside, a pct-encoded octet.
func encoded(h []byte, i int) bool {
	return i+2 < len(h) && h[i] == '%' && isHex(h[i+1]) && isHex(h[i+2])
}

// addressEnd is where the IPv6 address in brackets at the front of h ends, -1 if it is none. Zones (RFC 6874) mean
// nothing to anyone but the sender, and no IPvFuture was ever defined: both are refused.
func addressEnd(h []byte) int {
	colons := 0
	for i := 1; i < len(h); i++ {
		switch c := h[i]; {
		case c == ':':
			colons++
		case c == ']':
			if colons < 2 {
				return -1
			}
			return i + 1
		case c != '.' && !isHex(c):
			return -1
		}
	}
	return -1
}

// validPort checks that h[from:] is a port of at most 65535, or empty as RFC 3986, section 3.2.3, allows.
func validPort(h []byte, from int) (at int, ok bool) {
	port := 0
	for i := from; i < len(h); i++ {
		if h[i] < '0' || h[i] > '9' {
			return i, false
		}
		if port = port*10 + int(h[i]-'0'); port > 0xffff {
			return i, false
		}
	}
	return len(h), true
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

// hostOctets are those of a reg-name without "%": unreserved and sub-delims of RFC 3986, section 3.2.2.
var hostOctets = func() (t [256]bool) {
	const octets = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._~!$&'()*+,;="
	for i := range len(octets) {
		t[octets[i]] = true
	}
	return t
}()
