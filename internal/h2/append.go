package h2

import "encoding/binary"

// AppendFrameHead appends the head of a frame with a payload of length octets, at most FrameMax.
//
// hot: once per frame written.
func AppendFrameHead(dst []byte, length int, t FrameType, flags uint8, stream uint32) []byte {
	return append(dst, byte(length>>16), byte(length>>8), byte(length), byte(t), flags,
		byte(stream>>24), byte(stream>>16), byte(stream>>8), byte(stream))
}

// patchLength sets the length in the head of a frame.
func patchLength(frame []byte, length int) {
	frame[0], frame[1], frame[2] = byte(length>>16), byte(length>>8), byte(length)
}

// BeginHeaders appends the head of a HEADERS frame whose block is still to be appended. FinishHeaders completes it.
func BeginHeaders(dst []byte, stream uint32) []byte {
	return AppendBlockStart(AppendFrameHead(dst, 0, Headers, 0, stream))
}

// FinishHeaders completes the HEADERS frame that begins at dst[at:] and whose block ends where dst does. A block that does not
// fit one frame is divided into CONTINUATION frames.
//
// hot: once per head.
func FinishHeaders(dst []byte, at int, stream uint32, end bool) []byte {
	flags := uint8(0)
	if end {
		flags = FlagEndStream
	}
	length := len(dst) - at - FrameHead
	if length <= FrameMax {
		patchLength(dst[at:], length)
		dst[at+4] = flags | FlagEndHeaders
		return dst
	}
	patchLength(dst[at:], FrameMax)
	dst[at+4] = flags
	rest := append([]byte(nil), dst[at+FrameHead+FrameMax:]...)
	dst = dst[:at+FrameHead+FrameMax]
	for len(rest) > FrameMax {
		dst = append(AppendFrameHead(dst, FrameMax, Continuation, 0, stream), rest[:FrameMax]...)
		rest = rest[FrameMax:]
	}
	return append(AppendFrameHead(dst, len(rest), Continuation, FlagEndHeaders, stream), rest...)
}

// SetStream gives a head that was appended for one stream to another: HEADERS and its CONTINUATIONs, which are all that is in frames.
// Who opens a stream learns its identifier only when the order on the connection is fixed.
func SetStream(frames []byte, stream uint32) {
	for len(frames) >= FrameHead {
		binary.BigEndian.PutUint32(frames[5:], stream)
		frames = frames[FrameHead+(int(frames[0])<<16|int(frames[1])<<8|int(frames[2])):]
	}
}

// AppendDataHead appends the head of a DATA frame with n octets, at most FrameMax, which the caller appends.
//
// hot: once per piece of a body.
func AppendDataHead(dst []byte, stream uint32, n int, end bool) []byte {
	flags := uint8(0)
	if end {
		flags = FlagEndStream
	}
	return AppendFrameHead(dst, n, Data, flags, stream)
}

// AppendRSTStream appends RST_STREAM. Whoever has a Conn uses its Reset, which remembers it.
func AppendRSTStream(dst []byte, stream uint32, code Code) []byte {
	return binary.BigEndian.AppendUint32(AppendFrameHead(dst, 4, RSTStream, 0, stream), uint32(code))
}

// AppendPing appends PING with its eight octets.
func AppendPing(dst []byte, ack bool, octets [8]byte) []byte {
	flags := uint8(0)
	if ack {
		flags = FlagAck
	}
	return append(AppendFrameHead(dst, 8, Ping, flags, 0), octets[:]...)
}

// AppendWindowUpdate appends WINDOW_UPDATE for a stream, or for the connection where stream is 0.
func AppendWindowUpdate(dst []byte, stream uint32, n int64) []byte {
	return binary.BigEndian.AppendUint32(AppendFrameHead(dst, 4, WindowUpdate, 0, stream), uint32(n))
}

// debugMax is how much of a GOAWAY's debug data is sent or taken, in octets.
const debugMax = 256

// AppendGoAway appends GOAWAY. Whoever has a Conn uses its GoAway, which remembers it.
func AppendGoAway(dst []byte, last uint32, code Code, debug string) []byte {
	debug = debug[:min(len(debug), debugMax)]
	dst = AppendFrameHead(dst, 8+len(debug), GoAway, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, last)
	return append(binary.BigEndian.AppendUint32(dst, uint32(code)), debug...)
}

// AppendPriorityUpdate appends PRIORITY_UPDATE with a priority field value: RFC 9218, section 7.1.
func AppendPriorityUpdate(dst []byte, stream uint32, value []byte) []byte {
	dst = AppendFrameHead(dst, 4+len(value), PriorityUpdate, 0, 0)
	return append(binary.BigEndian.AppendUint32(dst, stream), value...)
}
