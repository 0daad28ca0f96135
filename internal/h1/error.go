package h1

import (
	"fmt"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
)

// Error says which rule a message broke, where, and what was awaited there.
type Error struct {
	Rule   fault.Rule
	State  State
	Offset int64  // octets before the one that broke the rule: from the first of the head, or from the first of the body's framing
	Limit  int64  // the limit passed, where Rule is one: octets, or a count
	Size   int64  // what was seen against Limit
	Field  string // the name of the field that Rule is about, empty if it is about none
	Value  string // the part of a field value or a target that Rule is about, at most valueMax octets
}

// valueMax bounds what an Error repeats of a message: enough for a number, a coding or a host.
const valueMax = 80

func (e *Error) Error() string {
	s := fmt.Sprintf("rule %v broken at octet %d, awaiting %s", e.Rule, e.Offset, e.State)
	if e.Field != "" {
		s += ", field " + e.Field
	}
	if e.Limit != 0 {
		s += fmt.Sprintf(", %d of at most %d", e.Size, e.Limit)
	}
	return s
}

// aboutValue is an Error, found when a head was complete, about a part of a field's value.
func aboutValue(rule fault.Rule, buf, part []byte, field string) *Error {
	return &Error{
		Rule: rule, State: AwaitHeadEnd, Offset: offsetIn(buf, part),
		Field: field, Value: string(part[:min(len(part), valueMax)]),
	}
}

// aboutLineAt is an Error, found when a head was complete, about a whole field line that must not be there.
func aboutLineAt(rule fault.Rule, buf []byte, f *httpmsg.Fields, i int) *Error {
	e := aboutValue(rule, buf, f.Value(i), string(f.Name(i)))
	e.Offset = offsetIn(buf, f.Name(i))
	return e
}

// aboutLine is aboutLineAt for the first line of a field that is there.
func aboutLine(rule fault.Rule, buf []byte, f *httpmsg.Fields, id httpmsg.ID) *Error {
	i := 0
	for f.ID(i) != id {
		i++
	}
	return aboutLineAt(rule, buf, f, i)
}

// offsetIn is where a view begins in buf. A view of buf ends, by its capacity, where buf does.
func offsetIn(buf, view []byte) int64 { return int64(cap(buf) - cap(view)) }
