package h2

import (
	"encoding/binary"
	"math/bits"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
)

// Classes of octets, one bit each in the table class.
const (
	nameOctet   = 1 << iota // RFC 9113, section 8.2: tchar of RFC 9110, section 5.6.2, in lower case
	tokenOctet              // the same in either case: methods
	valueOctet              // RFC 9110, section 5.5: VCHAR, obs-text, SP, HTAB
	targetOctet             // RFC 9112, section 3.2: VCHAR without "#", since a path and a query have no fragment
)

// class is the classes of each octet.
var class = func() (t [256]uint8) {
	const (
		lower = "0123456789abcdefghijklmnopqrstuvwxyz!#$%&'*+-.^_`|~"
		upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	)
	for i := range len(lower) {
		t[lower[i]] |= nameOctet | tokenOctet
	}
	for i := range len(upper) {
		t[upper[i]] |= tokenOctet
	}
	for c := range 256 {
		visible := 0x21 <= c && c <= 0x7e
		if visible || c >= 0x80 || c == ' ' || c == '\t' {
			t[c] |= valueOctet
		}
		if visible && c != '#' {
			t[c] |= targetOctet
		}
	}
	return t
}()

// allOf reports whether b has octets of that class only.
func allOf(b []byte, of uint8) bool {
	for _, c := range b {
		if class[c]&of == 0 {
			return false
		}
	}
	return true
}

// judgeName finds what a field name is, and the rule that it breaks.
//
// hot: once per name that is no table's.
func judgeName(name []byte) (httpmsg.ID, pseudo, fault.Rule) {
	if len(name) > 0 && name[0] == ':' {
		return httpmsg.Other, pseudoOf(name), fault.RuleNone
	}
	if len(name) == 0 || !allOf(name, nameOctet) {
		return httpmsg.Other, pseudoNone, fault.RuleH2FieldName
	}
	return httpmsg.Identify(name), pseudoNone, fault.RuleNone
}

// judgeValue finds the rule that a field value breaks. RFC 9113, section 8.2.1, wants NUL, CR and LF refused and leaves the other
// control characters to RFC 9110, section 5.5, which forbids them as well; what goes on as HTTP/1 must not have them.
//
// hot: once per value that is no table's.
func judgeValue(value []byte) fault.Rule {
	if len(value) == 0 {
		return fault.RuleNone
	}
	if isBlank(value[0]) || isBlank(value[len(value)-1]) {
		return fault.RuleH2FieldValue
	}
	i := valueEnd(value)
	switch {
	case i == len(value):
		return fault.RuleNone
	case value[i] == 0:
		return fault.RuleNUL
	}
	return fault.RuleFieldValue
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// valueEnd finds the first octet that cannot stand in a field value, len(b) if there is none.
//
// hot: most octets of a head are looked at here, so eight at a time. An octet below 0x20 borrows into its top bit when
// 0x20 is taken from it, as does a DEL turned to 0 by the exclusive or when 1 is; obs-text has that bit set before and is
// masked out. A borrow can only mark octets above a true find, so the lowest mark is right. HTAB is marked too but legal.
func valueEnd(b []byte) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	i := 0
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

// pseudo is a pseudo-field: RFC 9113, section 8.3, and RFC 8441, section 4.
type pseudo uint8

const (
	pseudoNone pseudo = iota
	pseudoMethod
	pseudoScheme
	pseudoAuthority
	pseudoPath
	pseudoProtocol
	pseudoStatus
	pseudoUnknown
	pseudos
)

var pseudoNames = [pseudos]string{
	pseudoMethod: ":method", pseudoScheme: ":scheme", pseudoAuthority: ":authority", pseudoPath: ":path", pseudoProtocol: ":protocol", pseudoStatus: ":status",
}

// pseudoOf finds a pseudo-field by its name, which begins with a colon.
func pseudoOf(name []byte) pseudo {
	for p := pseudoMethod; p < pseudoUnknown; p++ {
		if string(name) == pseudoNames[p] {
			return p
		}
	}
	return pseudoUnknown
}
