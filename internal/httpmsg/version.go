package httpmsg

// Version is the version of HTTP that a message came in. The zero value is none: there was no message.
type Version uint8

// The versions, in their order.
const (
	VersionNone Version = iota
	HTTP10
	HTTP11
	HTTP2
	HTTP3
)

var versionNames = [...]string{VersionNone: "", HTTP10: "1.0", HTTP11: "1.1", HTTP2: "2", HTTP3: "3"}

// String is the version as Via has it (RFC 9110, section 7.6.3): "1.0", "1.1", "2", "3"; empty for none.
func (v Version) String() string { return versionNames[v] }
