package proxy

import (
	"bytes"
	"path"
	"strconv"
	"strings"

	"github.com/whygate/whygate/internal/fastcgi"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/route"
)

// What an application is told of a request.

// scriptPath is the path that the script is found by: with the route's rewrite or strip.
func (s *serving) scriptPath() []byte {
	if s.route.Rewrite != nil {
		p, _ := s.rewritten(s.route.Rewrite)
		return p
	}
	p := s.path()
	if !route.Plain(p) {
		p = route.Canonical(nil, p)
	}
	return p
}

// script finds the script's name, from the root, and PATH_INFO. The name never leads out of the root.
func (f *FastCGI) script(requested []byte) (name, info string, ok bool) {
	text, valid := decodedPath(requested)
	if !valid {
		return "", "", false
	}
	for from := 0; ; {
		i := strings.Index(text[from:], f.Split)
		if i < 0 {
			break
		}
		if end := from + i + len(f.Split); end == len(text) || text[end] == '/' {
			return text[:end], text[end:], true
		}
		from += i + len(f.Split)
	}
	if !strings.HasSuffix(text, "/") {
		return "", "", false
	}
	return text + f.Index, "", true
}

// decodedPath is a path with its percent-encoding undone. valid is false where that could lead elsewhere.
func decodedPath(p []byte) (text string, valid bool) {
	name, slash, err := (&Files{Hidden: true}).fileName(p)
	if err != nil {
		return "", false
	}
	if name == "." {
		return "/", true
	}
	if slash {
		name += "/"
	}
	return "/" + name, true
}

// params is the stream of parameters: those of RFC 3875, and those that PHP expects.
func (c *calling) params(script, info string) []byte {
	s, q := c.s, &c.s.x.Request
	var b []byte
	put := func(name, value string) { b = fastcgi.AppendParam(b, name, []byte(value)) }
	query := q.Query
	if s.route.Rewrite != nil && s.indexed == "" {
		_, query = s.rewritten(s.route.Rewrite)
	}
	host := string(hostOf(q.Authority))
	put("GATEWAY_INTERFACE", "CGI/1.1")
	put("SERVER_SOFTWARE", s.snap.Name)
	put("SERVER_PROTOCOL", "HTTP/1.1")
	put("REQUEST_METHOD", string(q.Name))
	put("REQUEST_URI", string(q.Path)+string(q.Query))
	put("QUERY_STRING", strings.TrimPrefix(string(query), "?"))
	put("SCRIPT_NAME", script)
	put("SCRIPT_FILENAME", path.Join(c.f.Root, script))
	put("DOCUMENT_ROOT", c.f.Root)
	put("DOCUMENT_URI", script+info)
	if info != "" {
		put("PATH_INFO", info)
		put("PATH_TRANSLATED", path.Join(c.f.Root, info))
	}
	put("REMOTE_ADDR", s.clientText())
	put("SERVER_NAME", host)
	put("SERVER_PORT", strconv.Itoa(int(portOf(s.x.Peer.Local))))
	if at := portOf(s.x.Peer.Local); at != 0 {
		put("SERVER_ADDR", strings.TrimSuffix(s.x.Peer.Local, ":"+strconv.Itoa(int(at))))
	}
	put("REQUEST_SCHEME", s.scheme())
	if s.scheme() == "https" {
		put("HTTPS", "on")
	}
	put("REDIRECT_STATUS", "200") // php-cgi asks for it
	if q.Length >= 0 && (q.Length > 0 || q.Fields.Has(httpmsg.ContentLength)) {
		put("CONTENT_LENGTH", strconv.FormatInt(q.Length, 10))
	}
	b = c.fields(b)
	for _, p := range c.f.Params {
		put(p.Name, p.Value)
	}
	return b
}

// fields appends the headers as parameters: the client's, those that each hop adds, and those of the route. Of a name there is one, with all
// its values: an application sees the last of several.
//
// Proxy is left out, since libraries take HTTP_PROXY for a proxy to use (CVE-2016-5385), and so is each name with anything but letters,
// digits and hyphens: applications write an underscore for it, and it would be another header's.
func (c *calling) fields(b []byte) []byte {
	s := c.s
	f := &s.x.Request.Fields
	trusted := len(s.snap.Trusted) > 0 && s.snap.trusts(s.x.Peer.Addr)
	h := cgiHeaders{}
	h.add("host", s.x.Request.Authority)
	for i := range f.Len() {
		if s.forwards(i, trusted) {
			h.add(string(f.Name(i)), f.Value(i))
		}
	}
	s.extra.Reset(s.extraBuf[:0])
	s.addHop(trusted)
	for i := range s.extra.Len() {
		h.add(string(s.extra.Name(i)), s.extra.Value(i))
	}
	s.extraBuf = s.extra.Buffer()
	s.extra.Reset(s.extraBuf[:0]) // the answer's come next
	for _, e := range s.route.SetRequest {
		value := []byte(e.Value)
		if e.Made != nil {
			value = e.Made.expand(nil, s, s.canonical())
		}
		if len(value) > 0 {
			h.add(e.Name, value)
		}
	}
	for _, one := range h {
		b = fastcgi.AppendParam(b, one.name, one.value)
	}
	return b
}

// cgiHeaders are the parameters that headers become (RFC 3875, section 4.1.18).
type cgiHeaders []struct {
	name  string
	value []byte
}

// add adds a header, or another value of one that is there. It is left out where its name could stand for another's.
func (h *cgiHeaders) add(name string, value []byte) {
	if strings.EqualFold(name, "proxy") || strings.IndexFunc(name, func(r rune) bool { return r != '-' && !isLetterOrDigit(r) }) >= 0 {
		return
	}
	param := "HTTP_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
	if param == "HTTP_CONTENT_TYPE" {
		param = "CONTENT_TYPE"
	}
	for i := range *h {
		if one := &(*h)[i]; one.name == param {
			between := ", "
			if param == "HTTP_COOKIE" {
				between = "; "
			}
			one.value = append(append(bytes.Clone(one.value), between...), value...)
			return
		}
	}
	*h = append(*h, struct {
		name  string
		value []byte
	}{param, bytes.Clone(value)})
}

func isLetterOrDigit(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}
