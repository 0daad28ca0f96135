package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/whygate/whygate/internal/route"
)

// Template is a text with variables of the request in it: $scheme, $host (the name that was asked for, without a port), $authority (with
// it), $path, $query (without its question mark), $search (with it, or nothing), $uri ($path and the query), $client, $port (the one that
// the client connected to), $rest (what the route's star stands for), and $1 to $9 and $name for what the groups of the route's regular
// expression took. $$ is a dollar sign.
type Template struct {
	parts   []part
	pattern *regexp.Regexp // of the route; nil where no group is asked for
	prefix  string         // of the route, for $rest
}

type part struct {
	text     string // to the letter, where variable is none
	variable variable
	group    int
}

type variable uint8

const (
	none variable = iota
	varScheme
	varHost
	varAuthority
	varPath
	varQuery
	varSearch
	varPort
	varURI
	varClient
	varRest
	varGroup
)

var variables = map[string]variable{
	"scheme": varScheme, "host": varHost, "authority": varAuthority, "path": varPath, "query": varQuery, "search": varSearch, "port": varPort, "uri": varURI, "client": varClient, "rest": varRest,
}

// errTemplate is wrapped by the errors of NewTemplate.
var errTemplate = errors.New("invalid text")

// NewTemplate reads a text for a route whose rule has this path: groups are those of its regular expression.
func NewTemplate(text, path string) (*Template, error) {
	t := &Template{prefix: string(route.Canonical(nil, []byte(strings.TrimSuffix(path, "*"))))}
	var groups *regexp.Regexp
	if expression, regex := strings.CutPrefix(path, "~"); regex {
		t.prefix = ""
		var err error
		if groups, err = route.PathPattern(expression); err != nil {
			return nil, err
		}
	}
	for text != "" {
		before, rest, found := strings.Cut(text, "$")
		if before != "" {
			t.parts = append(t.parts, part{text: before})
		}
		if !found {
			break
		}
		if strings.HasPrefix(rest, "$") {
			t.parts, text = append(t.parts, part{text: "$"}), rest[1:]
			continue
		}
		name := variableName(rest)
		p, err := variableOf(name, groups)
		if err != nil {
			return nil, err
		}
		if p.variable == varGroup {
			t.pattern = groups
		}
		if p.variable == varRest && (groups != nil || !strings.HasSuffix(path, "/*")) {
			return nil, fmt.Errorf("%w: $rest is what the star of a path stands for, as in /a/*", errTemplate)
		}
		t.parts, text = append(t.parts, p), rest[len(name):]
	}
	return t, nil
}

// variableName is the name at the beginning of a text: one digit, or a word.
func variableName(text string) string {
	if text != "" && text[0] >= '0' && text[0] <= '9' {
		return text[:1]
	}
	end := strings.IndexFunc(text, func(c rune) bool { return c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') })
	if end < 0 {
		return text
	}
	return text[:end]
}

func variableOf(name string, groups *regexp.Regexp) (part, error) {
	if v := variables[name]; v != none {
		return part{variable: v}, nil
	}
	if len(name) == 1 && name[0] >= '0' && name[0] <= '9' {
		if n := int(name[0] - '0'); groups != nil && n <= groups.NumSubexp() {
			return part{variable: varGroup, group: n}, nil
		}
		return part{}, fmt.Errorf("%w: there is no group for $%s in the route's path", errTemplate, name)
	}
	if groups != nil && name != "" {
		if n := groups.SubexpIndex(name); n > 0 {
			return part{variable: varGroup, group: n}, nil
		}
	}
	return part{}, fmt.Errorf("%w: $%s is no variable: there are $scheme, $host, $authority, $path, $query, $search, $uri, $client, $port, $rest, and $1 to $9 for groups of the path; $$ is a dollar sign", errTemplate, name)
}

// expand appends the text for a request. path is in canonical form.
func (t *Template) expand(dst []byte, s *serving, path []byte) []byte {
	q := &s.x.Request
	var groups []int
	if t.pattern != nil {
		groups = t.pattern.FindSubmatchIndex(path)
	}
	for i := range t.parts {
		p := &t.parts[i]
		switch p.variable {
		case none:
			dst = append(dst, p.text...)
		case varScheme:
			dst = append(dst, s.scheme()...)
		case varHost:
			dst = append(dst, hostOf(q.Authority)...)
		case varAuthority:
			dst = append(dst, q.Authority...)
		case varPath:
			dst = append(dst, q.Path...)
		case varQuery:
			dst = append(dst, bytes.TrimPrefix(q.Query, []byte{'?'})...)
		case varSearch:
			dst = append(dst, q.Query...)
		case varPort:
			dst = strconv.AppendUint(dst, uint64(portOf(s.x.Peer.Local)), 10)
		case varURI:
			dst = append(append(dst, q.Path...), q.Query...)
		case varClient:
			dst = append(dst, s.clientText()...)
		case varRest:
			dst = append(dst, bytes.TrimPrefix(path, []byte(t.prefix))...)
		case varGroup:
			if g := 2 * p.group; g+1 < len(groups) && groups[g] >= 0 {
				dst = append(dst, path[groups[g]:groups[g+1]]...)
			}
		}
	}
	return dst
}

// scheme is how the client came: as a trusted proxy in front says, or as its connection is.
func (s *serving) scheme() string {
	if trusted, says := s.forwardedProto(); trusted {
		return says
	}
	if s.x.Peer.Secure {
		return "https"
	}
	return "http"
}

// hostOf is a host without its port.
func hostOf(authority []byte) []byte {
	at := bytes.LastIndexByte(authority, ':')
	if at < 0 || bytes.IndexByte(authority[at:], ']') >= 0 {
		return authority
	}
	return authority[:at]
}
