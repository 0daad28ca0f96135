package httpmsg

// ID is the identity of a field name that the gateway acts on. It is found once, by the codec, so that nobody after it
// compares names.
type ID uint8

// The names the gateway acts on. There is room for 64, since Fields keeps a bit for each.
const (
	Other ID = iota
	Accept
	Authorization
	CDNLoop
	Connection
	ContentEncoding
	ContentLength
	ContentType
	Cookie
	Date
	Expect
	Forwarded
	Host
	HTTP2Settings
	IdempotencyKey
	KeepAlive
	Location
	MaxForwards
	Priority
	ProxyAuthenticate
	ProxyAuthorization
	ProxyConnection
	ProxyStatus
	Referer
	RetryAfter
	Server
	SetCookie
	TE
	Traceparent
	Trailer
	TransferEncoding
	Upgrade
	UserAgent
	Via
	XForwardedFor
	XForwardedHost
	XForwardedPort
	XForwardedProto
	XRealIP
	XRequestID
	ids
)

var idNames = [ids]string{
	Accept: "Accept", Authorization: "Authorization", CDNLoop: "CDN-Loop", Connection: "Connection", ContentEncoding: "Content-Encoding",
	ContentLength: "Content-Length", ContentType: "Content-Type", Cookie: "Cookie", Date: "Date", Expect: "Expect", Forwarded: "Forwarded",
	Host: "Host", HTTP2Settings: "HTTP2-Settings", IdempotencyKey: "Idempotency-Key", KeepAlive: "Keep-Alive", Location: "Location",
	MaxForwards: "Max-Forwards", Priority: "Priority", ProxyAuthenticate: "Proxy-Authenticate", ProxyAuthorization: "Proxy-Authorization",
	ProxyConnection: "Proxy-Connection", ProxyStatus: "Proxy-Status", Referer: "Referer", RetryAfter: "Retry-After", Server: "Server",
	SetCookie: "Set-Cookie", TE: "TE", Traceparent: "Traceparent", Trailer: "Trailer", TransferEncoding: "Transfer-Encoding",
	Upgrade: "Upgrade", UserAgent: "User-Agent", Via: "Via", XForwardedFor: "X-Forwarded-For", XForwardedHost: "X-Forwarded-Host",
	XForwardedPort: "X-Forwarded-Port", XForwardedProto: "X-Forwarded-Proto", XRealIP: "X-Real-IP", XRequestID: "X-Request-ID",
}

// String is the name in its usual spelling, empty for Other.
func (id ID) String() string { return idNames[id] }

// byLength has the known names of each length, so that a lookup compares two or three at most.
var byLength = func() (t [32][]ID) {
	for id := Other + 1; id < ids; id++ {
		n := len(idNames[id])
		t[n] = append(t[n], id)
	}
	return t
}()

// Identify finds the identity of a field name, Other if the gateway has no use for it.
//
// hot: once per field line.
func Identify(name []byte) ID {
	if len(name) >= len(byLength) {
		return Other
	}
	for _, id := range byLength[len(name)] {
		known := idNames[id]
		if name[0]|0x20 == known[0]|0x20 && (string(name) == known || EqualFold(name, known)) {
			return id
		}
	}
	return Other
}
