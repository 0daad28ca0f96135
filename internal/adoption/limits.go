package adoption

import (
	"strconv"
	"time"

	"github.com/whygate/whygate/internal/topology"
)

// Limits on clients: Whygate has one of each for all of them, other proxies one for each server.

// limitRange is what a limit may be: bytes, or nanoseconds where it is a time.
type limitRange struct {
	least, most int64
	time        bool
}

// limitRanges are the limits that are translated, in the order in which they are written.
var limitRanges = map[string]limitRange{
	"request_head": {1 << 10, 1 << 20, false},
	"head_time":    {int64(100 * time.Millisecond), int64(10 * time.Minute), true},
	"idle":         {int64(time.Second), int64(24 * time.Hour), true},
}

// limit keeps the largest of what is asked for. What is smaller, or out of range, is told of.
func (d *draft) limit(notes *[]Note, at *node, key string, value int64) {
	allowed := limitRanges[key]
	before, given := d.limits[key]
	switch {
	case value < allowed.least || value > allowed.most:
		d.note(notes, at, "limits.%s cannot be that", key)
		return
	case given && before != value:
		d.note(notes, at, "limits.%s is one for all clients: the largest", key)
	}
	d.limits[key] = max(before, value)
}

// limitTime is limit for a time.
func (d *draft) limitTime(notes *[]Note, at *node, key, text string, unit time.Duration) {
	v, ok := topology.Duration(text, unit)
	if !ok {
		d.note(notes, at, "")
		return
	}
	d.limit(notes, at, key, int64(v))
}

// limitsWritten is the section, empty where it says nothing.
func (d *draft) limitsWritten() string {
	var out []pair
	if d.body != "" {
		out = append(out, pair{"request_body", d.body})
	}
	for _, key := range []string{"request_head", "head_time", "idle"} {
		value, given := d.limits[key]
		switch {
		case !given:
		case limitRanges[key].time:
			out = append(out, pair{key, time.Duration(value).String()})
		default:
			out = append(out, pair{key, strconv.FormatInt(value, 10)})
		}
	}
	if len(out) == 0 {
		return ""
	}
	return mapping(out)
}

// bodyLimit is a limit on request bodies.
type bodyLimit struct {
	at   *node // nil: one that stands in no line
	size int64 // 0: none
}

// largest sets the limit on request bodies, of which there is one for all routes: the largest. Those for which it was smaller are told of.
func (d *draft) largest(all []bodyLimit) {
	largest := all[0]
	for _, b := range all {
		if b.size == 0 || largest.size != 0 && b.size > largest.size {
			largest = b
		}
	}
	for _, b := range all {
		switch {
		case b.size == largest.size:
		case b.at != nil:
			d.note(&d.notes, b.at, "there is one limit for all, the largest")
		default:
			d.note(&d.notes, largest.at, "there is one limit for all: it holds where the standard one did")
		}
	}
	d.body = strconv.FormatInt(largest.size, 10)
}
