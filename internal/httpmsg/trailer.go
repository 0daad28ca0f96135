package httpmsg

// forbiddenTrailers has a bit for each field that RFC 9110, section 6.5.1, keeps out of trailers: framing, routing, request
// modifiers, authentication, content's format, and what is told about the sender before the content. A recipient that
// merged one would act on it after the checks that were made on the head.
const forbiddenTrailers uint64 = 1<<TransferEncoding | 1<<ContentLength | 1<<Trailer | 1<<TE |
	1<<Connection | 1<<KeepAlive | 1<<ProxyConnection | 1<<Upgrade | 1<<HTTP2Settings |
	1<<Host | 1<<Forwarded | 1<<XForwardedFor | 1<<XForwardedHost | 1<<XForwardedPort |
	1<<XForwardedProto | 1<<XRealIP | 1<<MaxForwards | 1<<Expect |
	1<<Authorization | 1<<ProxyAuthorization | 1<<ProxyAuthenticate | 1<<Cookie | 1<<SetCookie |
	1<<ContentType | 1<<ContentEncoding | 1<<Location | 1<<RetryAfter

// forbiddenTrailerNames are those of them that have no ID.
var forbiddenTrailerNames = [...]string{
	"Age", "Cache-Control", "Content-Range", "Expires", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range",
	"If-Unmodified-Since", "Pragma", "Range", "Vary", "WWW-Authenticate",
}

// ForbiddenTrailer is the first line of a trailer section that must not be in one, -1 if there is none.
func (f *Fields) ForbiddenTrailer() int {
	for i := range f.list {
		id := f.list[i].id
		if forbiddenTrailers&(1<<id) != 0 {
			return i
		}
		if id != Other {
			continue
		}
		for _, name := range forbiddenTrailerNames {
			if EqualFold(f.Name(i), name) {
				return i
			}
		}
	}
	return -1
}
