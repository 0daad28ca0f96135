package explain

import (
	"bytes"

	"github.com/whygate/whygate/internal/phrase"
)

// This file finds peers whose host and port stand apart, or whose name is told by the words around it alone: the drivers of
// databases and the HTTP clients of some languages show them so.

// pairPeer finds a host and a port in brackets, as Python's and Rust's libraries show them: (host='app', port=8000),
// ('172.18.0.3', 8000), host: Some(Domain("app")), port: Some(8080).
func pairPeer(text []byte) []byte {
	for _, form := range [...]struct{ host, end, port string }{{"(host='", "'", ", port="}, {"(Domain(\"", "\"", ")), port: Some("}, {"('", "'", ", "}} {
		i := indexText(text, form.host)
		if i < 0 || indexText(text, "ProxyError('Cannot connect to proxy") >= 0 { // the host is whom the proxy was to ask
			continue
		}
		name := hostName(text[i+len(form.host):])
		rest := text[i+len(form.host)+len(name):]
		if len(name) == 0 || !starts(rest, form.end) || form.host == "('" && !isAddress(name) {
			continue
		}
		if port := portAfter(rest[len(form.end):], form.port); port != nil {
			return joinPeer(name, port)
		}
	}
	return nil
}

// apartForms are the words before a host and before its port, as drivers show them. What stands before the host may be in either case of
// letters.
var apartForms = [...]struct{ host, port string }{
	{`connection to server at "`, ", port "},  // libpq 14: connection to server at "db" (172.20.0.3), port 5432 failed
	{`server running on host "`, " on port "}, // before: Is the server running on host "db" (172.20.0.3) and accepting TCP/IP connections on port 5432?
	{"host: '", "port: '"},                    // psycopg 3
	{"host: ", ", port: "},                    // Laravel
	{"to_address, {'", "', "},                 // Elixir: {:to_address, {'orders', 8080}}
	{"to_address, {~c\"", "\", "},
	{"to_address,{\"", "\","},       // Erlang
	{`connect(2) for "`, `" port `}, // Ruby
	{`connect(2) for \"`, `\" port `},
	{"failed to connect to /", " (port "},
	{"failed to connect to ", " (port "}, // OkHttp: failed to connect to orders/10.2.3.4 (port 8080)
}

// apartMost is how far a port may stand behind its host, in bytes.
const apartMost = 120

// apartPeer finds a host and a port that stand apart.
func apartPeer(text []byte) []byte {
	for _, form := range apartForms {
		i := phrase.Index(text, form.host)
		if i < 0 {
			continue
		}
		rest := text[i+len(form.host):]
		name := addressOrName(rest)
		if len(name) == 0 {
			continue
		}
		rest = rest[len(name):]
		rest = rest[:min(len(rest), apartMost)]
		at := phrase.Index(rest, form.port)
		if at < 0 {
			continue
		}
		if port := portAfter(rest[at+len(form.port):], ""); port != nil {
			return joinPeer(name, port)
		}
	}
	return nil
}

// addressOrName is the name or the address that a text begins with.
func addressOrName(b []byte) []byte {
	n := 0
	for n < len(b) && n < 64 && (isAlphanumeric(b[n]) || b[n] == ':') {
		n++
	}
	if isBareIPv6(b[:n]) && isAddress(b[:n]) {
		return b[:n]
	}
	return hostName(b)
}

// joinPeer puts a host and its port together.
func joinPeer(name, port []byte) []byte {
	if bytes.IndexByte(name, ':') >= 0 {
		return bytes.Join([][]byte{[]byte("["), name, []byte("]:"), port}, nil)
	}
	return bytes.Join([][]byte{name, port}, []byte{':'})
}

// storesAt are words before the host of a database, with its port or without.
var storesAt = [...]string{"mysql server on '", "unknown mysql server host '", "unknown server host '", "connect to server on '", "cannot validate certificate for ", "could not translate host name \""}

// storePeer finds the host that the words before it tell of, whether a port follows or not.
func storePeer(text []byte) []byte {
	for _, mark := range storesAt {
		i := phrase.Index(text, mark)
		if i < 0 {
			continue
		}
		rest := text[i+len(mark):]
		name := hostName(rest)
		if len(name) == 0 {
			continue
		}
		if port := portAfter(rest[len(name):], ":"); port != nil {
			return joinPeer(name, port)
		}
		return name
	}
	return nil
}

// peerSaid finds the peer that a sentence begins with: orders:8080 failed to respond. Its name need not look like one.
func peerSaid(text []byte) []byte {
	i := indexText(text, " failed to respond")
	if i < 0 {
		return nil
	}
	word := text[bytes.LastIndexAny(text[:i], " \t\n\"'(")+1 : i]
	colon := bytes.LastIndexByte(word, ':')
	if colon <= 0 || len(hostName(word)) != colon || portAfter(word[colon:], ":") == nil {
		return nil
	}
	return word
}
