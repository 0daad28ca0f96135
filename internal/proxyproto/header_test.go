package proxyproto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"net/netip"
	"strings"
	"testing"
)

// v2 is a header of version 2.
func v2(command, family byte, rest string) string {
	return signature + string([]byte{command, family, byte(len(rest) >> 8), byte(len(rest))}) + rest
}

const four = "\x01\x02\x03\x04\x05\x06\x07\x08\x30\x39\x01\xbb"

func checksummed(rest string) string {
	b := []byte(v2(commandProxy, familyTCP4, rest+"\x03\x00\x04\x00\x00\x00\x00"))
	binary.BigEndian.PutUint32(b[len(b)-4:], crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	return string(b)
}

func TestRead(t *testing.T) {
	six := strings.Repeat("\x20\x01", 8) + strings.Repeat("\x20\x02", 8) + "\x00\x01\xff\xff"
	mapped := strings.Repeat("\x00", 10) + "\xff\xff\x01\x02\x03\x04" + strings.Repeat("\x00", 10) + "\xff\xff\x05\x06\x07\x08" + "\x00\x01\x00\x02"
	for in, want := range map[string]string{
		"PROXY TCP4 1.2.3.4 5.6.7.8 12345 443\r\n":                                   "1.2.3.4:12345 5.6.7.8:443",
		"PROXY TCP6 2001:db8::1 ::1 0 65535\r\n":                                     "[2001:db8::1]:0 [::1]:65535",
		"PROXY TCP6 ::ffff:1.2.3.4 ::ffff:5.6.7.8 1 2\r\n":                           "1.2.3.4:1 5.6.7.8:2",
		"PROXY UNKNOWN\r\n":                                                          "",
		"PROXY UNKNOWN ffff::1 whatever 1\r\n":                                       "",
		v2(commandProxy, familyTCP4, four):                                           "1.2.3.4:12345 5.6.7.8:443",
		v2(commandProxy, familyTCP4, four+"\x04\x00\x01x\xea\x00\x00"):               "1.2.3.4:12345 5.6.7.8:443",
		v2(commandProxy, familyTCP6, six):                                            "[2001:2001:2001:2001:2001:2001:2001:2001]:1 [2002:2002:2002:2002:2002:2002:2002:2002]:65535",
		v2(commandProxy, familyTCP6, mapped):                                         "1.2.3.4:1 5.6.7.8:2",
		v2(commandProxy, familyUnix, strings.Repeat("\x00", 216)):                    "",
		v2(commandProxy, familyNone, ""):                                             "",
		v2(commandLocal, familyNone, ""):                                             "",
		v2(commandLocal, 0x7f, "anything"):                                           "",
		checksummed(four):                                                            "1.2.3.4:12345 5.6.7.8:443",
		v2(commandProxy, familyTCP4, four+"\x04\x0f\xd0"+strings.Repeat("x", 0xfd0)): "1.2.3.4:12345 5.6.7.8:443",
	} {
		r := strings.NewReader(in + "GET / HTTP/1.1\r\n")
		h, err := Read(r)
		got := ""
		if h.Known() {
			got = h.Source.String() + " " + h.Destination.String()
		}
		if err != nil || got != want {
			t.Errorf("%q: %s, %v", in, got, err)
		}
		if rest, _ := io.ReadAll(r); string(rest) != "GET / HTTP/1.1\r\n" {
			t.Errorf("%q leaves %q", in, rest)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	wrong := []byte(checksummed(four))
	wrong[20] ^= 1
	for _, in := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03abc", "PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
		"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n", "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n", "PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n", "PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n",
		"PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n", "PROXY TCP4 1.2.3.4 5.6.7.8  2\r\n", "PROXY TCP4 ::1 5.6.7.8 1 2\r\n", "PROXY TCP6 1.2.3.4 ::1 1 2\r\n", "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
		"PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n", "PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n", "PROXY " + strings.Repeat("x", 200) + "\r\n",
		v2(0x11, familyTCP4, four), v2(0x22, familyTCP4, four), v2(commandProxy, 0x12, four), v2(commandProxy, familyTCP4, four[:11]), v2(commandProxy, familyTCP6, four),
		v2(commandProxy, familyTCP4, four+"\x04"), v2(commandProxy, familyTCP4, four+"\x04\x00\x02x"), v2(commandProxy, familyTCP4, four+"\x03\x00\x01x"), string(wrong),
		v2(commandProxy, familyTCP4, strings.Repeat("x", v2Max+1)),
	} {
		if h, err := Read(strings.NewReader(in + strings.Repeat(" ", 200))); !IsBroken(err) {
			t.Errorf("%q: %v, %v", in, h, err)
		}
	}
	whole := v2(commandProxy, familyTCP4, four)
	for n := range len(whole) {
		if _, err := Read(strings.NewReader(whole[:n])); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes of it: %v", n, err)
		}
	}
}

// What is written is read as it was meant.
func FuzzHeader(f *testing.F) {
	f.Add([]byte(v2(commandProxy, familyTCP4, four)))
	f.Add([]byte(checksummed(four)))
	f.Add([]byte("PROXY TCP6 2001:db8::1 ::1 0 65535\r\n"))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bytes.NewReader(in)
		h, err := Read(r)
		if err != nil {
			return
		}
		if used := len(in) - r.Len(); used > v2Max+16 {
			t.Errorf("%d bytes were read", used)
		}
		for version := 1; version <= 2; version++ {
			again, err := Read(bytes.NewReader(h.Append(nil, version)))
			if err != nil || again != h {
				t.Errorf("%v as version %d is read as %v, %v", h, version, again, err)
			}
		}
	})
}

func TestAppend(t *testing.T) {
	mixed := Header{netip.MustParseAddrPort("1.2.3.4:1"), netip.MustParseAddrPort("[2001:db8::1]:2")}
	for version, want := range map[int]string{
		1: "PROXY TCP6 ::ffff:1.2.3.4 2001:db8::1 1 2\r\n",
		2: v2(commandProxy, familyTCP6, strings.Repeat("\x00", 10)+"\xff\xff\x01\x02\x03\x04\x20\x01\x0d\xb8"+strings.Repeat("\x00", 11)+"\x01\x00\x01\x00\x02"),
	} {
		if got := string(mixed.Append(nil, version)); got != want {
			t.Errorf("version %d: %q", version, got)
		}
	}
}
