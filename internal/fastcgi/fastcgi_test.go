package fastcgi

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// TestRecords: what is written is what the specification says, to the octet.
func TestRecords(t *testing.T) {
	if got, want := AppendBegin(nil), "\x01\x01\x00\x01\x00\x08\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00"; string(got) != want {
		t.Errorf("% x", got)
	}
	if got, want := AppendParam(nil, "A", bytes.Repeat([]byte{'x'}, 200)), "\x01\x80\x00\x00\xc8A"+strings.Repeat("x", 200); string(got) != want {
		t.Errorf("% x", got)
	}
	if got, want := AppendStream(nil, Stdin, []byte("abc")), "\x01\x05\x00\x01\x00\x03\x05\x00abc\x00\x00\x00\x00\x00"; string(got) != want {
		t.Errorf("% x", got)
	}
	if got, want := AppendStream(nil, Stdin, nil), "\x01\x05\x00\x01\x00\x00\x00\x00"; string(got) != want {
		t.Errorf("% x", got)
	}
	long := AppendStream(nil, Stdin, make([]byte, 100_000))
	for rest, sum := long, 0; ; {
		n := int(rest[4])<<8 | int(rest[5])
		sum += n
		rest = rest[HeaderSize+n+int(rest[6]):]
		if len(rest) == 0 {
			if sum != 100_000 {
				t.Errorf("%d octets", sum)
			}
			break
		}
	}
}

func TestParseHeader(t *testing.T) {
	for text, ok := range map[string]bool{
		"\x01\x06\x00\x01\x00\x03\x05\x00": true, "\x01\x07\x00\x01\xff\xff\x00\x00": true, "\x01\x03\x00\x01\x00\x08\x00\x00": true,
		"\x02\x06\x00\x01\x00\x03\x05\x00": false, "\x01\x06\x00\x02\x00\x03\x05\x00": false, "\x01\x05\x00\x01\x00\x03\x05\x00": false,
		"\x01\x03\x00\x01\x00\x09\x00\x00": false, "HTTP/1.1": false,
	} {
		if _, err := ParseHeader([]byte(text)); (err == nil) != ok || err != nil && !errors.Is(err, ErrRecord) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestParseHead(t *testing.T) {
	h, n, err := ParseHead([]byte("Status: 404 Not Found\r\nContent-type: text/html\r\nX: \r\ncontent-length: 3\r\n\r\nabc"))
	if err != nil || h.Status != 404 || string(h.Reason) != "Not Found" || h.Length != 3 || len(h.Fields) != 2 || n != 74 {
		t.Errorf("%+v, %d, %v", h, n, err)
	}
	if h, _, _ = ParseHead([]byte("Location: /x\n\n")); h.Status != 302 || h.Length != -1 {
		t.Errorf("%+v", h)
	}
	if _, n, err = ParseHead([]byte("Status: 200\r\n")); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	for _, bad := range []string{"no header\n\n", "A B: c\n\n", "A: b\x00\n\n", "Status: abc\n\n", "Status: 99\n\n", "Content-Length: -1\n\n", ": x\n\n", strings.Repeat("A: b\n", 300) + "\n", strings.Repeat("x", HeadMax)} {
		if _, _, err := ParseHead([]byte(bad)); !errors.Is(err, ErrHead) {
			t.Errorf("%.40q: %v", bad, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("\x01\x06\x00\x01\x00\x03\x05\x00Status: 200\r\nA: b\r\n\r\nx"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= HeaderSize {
			if h, err := ParseHeader(b); err == nil && (h.Content > 0xffff || h.Padding > 255) {
				t.Errorf("%+v", h)
			}
			_, _, _ = ParseEnd(b[:HeaderSize])
		}
		h, n, err := ParseHead(b)
		if err == nil && n > 0 && (h.Status < 200 || h.Status > 599 || n > len(b)) {
			t.Errorf("%+v, %d", h, n)
		}
		for _, l := range h.Fields {
			if bytes.ContainsAny(l.Value, "\r\n\x00") || bytes.ContainsAny(l.Name, "\r\n\x00: ") {
				t.Errorf("%q: %q", l.Name, l.Value)
			}
		}
	})
}
