// Package proxyproto is the PROXY protocol, versions 1 and 2 (HAProxy's doc/proxy-protocol.txt): what a proxy says at the beginning of a
// connection about the one that it carries.
//
// It must not know what is spoken after it, nor which proxies are trusted.
package proxyproto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// Header is what a proxy says. Without addresses it speaks for itself, as in a health check, or does not know them.
type Header struct {
	Source, Destination netip.AddrPort // of the client's connection; both valid or neither
}

// Known reports whether the header says who the client is.
func (h Header) Known() bool { return h.Source.IsValid() && h.Destination.IsValid() }

// Bounds of a header, in bytes.
const (
	v1Max     = 107     // section 2.1, with its CRLF
	v2Max     = 4 << 10 // what follows the 16 bytes of version 2: addresses, and what proxies add to them, such as a certificate's names
	firstRead = 12      // read first: every header has more
)

// signature begins version 2.
const signature = "\r\n\r\n\x00\r\nQUIT\n"

// Error is that a connection does not begin with a header, or with one that breaks a rule.
type Error struct{ What string }

func (e *Error) Error() string { return "PROXY protocol: " + e.What }

func broken(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

// Read reads a header, and nothing behind it. The error is an *Error, or the reader's.
func Read(r io.Reader) (Header, error) {
	var b [v1Max]byte
	if _, err := io.ReadFull(r, b[:firstRead]); err != nil {
		return Header{}, err
	}
	switch {
	case string(b[:firstRead]) == signature:
		return readV2(r)
	case !bytes.HasPrefix(b[:], []byte("PROXY ")):
		return Header{}, broken("the connection does not begin with it")
	}
	n := firstRead
	for ; !bytes.HasSuffix(b[:n], []byte("\r\n")); n++ { // one at a time: what follows is not ours
		if n == v1Max {
			return Header{}, broken("a line of version 1 is longer than %d bytes", v1Max)
		}
		if _, err := io.ReadFull(r, b[n:n+1]); err != nil {
			return Header{}, err
		}
	}
	return parseV1(string(b[:n-2]))
}

// parseV1 reads a line without its CRLF.
func parseV1(line string) (Header, error) {
	f := strings.Split(line, " ")
	if len(f) >= 2 && f[1] == "UNKNOWN" { // what follows is to be ignored
		return Header{}, nil
	}
	if len(f) != 6 || f[1] != "TCP4" && f[1] != "TCP6" {
		return Header{}, broken("the line of version 1 is not PROXY TCP4|TCP6|UNKNOWN with two addresses and two ports")
	}
	var h Header
	for i, to := range []*netip.AddrPort{&h.Source, &h.Destination} {
		addr, err := netip.ParseAddr(f[2+i])
		if err != nil || addr.Zone() != "" || addr.Is4() != (f[1] == "TCP4") {
			return Header{}, broken("an address is none of %s", f[1])
		}
		port, err := strconv.ParseUint(f[4+i], 10, 16)
		if err != nil || len(f[4+i]) > 1 && f[4+i][0] == '0' || f[4+i][0] == '+' {
			return Header{}, broken("a port is not between 0 and 65535")
		}
		*to = netip.AddrPortFrom(addr.Unmap(), uint16(port))
	}
	return h, nil
}

// What version 2 has in its 13th and 14th byte.
const (
	commandLocal = 0x20
	commandProxy = 0x21
	familyTCP4   = 0x11
	familyTCP6   = 0x21
	familyUnix   = 0x31
	familyNone   = 0x00
)

// sizes are how many bytes of addresses each family has.
var sizes = map[byte]int{familyNone: 0, familyTCP4: 12, familyTCP6: 36, familyUnix: 216}

// readV2 reads what follows the signature.
func readV2(r io.Reader) (Header, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return Header{}, err
	}
	n := int(binary.BigEndian.Uint16(head[2:]))
	if head[0] != commandLocal && head[0] != commandProxy {
		return Header{}, broken("version and command are 0x%02x, and neither 0x20 nor 0x21", head[0])
	}
	if n > v2Max {
		return Header{}, broken("the header has %d bytes, more than %d", n, v2Max)
	}
	rest := make([]byte, n)
	if _, err := io.ReadFull(r, rest); err != nil {
		return Header{}, err
	}
	size, known := sizes[head[1]]
	if head[0] == commandLocal && !known {
		size, known = n, true // the addresses are to be ignored, of whatever family
	}
	switch {
	case !known:
		return Header{}, broken("the family 0x%02x is none of a stream", head[1])
	case n < size:
		return Header{}, broken("%d bytes are too few for the family 0x%02x", n, head[1])
	}
	if err := checkAdded(append([]byte(signature), head[:]...), rest, size); err != nil {
		return Header{}, err
	}
	if head[0] == commandLocal {
		return Header{}, nil
	}
	switch head[1] {
	case familyTCP4:
		return addresses(rest, 4), nil
	case familyTCP6:
		return addresses(rest, 16), nil
	}
	return Header{}, nil
}

// addresses reads two addresses of so many bytes, and two ports.
func addresses(b []byte, size int) Header {
	one := func(addr, port []byte) netip.AddrPort {
		a, _ := netip.AddrFromSlice(addr)
		return netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(port))
	}
	ports := b[2*size:]
	return Header{one(b[:size], ports), one(b[size:2*size], ports[2:])}
}

// typeCRC32C is a checksum of the whole header (section 2.2.3): whoever gets one must check it.
const typeCRC32C = 0x03

// checkAdded walks over what proxies add behind the addresses: a type, a length in two bytes, a value.
func checkAdded(head, rest []byte, at int) error {
	for at < len(rest) {
		if len(rest)-at < 3 {
			return broken("what is added to the addresses is cut short")
		}
		n := int(binary.BigEndian.Uint16(rest[at+1:]))
		value := rest[at+3:]
		if n > len(value) {
			return broken("what is added to the addresses is cut short")
		}
		if rest[at] == typeCRC32C {
			if n != 4 {
				return broken("the checksum has %d bytes", n)
			}
			want := binary.BigEndian.Uint32(value)
			zeroed := append(append([]byte(nil), head...), rest...)
			copy(zeroed[len(head)+at+3:], make([]byte, 4))
			if crc32.Checksum(zeroed, crc32.MakeTable(crc32.Castagnoli)) != want {
				return broken("the checksum is wrong")
			}
		}
		at += 3 + n
	}
	return nil
}

// IsBroken reports whether an error of Read says that the connection does not begin as it should.
func IsBroken(err error) bool {
	var e *Error
	return errors.As(err, &e)
}

// Append appends a header of version 1 or 2. Without addresses it says that they are not known, or in version 2 that the proxy speaks for
// itself. Addresses of two families are written as IPv6.
func (h Header) Append(dst []byte, version int) []byte {
	from, to := h.Source, h.Destination
	four := from.Addr().Unmap().Is4() && to.Addr().Unmap().Is4()
	if version == 1 {
		switch {
		case !h.Known():
			return append(dst, "PROXY UNKNOWN\r\n"...)
		case four:
			return fmt.Appendf(dst, "PROXY TCP4 %s %s %d %d\r\n", from.Addr().Unmap(), to.Addr().Unmap(), from.Port(), to.Port())
		}
		six := func(a netip.Addr) netip.Addr { return netip.AddrFrom16(a.As16()).WithZone("") }
		return fmt.Appendf(dst, "PROXY TCP6 %s %s %d %d\r\n", six(from.Addr()), six(to.Addr()), from.Port(), to.Port())
	}
	dst = append(dst, signature...)
	switch {
	case !h.Known():
		return append(dst, commandLocal, familyNone, 0, 0)
	case four:
		dst = append(dst, commandProxy, familyTCP4, 0, byte(sizes[familyTCP4]))
		a, b := from.Addr().Unmap().As4(), to.Addr().Unmap().As4()
		dst = append(append(dst, a[:]...), b[:]...)
	default:
		dst = append(dst, commandProxy, familyTCP6, 0, byte(sizes[familyTCP6]))
		a, b := from.Addr().As16(), to.Addr().As16()
		dst = append(append(dst, a[:]...), b[:]...)
	}
	dst = binary.BigEndian.AppendUint16(dst, from.Port())
	return binary.BigEndian.AppendUint16(dst, to.Port())
}
