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

func forbiddenTrailer(src []byte, f *httpmsg.Fields) *Error {
	if i := f.ForbiddenTrailer(); i >= 0 {
		return aboutLineAt(fault.RuleTrailer, src, f, i)
	}
	return nil
}
