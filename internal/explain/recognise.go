package explain

import (
	"bytes"
	"math/bits"
	"slices"
	"time"

	"github.com/whygate/whygate/internal/phrase"
)

// Recogniser finds the format of lines. It remembers those that it met last, for neighbours are of a kind; what it finds
// does not depend on that, since no two formats take the same line. It is for one goroutine.
type Recogniser struct {
	formats []*Format
	offers  *dispatch
	recent  [4]met
	now     time.Time
	seen    signs // what the last line had, if it was looked at
	offer   set   // the formats that its words are marks of
	marks   marksAt
	peeled  [peelMax + 1][]byte
	depth   int // how far this line is peeled
	bare    bool
	carrier carrier
	w3c     *w3c       // the last #Fields: directive, nil for none
	csv     *csvHeader // the names of the columns, nil for none
	loosely bool       // lines of no format are read by their words as well
}

// met is a format and how many carriers its lines had.
type met struct {
	format *Format
	place  int // of the format in the list
	depth  int
}

// NewRecogniser gives a recogniser of the formats. now dates logs that leave out the year.
func NewRecogniser(formats []*Format, now time.Time) *Recogniser {
	return &Recogniser{formats: formats, offers: newDispatch(formats), now: now, loosely: len(formats) > 1}
}

// Read reads one line into the entry, and gives its format and what of the line is that format's; nil if no format knows
// the line, and its words say nothing of a failed exchange.
func (r *Recogniser) Read(e *Entry, line []byte) (*Format, []byte) {
	if f, inner := r.strict(e, line); f != nil || !r.loosely || len(line) == 0 {
		if f != nil && e.Kind == KindNoise && r.loosely && e.Marker == MarkerNone {
			return r.noise(e, f, inner), inner
		}
		return f, inner
	}
	if r.csv == nil && !r.seen.tell() {
		if r.seen&signForeign == 0 {
			e.reset()
			return nil, nil
		}
		clean := plainText(line)
		if len(clean) == len(line) {
			e.reset()
			return nil, nil
		}
		if seen, _ := r.offers.glance(clean, &r.marks); !seen.tell() {
			r.seen |= seen
			e.reset()
			return nil, nil
		}
	}
	carrier := r.carrier
	f, inner := r.anywhere(e, line)
	if f == nil {
		e.reset()
	} else if e.Time.IsZero() {
		e.Time, e.Zoned = carrier.time, carrier.zoned
	}
	return f, inner
}

// noise looks at the words of a line that its format has no rule for: a fault in wording that no rule has is one all the same.
// What failed for the client's sake, or only warns, stays what it is.
func (r *Recogniser) noise(e *Entry, f *Format, line []byte) *Format {
	if f.Product == "whygate" || !phrase.Any(line) {
		return f
	}
	kept := *e
	e.Candidates = nil
	level, least := severityOf(line), phrase.Worded
	if i := indexText(line, ", client: "); i > 0 && (f.Product == "nginx" || f.Product == "openresty") { // what follows is the request, and this side's own name
		line = line[:i]
	}
	if level >= severityError {
		least = phrase.Named
	}
	if words := wording(e, line, level); words != nil && e.Kind == KindFault && e.read.Is == phrase.Strong && int(e.read.Rank) >= least {
		if words.Product == "" || words.Product == "application" || words.Role == f.Role {
			words = f
		}
		restore(e, &kept)
		return words
	}
	candidates := e.Candidates[:0]
	*e = kept
	if e.Candidates == nil {
		e.Candidates = candidates
	}
	return f
}

// restore gives an entry back what the format read of the line.
func restore(e, kept *Entry) {
	e.Time, e.Zoned, e.Process, e.Conn, e.ID = kept.Time, kept.Zoned, kept.Process, kept.Conn, kept.ID
	for _, field := range [...]struct{ to, from *[]byte }{
		{&e.Client, &kept.Client}, {&e.Upstream, &kept.Upstream}, {&e.Method, &kept.Method}, {&e.Host, &kept.Host}, {&e.Path, &kept.Path}, {&e.Said, &kept.Said},
	} {
		if len(*field.from) > 0 {
			*field.to = *field.from
		}
	}
}

// strict reads a line that is a record of a format from its first octet to its last, but for the carriers around it.
func (r *Recogniser) strict(e *Entry, line []byte) (*Format, []byte) { return r.record(e, line, true) }

// record is strict; a piece of a line that was glanced at is not glanced at again.
func (r *Recogniser) record(e *Entry, line []byte, fresh bool) (*Format, []byte) {
	if n := len(line); n > 0 && (line[n-1] == ' ' || line[n-1] == '\t' || line[n-1] == '\r') {
		line = bytes.TrimRight(line, " \t\r")
	}
	r.peeled[0], r.depth, r.bare, r.carrier = line, 0, false, carrier{}
	if len(line) == 0 {
		return nil, nil
	}
	if line[0] == '{' && fresh && !starts(line, `{"log":`) { // most objects are no carrier and no format's, and a glance tells
		r.seen, r.offer = r.offers.glance(line, &r.marks)
		r.bare = r.seen&signCarrier == 0
		if fresh = false; r.bare && r.offer == 0 && r.offers.heads['{'] == 0 && len(r.formats) <= setMax {
			return nil, nil
		}
	}
	for i := range r.recent {
		m := r.recent[i]
		if m.format == nil {
			break
		}
		if inner, ok := r.peel(m.depth); ok && r.offers.mayTake(m.place, inner) && r.try(e, m.format, inner) {
			if i > 0 {
				copy(r.recent[1:i+1], r.recent[:i])
				r.recent[0] = m
			}
			return m.format, inner
		}
	}
	if fresh {
		r.seen, r.offer = r.offers.glance(line, &r.marks)
	}
	offer := r.offer
	for depth := 0; ; depth++ {
		inner, ok := r.peel(depth)
		if !ok {
			return nil, nil
		}
		if depth > 0 && r.peeled[depth-1][0] == '{' { // of a string, whose escapes hid what it has
			var seen signs
			seen, offer = r.offers.glance(inner, &r.marks)
			r.seen |= seen
		}
		if f := r.ask(e, inner, depth, offer); f != nil {
			return f, inner
		}
	}
}

// ask offers the line to the formats that may take it, in their order.
func (r *Recogniser) ask(e *Entry, line []byte, depth int, offer set) *Format {
	offer |= r.offers.heads[headOf(line)]
	for ; offer != 0; offer &= offer - 1 {
		if place := bits.TrailingZeros64(uint64(offer)); r.asked(e, line, depth, place) {
			return r.formats[place]
		}
	}
	for place := setMax; place < len(r.formats); place++ {
		if r.asked(e, line, depth, place) {
			return r.formats[place]
		}
	}
	if r.w3c != nil { // what begins its lines, its directive says
		if place := slices.Index(r.formats, iisW3C); place >= 0 && r.asked(e, line, depth, place) {
			return iisW3C
		}
	}
	return nil
}

// asked offers the line to one format, and remembers the format if that takes it.
func (r *Recogniser) asked(e *Entry, line []byte, depth, place int) bool {
	f := r.formats[place]
	if !r.try(e, f, line) {
		return false
	}
	copy(r.recent[1:], r.recent[:len(r.recent)-1])
	r.recent[0] = met{f, place, depth}
	return true
}

// forget makes the recogniser as new, so that what it does with a block depends on that block alone.
func (r *Recogniser) forget() { r.recent, r.w3c, r.csv = [4]met{}, nil, nil }

// peel gives the line without its first depth carriers; each is taken off once.
func (r *Recogniser) peel(depth int) ([]byte, bool) {
	for r.depth < depth {
		if r.bare || r.depth == peelMax {
			return nil, false
		}
		inner, ok := peel(&r.carrier, r.peeled[r.depth], r.now)
		if !ok || len(inner) == 0 {
			r.bare = true
			return nil, false
		}
		r.depth++
		r.peeled[r.depth] = inner
	}
	return r.peeled[depth], true
}

// try offers the line to a format, and adds what its carriers know.
func (r *Recogniser) try(e *Entry, f *Format, line []byte) bool {
	e.reset()
	if f == iisW3C {
		if r.directed(e, line) {
			return true
		}
		e.reset()
	}
	if !f.Parse(e, line) {
		return false
	}
	e.Upstream = bytes.TrimPrefix(withoutUser(e.Upstream), []byte("unix://"))
	e.widen(f)
	if r.depth == 0 {
		return true
	}
	if c := &r.carrier; e.Time.IsZero() || c.zoned && !e.Zoned && !c.time.IsZero() {
		e.Time, e.Zoned = c.time, c.zoned
	}
	if e.Process == 0 {
		e.Process = r.carrier.process
	}
	return true
}

// directed reads a line of IIS as the #Fields: directive before it says, if there is one, and the directive itself.
func (r *Recogniser) directed(e *Entry, line []byte) bool {
	if starts(line, fieldsDirective) {
		if f := newW3C(line); f != nil {
			r.w3c = f
			e.noise(MarkerNone)
			return true
		}
		return false
	}
	if r.w3c != nil && (starts(line, "#Date: ") || starts(line, "#Version: ")) || starts(line, "#Date: 20") {
		e.noise(MarkerNone)
		return true
	}
	return r.w3c != nil && r.w3c.parse(e, line)
}

// withoutUser leaves the user and the password of a URL's authority out of an upstream's name. A name with an @ and no
// colon before it is Traefik's service@provider.
func withoutUser(upstream []byte) []byte {
	i := bytes.LastIndexByte(upstream, '@')
	if i < 0 {
		return upstream
	}
	user := upstream[:i]
	if j := indexText(user, "://"); j >= 0 {
		user = user[j+3:]
	} else if bytes.IndexByte(user, ':') < 0 {
		return upstream
	}
	if bytes.IndexByte(user, '/') >= 0 { // of a path
		return upstream
	}
	return upstream[i+1:]
}

// quick offers the line to the quick look of the format that was met last, if that has one and its lines come without a
// carrier.
//
// hot: once per line.
func (r *Recogniser) quick(line []byte) (*Format, Kind) {
	m := &r.recent[0]
	if m.format == nil || m.format.quick == nil || m.depth != 0 {
		return nil, KindUnknown
	}
	return m.format, m.format.quick(line)
}
