package h1

// Sizes that apply where a Limits says 0.
const (
	headDefault     = 32 << 10 // what nginx (4 × 8 KiB) and HAProxy (16 KiB) take, rounded up
	trailersDefault = 8 << 10  // trailers are few and small: a status, a checksum, timings
)

// Limits bounds what a message may make us hold. The caller's buffer must have room for Head and for Trailers.
type Limits struct {
	Head     int  // octets of start line and fields with the empty line, 0 for 32 KiB
	Trailers int  // octets of a trailer section with its empty line, 0 for 8 KiB
	BareLF   bool // the one leniency: a lone LF ends a line as CRLF does (RFC 9112, section 2.2, allows it)
}

func (l *Limits) head() int {
	if l.Head > 0 {
		return l.Head
	}
	return headDefault
}

func (l *Limits) trailers() int {
	if l.Trailers > 0 {
		return l.Trailers
	}
	return trailersDefault
}
