package h2

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
)

// decodeAll decodes a block into lines, pseudo-fields first.
func decodeAll(d *Decoder, block []byte) (string, *section, *Error) {
	var f httpmsg.Fields
	s := section{fields: &f, may: requestPseudo | responsePseudo, limit: headDefault}
	if err := d.read(block, &s); err != nil {
		return "", &s, err
	}
	s.finish()
	var b strings.Builder
	for p := pseudoMethod; p < pseudoUnknown; p++ {
		if v := s.value(p); v != nil {
			fmt.Fprintf(&b, "%s: %s\n", pseudoNames[p], v)
		}
	}
	for i := range f.Len() {
		if !f.Dropped(i) {
			fmt.Fprintf(&b, "%s: %s\n", f.Name(i), f.Value(i))
		}
	}
	return b.String(), &s, nil
}

// tableOf is what the dynamic table holds, the newest first.
func tableOf(d *Decoder) string {
	var b strings.Builder
	for age := range d.table.count {
		e := d.table.get(age)
		l := d.table.at(e)
		fmt.Fprintf(&b, "%s: %s\n", l[:e.name], l[e.name+2:len(l)-2])
	}
	return b.String()
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

// TestAppendixC decodes the examples of RFC 7541, appendix C.
func TestAppendixC(t *testing.T) {
	const request = ":method: GET\n:scheme: http\n:authority: www.example.com\n:path: /\n"
	const third = ":method: GET\n:scheme: https\n:authority: www.example.com\n:path: /index.html\ncustom-key: custom-value\n"
	const (
		table1 = ":authority: www.example.com\n"
		table2 = "cache-control: no-cache\n" + table1
		table3 = "custom-key: custom-value\n" + table2
	)
	const (
		date1   = "date: Mon, 21 Oct 2013 20:13:21 GMT\n"
		date2   = "date: Mon, 21 Oct 2013 20:13:22 GMT\n"
		private = "cache-control: private\n"
		where   = "location: https://www.example.com\n"
		cookie  = "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\n"
		zip     = "content-encoding: gzip\n"
	)
	type step struct{ block, fields, table string }
	for _, tt := range []struct {
		name string
		max  int
		size []int
		list []step
	}{
		{"C.2.1", tableMax, []int{55}, []step{{"400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", "custom-key: custom-header\n", "custom-key: custom-header\n"}}},
		{"C.2.2", tableMax, []int{0}, []step{{"040c 2f73 616d 706c 652f 7061 7468", ":path: /sample/path\n", ""}}},
		{"C.2.3", tableMax, []int{0}, []step{{"1008 7061 7373 776f 7264 0673 6563 7265 74", "password: secret\n", ""}}},
		{"C.2.4", tableMax, []int{0}, []step{{"82", ":method: GET\n", ""}}},
		{"C.3", tableMax, []int{57, 110, 164}, []step{
			{"8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", request, table1},
			{"8286 84be 5808 6e6f 2d63 6163 6865", request + "cache-control: no-cache\n", table2},
			{"8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65", third, table3},
		}},
		{"C.4", tableMax, []int{57, 110, 164}, []step{
			{"8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", request, table1},
			{"8286 84be 5886 a8eb 1064 9cbf", request + "cache-control: no-cache\n", table2},
			{"8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", third, table3},
		}},
		{"C.5", 256, []int{222, 222, 215}, []step{
			{
				"4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
				":status: 302\n" + private + date1 + where, where + date1 + private + ":status: 302\n",
			},
			{"4803 3330 37c1 c0bf", ":status: 307\n" + private + date1 + where, ":status: 307\n" + where + date1 + private},
			{
				"88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
				":status: 200\n" + private + date2 + where + zip + cookie, cookie + zip + date2,
			},
		}},
		{"C.6", 256, []int{222, 222, 215}, []step{
			{
				"4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
				":status: 302\n" + private + date1 + where, where + date1 + private + ":status: 302\n",
			},
			{"4883 640e ffc1 c0bf", ":status: 307\n" + private + date1 + where, ":status: 307\n" + where + date1 + private},
			{
				"88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
				":status: 200\n" + private + date2 + where + zip + cookie, cookie + zip + date2,
			},
		}},
	} {
		d := Decoder{started: true}
		d.table.max = tt.max
		for i, s := range tt.list {
			got, _, err := decodeAll(&d, unhex(s.block))
			if err != nil {
				t.Fatalf("%s.%d: %v", tt.name, i+1, err)
			}
			if got != s.fields {
				t.Errorf("%s.%d:\n%swant\n%s", tt.name, i+1, got, s.fields)
			}
			if table := tableOf(&d); table != s.table || d.table.size != tt.size[i] {
				t.Errorf("%s.%d: table of %d octets\n%swant %d\n%s", tt.name, i+1, d.table.size, table, tt.size[i], s.table)
			}
		}
	}
}

// TestIntegers has the examples of RFC 7541, appendix C.1, and the bounds.
func TestIntegers(t *testing.T) {
	for _, tt := range []struct {
		octets string
		prefix uint8
		want   int
		rule   fault.Rule
	}{
		{"0a", 5, 10, fault.RuleNone},
		{"1f9a0a", 5, 1337, fault.RuleNone},
		{"2a", 8, 42, fault.RuleNone},
		{"7f00", 7, 127, fault.RuleNone},
		{"7f80808000", 7, 127, fault.RuleNone},
		{"7fffffff7f", 7, 127 + 1<<28 - 1, fault.RuleNone},
		{"7f8080808000", 7, 0, fault.RuleHPACKInteger},
		{"7fffffffff7f", 7, 0, fault.RuleHPACKInteger},
		{"7f", 7, 0, fault.RuleHPACKCut},
		{"7f80", 7, 0, fault.RuleHPACKCut},
	} {
		b := unhex(tt.octets)
		n, next, err := integer(b, 0, tt.prefix)
		if tt.rule != fault.RuleNone {
			if err == nil || err.Rule != tt.rule {
				t.Errorf("%s: %d, %v, want %s", tt.octets, n, err, tt.rule)
			}
			continue
		}
		if err != nil || n != tt.want || next != len(b) {
			t.Errorf("%s: %d up to %d, %v, want %d", tt.octets, n, next, err, tt.want)
		}
	}
}

// Every code of appendix B, as another implementation writes it, is read; and what section 5.2 forbids is refused.
func TestHuffman(t *testing.T) {
	for c := range 256 {
		s := strings.Repeat(string([]byte{byte(c)}), 9) + "x"
		got, ok := appendHuffman(nil, hpack.AppendHuffmanString(nil, s))
		if !ok || string(got) != s {
			t.Errorf("octet %d: %q, %v", c, got, ok)
		}
	}
	for _, coded := range []string{
		"ff",         // eight bits of padding
		"1fff",       // the same behind an "a"
		"18",         // an "a" and padding that is not of ones
		"fffffffc",   // EOS and padding
		"fffffffdff", // 22 bits of a longer code
		"fffffffa",   // a code that is cut
	} {
		if got, ok := appendHuffman(nil, unhex(coded)); ok {
			t.Errorf("%s is read as %q", coded, got)
		}
	}
	if got, ok := appendHuffman(nil, nil); !ok || len(got) != 0 {
		t.Errorf("the empty string: %q, %v", got, ok)
	}
}

// What another encoder writes is read as it was meant, over many blocks, with evictions and changes of the table's size.
func TestDecoderFollowsAnotherEncoder(t *testing.T) {
	var wire bytes.Buffer
	enc := hpack.NewEncoder(&wire)
	var d Decoder
	for n := range 3000 {
		if n%97 == 0 {
			enc.SetMaxDynamicTableSize(uint32(n * 31 % 4097))
		}
		wire.Reset()
		want := ""
		for k := range n % 13 {
			f := hpack.HeaderField{Name: fmt.Sprintf("x-%d", (n*7+k*k)%40), Value: strings.Repeat("v", (n*k)%300) + fmt.Sprint(k), Sensitive: (n+k)%11 == 0}
			if err := enc.WriteField(f); err != nil {
				t.Fatal(err)
			}
			want += f.Name + ": " + f.Value + "\n"
		}
		got, s, err := decodeAll(&d, wire.Bytes())
		if err != nil || got != want || s.rule != fault.RuleNone {
			t.Fatalf("block %d: %v, %v\n%swant\n%s", n, err, s.rule, got, want)
		}
		if cap(d.table.lines) > 4*tableMax || len(d.table.entries) > tableMax/entryOverhead {
			t.Fatalf("block %d: the table holds %d octets and %d entries", n, cap(d.table.lines), len(d.table.entries))
		}
	}
}

// What we write is read by another decoder as it was meant, and nothing of it stays in its table.
func TestAnotherDecoderFollowsOurEncoder(t *testing.T) {
	block := AppendBlockStart(nil)
	block = AppendRequestLine(block, &RequestLine{Method: []byte("PUT"), Scheme: []byte("https"), Authority: []byte("a.test:8443"), Path: []byte("/x?y"), Protocol: nil})
	block = AppendField(block, []byte("X-Own"), []byte(strings.Repeat("v", 500)))
	block = AppendField(block, []byte("Cache-Control"), []byte("no-cache"))
	block = AppendKnownField(block, httpmsg.XForwardedFor, []byte("10.0.0.1"))
	block = AppendKnownField(block, httpmsg.ContentType, []byte("text/plain"))
	block = AppendSensitiveField(block, []byte("Authorization"), []byte("secret"))
	block = AppendLength(block, 1234567890)
	block = AppendLength(block, httpmsg.LengthUnknown)
	want := []hpack.HeaderField{
		{Name: ":method", Value: "PUT"},
		{Name: ":scheme", Value: "https"},
		{Name: ":authority", Value: "a.test:8443"},
		{Name: ":path", Value: "/x?y"},
		{Name: "x-own", Value: strings.Repeat("v", 500)},
		{Name: "cache-control", Value: "no-cache"},
		{Name: "x-forwarded-for", Value: "10.0.0.1"},
		{Name: "content-type", Value: "text/plain"},
		{Name: "authorization", Value: "secret", Sensitive: true},
		{Name: "content-length", Value: "1234567890"},
	}
	for status := 100; status < 1000; status += 4 {
		block = AppendStatus(block, status)
		want = append(want, hpack.HeaderField{Name: ":status", Value: fmt.Sprint(status)})
	}
	d := hpack.NewDecoder(tableMax, nil)
	got, err := d.DecodeFull(block)
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v\n%v\nwant\n%v", err, got, want)
	}
	if _, err := d.DecodeFull([]byte{0x80 | byte(staticSize+1)}); err == nil {
		t.Error("something of ours is in the peer's table")
	}
}

func TestRequestLines(t *testing.T) {
	for _, tt := range []struct {
		line RequestLine
		want string
	}{
		{RequestLine{Method: []byte("GET"), Scheme: []byte("http"), Authority: []byte("a"), Path: []byte("/")}, ":method: GET\n:scheme: http\n:authority: a\n:path: /\n"},
		{RequestLine{Method: []byte("POST"), Scheme: []byte("https"), Authority: []byte("a"), Path: []byte("/x")}, ":method: POST\n:scheme: https\n:authority: a\n:path: /x\n"},
		{RequestLine{Method: []byte("CONNECT"), Authority: []byte("a:1")}, ":method: CONNECT\n:authority: a:1\n"},
		{RequestLine{Method: []byte("GET"), Scheme: []byte("HTTP"), Path: []byte("/")}, ":method: GET\n:scheme: HTTP\n:path: /\n"},
	} {
		var d Decoder
		if got, _, err := decodeAll(&d, AppendRequestLine(AppendBlockStart(nil), &tt.line)); err != nil || got != tt.want {
			t.Errorf("%v %q, want %q", err, got, tt.want)
		}
	}
	line := RequestLine{Method: []byte("CONNECT"), Scheme: []byte("https"), Authority: []byte("a"), Path: []byte("/"), Protocol: []byte("websocket")}
	got, err := hpack.NewDecoder(tableMax, nil).DecodeFull(AppendRequestLine(nil, &line))
	if err != nil || len(got) != 5 || got[4].Name != ":protocol" || got[4].Value != "websocket" {
		t.Errorf("%v %v", got, err)
	}
}

func TestEncodedFieldsOfAMessage(t *testing.T) {
	var f httpmsg.Fields
	f.Reset(nil)
	for _, l := range []string{
		"Host: a", "Connection: close", "Keep-Alive: x", "TE: gzip", "te: Trailers", "Upgrade: x", "Transfer-Encoding: chunked", "HTTP2-Settings: x", "Proxy-Connection: x",
		"ETag: 1", "X-Dropped: 1", "Cookie: a=b", "X-Own: v",
	} {
		name, value, _ := strings.Cut(l, ": ")
		f.Append(name, []byte(value), httpmsg.Identify([]byte(name)))
	}
	f.Drop(10)
	f.Span(11).Sensitive = true
	got, err := hpack.NewDecoder(tableMax, nil).DecodeFull(AppendFields(nil, &f))
	want := []hpack.HeaderField{{Name: "te", Value: "Trailers"}, {Name: "etag", Value: "1"}, {Name: "cookie", Value: "a=b", Sensitive: true}, {Name: "x-own", Value: "v"}}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, %v, want %v", err, got, want)
	}
}

func TestStaticNames(t *testing.T) {
	for i, f := range staticTable {
		n := staticName([]byte(strings.ToUpper(f.name)))
		if n == 0 || staticTable[n-1].name != f.name || int(n) > i+1 {
			t.Errorf("%s is found at %d", f.name, n)
		}
	}
	for _, name := range []string{"", "x", "ages", strings.Repeat("a", 40)} {
		if n := staticName([]byte(name)); n != 0 {
			t.Errorf("%q is found at %d", name, n)
		}
	}
}
