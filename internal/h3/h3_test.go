package h3

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/quic-go/qpack"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h2"
	"github.com/whygate/whygate/internal/httpmsg"
)

// block is a field section of lines "name: value".
func block(lines ...string) []byte {
	b := []byte{0, 0}
	for _, l := range lines {
		name, value, _ := strings.Cut(l[1:], ": ")
		name = l[:1] + name
		b = append(h2.AppendInteger(b, namedLiteral, 3, len(name)), name...)
		b = append(h2.AppendInteger(b, 0, 7, len(value)), value...)
	}
	return b
}

// get is a request's lines.
func get(more ...string) []string {
	return append([]string{":method: GET", ":scheme: https", ":authority: a.example", ":path: /"}, more...)
}

func readHead(b []byte) (httpmsg.Request, *Error) {
	var q httpmsg.Request
	_, err := ReadRequest(b, nil, &q, &Limits{Head: 2000})
	return q, err
}

// Each rule of a message and of its compression, with the code by which HTTP/3 tells it.
func TestMessageRules(t *testing.T) {
	without := func(name string) []string {
		var out []string
		for _, l := range get() {
			if !strings.HasPrefix(l, name+":") {
				out = append(out, l)
			}
		}
		return out
	}
	many := get()
	for i := range httpmsg.FieldsMax + 1 {
		many = append(many, fmt.Sprint("x", i%10, ": y"))
	}
	for _, v := range []struct {
		block []byte
		rule  fault.Rule
		code  Code
		fatal bool
	}{
		{block(get()...), fault.RuleNone, 0, false},
		{block(get("Upper: x")...), fault.RuleH2FieldName, MessageError, false},
		{block(get("a b: x")...), fault.RuleH2FieldName, MessageError, false},
		{block(get("a:  x")...), fault.RuleH2FieldValue, MessageError, false},
		{block(get("a: x\x00y")...), fault.RuleNUL, MessageError, false},
		{block(get("a: x\r\nb: c")...), fault.RuleFieldValue, MessageError, false},
		{block(get("connection: close")...), fault.RuleH2ConnectionField, MessageError, false},
		{block(get("keep-alive: x")...), fault.RuleH2ConnectionField, MessageError, false},
		{block(get("proxy-connection: x")...), fault.RuleH2ConnectionField, MessageError, false},
		{block(get("transfer-encoding: chunked")...), fault.RuleH2ConnectionField, MessageError, false},
		{block(get("upgrade: websocket")...), fault.RuleH2ConnectionField, MessageError, false},
		{block(get("te: gzip")...), fault.RuleH2TE, MessageError, false},
		{block(get("te: trailers")...), fault.RuleNone, 0, false},
		{block(get(":new: x")...), fault.RuleH2PseudoUnknown, MessageError, false},
		{block(append([]string{":status: 200"}, get()...)...), fault.RuleH2PseudoUnknown, MessageError, false},
		{block(append([]string{":protocol: websocket"}, get()...)...), fault.RuleH2PseudoUnknown, MessageError, false},
		{block(append([]string{":path: /"}, get()...)...), fault.RuleH2PseudoTwice, MessageError, false},
		{block(append([]string{"a: b"}, get()...)...), fault.RuleH2PseudoLate, MessageError, false},
		{block(without(":method")...), fault.RuleH2PseudoMissing, MessageError, false},
		{block(without(":scheme")...), fault.RuleH2PseudoMissing, MessageError, false},
		{block(without(":path")...), fault.RuleH2PseudoMissing, MessageError, false},
		{block(without(":authority")...), fault.RuleH2PseudoMissing, MessageError, false},
		{block(append(without(":authority"), "host: a.example")...), fault.RuleNone, 0, false},
		{block(get("host: b.example")...), fault.RuleH2Authority, MessageError, false},
		{block(get("host: a.example", "host: a.example")...), fault.RuleHostMultiple, MessageError, false},
		{block(append([]string{":authority: a/b"}, without(":authority")...)...), fault.RuleHostInvalid, MessageError, false},
		{block(append([]string{":method: G T"}, without(":method")...)...), fault.RuleMethod, MessageError, false},
		{block(append([]string{":path: x"}, without(":path")...)...), fault.RuleTarget, MessageError, false},
		{block(append([]string{":scheme: ftp"}, without(":scheme")...)...), fault.RuleH2Scheme, MessageError, false},
		{block(":method: CONNECT", ":authority: a.example"), fault.RuleTarget, MessageError, false},
		{block(":method: CONNECT", ":authority: a.example:1", ":path: /"), fault.RuleH2Connect, MessageError, false},
		{block(get("content-length: x")...), fault.RuleContentLength, MessageError, false},
		{block(get("content-length: 1", "content-length: 1")...), fault.RuleContentLengthConflict, MessageError, false},
		{block(get("content-length: 99999999999999999999")...), fault.RuleContentLengthOverflow, MessageError, false},
		{block(get("a: "+strings.Repeat("x", 100), "b: "+strings.Repeat("x", 120))...), fault.RuleNone, 0, false},
		{block(get("a: " + strings.Repeat("x", 2000))...), fault.RuleHeadSize, ExcessiveLoad, false},
		{block(many...), fault.RuleHeadSize, ExcessiveLoad, false},

		{[]byte{}, fault.RuleHPACKCut, DecompressionFailed, true},
		{[]byte{0}, fault.RuleHPACKCut, DecompressionFailed, true},
		{[]byte{1, 0, 0xd1}, fault.RuleQPACKDynamic, DecompressionFailed, true},
		{[]byte{0, 0, 0x80}, fault.RuleQPACKDynamic, DecompressionFailed, true},           // an indexed line of the dynamic table
		{[]byte{0, 0, 0x40, 1, 'x'}, fault.RuleQPACKDynamic, DecompressionFailed, true},   // a name of it
		{[]byte{0, 0, 0x10}, fault.RuleQPACKDynamic, DecompressionFailed, true},           // an index behind the base
		{[]byte{0, 0, 0x00, 1, 'x'}, fault.RuleQPACKDynamic, DecompressionFailed, true},   // a name by one
		{[]byte{0, 0, 0xff, 36}, fault.RuleHPACKIndex, DecompressionFailed, true},         // 99
		{[]byte{0, 0, 0x5f, 84, 1, 'x'}, fault.RuleHPACKIndex, DecompressionFailed, true}, // 99
		{[]byte{0, 0, 0xff, 0x80, 0x80, 0x80, 0x80, 0x80, 0}, fault.RuleHPACKInteger, DecompressionFailed, true},
		{[]byte{0, 0, 0x22, 'a'}, fault.RuleHPACKCut, DecompressionFailed, true},
		{[]byte{0, 0, 0x21, 'a'}, fault.RuleHPACKCut, DecompressionFailed, true},
		{[]byte{0, 0, 0x51, 0x81, 0x18}, fault.RuleHPACKHuffman, DecompressionFailed, true},
	} {
		q, err := readHead(v.block)
		switch {
		case v.rule == fault.RuleNone && err != nil, v.rule != fault.RuleNone && err == nil:
			t.Errorf("%q: %v, want %v", v.block, err, v.rule)
		case err != nil && (err.Rule != v.rule || err.Code != v.code || err.Fatal != v.fatal || err.TooLarge() != (v.code == ExcessiveLoad)):
			t.Errorf("%q: %v, fatal %t, want %v %v %t", v.block, err, err.Fatal, v.rule, v.code, v.fatal)
		case err == nil && (q.Version != httpmsg.HTTP3 || string(q.Authority) != "a.example"):
			t.Errorf("%q: version %v, authority %q", v.block, q.Version, q.Authority)
		}
	}
}

// Trailers have no pseudo-fields, nor what would change the message after it was judged.
func TestTrailerRules(t *testing.T) {
	for line, want := range map[string]fault.Rule{
		"x-sum: 7": fault.RuleNone, ":path: /": fault.RuleH2PseudoLate, "content-length: 1": fault.RuleTrailer, "X: y": fault.RuleH2FieldName,
		"a: " + strings.Repeat("x", 120): fault.RuleTrailerSize,
	} {
		var f httpmsg.Fields
		_, err := ReadTrailers(block(line), nil, &f, &Limits{Trailers: 100})
		if got := fault.RuleNone; err != nil && err.Rule != want || err == nil && want != got {
			t.Errorf("%q: %v, want %v", line, err, want)
		}
	}
}

// RFC 9114, section 7.2: which frames a request's stream may have, and where.
func TestFrameOrder(t *testing.T) {
	for _, v := range []struct {
		frames []FrameType
		bad    int // which of them is one too many, -1 for none
	}{
		{[]FrameType{Headers, Data, Data, Headers, 0x21}, -1},
		{[]FrameType{0x21, Headers, 0x40, Data, 0x21}, -1},
		{[]FrameType{Headers, Headers}, -1},
		{[]FrameType{Data}, 0},
		{[]FrameType{Headers, Headers, Data}, 2},
		{[]FrameType{Headers, Headers, Headers}, 2},
		{[]FrameType{CancelPush}, 0},
		{[]FrameType{Settings}, 0},
		{[]FrameType{Headers, PushPromise}, 1},
		{[]FrameType{GoAway}, 0},
		{[]FrameType{MaxPushID}, 0},
		{[]FrameType{2}, 0},
		{[]FrameType{Headers, 6}, 1},
		{[]FrameType{8}, 0},
		{[]FrameType{9}, 0},
	} {
		var m Message
		bad := -1
		for i, f := range v.frames {
			if _, err := m.Frame(f); err != nil {
				bad = i
				if err.Code != FrameUnexpected || !err.Fatal {
					t.Errorf("%v: %v", v.frames, err)
				}
				break
			}
		}
		if bad != v.bad {
			t.Errorf("%v: %d is refused, want %d", v.frames, bad, v.bad)
		}
	}
	var m Message
	if err := m.Cut(false); err == nil || err.Code != RequestIncomplete || err.Fatal {
		t.Errorf("a stream without a request: %v", err)
	}
	if err := m.Cut(true); err == nil || err.Code != FrameError || !err.Fatal {
		t.Errorf("a frame cut: %v", err)
	}
}

// RFC 9114, sections 6.2.1 and 7.2: the control stream.
func TestControlRules(t *testing.T) {
	frame := func(t FrameType, ids ...uint64) []byte {
		var p []byte
		for _, id := range ids {
			p = AppendVarint(p, id)
		}
		return append(AppendHeader(nil, t, len(p)), p...)
	}
	join := func(frames ...[]byte) []byte { return bytes.Join(frames, nil) }
	settings := frame(Settings)
	var lots []uint64
	for i := range uint64(settingsMax + 1) {
		lots = append(lots, 100+i, 0)
	}
	for _, v := range []struct {
		octets []byte
		rule   fault.Rule
		code   Code
	}{
		{join(frame(Settings, 1, 0, 6, 100, 7, 0, 8, 1, 0x33, 0, 0x21, 77), frame(0x21), frame(MaxPushID, 3), frame(MaxPushID, 3), frame(GoAway, 8), frame(GoAway, 8)), fault.RuleNone, 0},
		{frame(GoAway, 0), fault.RuleH3Settings, MissingSettings},
		{frame(0x21), fault.RuleH3Settings, MissingSettings},
		{join(settings, settings), fault.RuleH3Frame, FrameUnexpected},
		{join(settings, frame(Data)), fault.RuleH3Frame, FrameUnexpected},
		{join(settings, frame(Headers)), fault.RuleH3Frame, FrameUnexpected},
		{join(settings, frame(PushPromise)), fault.RuleH3Frame, FrameUnexpected},
		{join(settings, frame(6)), fault.RuleH3Frame, FrameUnexpected},
		{frame(Settings, 6, 1, 6, 1), fault.RuleH3Settings, SettingsError},
		{frame(Settings, 2, 0), fault.RuleH3Settings, SettingsError},
		{frame(Settings, 3, 0), fault.RuleH3Settings, SettingsError},
		{frame(Settings, 4, 0), fault.RuleH3Settings, SettingsError},
		{frame(Settings, 5, 0), fault.RuleH3Settings, SettingsError},
		{frame(Settings, 8, 2), fault.RuleH3Settings, SettingsError},
		{frame(Settings, 0x33, 2), fault.RuleH3Settings, SettingsError},
		{frame(Settings, lots...), fault.RuleH3Settings, ExcessiveLoad},
		{frame(Settings, 6), fault.RuleH3FrameSize, FrameError},
		{AppendHeader(nil, Settings, controlMax+1), fault.RuleH3FrameSize, ExcessiveLoad},
		{join(settings, frame(CancelPush, 0)), fault.RuleH3ID, IDError},
		{join(settings, frame(MaxPushID, 3), frame(MaxPushID, 2)), fault.RuleH3ID, IDError},
		{join(settings, frame(GoAway, 4), frame(GoAway, 8)), fault.RuleH3ID, IDError},
		{join(settings, frame(GoAway)), fault.RuleH3FrameSize, FrameError},
		{join(settings, frame(MaxPushID, 1, 1)), fault.RuleH3FrameSize, FrameError},
	} {
		err := control(v.octets)
		if v.rule == fault.RuleNone && err != nil || v.rule != fault.RuleNone && (err == nil || err.Rule != v.rule || err.Code != v.code || !err.Fatal) {
			t.Errorf("%x: %v, want %v %v", v.octets, err, v.rule, v.code)
		}
	}
}

// control reads the frames of a control stream.
func control(b []byte) *Error {
	var c Control
	for len(b) > 0 {
		h, n := ParseHeader(b)
		if n == 0 {
			return nil
		}
		wanted, err := c.Begin(h)
		if err != nil {
			return err
		}
		b = b[n:]
		if uint64(len(b)) < h.Length {
			return nil
		}
		if wanted {
			if err := c.Frame(h.Type, b[:h.Length]); err != nil {
				return err
			}
		}
		b = b[h.Length:]
	}
	return nil
}

// RFC 9114, section 6.2, and RFC 9204, section 4.2: the other streams of the client's.
func TestStreamRules(t *testing.T) {
	for _, kind := range []StreamType{ControlStream, EncoderStream, DecoderStream} {
		var s Streams
		if err := s.Open(kind); err != nil {
			t.Errorf("%d: %v", kind, err)
		}
		if err := s.Open(kind); err == nil || err.Code != StreamCreationError || !err.Fatal {
			t.Errorf("a second %d: %v", kind, err)
		}
		if err := s.Open(0x21); err != nil {
			t.Error(err)
		}
		if err := s.Open(PushStream); err == nil || err.Code != StreamCreationError {
			t.Errorf("a push: %v", err)
		}
	}
	if err := Encoder([]byte{0x20, 0x20}); err != nil {
		t.Error(err)
	}
	for _, b := range []string{"\x21", "\x3f\x00", "\xc0\x01x", "\x41a\x01b", "\x00"} { // a capacity, inserts, a duplicate
		if err := Encoder([]byte(b)); err == nil || err.Code != EncoderStreamError || !err.Fatal {
			t.Errorf("%x: %v", b, err)
		}
	}
	for b, good := range map[string]bool{
		"\x44\x7f\x80\x01\x48": true, "\x80": false, "\x84": false, "\x01": false, "\x00": false, "\x7f\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00": false,
	} {
		var d Decoder
		var err *Error
		for i := range len(b) {
			if err = d.Read([]byte(b[i : i+1])); err != nil {
				break
			}
		}
		if (err == nil) != good || err != nil && err.Code != DecoderStreamError {
			t.Errorf("%x: %v", b, err)
		}
	}
}

func TestVarint(t *testing.T) {
	for _, v := range []uint64{0, 63, 64, 16383, 16384, 1<<30 - 1, 1 << 30, varintMax} {
		b := AppendVarint(nil, v)
		if got, n := Varint(b); got != v || n != len(b) {
			t.Errorf("%d: %x is %d", v, b, got)
		}
		for i := range b {
			if _, n := Varint(b[:i]); n != 0 {
				t.Errorf("%x of %x is a number", b[:i], b)
			}
		}
	}
}

// What we write, another implementation reads; what it writes, we read.
func TestOthersQPACK(t *testing.T) {
	var f httpmsg.Fields
	for _, l := range [][2]string{{"Content-Type", "text/html"}, {"X-Own", "1"}, {"Connection", "close"}, {"TE", "gzip"}, {"Set-Cookie", strings.Repeat("c", 300)}, {"ETag", ""}} {
		f.Append(l[0], []byte(l[1]), httpmsg.Identify([]byte(l[0])))
	}
	f.Span(1).Sensitive, f.Span(4).Sensitive = true, true
	for _, status := range []int{200, 103, 418, 500, 999} {
		b := FinishHeaders(AppendLength(AppendFields(AppendStatus(BeginHeaders(nil), status), &f), 1234567), 0)
		h, n := ParseHeader(b)
		if h.Type != Headers || int(h.Length) != len(b)-n {
			t.Fatalf("%x: %v", b, h)
		}
		var got []string
		next := qpack.NewDecoder().Decode(b[n:])
		for {
			line, err := next()
			if err != nil {
				break
			}
			got = append(got, line.Name+"="+line.Value)
		}
		want := []string{fmt.Sprint(":status=", status), "content-type=text/html", "x-own=1", "set-cookie=" + strings.Repeat("c", 300), "etag=", "content-length=1234567"}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%q, want %q", got, want)
		}
	}

	var b bytes.Buffer
	e := qpack.NewEncoder(&b)
	for _, l := range []string{":method=GET", ":scheme=https", ":authority=a.example", ":path=/x?y", "accept=*/*", "cookie=a=1", "cookie=b=2", "x-other=Ünïcode"} {
		name, value, _ := strings.Cut(l[1:], "=")
		if err := e.WriteField(qpack.HeaderField{Name: l[:1] + name, Value: value}); err != nil {
			t.Fatal(err)
		}
	}
	q, err := readHead(b.Bytes())
	if err != nil || q.Method != httpmsg.GET || string(q.Path) != "/x" || string(q.Query) != "?y" || string(q.Fields.Get(httpmsg.Cookie)) != "a=1; b=2" {
		t.Errorf("%v, %q %q", err, q.Path, q.Fields.Get(httpmsg.Cookie))
	}
	if v, there := q.Fields.Lookup("x-other"); !there || string(v) != "Ünïcode" {
		t.Errorf("%q", v)
	}
}

// Whatever comes, a head is read or refused, and what was read can be written and read again.
func FuzzReadRequest(f *testing.F) {
	f.Add(block(get("a: b")...))
	f.Add([]byte{0, 0, 0xd1, 0xd7, 0xc1, 0x50, 0x81, 0x1f})
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := readHead(b)
		if err != nil {
			if err.Rule == fault.RuleNone || err.Code < 0x100 {
				t.Fatalf("an error without a rule or a code: %v", err)
			}
			return
		}
		w := FinishHeaders(AppendFields(BeginHeaders(nil), &q.Fields), 0)
		_, n := ParseHeader(w)
		again, err := readHead(append(block(get()...), w[n+2:]...))
		if err != nil && err.Rule != fault.RuleHeadSize && err.Rule != fault.RuleFieldCount && q.Fields.Get(httpmsg.Host) == nil {
			t.Fatalf("%v of %q", err, q.Fields.Buffer())
		}
		if err == nil && !q.Fields.Has(httpmsg.Host) {
			live := 0
			for i := range q.Fields.Len() {
				if !q.Fields.Dropped(i) {
					live++
				}
			}
			if again.Fields.Len() != live {
				t.Fatalf("%d fields, then %d", live, again.Fields.Len())
			}
		}
	})
}

// Whatever comes on the client's streams, it is judged without a panic.
func FuzzStreams(f *testing.F) {
	f.Add([]byte{4, 0, 7, 1, 0})
	f.Fuzz(func(_ *testing.T, b []byte) {
		_ = control(b)
		_ = Encoder(b)
		var d Decoder
		_ = d.Read(b)
		var m Message
		for len(b) > 0 {
			h, n := ParseHeader(b)
			if _, err := m.Frame(h.Type); n == 0 || err != nil || uint64(len(b)-n) < h.Length {
				return
			}
			b = b[n+int(h.Length):]
		}
	})
}
