package h2

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
)

// The other implementation is golang.org/x/net's. Where the two differ, the difference is explained here or the test fails.

// explained are the rules of frames that we apply where the other does not, or later.
var explainedFrames = map[fault.Rule]string{
	fault.RuleH2FrameLength: "the other leaves out some lengths: of PUSH_PROMISE with padding, of PRIORITY it ends the connection",
}

// stricterFrames are the other's words where it refuses in the frame what we refuse in the connection, or not at all.
var stricterFrames = []struct{ words, why string }{
	{"FLOW_CONTROL_ERROR", "SETTINGS_INITIAL_WINDOW_SIZE is judged by Conn"},
	{"PROTOCOL_ERROR", "zero window updates, values of settings and PRIORITY_UPDATE on stream 0 are judged by Conn"},
	{"unexpected EOF", "PUSH_PROMISE without its stream, which Conn refuses whatever it holds"},
}

// judgedByConn reports whether a frame is one that the other judges when it parses it and we when Conn takes it.
func judgedByConn(f *Frame) bool {
	return f.Type == SettingsFrame || f.Type == WindowUpdate || f.Type == PushPromise || f.Type == PriorityUpdate
}

func FuzzFrames(f *testing.F) {
	octets, _ := conversation()
	f.Add([]byte(octets[len(Preface):]))
	for _, tt := range broken {
		f.Add([]byte(tt.octets))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		fr := http2.NewFramer(io.Discard, bytes.NewReader(in))
		fr.AllowIllegalReads = true
		fr.SetMaxReadFrameSize(FrameMax)
		for rest := in; ; {
			ours, n, err := ParseFrame(rest)
			theirs, other := fr.ReadFrame()
			switch {
			case n == 0 && err == nil:
				if other == nil {
					t.Fatalf("%q: we want more, the other reads %v", rest, theirs)
				}
				return
			case err != nil:
				if _, known := explainedFrames[err.Rule]; other == nil && !known {
					t.Fatalf("%q: %v, and the other reads %v", rest, err, theirs)
				}
				return
			case other != nil:
				if !judgedByConn(&ours) || !explainedWords(other) {
					t.Fatalf("%q: we read %+v, the other: %v", rest, ours, other)
				}
				return
			}
			if mine, its := fmt.Sprintf("%d %d %d %d", ours.Type, ours.Flags, ours.Stream, ours.Length), theirs.Header(); mine != fmt.Sprintf("%d %d %d %d", its.Type, its.Flags, its.StreamID, its.Length) {
				t.Fatalf("%q: %s, the other: %v", rest, mine, its)
			}
			comparePayload(t, &ours, theirs)
			rest = rest[n:]
		}
	})
}

func explainedWords(err error) bool {
	for _, s := range stricterFrames {
		if strings.Contains(err.Error(), s.words) {
			return true
		}
	}
	return false
}

func comparePayload(t *testing.T, ours *Frame, theirs http2.Frame) {
	t.Helper()
	var its []byte
	switch f := theirs.(type) {
	case *http2.DataFrame:
		its = f.Data()
	case *http2.HeadersFrame:
		its = f.HeaderBlockFragment()
		if f.Priority.StreamDep != ours.Depends {
			t.Errorf("depends on %d, the other: %d", ours.Depends, f.Priority.StreamDep)
		}
	case *http2.ContinuationFrame:
		its = f.HeaderBlockFragment()
	case *http2.PingFrame:
		its = f.Data[:]
	case *http2.UnknownFrame:
		its = f.Payload()
	default:
		return // their payloads are values, which Conn reads
	}
	if !bytes.Equal(ours.Payload, its) {
		t.Errorf("payload %q, the other: %q", ours.Payload, its)
	}
}

// What we write is read by the other as it was meant.
func FuzzWrittenFrames(f *testing.F) {
	f.Add(uint32(1), uint32(8), []byte("abc"), true)
	f.Fuzz(func(t *testing.T, stream, n uint32, payload []byte, end bool) {
		stream = stream&^(1<<31) | 1
		payload = payload[:min(len(payload), FrameMax)]
		b := append(AppendDataHead(nil, stream, len(payload), end), payload...)
		b = AppendRSTStream(b, stream, Code(n))
		b = AppendPing(b, end, [8]byte{1, byte(n)})
		b = AppendWindowUpdate(b, stream, int64(n)&WindowMax|1)
		b = AppendGoAway(b, stream, Code(n), string(payload))
		b = AppendPriorityUpdate(b, stream, payload[:min(len(payload), 100)])
		b = appendSettings(b, &Settings{MaxStreams: n | 1, InitialWindow: n&WindowMax | 1, NoPush: end, Connect: true, NoPriorities: true})
		var want bytes.Buffer
		fr := http2.NewFramer(&want, nil)
		fr.AllowIllegalWrites = true
		settings := []http2.Setting{{ID: 3, Val: n | 1}, {ID: 4, Val: n&WindowMax | 1}, {ID: 8, Val: 1}, {ID: 9, Val: 1}}
		if end {
			settings = append([]http2.Setting{{ID: 2, Val: 0}}, settings...)
		}
		err := errors.Join(fr.WriteData(stream, end, payload), fr.WriteRSTStream(stream, http2.ErrCode(n)), fr.WritePing(end, [8]byte{1, byte(n)}),
			fr.WriteWindowUpdate(stream, n&WindowMax|1), fr.WriteGoAway(stream, http2.ErrCode(n), payload[:min(len(payload), debugMax)]),
			fr.WritePriorityUpdate(stream, string(payload[:min(len(payload), 100)])), fr.WriteSettings(settings...))
		if err != nil || !bytes.Equal(b, want.Bytes()) {
			t.Fatalf("%v\n%q\nthe other\n%q", err, b, want.Bytes())
		}
	})
}

// explainedHPACK are the rules of compression that we apply more strictly.
var explainedHPACK = map[fault.Rule]string{
	fault.RuleHPACKInteger:   "four octets behind a prefix, not nine: more than any length or index needs",
	fault.RuleHPACKTableSize: "an update behind a field, or a third one, is refused even where the table is empty",
}

// FuzzHPACK decodes two blocks one after the other, so that the second meets what the first left in the table.
func FuzzHPACK(f *testing.F) {
	f.Add(unhex("8286844186a0e41d139d09"), unhex("8286be"))
	f.Add(unhex("4803333032580770726976617465"), unhex("3fe11fbf0f0001610162"))
	f.Add([]byte(literals(line("GET", "/")...)), []byte("\x20\x40\x01a\x01b"))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var d Decoder
		var list []hpack.HeaderField
		other := hpack.NewDecoder(tableMax, func(f hpack.HeaderField) { list = append(list, f) })
		for _, block := range [][]byte{first, second} {
			if len(block) > FrameMax {
				return // gathered from several frames, and bounded there
			}
			list = nil
			got, s, err := decodeAll(&d, block)
			_, theirs := other.Write(block)
			if theirs == nil {
				theirs = other.Close()
			}
			switch {
			case err != nil && theirs == nil:
				if _, known := explainedHPACK[err.Rule]; !known {
					t.Fatalf("%x: %v, and the other reads %v", block, err, list)
				}
				return
			case err == nil && theirs != nil:
				if !strings.Contains(theirs.Error(), "MUST occur at the beginning") { // two updates are allowed: RFC 7541, section 4.2
					t.Fatalf("%x: we read %q, the other: %v", block, got, theirs)
				}
				return
			case err != nil:
				return
			}
			if s.rule == fault.RuleNone {
				compareFields(t, s, list)
			}
			compareTables(t, &d, other, &list)
		}
	})
}

// compareFields compares a section that breaks no rule, whose cookies are joined, with the other's list.
func compareFields(t *testing.T, s *section, list []hpack.HeaderField) {
	t.Helper()
	i, seen, cookies := 0, 0, []string(nil)
	for _, f := range list {
		switch {
		case strings.HasPrefix(f.Name, ":"):
			if string(s.value(pseudoOf([]byte(f.Name)))) != f.Value {
				t.Fatalf("%v is missing", f)
			}
			continue
		case f.Name == "cookie":
			seen++
			if f.Value != "" {
				cookies = append(cookies, f.Value)
			}
			if seen > 1 && (i == s.fields.Len() || s.fields.ID(i) != httpmsg.Cookie) {
				continue
			}
		case string(s.fields.Name(i)) != f.Name || string(s.fields.Value(i)) != f.Value:
			t.Fatalf("field %d is %q: %q, the other: %v", i, s.fields.Name(i), s.fields.Value(i), f)
		}
		i++
	}
	if got, want := string(s.fields.Get(httpmsg.Cookie)), strings.Join(cookies, "; "); got != want || i != s.fields.Len() {
		t.Fatalf("cookie %q, want %q; %d fields of %d", got, want, i, s.fields.Len())
	}
}

// compareTables asks the other decoder for every entry.
func compareTables(t *testing.T, d *Decoder, other *hpack.Decoder, list *[]hpack.HeaderField) {
	t.Helper()
	for age := 0; ; age++ {
		*list = nil
		_, err := other.Write(appendInteger(nil, indexedField, 7, staticSize+1+age))
		if err = errors.Join(err, other.Close()); (err == nil) != (age < d.table.count) {
			t.Fatalf("entry %d of %d: the other: %v", age, d.table.count, err)
		}
		if err != nil {
			return
		}
		e := d.table.get(age)
		l := d.table.at(e)
		if name, value := string(l[:e.name]), string(l[e.name+2:len(l)-2]); name != (*list)[0].Name || value != (*list)[0].Value {
			t.Fatalf("entry %d is %q: %q, the other: %v", age, name, value, (*list)[0])
		}
	}
}

// explainedHeads are the rules of messages that the other's framer leaves to somebody else, or does not have.
var explainedHeads = map[fault.Rule]string{
	fault.RuleH2ConnectionField: "left to http2.Server", fault.RuleH2TE: "left to http2.Server", fault.RuleH2PseudoMissing: "left to http2.Server",
	fault.RuleH2Scheme: "we pass on http and https only", fault.RuleTarget: "as in package h1: no octet that a target cannot have",
	fault.RuleMethod: "as in package h1: a token", fault.RuleH2Authority: "left to net/http", fault.RuleHostMultiple: "left to net/http", fault.RuleHostInvalid: "as in package h1",
	fault.RuleContentLength: "left to net/http", fault.RuleContentLengthConflict: "left to net/http", fault.RuleContentLengthOverflow: "left to net/http", fault.RuleH2Length: "left to http2.Server",
	fault.RuleH2Connect: "left to http2.Server", fault.RuleH2FieldValue: "whitespace around a value is refused, as RFC 9113 wants",
	fault.RuleFieldCount: "our limit", fault.RuleHeadSize: "our limit", fault.RuleH2PseudoUnknown: ":protocol is refused where it was not offered",
	fault.RuleHPACKInteger: "see explainedHPACK", fault.RuleHPACKTableSize: "see explainedHPACK",
}

// FuzzHeaders reads one block as a request.
func FuzzHeaders(f *testing.F) {
	for _, tt := range broken {
		if i := strings.Index(tt.octets, ":method"); i > 2 {
			f.Add([]byte(tt.octets[i-2:]))
		}
	}
	f.Add([]byte(literals(append(line("GET", "/"), "cookie: a", "x: y", "cookie: b")...)))
	f.Add([]byte(literals(append(line("GET", "/"), "cookie: a", "cookie: ")...)))
	f.Add([]byte(literals(append(line("GET", "/"), "cookie: ", "cookie: a", "x: y", "cookie: ")...)))
	f.Fuzz(func(t *testing.T, block []byte) {
		if len(block) == 0 || len(block) > FrameMax {
			return
		}
		var d Decoder
		var req httpmsg.Request
		_, err := d.ReadRequest(block, nil, &req, RequestOptions{Limits: &Limits{}, End: true})
		in := append(AppendFrameHead(nil, len(block), Headers, FlagEndHeaders|FlagEndStream, 1), block...)
		fr := http2.NewFramer(io.Discard, bytes.NewReader(in))
		fr.ReadMetaHeaders = hpack.NewDecoder(tableMax, nil)
		fr.MaxHeaderListSize = 1 << 20
		meta, other := fr.ReadFrame()
		switch {
		case err != nil && other == nil:
			if _, known := explainedHeads[err.Rule]; !known {
				t.Fatalf("%x: %v, and the other reads %v", block, err, meta)
			}
			return
		case err == nil && other != nil:
			if s := fmt.Sprint(other); !strings.Contains(s, "COMPRESSION_ERROR") { // two updates of the table's size
				t.Fatalf("%x: we read %q, the other: %v", block, req.Fields.Buffer(), other)
			}
			return
		case err != nil:
			return
		}
		m := meta.(*http2.MetaHeadersFrame)
		for name, value := range map[string][]byte{"method": req.Name, "scheme": req.Scheme, "authority": req.Authority} {
			if its := m.PseudoValue(name); its != string(value) && (name != "authority" || its != "") {
				t.Fatalf(":%s is %q, the other: %q", name, value, its)
			}
		}
		rewritten(t, &req)
	})
}

// rewritten writes a request again and reads it: nothing changes.
func rewritten(t *testing.T, req *httpmsg.Request) {
	t.Helper()
	b := AppendRequestLine(AppendBlockStart(nil), &RequestLine{Method: req.Name, Scheme: req.Scheme, Authority: req.Authority, Path: req.Path, Protocol: req.Protocol})
	if req.Path != nil {
		b = AppendRequestLine(AppendBlockStart(nil), &RequestLine{Method: req.Name, Scheme: req.Scheme, Authority: req.Authority, Path: req.Target, Protocol: req.Protocol})
	}
	b = AppendFields(b, &req.Fields)
	var d Decoder
	var again httpmsg.Request
	if _, err := d.ReadRequest(b, nil, &again, RequestOptions{Limits: &Limits{Head: 1 << 20}, End: true}); err != nil {
		t.Fatalf("written again: %v", err)
	}
	show := func(r *httpmsg.Request) string {
		s := fmt.Sprintf("%s %s %s %s %s %s\n", r.Name, r.Scheme, r.Authority, r.Target, r.Path, r.Query)
		for i := range r.Fields.Len() {
			if !r.Fields.Dropped(i) && r.Fields.ID(i) != httpmsg.Host {
				s += fmt.Sprintf("%s: %s %v\n", r.Fields.Name(i), r.Fields.Value(i), r.Fields.Span(i).Sensitive)
			}
		}
		return s
	}
	if a, b := show(req), show(&again); a != b {
		t.Fatalf("%s\nwritten again\n%s", a, b)
	}
	if d.table.count != 0 {
		t.Fatal("something of ours is in the peer's table")
	}
}

// FuzzConn gives a connection any octets, whole and in two parts: it must not fail, and must come to the same end.
func FuzzConn(f *testing.F) {
	octets, _ := conversation()
	f.Add([]byte(octets[len(clientStart):]), uint16(99), false)
	for _, tt := range broken {
		f.Add([]byte(tt.octets), uint16(len(tt.octets)/2), false)
	}
	f.Add([]byte(head(1, 0, ":status: 103")+head(1, 0, ":status: 200")+frame(Data, 0, 1, "x")+head(1, FlagEndStream, "a: b")), uint16(40), true)
	f.Fuzz(func(t *testing.T, octets []byte, at uint16, client bool) {
		run := func(parts ...string) *endpoint {
			e := newEndpoint(Config{Settings: Settings{MaxStreams: 8, Connect: true}, Limits: Limits{Head: 4096}})
			start := clientStart
			if client {
				e = newEndpoint(Config{Role: Client, Limits: Limits{Head: 4096}})
				e.Open(new(Stream), httpmsg.GET)
				start = clientStart[len(Preface):]
			}
			e.Start(nil)
			e.feed(start)
			for _, p := range parts {
				e.feed(p)
			}
			return e
		}
		i := min(int(at), len(octets))
		whole, split := run(string(octets)), run(string(octets[:i]), string(octets[i:]))
		if fmt.Sprint(whole.told, whole.Counts, whole.recv, whole.send, whole.owed, whole.Streams()) != fmt.Sprint(split.told, split.Counts, split.recv, split.send, split.owed, split.Streams()) ||
			!bytes.Equal(whole.out, split.out) {
			t.Fatalf("split at %d of %q:\n%q %v\n%q %v", i, octets, whole.told, whole.err, split.told, split.err)
		}
		if whole.Streams() > 8 || cap(whole.block) > 64<<10 || cap(whole.decoder.table.lines) > 4*tableMax {
			t.Fatalf("%d streams, %d octets of a head, %d of the table", whole.Streams(), cap(whole.block), cap(whole.decoder.table.lines))
		}
	})
}
