package explain

import (
	"bytes"
	"slices"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// parser reads the lines of blocks. It is for one goroutine.
type parser struct {
	recogniser *Recogniser
	places     map[*Format]int // of each format in the list
	since      time.Time       // earlier lines are left out; zero for none
	old        bool            // the last line with a time was before since
	zone       *time.Location  // of the logs that name none
	each       *eachWriter     // prints every line, nil if nobody asked
	entry      Entry
	seen       signs                    // of the line that is read, where no format was sure of it
	sets       map[uint64][]fault.Cause // sets of candidates, each kept once
	spent      int                      // octets that were looked at for records of several lines, in this block
	opened     int                      // the line that opened what the next record of JSON stands in, 0 for none
	joined     []byte                   // a record of several lines
	packed     []byte
	endpoints  int // the lines are rows of a list of endpoints: in which column the name is, from 1; 0 where they are not
}

// parse reads the block's lines.
//
// hot: its loop runs once per line of the log.
func (p *parser) parse(b *block) {
	p.recogniser.forget()
	p.recogniser.w3c, p.recogniser.csv = b.w3c, b.csv
	p.old = false
	b.records, b.each = b.records[:0], b.each[:0]
	long, octets := b.long, b.octets
	b.tally = tally{long: long, octets: octets}
	b.scratch.space = b.scratch.space[:0]
	clear(b.served)
	slow := !p.since.IsZero() || p.each != nil
	text := b.text
	p.opened, p.spent, p.endpoints = 0, 0, 0
	skip := 0 // lines that belong to the record before them
	for number := b.first; len(text) > 0; number++ {
		line := text
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			line, text = text[:i], text[i+1:]
		} else {
			text = nil
		}
		if n := len(line); n > 0 && line[n-1] == '\r' {
			line = line[:n-1]
		}
		if number == 1 {
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf")) // a byte order mark
		}
		b.lines++
		if skip > 0 {
			p.skipped(b, number)
			skip--
			continue
		}
		if !slow && len(text) > 0 && b.lines > 1 { // the first and the last are read in full, for their times
			if f, kind := p.recogniser.quick(line); kind != KindUnknown {
				b.kinds[p.places[f]][kind]++
				continue
			}
		}
		skip = p.line(b, line, text, number)
	}
}

// skipped notes a line that was read with the one before it.
func (p *parser) skipped(b *block, number int) {
	b.within++
	if p.each != nil {
		b.each = p.each.append(b.each, number, nil, nil)
	}
}

// line reads one line in full, and gives how many lines of the text behind it belong to it.
func (p *parser) line(b *block, line, text []byte, number int) (more int) {
	if len(line) > lineMax {
		line = line[:lineMax]
		b.long++
	}
	e := &p.entry
	f, inner := p.recogniser.Read(e, line)
	p.seen = p.recogniser.seen
	if f == nil {
		f, inner = p.endpoint(line)
	}
	if (f == nil || f.wordy) && p.recogniser.loosely {
		f, inner, more = p.several(f, inner, line, text)
		if more > 0 && p.opened > 0 && e.Kind != KindUnknown && bytes.IndexByte(line, '{') >= 0 {
			number, p.opened = p.opened, 0
		} else if f == nil && opens(line) {
			if p.opened == 0 {
				p.opened = number
			}
		} else {
			p.opened = 0
		}
	}
	p.take(b, f, inner, line, number, more)
	return more
}

// several reads the line with those behind it, where they are one record. With --each, where lines stand alone, it is an
// object of JSON only.
func (p *parser) several(f *Format, inner, line, text []byte) (*Format, []byte, int) {
	if p.each != nil && bytes.IndexByte(line, '{') < 0 || !p.mayBegin(line, text) {
		return f, inner, 0
	}
	kept := p.entry
	kept.Candidates = slices.Clone(kept.Candidates)
	if g, t, more := p.gather(line, text); g != nil {
		return g, t, more
	}
	p.entry = kept
	return f, inner, 0
}

// take counts a line that was read, and keeps what it says.
func (p *parser) take(b *block, f *Format, inner, line []byte, number, more int) {
	e := &p.entry
	if f == nil {
		if len(bytes.TrimSpace(line)) > 0 && len(line) < lineMax { // a longer one is counted as long
			b.unknown++
			if p.each == nil && erroneous(line, p.seen) && !p.before(line) {
				b.unjudge(nil, line, number)
			}
		}
		if p.each != nil {
			b.each = p.each.append(b.each, number, nil, nil)
		}
		return
	}
	if e.Time.IsZero() && p.old { // of the time of the line before it
		b.skipped++
		return
	}
	if !e.Time.IsZero() {
		p.date(e)
		p.old = !p.since.IsZero() && e.Time.Before(p.since)
		if !p.since.IsZero() && e.Time.Before(p.since) {
			b.skipped++
			return
		}
		if b.start.IsZero() || e.Time.Before(b.start) {
			b.start = e.Time
		}
		if e.Time.After(b.end) {
			b.end = e.Time
		}
	}
	b.kinds[p.places[f]][e.Kind]++
	if p.each != nil {
		b.each = p.each.append(b.each, number, f, e)
		return
	}
	switch {
	case e.Kind == KindOK:
		b.serve(e.Upstream)
	case e.Kind == KindClient:
		c := e.Fault().Cause
		if b.causes[c]++; ownLimit(c) && e.By == ByGateway {
			b.limits[c] = f
		}
	case e.Kind == KindNoise && unruled(f, e, inner):
		b.unjudge(f, inner, number)
	case e.Kind == KindFault || e.Marker != MarkerNone:
		p.keep(b, e, f, inner, number)
		b.records[len(b.records)-1].more = more
	}
}

// before reports whether a line of no format is older than what is asked for: by its own time, or by that of the line before it.
func (p *parser) before(line []byte) bool {
	if p.since.IsZero() {
		return false
	}
	t, _ := anyClock(line, p.recogniser.now)
	if t.IsZero() {
		return p.old
	}
	return t.Before(p.since)
}

// date moves a time that was read as local time into the zone that the logs are in.
func (p *parser) date(e *Entry) {
	if e.Zoned || p.zone == nil {
		return
	}
	t := e.Time.In(time.Local)
	e.Time = time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), p.zone)
}

// keep puts the entry among the block's records, with a copy of all that its slices point to.
func (p *parser) keep(b *block, e *Entry, f *Format, inner []byte, number int) {
	b.records = append(b.records, record{Entry: *e, format: f, line: number, text: inner})
	r := &b.records[len(b.records)-1]
	r.verdict = e.Fault()
	r.Candidates = p.set(e.Candidates)
	for _, piece := range [...]*[]byte{&r.Upstream, &r.Client, &r.Method, &r.Host, &r.Path, &r.ID, &r.Said, &r.text} {
		*piece = b.scratch.keep(*piece)
	}
}

// set gives a copy of the candidates that outlives the entry, the same one for the same candidates.
func (p *parser) set(causes []fault.Cause) []fault.Cause {
	if len(causes) == 0 {
		return nil
	}
	key := setOf(causes)
	kept, ok := p.sets[key]
	if !ok {
		if p.sets == nil {
			p.sets = map[uint64][]fault.Cause{}
		}
		kept = slices.Clone(causes)
		p.sets[key] = kept
	}
	return kept
}
