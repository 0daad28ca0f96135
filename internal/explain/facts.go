package explain

import (
	"bytes"

	"github.com/whygate/whygate/internal/phrase"
)

// This file finds addresses and requests in text of no format.

// hasPeer reports whether an address with a port stands at the beginning of the text.
func hasPeer(b []byte) bool {
	peer, _ := cutPeer(bytes.TrimLeft(b[:min(len(b), 64)], " :[('\""))
	return peer != nil
}

// peerNear finds the peer that a phrase is about: the one just before it, as in "dial tcp 10.0.0.7:80: connect: connection refused", or
// else the first one behind it, or the last one before it. What is a client's, or this side's, is none.
func peerNear(text []byte, from, to int) []byte {
	if peer := peerBefore(text[:from]); peer != nil {
		return peer
	}
	if peer := namedPeer(text); peer != nil {
		return peer
	}
	if peer := firstPeer(text[to:wordEnd(text, to+160)]); peer != nil {
		return peer
	}
	var last []byte
	for b := text[max(0, from-400):to]; ; {
		peer, rest := nextPeer(b)
		if rest == nil {
			break
		}
		b = rest
		if peer != nil {
			last = peer
		}
	}
	if last != nil {
		return last
	}
	return firstPeer(text)
}

// peerBefore finds the peer that a call was made to whose error follows: "dial tcp PEER: ", with the name of a call behind it or not.
func peerBefore(b []byte) []byte {
	const calls = 24
	for _, call := range [...]string{"dial tcp ", "dial tcp4 ", "dial tcp6 ", "dial unix "} {
		i := bytes.LastIndex(b, []byte(call))
		if i < 0 {
			continue
		}
		if peer, end := cutPeer(b[i+len(call):]); peer != nil && len(b)-i-len(call)-end <= calls {
			return peer
		}
	}
	return nil
}

// lookedUp are words before a name that was to be resolved, whatever it looks like.
var lookedUp = [...]string{"resolve host: ", "resolve host name: ", "resolve host name ", "resolve proxy: ", "enotfound ", "eai_again ", "unknownhostexception: ", "lookup ", "unknown host: ", "could not be resolved: ", "failed to lookup address information for "}

// connectedTo are words before HOST:PORT, HOST port N or HOST/ADDRESS:PORT that was connected to. The host may be the name of a container.
var connectedTo = [...]string{"connect to host ", "connect to server ", "connect to ", "connection to ", "connecting to ", "connection refused: ", "refused (", "not known (", "timed out (", "further information: ", "serverselectiontimeouterror: ", "resolution failed for ", "for target dns:"}

// namedPeer finds a peer whose name need not look like one, since the words before it say that it is: the names that containers have
// among each other have no point and often no port.
func namedPeer(text []byte) []byte {
	for _, mark := range lookedUp {
		if i := phrase.Index(text, mark); i >= 0 && (i == 0 || !isAlphanumeric(text[i-1])) {
			name := hostName(bytes.TrimLeft(text[i+len(mark):], "'\"`"))
			switch string(bytes.ToLower(name)) {
			case "", "failed", "failure", "error", "timeout", "timed", "for", "of", "on", "table":
				continue
			}
			if behind := bytes.TrimLeft(text[i+len(mark):], "'\"`")[len(name):]; mark == "lookup " && !starts(behind, " on ") && !starts(behind, ":") && !starts(behind, ".:") && !starts(behind, ". on ") {
				continue // a word of a sentence, and no name as Go shows it
			}
			return name
		}
	}
	for _, find := range [...]func([]byte) []byte{pairPeer, apartPeer, storePeer, peerSaid} {
		if peer := find(text); peer != nil {
			return peer
		}
	}
	for _, mark := range connectedTo {
		i := phrase.Index(text, mark)
		if i < 0 {
			continue
		}
		rest := bytes.TrimLeft(text[i+len(mark):], "'\"`")
		name := hostName(rest)
		switch string(bytes.ToLower(name)) {
		case "", "errno", "code", "attempt", "try", "retry": // timed out (errno:110)
			continue
		}
		if isDigit(name[0]) {
			continue
		}
		rest = rest[len(name):]
		if starts(rest, "/") { // Java shows the address behind the name
			if peer, _ := cutHostPort(rest[1:]); peer != nil {
				return peer
			}
			continue
		}
		if port := portAfter(rest, ":", " port "); port != nil {
			return bytes.Join([][]byte{name, port}, []byte{':'})
		}
	}
	return nil
}

// portAfter is the number behind one of the words that the text begins with, nil if it is no port.
func portAfter(b []byte, words ...string) []byte {
	for _, w := range words {
		if !starts(b, w) {
			continue
		}
		n := len(w)
		for n < len(b) && isDigit(b[n]) {
			n++
		}
		if port := wholeUint(b[len(w):n]); port >= 1 && port <= 65535 {
			return b[len(w):n]
		}
	}
	return nil
}

// hostName is the name that a text begins with.
func hostName(b []byte) []byte {
	n := 0
	for n < len(b) && n < 253 && (isAlphanumeric(b[n]) || b[n] == '.' || b[n] == '-' || b[n] == '_') {
		n++
	}
	return bytes.TrimRight(b[:n], ".-")
}

// wordEnd is the end of the word that the octet stands in, so that no address is cut in the middle.
func wordEnd(b []byte, at int) int {
	for at < len(b) && b[at] > ' ' && b[at] != '"' {
		at++
	}
	return min(at, len(b))
}

func firstPeer(b []byte) []byte {
	for {
		peer, rest := nextPeer(b)
		if peer != nil {
			return peer
		}
		if rest == nil {
			return nil
		}
		b = rest
	}
}

// nextPeer finds the next thing that looks like a peer, and gives what follows it. The peer is nil where it is not one that
// is asked; rest is nil at the end.
func nextPeer(b []byte) (peer, rest []byte) {
	for i := 0; i < len(b); i++ {
		if i > 0 && (isAlphanumeric(b[i-1]) || b[i-1] == '.' || b[i-1] == '-' || b[i-1] == '_') {
			continue
		}
		if found, end := cutPeer(b[i:]); found != nil {
			if ofOurs(b, i) {
				return nil, b[i+end:]
			}
			return found, b[i+end:]
		}
	}
	return nil, nil
}

// ofOurs reports whether what stands before an address makes it a client's or this side's: client=, from, the first of
// "read tcp A->B".
func ofOurs(b []byte, at int) bool {
	before := b[max(0, at-24):at]
	if said := bytes.TrimRight(before, "(<[ "); ends(said, "see") || ends(said, "See") || ends(said, "check:") && !ends(said, "ealth check:") || ends(said, "visit") || ends(said, "information:") {
		return true // a page about the error
	}
	for _, mark := range [...]string{"client: ", "client=", "client.addr=", "from ", "remoteip", "src ", "local", "peer ", "ip=", "clientip", "remote_addr", "dest=", "tcp "} {
		i := phrase.Index(before, mark)
		if i < 0 || len(before)-i > len(mark)+3 {
			continue
		}
		return mark != "tcp " || bytes.HasPrefix(skipPeer(b[at:]), []byte("->"))
	}
	return false
}

func skipPeer(b []byte) []byte {
	_, end := cutPeer(b)
	return b[end:]
}

// pathMax bounds a socket's path, in octets: sun_path has 108.
const pathMax = 256

// cutPeer takes a peer off the beginning: a URL's authority, HOST:PORT, unix:PATH or a socket's path.
func cutPeer(b []byte) (peer []byte, end int) {
	for _, scheme := range [...]string{"http://", "https://", "ws://", "wss://", "grpc://", "grpcs://", "tcp://", "h2c://", "fastcgi://", "uwsgi://", "ajp://", "amqp://", "amqps://", "redis://", "rediss://", "mongodb://", "postgres://", "postgresql://", "mysql://", "nats://"} {
		if starts(b, scheme) {
			n := len(scheme)
			if starts(b[n:], "unix:") {
				peer, end = cutPeer(b[n:])
				return peer, n + end
			}
			for n < len(b) && (isAlphanumeric(b[n]) || bytes.IndexByte([]byte(".-_:[]%@*"), b[n]) >= 0) {
				n++
			}
			if n > len(scheme) {
				return bytes.TrimRight(b[len(scheme):n], ".:"), n
			}
			return nil, n
		}
	}
	if starts(b, "unix:") || starts(b, "/") {
		n := 0
		for n < len(b) && n < pathMax && b[n] > ' ' && bytes.IndexByte([]byte("\"',;)|"), b[n]) < 0 {
			n++
		}
		path := bytes.TrimRight(b[:n], ":.")
		if starts(b, "unix:") && n > 6 || ends(path, ".sock") || ends(path, ".socket") {
			return bytes.TrimPrefix(path, []byte("unix://")), n
		}
		return nil, max(n, 1)
	}
	return cutHostPort(b)
}

// cutHostPort takes HOST:PORT off the beginning. A host is an IP address, a name with a point, or localhost.
func cutHostPort(b []byte) (peer []byte, end int) {
	n := 0
	switch {
	case starts(b, "["):
		if n = bytes.IndexByte(b[:min(len(b), 50)], ']'); n < 3 || !isAddress(b[1:n]) {
			return nil, 1
		}
		n++
	default:
		for n < len(b) && n < 128 && (isAlphanumeric(b[n]) || b[n] == '.' || b[n] == '-' || b[n] == '_' || b[n] == ':') {
			n++
		}
		return hostPort(bytes.TrimRight(b[:n], ":.")), max(n, 1)
	}
	if n < len(b) && b[n] == ':' {
		digits := 0
		for n+1+digits < len(b) && isDigit(b[n+1+digits]) {
			digits++
		}
		if digits > 0 && digits <= 5 {
			return b[:n+1+digits], n + 1 + digits
		}
	}
	return nil, n
}

// hostPort gives b if it is a host with a port.
func hostPort(b []byte) []byte {
	i := bytes.LastIndexByte(b, ':')
	if i <= 0 {
		return nil
	}
	port := wholeUint(b[i+1:])
	if port < 1 || port > 65535 || len(b)-i > 6 {
		return nil
	}
	host := b[:i]
	if isAddress(host) && (bytes.Count(host, []byte{'.'}) == 3 || isBareIPv6(host)) || string(host) == "localhost" {
		return b
	}
	if bytes.IndexByte(host, ':') >= 0 || isDigit(host[0]) || port < 80 { // a clock, a line of a file
		return nil
	}
	if j := bytes.LastIndexByte(host, '.'); j > 0 {
		switch string(host[j+1:]) {
		case "js", "ts", "go", "py", "rb", "java", "c", "cc", "cpp", "rs", "lua", "php", "cs", "cfg", "conf", "yml", "yaml", "json", "mjs", "cjs", "tsx", "jsx", "kt", "scala", "ex", "exs", "erl", "swift", "clj", "groovy", "vue", "pl", "pm", "h", "hpp", "cxx", "zig":
			return nil // FILE:LINE
		}
		return b
	}
	return nil
}

// isBareIPv6 reports whether what has the octets of an address is one of IPv6, and no clock such as 2026:08:40:45.
func isBareIPv6(host []byte) bool {
	return bytes.Count(host, []byte{':'}) == 7 || bytes.Contains(host, []byte("::"))
}

// requestIn finds METHOD TARGET in a text: in quotes, behind a colon or a bracket, or as Go prints it, Get "URL".
func requestIn(text []byte) (method, target []byte, ok bool) {
	for i := 0; i+5 < len(text); i++ {
		c := text[i]
		if c < 'C' || c > 'T' || i > 0 && (isAlphanumeric(text[i-1]) || text[i-1] == '_' || text[i-1] == '-') {
			continue
		}
		for _, m := range [...]string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"} {
			if !starts(text[i:], m) && !(starts(text[i:], m[:1]) && phrase.Starts(text[i:], lowerMethods[m]) && starts(text[i+len(m):], ` "http`)) {
				continue
			}
			rest := bytes.TrimLeft(text[i+len(m):], ` "'/]`)
			gap := len(text) - i - len(m) - len(rest)
			if gap == 0 {
				continue
			}
			start := i + len(m) + gap
			if text[start-1] == '/' {
				start--
			}
			end := start
			for end < len(text) && text[end] > ' ' && text[end] != '"' && text[end] != '\'' {
				end++
			}
			target := text[start:end]
			if starts(target, "/") || starts(target, "http://") || starts(target, "https://") || len(target) > 0 && starts(text[end:], " HTTP/") {
				return text[i : i+len(m)], target, true
			}
			if path := pathAfter(text[end:]); path != nil { // scheme, host and path in fields of their own
				return text[i : i+len(m)], path, true
			}
		}
	}
	return nil, nil, false
}

// pathAfter finds a path among the next two words, in quotes or not.
func pathAfter(b []byte) []byte {
	for range 2 {
		b = bytes.TrimLeft(b, ` "'`)
		end := 0
		for end < len(b) && b[end] > ' ' && b[end] != '"' && b[end] != '\'' {
			end++
		}
		if starts(b, "/") {
			return b[:end]
		}
		b = b[end:]
	}
	return nil
}

// lowerMethods are the methods as phrase.Starts wants them.
var lowerMethods = map[string]string{"GET": "get", "POST": "post", "PUT": "put", "PATCH": "patch", "DELETE": "delete", "HEAD": "head", "OPTIONS": "options"}

// pathMarks are what stands before a path in the messages of programs that proxy.
var pathMarks = [...]string{"proxy error: ", "proxy error at ", "proxying request ", "proxy request ", "in request:", "returned by ", " for /", "uri=", "url=", "path=", "dest="}

// pathIn finds a path behind the words that programs put before it.
func pathIn(text []byte) []byte {
	for _, mark := range pathMarks {
		i := phrase.Index(text, mark)
		if i < 0 {
			continue
		}
		rest := bytes.TrimLeft(text[i+len(mark):], `"'`)
		if mark == " for /" {
			rest = text[i+len(mark)-1:]
		}
		end := 0
		for end < len(rest) && rest[end] > ' ' && bytes.IndexByte([]byte(`"',;`), rest[end]) < 0 {
			end++
		}
		path := rest[:end]
		if mark == "in request:" {
			path = upTo(path, ':')
		}
		if _, after, found := bytes.Cut(path, []byte("://")); found {
			path = after
		}
		if slash := bytes.IndexByte(path, '/'); slash >= 0 && slash < 80 {
			return bytes.TrimRight(path[slash:], ":?")
		}
	}
	return nil
}
