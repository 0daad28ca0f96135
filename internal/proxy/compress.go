package proxy

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/whygate/whygate/internal/exchange"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/upstream"
)

// Bounds of compression.
const (
	compressLeast = 1 << 10   // bytes of a body of known length below which it is not worth it
	packersMost   = 512       // at work at a time, each with some hundred kilobytes; what comes above goes as it is
	zstdWindow    = 128 << 10 // bytes a client has to keep; RFC 9659 allows 8 MiB
	gzipLevel     = 5
)

// coding is a content coding that we make.
type coding uint8

const (
	identity coding = iota
	gzipped
	zstandard
	codings
)

var codingNames = [codings]string{"identity", "gzip", "zstd"}

// packer compresses a body: gzip's and zstd's writers are such.
type packer interface {
	io.WriteCloser
	Flush() error
	Reset(w io.Writer)
}

// packers are those that have nothing to do. The zero value is ready.
type packers struct {
	idle  [codings]sync.Pool
	under atomic.Int64
}

// reserve makes room for one more, which release gives back.
func (p *packers) reserve() bool {
	if p.under.Add(1) > packersMost {
		p.under.Add(-1)
		return false
	}
	return true
}

func (p *packers) take(c coding, to io.Writer) packer {
	if w, ok := p.idle[c].Get().(packer); ok {
		w.Reset(to)
		return w
	}
	if c == gzipped {
		w, err := gzip.NewWriterLevel(to, gzipLevel)
		if err != nil {
			panic("BUG: " + err.Error())
		}
		return w
	}
	w, err := zstd.NewWriter(to, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(zstdWindow), zstd.WithLowerEncoderMem(true), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return w
}

func (p *packers) release(c coding, w packer) {
	w.Reset(io.Discard) // it lets go of the exchange
	p.idle[c].Put(w)
	p.under.Add(-1)
}

// compress prepares h for a body that is compressed, where the answer is one to compress and the client takes it. Whoever might have got
// another answer is told so by Vary, be it compressed or not. coded is whether the head names a coding: to HEAD as it would to GET.
func (s *serving) compress(h *exchange.Head) (coded bool) {
	s.packed = identity
	if !s.compressible() {
		return false
	}
	if !varies(&s.response.Fields) {
		s.extra.Append("Vary", []byte("Accept-Encoding"), httpmsg.Other)
	}
	c := s.accepted()
	if c == identity || s.x.Request.Version < httpmsg.HTTP11 { // a client of HTTP/1.0 could not tell that the body was cut short
		return false
	}
	if s.x.Request.Method != httpmsg.HEAD {
		if !s.p.packers.reserve() {
			return false
		}
		s.packed = c
		h.Length = httpmsg.LengthUnknown
	}
	s.extra.AppendKnown(httpmsg.ContentEncoding, []byte(codingNames[c]))
	f := &s.response.Fields
	for i := range f.Len() {
		switch {
		case httpmsg.EqualFold(f.Name(i), "Accept-Ranges"): // ranges would be of another body
			f.Drop(i)
		case httpmsg.EqualFold(f.Name(i), "ETag") && !f.Dropped(i) && !bytes.HasPrefix(f.Value(i), []byte("W/")):
			f.Drop(i) // RFC 9110, section 8.8.3.3: bodies that differ in their coding have not one strong validator
			s.extra.Append("ETag", append([]byte("W/"), f.Value(i)...), httpmsg.Other)
		}
	}
	return true
}

// compressible reports whether the response is one that would be compressed for a client that takes it.
func (s *serving) compressible() bool {
	r := &s.response
	f := &r.Fields
	switch r.Status {
	case 204, 205, 206, 304:
		return false
	}
	if r.Status < 200 || s.grpc || f.Has(httpmsg.ContentEncoding) || !textual(f.Get(httpmsg.ContentType)) {
		return false
	}
	length := r.Length
	if s.x.Request.Method == httpmsg.HEAD {
		length = httpmsg.LengthUnknown
		if n, err := strconv.ParseInt(string(f.Get(httpmsg.ContentLength)), 10, 64); err == nil {
			length = n
		}
	}
	if length >= 0 && length < compressLeast {
		return false
	}
	for i := range f.Len() {
		switch name := f.Name(i); {
		case httpmsg.EqualFold(name, "Cache-Control") && listed(f.Value(i), "no-transform"):
			return false
		case httpmsg.EqualFold(name, "Content-Range"), httpmsg.EqualFold(name, "Content-MD5"), httpmsg.EqualFold(name, "Digest"),
			httpmsg.EqualFold(name, "Content-Digest"), httpmsg.EqualFold(name, "Repr-Digest"): // RFC 9530: it is of the body as it is
			return false
		}
	}
	return !edited(s.route.SetResponse, []byte("Content-Encoding"))
}

// accepted is the coding that the client likes best: RFC 9110, section 12.5.3. Of two that it likes as much it is zstd.
func (s *serving) accepted() coding {
	const unsaid = -1
	weights, any := [codings]int{unsaid, unsaid, unsaid}, unsaid
	for n := 0; ; n++ {
		value, ok := s.nth("Accept-Encoding", n)
		if !ok {
			break
		}
		for element, rest := httpmsg.NextToken(value); element != nil; element, rest = httpmsg.NextToken(rest) {
			name, params, _ := bytes.Cut(element, []byte(";"))
			name = bytes.TrimSpace(name)
			q := weight(params)
			switch {
			case string(name) == "*":
				any = q
			case httpmsg.EqualFold(name, "gzip"), httpmsg.EqualFold(name, "x-gzip"):
				weights[gzipped] = q
			case httpmsg.EqualFold(name, "zstd"):
				weights[zstandard] = q
			case httpmsg.EqualFold(name, "identity"):
				weights[identity] = q
			}
		}
	}
	best, most := identity, max(weights[identity], 0)
	for _, c := range []coding{gzipped, zstandard} {
		q := weights[c]
		if q == unsaid {
			q = any
		}
		if q > 0 && q >= most {
			best, most = c, q
		}
	}
	return best
}

// weight is q in thousandths: 1000 where it is not said, 0 where it makes no sense.
func weight(params []byte) int {
	params = bytes.TrimSpace(params)
	if len(params) == 0 {
		return 1000
	}
	name, value, _ := bytes.Cut(params, []byte("="))
	if !httpmsg.EqualFold(bytes.TrimSpace(name), "q") {
		return 0
	}
	q, err := strconv.ParseFloat(string(bytes.TrimSpace(value)), 64)
	if err != nil || q < 0 || q > 1 {
		return 0
	}
	return int(q * 1000)
}

// listed reports whether a comma-separated list has a word.
func listed(value []byte, word string) bool {
	for element, rest := httpmsg.NextToken(value); element != nil; element, rest = httpmsg.NextToken(rest) {
		if httpmsg.EqualFold(element, word) {
			return true
		}
	}
	return false
}

// varies reports whether the response says already that it depends on Accept-Encoding.
func varies(f *httpmsg.Fields) bool {
	for i := range f.Len() {
		if httpmsg.EqualFold(f.Name(i), "Vary") && !f.Dropped(i) && (listed(f.Value(i), "Accept-Encoding") || listed(f.Value(i), "*")) {
			return true
		}
	}
	return false
}

// textTypes are media types that are text and are not called so.
var textTypes = [...]string{
	"application/json", "application/javascript", "application/x-javascript", "application/xml", "application/wasm", "application/x-ndjson",
	"application/vnd.ms-fontobject", "font/ttf", "font/otf", "image/bmp", "image/x-icon", "image/vnd.microsoft.icon",
}

// textual reports whether a body of that type gets smaller. An event stream is not taken: each event is to leave at once.
func textual(mediaType []byte) bool {
	mediaType, _, _ = bytes.Cut(mediaType, []byte(";"))
	mediaType = bytes.ToLower(bytes.TrimSpace(mediaType))
	switch {
	case string(mediaType) == "text/event-stream":
		return false
	case bytes.HasPrefix(mediaType, []byte("text/")), bytes.HasSuffix(mediaType, []byte("+json")), bytes.HasSuffix(mediaType, []byte("+xml")):
		return true
	}
	for _, t := range textTypes {
		if string(mediaType) == t {
			return true
		}
	}
	return false
}

// outlet is the client as a packer writes to it.
type outlet struct {
	x   *exchange.Exchange
	end fault.End
}

var errOutlet = errors.New("the client is gone")

func (o *outlet) Write(b []byte) (int, error) {
	if o.end = o.x.Write(b); o.end != fault.Completed {
		return 0, errOutlet
	}
	return len(b), nil
}

// relayPacked is relayBody through a packer. What it holds leaves whenever the endpoint has to be awaited.
func (s *serving) relayPacked(a *upstream.Attempt) (read bool, write fault.End) {
	to := &outlet{x: s.x}
	w := s.p.packers.take(s.packed, to)
	defer s.p.packers.release(s.packed, w)
	held := false
	for {
		data, found := a.Next()
		var err error
		switch found {
		case upstream.Piece:
			_, err = w.Write(data)
			held = true
		case upstream.Awaited:
			if held {
				held, err = false, w.Flush()
			}
			if err == nil {
				if end := s.x.Flush(); end != fault.Completed {
					return false, end
				}
				a.Await()
			}
		case upstream.Ended:
			if err = w.Close(); err == nil {
				return true, fault.Completed
			}
		default:
			return false, fault.Completed
		}
		if err != nil {
			if to.end == fault.Completed {
				panic("BUG: a packer failed by itself: " + err.Error())
			}
			return false, to.end
		}
	}
}
