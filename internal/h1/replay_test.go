package h1

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
)

// Outcomes are compared as text: what a parser made of the octets, in full.

func showFields(b *strings.Builder, f *httpmsg.Fields) {
	for i := range f.Len() {
		fmt.Fprintf(b, " | %s(%d)=%q", f.Name(i), f.ID(i), f.Value(i))
	}
}

func showRequest(n int, req *httpmsg.Request) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d octets: %s(%d) %q %s scheme=%q authority=%q path=%q query=%q length=%d keep=%t",
		n, req.Name, req.Method, req.Target, req.Version, req.Scheme, req.Authority, req.Path, req.Query, req.Length, req.KeepAlive)
	showFields(&b, &req.Fields)
	return b.String()
}

func showResponse(n int, res *httpmsg.Response) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d octets: %d %q %s length=%d keep=%t", n, res.Status, res.Reason, res.Version, res.Length, res.KeepAlive)
	showFields(&b, &res.Fields)
	return b.String()
}

// showError leaves out Size, the octets seen so far, which depends on how they came.
func showError(err *Error) string {
	return fmt.Sprintf("error: rule %d at %d awaiting %s, limit %d, field %q, value %q", err.Rule, err.Offset, err.State, err.Limit, err.Field, err.Value)
}

const needMore = "more"

// parser is one of the two Parse functions with its message, so that replays are written once.
type parser func(buf []byte, p *Progress) string

func requestParser(lim *Limits) parser {
	req := new(httpmsg.Request)
	return func(buf []byte, p *Progress) string {
		n, err := ParseRequest(buf, p, req, lim)
		switch {
		case err != nil:
			return showError(err)
		case n == 0:
			return needMore
		}
		return showRequest(n, req)
	}
}

func responseParser(method httpmsg.Method, lim *Limits) parser {
	res := new(httpmsg.Response)
	return func(buf []byte, p *Progress) string {
		n, err := ParseResponse(buf, p, res, method, lim)
		switch {
		case err != nil:
			return showError(err)
		case n == 0:
			return needMore
		}
		return showResponse(n, res)
	}
}

// inSteps parses octets that arrive in steps that end at the given sizes, each time in a new buffer, the old one spoiled.
func inSteps(parse parser, octets string, ends ...int) string {
	var p Progress
	var last []byte
	for _, end := range ends {
		buf := []byte(octets[:end])
		for i := range last {
			last[i] = 0xff
		}
		last = buf
		if got := parse(buf, &p); got != needMore {
			return got
		}
	}
	return needMore
}

// replay checks that octets parse to the same outcome at every split point and octet by octet as at once, and returns it.
func replay(t testing.TB, parse parser, octets string) string {
	t.Helper()
	want := inSteps(parse, octets, len(octets))
	all := make([]int, len(octets))
	for i := range len(octets) {
		all[i] = i + 1
		if got := inSteps(parse, octets, i, len(octets)); got != want {
			t.Fatalf("%q split at %d\n got %s\nwant %s", octets, i, got, want)
		}
	}
	if got := inSteps(parse, octets, all...); got != want {
		t.Fatalf("%q octet by octet\n got %s\nwant %s", octets, got, want)
	}
	return want
}

// broken is a message that must be refused.
type broken struct {
	name   string
	octets string // ‸ stands before the octet that Offset must name
	rule   fault.Rule
	field  string
}

const caret = "‸"

func (c broken) split(t *testing.T) (octets string, offset int) {
	t.Helper()
	offset = strings.Index(c.octets, caret)
	if offset < 0 {
		t.Fatalf("%s: no caret", c.name)
	}
	return strings.Replace(c.octets, caret, "", 1), offset
}

func (c broken) check(t *testing.T, parse parser) {
	t.Helper()
	octets, offset := c.split(t)
	got := replay(t, parse, octets)
	prefix := fmt.Sprintf("error: rule %d at %d awaiting ", c.rule, offset)
	if !strings.HasPrefix(got, prefix) || !strings.Contains(got, fmt.Sprintf("field %q", c.field)) {
		t.Errorf("%q\n got %s\nwant %s…, field %q", octets, got, prefix, c.field)
	}
}

// decoded is what a body decoder made of octets.
func decoded(octets string, length int64, lim *Limits, ends []int) string {
	var d Decoder
	var trailers httpmsg.Fields
	d.Reset(length, lim, &trailers)
	var out bytes.Buffer
	used := 0
	for _, end := range ends {
		for !d.Done() {
			src := []byte(octets[used:end])
			data, n, err := d.Next(src)
			out.Write(data)
			if err != nil {
				return fmt.Sprintf("%q %s", out.Bytes(), showError(err))
			}
			if n == 0 {
				break
			}
			used += n
			if d.Done() {
				var b strings.Builder
				showFields(&b, &trailers)
				return fmt.Sprintf("%q done after %d%s", out.Bytes(), used, b.String())
			}
		}
	}
	return fmt.Sprintf("%q more", out.Bytes())
}

// replayBody checks that a body decodes the same at every split point and octet by octet as at once, and returns that.
func replayBody(t testing.TB, octets string, length int64, lim *Limits) string {
	t.Helper()
	want := decoded(octets, length, lim, []int{len(octets)})
	all := make([]int, len(octets))
	for i := range len(octets) {
		all[i] = i + 1
		if got := decoded(octets, length, lim, []int{i, len(octets)}); got != want {
			t.Fatalf("%q split at %d\n got %s\nwant %s", octets, i, got, want)
		}
	}
	if got := decoded(octets, length, lim, all); got != want {
		t.Fatalf("%q octet by octet\n got %s\nwant %s", octets, got, want)
	}
	return want
}
