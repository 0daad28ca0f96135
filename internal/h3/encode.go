package h3

import (
	"strconv"

	"github.com/whygate/whygate/internal/h2"
	"github.com/whygate/whygate/internal/httpmsg"
)

// The encoder refers to the static table alone, so that blocks can be made by anybody in any order. Strings are not Huffman-coded: it
// would cost more than the octets that it saves.

const (
	indexedStatic = 0xc0 // RFC 9204, section 4.5.2, with T
	namedStatic   = 0x50 // section 4.5.4, with T
	namedLiteral  = 0x20 // section 4.5.6
	neverNamed    = 0x20 // N of section 4.5.4
	neverLiteral  = 0x10 // N of section 4.5.6
)

// headRoom is how many octets BeginHeaders leaves for the frame's header: the type, and a length of four octets.
const headRoom = 5

// BeginHeaders begins a HEADERS frame at the end of dst. FinishHeaders ends it.
func BeginHeaders(dst []byte) []byte {
	return append(dst, byte(Headers), 0x80, 0, 0, 0, 0, 0) // and the prefix of section 4.5.1: no required insert count, no base
}

// FinishHeaders ends the frame that BeginHeaders began at that place.
func FinishHeaders(dst []byte, at int) []byte {
	n := len(dst) - at - headRoom
	dst[at+1], dst[at+2], dst[at+3], dst[at+4] = 0x80|byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
	return dst
}

// AppendStatus appends :status, of three digits.
//
// hot: once per response.
func AppendStatus(dst []byte, status int) []byte {
	if i, is := statuses[status]; is {
		return h2.AppendInteger(dst, indexedStatic, 6, i)
	}
	dst = h2.AppendInteger(dst, namedStatic, 4, statuses[200])
	return append(dst, 3, byte('0'+status/100%10), byte('0'+status/10%10), byte('0'+status%10))
}

// statuses has the static table's index of each :status. It is only read.
var statuses = func() map[int]int {
	out := map[int]int{}
	for i, f := range staticTable {
		if f.name == ":status" {
			n, _ := strconv.Atoi(f.value)
			out[n] = i
		}
	}
	return out
}()

// names has the static table's names by length, each with its first index.
var names = func() (t [48][]uint8) {
	seen := map[string]bool{}
	for i, f := range staticTable {
		if !seen[f.name] {
			seen[f.name] = true
			t[len(f.name)] = append(t[len(f.name)], uint8(i))
		}
	}
	return t
}()

// staticName is the first index of a name, compared without case, -1 if the table has none.
//
// hot: once per field written.
func staticName(name []byte) int {
	if len(name) >= len(names) || len(name) == 0 {
		return -1
	}
	for _, i := range names[len(name)] {
		if httpmsg.EqualFold(name, staticTable[i].name) {
			return int(i)
		}
	}
	return -1
}

// AppendField appends one field. The name is written in lower case. sensitive says that it must be in no compression table.
//
// hot: once per field.
func AppendField(dst, name, value []byte, sensitive bool) []byte {
	if i := staticName(name); i >= 0 {
		first := uint8(namedStatic)
		if sensitive {
			first |= neverNamed
		}
		dst = h2.AppendInteger(dst, first, 4, i)
	} else {
		first := uint8(namedLiteral)
		if sensitive {
			first |= neverLiteral
		}
		dst = append(h2.AppendInteger(dst, first, 3, len(name)), name...)
		lowered := dst[len(dst)-len(name):]
		for i, c := range lowered {
			if 'A' <= c && c <= 'Z' {
				lowered[i] = c | 0x20
			}
		}
	}
	return append(h2.AppendInteger(dst, 0, 7, len(value)), value...)
}

// AppendFields appends all fields that go onto a connection of HTTP/3.
//
// hot: once per message.
func AppendFields(dst []byte, f *httpmsg.Fields) []byte {
	for i := range f.Len() {
		if h2.Carried(f, i) {
			dst = AppendField(dst, f.Name(i), f.Value(i), f.Span(i).Sensitive)
		}
	}
	return dst
}

// AppendLength appends content-length for a length that is known, and nothing for another.
func AppendLength(dst []byte, length int64) []byte {
	if length < 0 {
		return dst
	}
	var digits [20]byte
	return AppendField(dst, []byte("content-length"), strconv.AppendInt(digits[:0], length, 10), false)
}
