package diagnose

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/whygate/whygate/internal/fault"
)

// ofCoding: the body is not what Content-Encoding says, asked as we ask or as a browser does.
func ofCoding(w *Walk, x *Exchange) *finding {
	for _, asked := range [...]*Exchange{x, w.HTTP.Coded} {
		if !asked.answered() || asked.broken() {
			continue
		}
		why := miscoded(asked)
		if why == "" {
			continue
		}
		f := &finding{
			cause: fault.CauseBadContentCoding, sentence: fmt.Sprintf("%s answers %d with a body that is not what its headers say: %s", w.Target.label(), asked.Status, why),
			proof:  []string{"Content-Encoding: " + orNone(asked.field("Content-Encoding")) + ", and the body begins with " + firstLine(asked.answer.Body[:min(len(asked.answer.Body), 12)])},
			advice: []string{"Let one only compress, the application or a proxy, and let nothing on the way change the body or drop Content-Encoding."},
		}
		if asked != x {
			f.proof = append(f.proof, "asked without Accept-Encoding the same is in order")
		}
		return f
	}
	return nil
}

// ofCompressed: what a browser asks for fails, and what we ask for does not.
func ofCompressed(w *Walk, x *Exchange) *finding {
	c := w.HTTP.Coded
	if c == nil || c.cut || !failed(c) || failed(x) || w.Again != nil && w.Again.Failed > 0 {
		return nil
	}
	var f *finding
	if c.broken() {
		f = ofExchange(c)
		f.sentence = fmt.Sprintf("%s answers %d, and fails where compression is asked for: %s", w.Target.label(), x.Status, lowerFirst(c.Cause.Entry().Title))
	} else if f = ofAnswer(w, c); f != nil {
		f.sentence += ", where compression is asked for, and " + strconv.Itoa(x.Status) + " where it is not"
	}
	if f != nil {
		f.confidence = Likely
		f.proof = append(f.proof, "without Accept-Encoding the same is answered "+strconv.Itoa(x.Status))
	}
	return f
}

func orNone(value string) string {
	if value == "" {
		return "none"
	}
	return firstLine([]byte(value))
}

// magic are the first octets of the codings that have such.
var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

// decodedMax bounds what is decoded to see whether a body is what it is said to be, in octets.
const decodedMax = 1 << 20

// miscoded says how a body differs from its Content-Encoding, empty where it does not or where that cannot be seen.
func miscoded(x *Exchange) string {
	body := x.answer.Body
	coding := strings.ToLower(strings.TrimSpace(x.field("Content-Encoding")))
	kind := strings.ToLower(x.field("Content-Type"))
	text := strings.HasPrefix(kind, "text/") || strings.Contains(kind, "json") || strings.Contains(kind, "javascript") || strings.Contains(kind, "xml")
	if len(body) == 0 {
		return ""
	}
	switch coding {
	case "", "identity":
		if text && (bytes.HasPrefix(body, gzipMagic) || bytes.HasPrefix(body, zstdMagic)) {
			return "it is compressed, and no Content-Encoding says so"
		}
		return ""
	case "gzip", "x-gzip", "deflate", "zstd":
		inner, err := decode(coding, body)
		whole := int64(len(body)) == x.BodySize && !x.Streams
		switch {
		case err == nil && text && bytes.HasPrefix(inner, gzipMagic):
			return "it is compressed twice, and " + coding + " is said once"
		case err == nil || errors.Is(err, errDecodedMax):
			return ""
		case errors.Is(err, io.ErrUnexpectedEOF) && !whole:
			return "" // more of it came than was kept
		case errors.Is(err, io.ErrUnexpectedEOF):
			return "it ends inside its " + coding
		case bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")) || bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")):
			return "it is not compressed, and " + coding + " is said"
		}
		return "its " + coding + " is corrupt"
	case "br":
		if t := bytes.TrimSpace(body); bytes.HasPrefix(bytes.ToLower(t), []byte("<!doctype")) || bytes.HasPrefix(bytes.ToLower(t), []byte("<html")) {
			return "it is not compressed, and br is said"
		}
	}
	return ""
}

// errDecodedMax is what ends the decoding of a large body: so far it is in order.
var errDecodedMax = errors.New("enough was decoded")

// decode decodes the beginning of a body.
func decode(coding string, body []byte) (out []byte, err error) {
	var in io.Reader
	switch coding {
	case "zstd":
		d, err := zstd.NewReader(bytes.NewReader(body), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(8<<20))
		if err != nil {
			return nil, err
		}
		defer d.Close()
		in = d
	case "deflate": // zlib's format by RFC 9110, section 8.4.1.2; many send the bare one
		if z, err := zlib.NewReader(bytes.NewReader(body)); err == nil {
			in = z
		} else {
			in = flate.NewReader(bytes.NewReader(body))
		}
	default:
		if in, err = gzip.NewReader(bytes.NewReader(body)); err != nil {
			return nil, err
		}
	}
	out, err = io.ReadAll(io.LimitReader(in, decodedMax))
	if err == nil && len(out) == decodedMax {
		err = errDecodedMax
	}
	return out, err
}
