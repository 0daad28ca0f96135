package h1

import (
	"encoding/binary"
	"math/bits"

	"github.com/whygate/whygate/internal/fault"
)

// Classes of octets, one bit each in the table class.
const (
	tokenOctet  = 1 << iota // RFC 9110, section 5.6.2: tchar
	valueOctet              // RFC 9110, section 5.5: VCHAR, obs-text, SP, HTAB
	targetOctet             // RFC 9112, section 3.2: VCHAR but "#", since a request target has no fragment
	digitOctet
	hexOctet
	ctlOctet // CTL or obs-text: what text protocols do not begin with
)

// class is the classes of each octet.
var class = func() (t [256]uint8) {
	set := func(bit uint8, octets string) {
		for i := range len(octets) {
			t[octets[i]] |= bit
		}
	}
	const (
		digits  = "0123456789"
		letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	)
	set(tokenOctet, digits+letters+"!#$%&'*+-.^_`|~")
	set(digitOctet, digits)
	set(hexOctet, digits+"abcdefABCDEF")
	for c := range 256 {
		visible := 0x21 <= c && c <= 0x7e
		if visible || c >= 0x80 || c == ' ' || c == '\t' {
			t[c] |= valueOctet
		}
		if visible && c != '#' {
			t[c] |= targetOctet
		}
		if c < 0x20 || c >= 0x7f {
			t[c] |= ctlOctet
		}
	}
	return t
}()

// valueEnd finds the first octet from i on that cannot stand in a field value, len(b) if there is none.
//
// hot: most octets of a head are looked at here, so eight at a time. An octet below 0x20 borrows into its top bit when
// 0x20 is taken from it, as does a DEL turned to 0 by the exclusive or when 1 is; obs-text has that bit set before and is
// masked out. A borrow can only mark octets above a true find, so the lowest mark is right. HTAB is marked too but legal.
func valueEnd(b []byte, i int) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for i+8 <= len(b) {
		x := binary.LittleEndian.Uint64(b[i:])
		del := x ^ 0x7f*ones
		marks := ((x-0x20*ones)&^x | (del-ones)&^del) & tops
		if marks == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(marks) / 8
		if b[i] != '\t' {
			return i
		}
		i++
	}
	for i < len(b) && class[b[i]]&valueOctet != 0 {
		i++
	}
	return i
}

// lineEnd tells how many octets the line end at b[i], a CR or LF, has; 0 and RuleNone if its LF has not come yet.
func lineEnd(b []byte, i int, lim *Limits) (int, fault.Rule) {
	if b[i] == '\n' {
		if lim.BareLF {
			return 1, fault.RuleNone
		}
		return 0, fault.RuleBareLF
	}
	if i+1 == len(b) {
		return 0, fault.RuleNone
	}
	if b[i+1] != '\n' {
		return 0, fault.RuleBareCR
	}
	return 2, fault.RuleNone
}

func isLineEnd(c byte) bool { return c == '\r' || c == '\n' }
func isBlank(c byte) bool   { return c == ' ' || c == '\t' }

// trim removes the optional whitespace (RFC 9110, section 5.6.3) around b.
func trim(b []byte) []byte {
	for len(b) > 0 && isBlank(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isBlank(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}
