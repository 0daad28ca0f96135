package explain

import (
	"encoding/binary"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// utf16Order tells by the first octets whether a text is UTF-16, as PowerShell's > writes it: by its byte order mark, or by
// the zeros of its letters. nil stands for no.
func utf16Order(head []byte) binary.ByteOrder {
	switch {
	case len(head) < 4:
		return nil
	case head[0] == 0xff && head[1] == 0xfe, head[1] == 0 && head[3] == 0 && head[0] != 0 && head[2] != 0:
		return binary.LittleEndian
	case head[0] == 0xfe && head[1] == 0xff, head[0] == 0 && head[2] == 0 && head[1] != 0 && head[3] != 0:
		return binary.BigEndian
	}
	return nil
}

// utf16Reader gives UTF-16 as UTF-8.
type utf16Reader struct {
	r     io.Reader
	order binary.ByteOrder
	in    [8 << 10]byte
	held  int    // octets of in that were read and not decoded
	out   []byte // decoded, and not given yet
	high  rune   // the first half of a pair, 0 for none
	err   error
}

func newUTF16(r io.Reader, order binary.ByteOrder) *utf16Reader {
	return &utf16Reader{r: r, order: order}
}

func (u *utf16Reader) Read(p []byte) (int, error) {
	for len(u.out) == 0 {
		if u.err != nil {
			return 0, u.err
		}
		var n int
		n, u.err = u.r.Read(u.in[u.held:])
		u.held += n
		u.decode()
	}
	n := copy(p, u.out)
	u.out = u.out[n:]
	return n, nil
}

func (u *utf16Reader) decode() {
	u.out = u.out[:0]
	i := 0
	for ; i+2 <= u.held; i += 2 {
		switch c := rune(u.order.Uint16(u.in[i:])); {
		case c == 0xfeff: // a byte order mark
		case u.high != 0:
			u.out = utf8.AppendRune(u.out, utf16.DecodeRune(u.high, c))
			u.high = 0
		case c >= 0xd800 && c < 0xdc00:
			u.high = c
		default:
			u.out = utf8.AppendRune(u.out, c)
		}
	}
	u.held = copy(u.in[:], u.in[i:u.held])
}
