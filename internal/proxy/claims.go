package proxy

import (
	"bytes"

	"github.com/whygate/whygate/internal/httpmsg"
)

// claimPrefix begins the names of the X-Forwarded family. Every one of it is a claim about the client, or about what the client
// asked for, whatever follows: frameworks believe -Ssl, -Scheme, -Prefix, -Server, -User and more.
const claimPrefix = "X-Forwarded"

// claims are the relatives that do not begin so: names by which CDNs and proxies tell who asks, and for what. A client that
// writes one itself would be believed.
var claims = [...]string{
	"CF-Connecting-IP", "CF-Connecting-IPv6", "CF-Visitor", "Client-Cert", "Client-Cert-Chain", "Client-IP", "Fastly-Client-IP", "Front-End-Https", "Proxy", "Proxy-Client-IP",
	"True-Client-IP", "WL-Proxy-Client-IP", "X-Client-IP", "X-Cluster-Client-IP", "X-Envoy-External-Address", "X-Host",
	"X-HTTP-Host-Override", "X-HTTPS", "X-Original-Forwarded-For", "X-Original-Host", "X-Original-Method", "X-Original-Proto",
	"X-Original-Remote-Addr", "X-Original-URI", "X-Original-URL", "X-ProxyUser-Ip", "X-Real-Port", "X-Remote-Addr", "X-Remote-IP",
	"X-Rewrite-URL", "X-Scheme", "X-Url-Scheme",
}

// subjectHeader tells the upstream whom the client's certificate is for. Nobody's but our own is passed on, not even a trusted proxy's: one
// that does not know it would pass on what its client wrote.
const subjectHeader = "X-Client-Cert-Subject"

// namesSubject reports whether a field is a subjectHeader, in any spelling.
//
// hot: once per field line that has no identity.
func namesSubject(name []byte) bool {
	return len(name) == len(subjectHeader) && spells(name, subjectHeader)
}

// claimsByLength has the claims of each length, so that a field is compared with two or three at most.
var claimsByLength = func() (t [32][]string) {
	for _, name := range claims {
		t[len(name)] = append(t[len(name)], name)
	}
	return t
}()

// claimed reports whether a field that has no identity tells who the client is, or what it asked for, in place of the request
// itself. An underscore counts as the hyphen that CGI, WSGI and PHP take it for.
//
// hot: once per field line from a peer that is not trusted.
func claimed(name []byte) bool {
	if len(name) >= len(claimPrefix) && spells(name[:len(claimPrefix)], claimPrefix) {
		return true
	}
	if len(name) >= len(claimsByLength) {
		return false
	}
	for _, known := range claimsByLength[len(name)] {
		if spells(name, known) {
			return true
		}
	}
	return false
}

// spells is httpmsg.EqualFold that reads an underscore as a hyphen.
func spells(name []byte, known string) bool {
	if name[0]|0x20 != known[0]|0x20 {
		return false
	}
	for i, c := range name {
		if c == '_' {
			c = '-'
		}
		if c != known[i] && (c|0x20 != known[i]|0x20 || c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return true
}

// dropClaims marks the trailers that are claims: a recipient that merges them would believe the client.
func dropClaims(f *httpmsg.Fields) {
	for i := range f.Len() {
		if f.ID(i) == httpmsg.Other && (claimed(f.Name(i)) || namesSubject(f.Name(i))) {
			f.Drop(i)
		}
	}
}

// putForwardedList puts the elements that a trusted proxy's Forwarded lines have, with a comma behind each, if every line
// is a list as RFC 7239, section 4, has it. A trusted proxy passes on what its own client wrote: an open quote there would
// swallow the element that is appended to it, and a list that cannot be read is worth nothing.
func putForwardedList(dst, f *httpmsg.Fields) {
	for i := range f.Len() {
		if f.ID(i) == httpmsg.Forwarded && !validForwarded(f.Value(i)) {
			return
		}
	}
	putList(dst, f, httpmsg.Forwarded)
}

// validForwarded reports whether a value is 1#( [ pair ] *( ";" [ pair ] ) ), where a pair is token "=" ( token / quoted-string ).
func validForwarded(v []byte) bool {
	for {
		v = bytes.TrimLeft(v, " \t")
		if len(v) > 0 && v[0] != ';' && v[0] != ',' {
			rest, ok := forwardedPair(v)
			if !ok {
				return false
			}
			v = bytes.TrimLeft(rest, " \t")
		}
		switch {
		case len(v) == 0:
			return true
		case v[0] != ';' && v[0] != ',':
			return false
		}
		v = v[1:]
	}
}

// forwardedPair takes one pair off v.
func forwardedPair(v []byte) (rest []byte, ok bool) {
	n := httpmsg.TokenLen(v)
	if n == 0 || n == len(v) || v[n] != '=' {
		return nil, false
	}
	v = v[n+1:]
	if len(v) > 0 && v[0] == '"' {
		return quotedString(v)
	}
	n = httpmsg.TokenLen(v)
	return v[n:], n > 0
}

// quotedString takes a quoted-string off v (RFC 9110, section 5.6.4).
func quotedString(v []byte) (rest []byte, ok bool) {
	for i := 1; i < len(v); i++ {
		switch v[i] {
		case '\\':
			i++
		case '"':
			return v[i+1:], true
		}
	}
	return nil, false
}

// quotesClosed reports whether every quoted-string in a list's lines ends.
func quotesClosed(f *httpmsg.Fields, id httpmsg.ID) bool {
	for i := range f.Len() {
		if f.ID(i) != id {
			continue
		}
		for v := f.Value(i); ; {
			n := bytes.IndexByte(v, '"')
			if n < 0 {
				break
			}
			rest, ok := quotedString(v[n:])
			if !ok {
				return false
			}
			v = rest
		}
	}
	return true
}
