package explain

import (
	"bytes"
	"hash/maphash"
	"slices"

	"github.com/whygate/whygate/internal/redact"
)

// This file keeps count of what nobody could judge: lines at error level of a program whose wording no rule knows, and lines
// of no format that have a 5xx or an error in them. A report that leaves them out and says that nothing failed is not true.

// Unjudged is lines of one shape that could not be judged, though they look as if something failed.
type Unjudged struct {
	Product string `json:"product"` // whose log it is, empty for lines of no format
	Count   int64  `json:"count"`
	File    string `json:"file"` // of the first of them
	Line    int    `json:"line"`
	Text    string `json:"text"`

	shape uint64
}

// Bounds of what is kept: of each block, and of all.
const (
	unjudgedBlock = 16
	unjudgedMax   = 64
	unjudgedShown = 8
)

// unjudgedLines is the lines of one shape in a block.
type unjudgedLines struct {
	shape  uint64
	format *Format // nil for none
	count  int
	line   int
	text   []byte
}

// shapeSeed makes equal shapes equal in all blocks of a run, and nothing more.
var shapeSeed = maphash.MakeSeed()

// erroneous reports whether a line of no format looks as if something failed: it tells of an answer and has a 5xx, or it has
// the level of an error. seen are the signs that a glance found in it.
func erroneous(line []byte, seen signs) bool {
	if seen&(signStatus|signRequest) == signStatus|signRequest {
		if _, _, request := requestIn(line); !request && !saysGood(line) { // what was answered to one that could be read, was read as well
			return true
		}
	}
	if seen&signLevel == 0 && letterSeverity(line) < severityError {
		return false
	}
	return severityOf(line) >= severityError && !oneOfList(line, others[:])
}

// goodKeys are what stands before a status in keys and values, and in JSON.
var goodKeys = [...]string{"status=", "status_code=", "statuscode=", `status":`, `status_code":`, `statuscode":`, "status: "}

// saysGood reports whether the line has a status that is no error: any other number of three digits in it counts something.
func saysGood(line []byte) bool {
	for _, key := range goodKeys {
		i := indexFold(line, key)
		if i < 0 {
			continue
		}
		value := bytes.TrimLeft(line[i+len(key):], ` "`)
		if len(value) >= 3 && (len(value) == 3 || !isDigit(value[3])) {
			if n := wholeUint(value[:3]); n >= 100 && n < 400 {
				return true
			}
		}
	}
	return false
}

// unruled reports whether a line of a format is an error of a proxy in wording that no rule has.
func unruled(f *Format, e *Entry, line []byte) bool {
	switch {
	case e.unruled:
		return true
	case e.Marker != MarkerNone || f.Product != "traefik" && f.Product != "caddy":
		return false
	}
	return severityOf(line) >= severityError && !has(line, "health_checker") && !has(line, "Health check")
}

// unjudge counts a line that could not be judged.
func (b *block) unjudge(f *Format, line []byte, number int) {
	shape := shapeOf(line)
	for i := range b.unjudged {
		if u := &b.unjudged[i]; u.shape == shape && u.format == f {
			u.count++
			return
		}
	}
	if len(b.unjudged) < unjudgedBlock-1 {
		b.unjudged = append(b.unjudged, unjudgedLines{shape, f, 1, number, b.scratch.keep(line[:min(len(line), textMax)])})
		return
	}
	if len(b.unjudged) < unjudgedBlock { // the last place is for all that there is no room for
		text := b.scratch.keep(append([]byte("further shapes, such as "), line[:min(len(line), textMax)]...))
		b.unjudged = append(b.unjudged, unjudgedLines{0, nil, 1, number, text})
		return
	}
	b.unjudged[unjudgedBlock-1].count++
}

// shapeOf gives a number for what lines of one kind have in common: their words, without what has digits in it or stands in
// quotes.
func shapeOf(line []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(shapeSeed)
	quoted := false
	for word := range bytes.FieldsSeq(line[:min(len(line), textMax)]) {
		quotes := bytes.Count(word, []byte{'"'})
		if !quoted && quotes == 0 && !bytes.ContainsAny(word, "0123456789/") {
			h.Write(word)
			h.WriteByte(' ')
		}
		quoted = quoted != (quotes%2 == 1)
	}
	return h.Sum64()
}

// takeUnjudged adds a block's lines to those known so far.
func (g *engine) takeUnjudged(b *block, file *File) {
	for i := range b.unjudged {
		u := &b.unjudged[i]
		product := ""
		if u.format != nil {
			product = u.format.Product
		}
		k := slices.IndexFunc(g.unjudged, func(o *Unjudged) bool { return o.shape == u.shape && o.Product == product })
		switch {
		case k >= 0:
			g.unjudged[k].Count += int64(u.count)
		case len(g.unjudged) < unjudgedMax:
			g.unjudged = append(g.unjudged, &Unjudged{Product: product, Count: int64(u.count), File: file.Name, Line: u.line, Text: clip(u.text, textMax), shape: u.shape})
		default:
			g.unjudged[unjudgedMax-1].Count += int64(u.count)
		}
	}
}

// showUnjudged gives the shapes, those of known programs first, then the most frequent.
func (g *engine) showUnjudged() []Unjudged {
	list := make([]Unjudged, 0, len(g.unjudged))
	for _, u := range g.unjudged {
		shown := *u
		shown.Text = redact.Line(u.Text)
		list = append(list, shown)
	}
	slices.SortStableFunc(list, func(a, b Unjudged) int {
		if order := boolOrder(a.Product == "", b.Product == ""); order != 0 {
			return order
		}
		return int(b.Count - a.Count)
	})
	return list[:min(len(list), unjudgedShown)]
}

// OpenErrors gives how many lines at error level of known proxies could not be judged.
func (r *Report) OpenErrors() int64 {
	n := int64(0)
	for _, u := range r.Unjudged {
		if u.Product != "" {
			n += u.Count
		}
	}
	return n
}

// Unread gives how many lines of no format look as if something failed.
func (r *Report) Unread() int64 {
	n := int64(0)
	for _, u := range r.Unjudged {
		if u.Product == "" {
			n += u.Count
		}
	}
	return n
}
