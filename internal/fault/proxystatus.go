package fault

import "strings"

// Disclosure is how much the Proxy-Status field tells: RFC 9209 section 4 warns that it shows what is behind a gateway.
type Disclosure uint8

const (
	DisclosureSafe Disclosure = iota // everything but addresses, names and contents
	DisclosureFull                   // everything
	DisclosureOff                    // no field
)

// detailsMax keeps the details parameter on a line, in octets before escaping.
const detailsMax = 240

// integerMax is the largest Integer of a structured field, RFC 9651 section 3.3.1.
const integerMax = 999_999_999_999_999

// AppendProxyStatus appends the member of the Proxy-Status field (RFC 9209 section 2) that reports the fault, under the
// gateway's name. It appends nothing if the field is off, or if there is no fault: AppendReceivedStatus is for an
// upstream's own error.
func AppendProxyStatus(dst []byte, name string, f Fault, e *Evidence, d Disclosure) []byte {
	if d == DisclosureOff || f.Type == TypeNone {
		return dst
	}
	dst = appendIdentifier(dst, name)
	dst = append(append(dst, "; error="...), f.Type.String()...)
	dst = appendTypeParams(dst, f, e)
	if e.Status > 0 {
		dst = appendIntegerParam(dst, "received-status", int64(e.Status))
	}
	dst = appendNextHop(dst, e, d)
	return appendDetails(dst, f, e, d)
}

// AppendReceivedStatus appends the member that says: this status came from the next hop, not from the gateway.
func AppendReceivedStatus(dst []byte, name string, status int, e *Evidence, d Disclosure) []byte {
	if d == DisclosureOff {
		return dst
	}
	dst = appendIdentifier(dst, name)
	dst = appendIntegerParam(dst, "received-status", int64(status))
	return appendNextHop(dst, e, d)
}

// appendTypeParams appends the parameters that the type has of its own, where their values are known.
func appendTypeParams(dst []byte, f Fault, e *Evidence) []byte {
	switch f.Type {
	case TypeDNSError:
		if e.DNS == nil || !e.DNS.Answered {
			return dst
		}
		dst = appendStringParam(dst, "rcode", RCodeName(e.DNS.RCode))
		if e.DNS.EDE >= 0 {
			dst = appendIntegerParam(dst, "info-code", int64(e.DNS.EDE))
		}
	case TypeTLSAlertReceived:
		dst = appendIntegerParam(dst, "alert-id", int64(e.Alert))
		if message := AlertName(e.Alert); message != "" {
			dst = append(append(dst, "; alert-message="...), message...)
		}
	case TypeHTTPRequestError:
		dst = appendIntegerParam(dst, "status-code", int64(f.Status()))
	case TypeHTTPResponseHeaderSection:
		if e.Rule != RuleFieldCount { // Size is a count there, and this parameter is octets
			dst = appendSizeParam(dst, "header-section-size", e.Size)
		}
	case TypeHTTPResponseHeader:
		dst = appendNameParam(dst, "header-name", e.Field)
		dst = appendSizeParam(dst, "header-size", e.Size)
	case TypeHTTPResponseBodySize:
		dst = appendSizeParam(dst, "body-size", e.Size)
	case TypeHTTPResponseTrailerSection:
		dst = appendSizeParam(dst, "trailer-section-size", e.Size)
	case TypeHTTPResponseTrailer:
		dst = appendNameParam(dst, "trailer-name", e.Field)
		dst = appendSizeParam(dst, "trailer-size", e.Size)
	case TypeHTTPResponseTransferCoding:
		if f.Cause == CauseBadChunk {
			dst = append(dst, "; coding=chunked"...)
		}
	}
	return dst
}

// appendNextHop appends the endpoint's host and port, or its address if it has no other name. A next hop is named only
// once one was chosen, and never by the path of a socket.
func appendNextHop(dst []byte, e *Evidence, d Disclosure) []byte {
	if d != DisclosureFull {
		return dst
	}
	hop := hostOf(e.Endpoint)
	if hop == "" || strings.HasPrefix(hop, "unix:") {
		hop = e.Addr
	}
	if hop == "" {
		return dst
	}
	return appendStringParam(dst, "next-hop", hop)
}

func appendDetails(dst []byte, f Fault, e *Evidence, d Disclosure) []byte {
	w := writer{e: e, public: d != DisclosureFull}
	var space [512]byte
	details, _, _ := w.render(space[:0], f.Cause.Entry().sentence)
	if d == DisclosureFull {
		details = w.appendTail(details)
	}
	if len(details) == 0 {
		return dst
	}
	return appendStringParam(dst, "details", string(details[:min(len(details), detailsMax)]))
}

// appendIdentifier appends the gateway's name as a Token if it is one, as a String otherwise: RFC 9209 section 2.
func appendIdentifier(dst []byte, name string) []byte {
	if isToken(name) {
		return append(dst, name...)
	}
	return appendString(dst, name)
}

// isToken: RFC 9651 section 3.3.4: a letter or asterisk, then tchar, ":" and "/".
func isToken(s string) bool {
	if s == "" || !isAlpha(s[0]) && s[0] != '*' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isAlpha(c) && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~:/", c) < 0 {
			return false
		}
	}
	return true
}

func isAlpha(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func appendSizeParam(dst []byte, key string, size int64) []byte {
	if size <= 0 {
		return dst
	}
	return appendIntegerParam(dst, key, size)
}

func appendNameParam(dst []byte, key, name string) []byte {
	if name == "" {
		return dst
	}
	return appendStringParam(dst, key, name)
}

func appendIntegerParam(dst []byte, key string, n int64) []byte {
	dst = append(append(append(dst, "; "...), key...), '=')
	return appendInt(dst, min(n, integerMax))
}

func appendStringParam(dst []byte, key, value string) []byte {
	dst = append(append(append(dst, "; "...), key...), '=')
	return appendString(dst, value)
}

// appendString appends a String, RFC 9651 section 3.3.3: printable ASCII, with quote and backslash escaped.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < 0x20 || c > 0x7e:
			dst = append(dst, '?')
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
