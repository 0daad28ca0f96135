package h2

import "github.com/whygate/whygate/internal/httpmsg"

// staticTable is RFC 7541, appendix A, from index 1 on.
var staticTable = [...]struct{ name, value string }{
	{":authority", ""},
	{":method", "GET"},
	{":method", "POST"},
	{":path", "/"},
	{":path", "/index.html"},
	{":scheme", "http"},
	{":scheme", "https"},
	{":status", "200"},
	{":status", "204"},
	{":status", "206"},
	{":status", "304"},
	{":status", "400"},
	{":status", "404"},
	{":status", "500"},
	{"accept-charset", ""},
	{"accept-encoding", "gzip, deflate"},
	{"accept-language", ""},
	{"accept-ranges", ""},
	{"accept", ""},
	{"access-control-allow-origin", ""},
	{"age", ""},
	{"allow", ""},
	{"authorization", ""},
	{"cache-control", ""},
	{"content-disposition", ""},
	{"content-encoding", ""},
	{"content-language", ""},
	{"content-length", ""},
	{"content-location", ""},
	{"content-range", ""},
	{"content-type", ""},
	{"cookie", ""},
	{"date", ""},
	{"etag", ""},
	{"expect", ""},
	{"expires", ""},
	{"from", ""},
	{"host", ""},
	{"if-match", ""},
	{"if-modified-since", ""},
	{"if-none-match", ""},
	{"if-range", ""},
	{"if-unmodified-since", ""},
	{"last-modified", ""},
	{"link", ""},
	{"location", ""},
	{"max-forwards", ""},
	{"proxy-authenticate", ""},
	{"proxy-authorization", ""},
	{"range", ""},
	{"referer", ""},
	{"refresh", ""},
	{"retry-after", ""},
	{"server", ""},
	{"set-cookie", ""},
	{"strict-transport-security", ""},
	{"transfer-encoding", ""},
	{"user-agent", ""},
	{"vary", ""},
	{"via", ""},
	{"www-authenticate", ""},
}

const staticSize = len(staticTable)

// static is the table as the decoder uses it: lines of HTTP/1 one behind the other, and what is known of each. It is only read.
var static = func() (t struct {
	lines   []byte
	entries [staticSize + 1]entry
},
) {
	for i, f := range staticTable {
		e := entry{at: uint32(len(t.lines)), name: uint32(len(f.name)), value: uint32(len(f.value))}
		e.id, e.pseudo, e.badName = judgeName([]byte(f.name))
		t.lines = append(append(append(append(t.lines, f.name...), ": "...), f.value...), '\r', '\n')
		t.entries[i+1] = e
	}
	return t
}()

// staticNames has the table's names by length, each with its first index, so that a lookup compares two or three at most.
var staticNames = func() (t [32][]uint8) {
	for i := len(staticTable); i > 0; i-- {
		name := staticTable[i-1].name
		list := t[len(name)]
		if len(list) > 0 && staticTable[list[0]-1].name == name {
			list[0] = uint8(i)
			continue
		}
		t[len(name)] = append([]uint8{uint8(i)}, list...)
	}
	return t
}()

// staticName is the first index of a name, compared without case, 0 if the table has none.
//
// hot: once per field written.
func staticName(name []byte) uint8 {
	if len(name) >= len(staticNames) || len(name) == 0 {
		return 0
	}
	for _, i := range staticNames[len(name)] {
		known := staticTable[i-1].name
		if name[0]|0x20 == known[0]|0x20 && (string(name) == known || httpmsg.EqualFold(name, known)) {
			return i
		}
	}
	return 0
}
