package h1

import (
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
)

// noTrailers reports whether src begins with the empty line that ends a trailer section without fields, as almost all do.
func (d *Decoder) noTrailers(src []byte) bool {
	return len(src) >= 2 && src[0] == '\r' && src[1] == '\n'
}

// trailerSection reads RFC 9112, section 7.1.2, with src beginning where the section does: its octets when it is complete,
// 0 when more is needed.
func (d *Decoder) trailerSection(src []byte) (int, *Error) {
	limit := d.lim.trailers()
	d.trailers.Resume(src)
	done, err := d.section.fieldLines(src[:min(len(src), limit)], d.trailers, d.lim)
	if err == nil && done {
		if err = forbiddenTrailer(src, d.trailers); err == nil {
			d.state = AwaitEnd
			return d.section.pos, nil
		}
	}
	if err == nil {
		if len(src) < limit {
			d.trailers.Suspend()
			return 0, nil
		}
		err = d.section.tooLarge(fault.RuleTrailerSize, src, limit, d.trailers)
	} else if err.Rule != fault.RuleFieldCount {
		err.Rule = fault.RuleTrailer
	}
	err.State = AwaitTrailers
	err.Offset += d.offset
	return 0, err
}

// forbidden has a bit for each field that RFC 9110, section 6.5.1, keeps out of trailers: framing, routing, request
// modifiers, authentication, content's format, and what is told about the sender before the content. A recipient that
// merged one would act on it after the checks that were made on the head.
const forbidden uint64 = 1<<httpmsg.TransferEncoding | 1<<httpmsg.ContentLength | 1<<httpmsg.Trailer | 1<<httpmsg.TE |
	1<<httpmsg.Connection | 1<<httpmsg.KeepAlive | 1<<httpmsg.ProxyConnection | 1<<httpmsg.Upgrade | 1<<httpmsg.HTTP2Settings |
	1<<httpmsg.Host | 1<<httpmsg.Forwarded | 1<<httpmsg.XForwardedFor | 1<<httpmsg.XForwardedHost | 1<<httpmsg.XForwardedPort |
	1<<httpmsg.XForwardedProto | 1<<httpmsg.XRealIP | 1<<httpmsg.MaxForwards | 1<<httpmsg.Expect |
	1<<httpmsg.Authorization | 1<<httpmsg.ProxyAuthorization | 1<<httpmsg.ProxyAuthenticate | 1<<httpmsg.Cookie | 1<<httpmsg.SetCookie |
	1<<httpmsg.ContentType | 1<<httpmsg.ContentEncoding | 1<<httpmsg.Location | 1<<httpmsg.RetryAfter

// forbiddenNames are those of them that have no ID.
var forbiddenNames = [...]string{
	"Age", "Cache-Control", "Content-Range", "Expires", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range",
	"If-Unmodified-Since", "Pragma", "Range", "Vary", "WWW-Authenticate",
}

func forbiddenTrailer(src []byte, f *httpmsg.Fields) *Error {
	for i := range f.Len() {
		bad := forbidden&(1<<f.ID(i)) != 0
		if f.ID(i) == httpmsg.Other {
			for _, name := range forbiddenNames {
				bad = bad || httpmsg.EqualFold(f.Name(i), name)
			}
		}
		if bad {
			return aboutLineAt(fault.RuleTrailer, src, f, i)
		}
	}
	return nil
}
