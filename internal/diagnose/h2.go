package diagnose

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// H2 is what became of the same request by HTTP/2.
type H2 struct {
	Status   int         `json:"status,omitempty"`
	BodySize int64       `json:"body_octets,omitempty"`
	Complete bool        `json:"complete"`        // the stream came to its end
	Error    string      `json:"error,omitempty"` // what ended it instead, in words
	Frame    string      `json:"frame,omitempty"` // RST_STREAM or GOAWAY, where one did
	Code     string      `json:"code,omitempty"`  // its error code, by its name in RFC 9113, section 7
	Debug    string      `json:"debug,omitempty"` // what GOAWAY added
	Settings bool        `json:"settings"`        // the server sent its SETTINGS
	Cause    fault.Cause `json:"cause"`
	Tries    int         `json:"tries"` // how often it was asked: a failure is looked at twice
	Took     Millis      `json:"took_ms"`

	cut    bool  // the budget ended it
	length int64 // Content-Length, -1 where there is none
}

// h2Codes are the error codes of RFC 9113, section 7.
var h2Codes = [...]string{
	"NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED", "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL",
	"COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
}

// Those of them that decide.
const (
	h2RefusedStream  = 7
	h2HTTP11Required = 13
)

// Types and flags of frames: RFC 9113, section 6.
const (
	frameData         = 0
	frameHeaders      = 1
	frameRSTStream    = 3
	frameSettings     = 4
	framePing         = 6
	frameGoAway       = 7
	frameWindowUpdate = 8
	frameContinuation = 9

	flagEndStream  = 1
	flagAck        = 1
	flagEndHeaders = 4
	flagPadded     = 8
	flagPriority   = 32
)

const (
	h2Preface  = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	h2FrameMax = 16 << 10 // the largest frame that we take, which is the least that everybody must
	h2Frames   = 100_000  // the most frames of one answer
)

// probeH2 asks by HTTP/2, and once more if that fails: one failure may be chance.
func (s *shaker) probeH2(ctx context.Context, fields []Field) *H2 {
	h := s.askH2(ctx, fields)
	if h.Error != "" && ctx.Err() == nil && h.Cause != fault.CauseHTTP2NotWanted {
		h = s.askH2(ctx, fields)
		h.Tries++
	}
	return h
}

// askH2 makes one connection and one stream.
func (s *shaker) askH2(ctx context.Context, fields []Field) *H2 {
	h := &H2{Tries: 1, length: -1}
	began := time.Now()
	defer func() { h.Took = Millis(time.Since(began)) }()
	short, cancel := context.WithTimeout(ctx, 2*s.o.timeout())
	defer cancel()
	nc, err := s.openH2(short)
	if err != nil {
		h.failed(err)
		h.cut = ctx.Err() != nil
		return h
	}
	defer nc.Close()
	stop := context.AfterFunc(short, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	x := &h2Exchange{H2: h, in: bufio.NewReader(nc), out: nc}
	if _, err = nc.Write(s.requestH2(fields)); err == nil {
		err = x.read(short, s.o.timeout(), nc)
	}
	if err != nil && !h.Complete && h.Error == "" {
		h.failed(err)
	}
	h.checkLength(s.o.method())
	h.cut = h.Error != "" && ctx.Err() != nil
	return h
}

// openH2 opens a connection on which HTTP/2 is agreed.
func (s *shaker) openH2(ctx context.Context) (net.Conn, error) {
	d := net.Dialer{Timeout: s.o.timeout()}
	nc, err := d.DialContext(ctx, s.network, s.address)
	if err != nil {
		return nil, err
	}
	c := s.config()
	c.NextProtos = []string{"h2"}
	session := tls.Client(nc, c)
	if err := session.HandshakeContext(ctx); err != nil {
		_ = nc.Close()
		return nil, err
	}
	return session, nil
}

// requestH2 is the preface, SETTINGS, a window for the whole answer, and the request's HEADERS on stream 1.
func (s *shaker) requestH2(fields []Field) []byte {
	block := hpackField(nil, ":method", s.o.method())
	block = hpackField(block, ":scheme", "https")
	block = hpackField(block, ":authority", s.target.Authority)
	block = hpackField(block, ":path", s.target.Path)
	for _, f := range fields {
		switch name := strings.ToLower(f.Name); name {
		case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "te", "host": // RFC 9113, section 8.2.2
		default:
			block = hpackField(block, name, f.Value)
		}
	}
	const window = bodyMax + 1<<20
	settings := binary.BigEndian.AppendUint32([]byte{0, 2, 0, 0, 0, 0, 0, 4}, window) // no push; the window of a stream
	b := appendFrame([]byte(h2Preface), frameSettings, 0, 0, settings)
	b = appendFrame(b, frameWindowUpdate, 0, 0, binary.BigEndian.AppendUint32(nil, window))
	kind, flags := byte(frameHeaders), byte(flagEndStream)
	for len(block) > h2FrameMax {
		b = appendFrame(b, kind, flags, 1, block[:h2FrameMax])
		kind, flags, block = frameContinuation, 0, block[h2FrameMax:]
	}
	return appendFrame(b, kind, flags|flagEndHeaders, 1, block)
}

func appendFrame(b []byte, kind, flags byte, stream uint32, payload []byte) []byte {
	b = append(b, byte(len(payload)>>16), byte(len(payload)>>8), byte(len(payload)), kind, flags)
	return append(binary.BigEndian.AppendUint32(b, stream), payload...)
}

// hpackField appends a literal field that is not indexed, without Huffman's code: RFC 7541, section 6.2.2.
func hpackField(b []byte, name, value string) []byte {
	b = append(b, 0)
	for _, text := range [...]string{name, value} {
		n := len(text)
		if n < 127 {
			b = append(b, byte(n))
		} else {
			b = append(b, 127)
			for n -= 127; n >= 128; n >>= 7 {
				b = append(b, byte(n)|128)
			}
			b = append(b, byte(n))
		}
		b = append(b, text...)
	}
	return b
}

// h2Exchange reads one connection's frames.
type h2Exchange struct {
	*H2
	in    *bufio.Reader
	out   io.Writer
	block []byte // of the HEADERS under way
}

// read reads frames until the stream has ended, in one way or another.
func (x *h2Exchange) read(ctx context.Context, patience time.Duration, nc net.Conn) error {
	payload := make([]byte, h2FrameMax)
	for range h2Frames {
		_ = nc.SetReadDeadline(time.Now().Add(patience))
		if ctx.Err() != nil { // its end had set a deadline, which this one undid
			return ctx.Err()
		}
		var head [9]byte
		if _, err := io.ReadFull(x.in, head[:]); err != nil {
			return err
		}
		size := int(head[0])<<16 | int(head[1])<<8 | int(head[2])
		if size > h2FrameMax || !x.Settings && head[3] != frameSettings {
			return errNotH2
		}
		if _, err := io.ReadFull(x.in, payload[:size]); err != nil {
			return err
		}
		stream := binary.BigEndian.Uint32(head[5:]) &^ (1 << 31)
		if ended, err := x.frame(head[3], head[4], stream, payload[:size]); ended || err != nil {
			return err
		}
		if x.BodySize > bodyMax {
			x.Complete = true // it is large, and so far in order
			return nil
		}
	}
	return errors.New("too many frames")
}

// errNotH2 is what breaks the framing, or comes before SETTINGS.
var errNotH2 = errors.New("the server's bytes are no HTTP/2")

// frame takes one frame, and reports whether the stream ended with it.
func (x *h2Exchange) frame(kind, flags byte, stream uint32, payload []byte) (ended bool, err error) {
	switch kind {
	case frameSettings:
		x.Settings = true
		if flags&flagAck == 0 {
			_, err = x.out.Write(appendFrame(nil, frameSettings, flagAck, 0, nil))
		}
		return false, err
	case framePing:
		if flags&flagAck == 0 {
			_, err = x.out.Write(appendFrame(nil, framePing, flagAck, 0, payload))
		}
		return false, err
	case frameGoAway:
		return x.goAway(payload)
	}
	if stream != 1 {
		return false, nil
	}
	switch kind {
	case frameRSTStream:
		if len(payload) < 4 {
			return false, errNotH2
		}
		x.ended("RST_STREAM", binary.BigEndian.Uint32(payload))
		return true, nil
	case frameHeaders, frameContinuation:
		return x.headers(kind, flags, payload)
	case frameData:
		data, ok := unpadded(flags, payload)
		if !ok {
			return false, errNotH2
		}
		x.BodySize += int64(len(data))
		x.Complete = flags&flagEndStream != 0
	}
	return x.Complete, nil
}

// headers takes a HEADERS frame, or what continues one.
func (x *h2Exchange) headers(kind, flags byte, payload []byte) (bool, error) {
	if kind == frameHeaders {
		data, ok := unpadded(flags, payload)
		if ok && flags&flagPriority != 0 {
			ok = len(data) >= 5
			data = data[min(5, len(data)):]
		}
		if !ok {
			return false, errNotH2
		}
		x.block = append(x.block[:0], data...)
		x.Complete = flags&flagEndStream != 0
	} else {
		x.block = append(x.block, payload...)
	}
	if len(x.block) > headMax {
		return false, errors.New("the response head is too large")
	}
	if flags&flagEndHeaders == 0 {
		return false, nil
	}
	if status := hpackStatus(x.block); x.Status < 200 && status != 0 { // trailers have none
		x.Status, x.length = status, hpackLength(x.block)
	}
	return x.Complete, nil
}

// checkLength holds that a whole body has as many octets as its Content-Length says: a client treats another as a stream error of type
// PROTOCOL_ERROR (RFC 9113, section 8.1.1).
func (h *H2) checkLength(method string) {
	if !h.Complete || h.length < 0 || h.BodySize == h.length || method == "HEAD" || h.Status == 204 || h.Status == 304 || h.BodySize > bodyMax {
		return
	}
	h.Complete, h.Cause = false, fault.CauseHTTP2ProtocolError
	if h.BodySize < h.length {
		h.Cause = fault.CauseHTTP2StreamCut
	}
	h.Error = fmt.Sprintf("Content-Length says %d, %d bytes came, and the stream ends as if that were all", h.length, h.BodySize)
}

// goAway ends the connection: with an error, or without one for a stream that is above the last.
func (x *h2Exchange) goAway(payload []byte) (bool, error) {
	if len(payload) < 8 {
		return false, errNotH2
	}
	last, code := binary.BigEndian.Uint32(payload)&^(1<<31), binary.BigEndian.Uint32(payload[4:])
	if last >= 1 && code == 0 {
		return false, nil // the stream goes on to its end
	}
	x.Debug = firstLine(payload[8:])
	x.ended("GOAWAY", code)
	return true, nil
}

// unpadded takes the padding from a payload.
func unpadded(flags byte, payload []byte) ([]byte, bool) {
	if flags&flagPadded == 0 {
		return payload, true
	}
	if len(payload) == 0 || int(payload[0]) >= len(payload) {
		return nil, false
	}
	return payload[1 : len(payload)-int(payload[0])], true
}

// ended notes the frame that ended the stream.
func (h *H2) ended(frame string, code uint32) {
	h.Frame, h.Code = frame, fmt.Sprintf("code %d", code)
	if int(code) < len(h2Codes) {
		h.Code = h2Codes[code]
	}
	h.Error = frame + " " + h.Code
	if h.Debug != "" {
		h.Error += " (" + h.Debug + ")"
	}
	switch {
	case code == h2HTTP11Required:
		h.Cause = fault.CauseHTTP2NotWanted
	case frame == "GOAWAY":
		h.Cause = fault.CauseHTTP2GoAway
	case code == h2RefusedStream:
		h.Cause = fault.CauseHTTP2RefusedStream
	case h.Status >= 200:
		h.Cause = fault.CauseHTTP2StreamCut
	default:
		h.Cause = fault.CauseHTTP2StreamReset
	}
}

// failed notes an error that no frame tells of.
func (h *H2) failed(err error) {
	h.Error, h.Cause = shortError(err), fault.CauseHTTP2ProtocolError
	switch {
	case errors.Is(err, errNotH2):
	case h.Status >= 200:
		h.Cause = fault.CauseHTTP2StreamCut
	case !h.Settings && stalled(err):
		h.Error, h.Cause = "no SETTINGS came", fault.CauseHTTP2NoSettings
	case stalled(err):
		h.Error, h.Cause = "no answer came on the stream", fault.CauseHeadTimeout
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		h.Error = "the server closed the connection before it answered"
	}
}

// judgeH2: HTTP/2 is offered and fails where HTTP/1.1 does not.
func judgeH2(w *Walk) *finding {
	if w.HTTP == nil || w.HTTP.H2 == nil || w.HTTP.Main.broken() {
		return nil
	}
	h, x := w.HTTP.H2, w.HTTP.Main
	proof := []string{"by HTTP/1.1: " + answerWords(x)}
	switch {
	case h.cut || h.Cause == fault.CauseHTTP2NotWanted:
		return nil // it says itself that HTTP/1.1 is what it wants
	case h.Error != "":
		proof = append(proof, fmt.Sprintf("by HTTP/2: %s, %d of %d times", h.Error, h.Tries, h.Tries))
		return &finding{cause: h.Cause, confidence: Likely, proof: proof, sentence: fmt.Sprintf("%s offers HTTP/2 in its handshake and fails by it, where HTTP/1.1 is answered: %s", w.Target.label(), h.Error)}
	case h.Status >= 500 && x.Status < 500 && x.answered():
		proof = append(proof, fmt.Sprintf("by HTTP/2: %d in %s", h.Status, ms(time.Duration(h.Took))))
		return &finding{cause: fault.CauseUpstreamStatus, confidence: Likely, proof: proof, sentence: fmt.Sprintf("%s answers the same request %d by HTTP/1.1 and %d by HTTP/2", w.Target.label(), x.Status, h.Status)}
	}
	return nil
}

// refineH2 tells a server that answers by HTTP/2 only.
func refineH2(w *Walk, f *finding) {
	h := w.HTTP.H2
	if h != nil && h.Error == "" && h.Complete && h.Status >= 200 {
		switch f.cause {
		case fault.CauseBodyShort, fault.CauseChunksCut, fault.CauseBodyReset:
			f.proof = append(f.proof, fmt.Sprintf("by HTTP/2 the same answer is %d and ends as if it were whole, with %s: those clients cannot see that it is cut", h.Status, size(h.BodySize)))
			return
		}
	}
	if h != nil && h.Error != "" && h.Status >= 200 && f.evidence.Stage == fault.Body {
		f.proof = append(f.proof, "by HTTP/2: "+h.Error)
	}
	if h == nil || h.Error != "" || h.Status < 200 || h.Status >= 500 || f.evidence.Stage < fault.Write {
		return
	}
	f.proof = append(f.proof, fmt.Sprintf("by HTTP/2 the same request is answered %d in %s", h.Status, ms(time.Duration(h.Took))))
	switch f.cause {
	case fault.CauseClosedBeforeAnswer, fault.CauseResetBeforeAnswer, fault.CauseNotHTTP, fault.CauseHeadTimeout, fault.CauseTLSALPN, fault.CauseWrongService:
		f.cause, f.kind, f.confidence = fault.CauseHTTP1OnHTTP2Port, fault.TypeNone, Likely
		f.sentence = w.Target.label() + " answers by HTTP/2 and not by HTTP/1.1, which is what it was asked by"
	}
}

// h2Notes say what HTTP/2 gave where that is no fault.
func h2Notes(of string, w *Walk) (out []string) {
	h, x := w.HTTP.H2, w.HTTP.Main
	switch {
	case h.Cause == fault.CauseHTTP2NotWanted:
		out = append(out, of+"by HTTP/2 it asks for HTTP/1.1 ("+h.Error+"): clients follow, and it is no fault")
	case h.Error == "" && h.Status != 0 && h.Status != x.Status && h.Status < 500:
		out = append(out, of+fmt.Sprintf("by HTTP/2 the same request is answered %d, by HTTP/1.1 %d", h.Status, x.Status))
	}
	return out
}
