// Package fastcgi is the codec of FastCGI 1.0 for whoever asks an application: the records of one request, and those of its answer.
//
// It must not know connections, clocks, or what the parameters mean.
package fastcgi

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Kind is a record's type: section 8 of the specification.
type Kind uint8

// The kinds that a request and its answer are made of.
const (
	Begin  Kind = 1
	End    Kind = 3
	Params Kind = 4
	Stdin  Kind = 5
	Stdout Kind = 6
	Stderr Kind = 7
)

// Protocol statuses of an End record: section 5.5.
const (
	Complete       = 0
	CannotMultiply = 1 // the application answers one request at a time on a connection
	Overloaded     = 2
	UnknownRole    = 3
)

const (
	version    = 1
	request    = 1 // its id: one request on a connection
	responder  = 1 // the role
	HeaderSize = 8 // octets of a record's header
	pieceMax   = 32 << 10
	paramMax   = 1 << 20 // octets of a name or a value
)

// ErrRecord is wrapped by the errors of ParseHeader and ParseEnd.
var ErrRecord = errors.New("not a record of FastCGI")

// AppendBegin appends the record that begins a request. The application closes the connection after it.
func AppendBegin(dst []byte) []byte {
	dst = appendHeader(dst, Begin, 8, 0)
	return append(dst, 0, responder, 0, 0, 0, 0, 0, 0)
}

func appendHeader(dst []byte, k Kind, content, padding int) []byte {
	return append(dst, version, byte(k), 0, request, byte(content>>8), byte(content), byte(padding), 0)
}

// AppendStream appends a piece of a stream, in as many records as it takes. An empty one ends the stream.
func AppendStream(dst []byte, k Kind, piece []byte) []byte {
	if len(piece) == 0 {
		return appendHeader(dst, k, 0, 0)
	}
	for len(piece) > 0 {
		n := min(len(piece), pieceMax)
		padding := -n & 7
		dst = append(appendHeader(dst, k, n, padding), piece[:n]...)
		dst = append(dst, make([]byte, padding)...)
		piece = piece[n:]
	}
	return dst
}

// AppendParam appends a name and its value as the stream of parameters has them: section 3.4. Longer ones than 1 MiB are left out.
func AppendParam(dst []byte, name string, value []byte) []byte {
	if len(name) > paramMax || len(value) > paramMax {
		return dst
	}
	dst = appendLength(appendLength(dst, len(name)), len(value))
	return append(append(dst, name...), value...)
}

func appendLength(dst []byte, n int) []byte {
	if n < 128 {
		return append(dst, byte(n))
	}
	return binary.BigEndian.AppendUint32(dst, uint32(n)|1<<31)
}

// Header is a record's header.
type Header struct {
	Kind    Kind
	Content int // octets
	Padding int // octets behind the content
}

// ParseHeader reads the header of a record that an application sends. b has HeaderSize octets at least.
func ParseHeader(b []byte) (Header, error) {
	h := Header{Kind(b[1]), int(b[4])<<8 | int(b[5]), int(b[6])}
	switch {
	case b[0] != version:
		return h, fmt.Errorf("%w: version %d, not 1", ErrRecord, b[0])
	case b[2] != 0 || b[3] != request:
		return h, fmt.Errorf("%w: the request %d, not 1", ErrRecord, int(b[2])<<8|int(b[3]))
	case h.Kind != Stdout && h.Kind != Stderr && h.Kind != End:
		return h, fmt.Errorf("%w: type %d from an application", ErrRecord, h.Kind)
	case h.Kind == End && h.Content != 8:
		return h, fmt.Errorf("%w: an end of %d bytes, not 8", ErrRecord, h.Content)
	}
	return h, nil
}

// ParseEnd reads the content of an End record.
func ParseEnd(b []byte) (application uint32, protocol byte, err error) {
	if len(b) != 8 {
		return 0, 0, fmt.Errorf("%w: an end of %d bytes, not 8", ErrRecord, len(b))
	}
	return binary.BigEndian.Uint32(b), b[4], nil
}
