package proxyconf

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

// directive is one of nginx's directives, simple or with a block.
type directive struct {
	words []string
	block []*directive
	place Place
}

func (d *directive) name() string { return d.words[0] }

// arg is the nth argument, empty if there is none.
func (d *directive) arg(n int) string {
	if n < len(d.words) {
		return d.words[n]
	}
	return ""
}

// nginxReader reads nginx's files.
type nginxReader struct {
	*Config
	files Files
	base  string // what relative includes start from
}

func readNginx(c *Config, file string, files Files) error {
	r := &nginxReader{Config: c, files: files, base: filepath.Dir(file)}
	root, err := r.file(file, 0)
	if err != nil {
		return err
	}
	logsOf(c, root)
	c.match = func(q Request) *Route { return nginxRoute(root, q) }
	return nil
}

// file reads one file into directives, with what it includes in place.
func (r *nginxReader) file(name string, depth int) ([]*directive, error) {
	b, err := r.read(r.files, name)
	if err != nil {
		return nil, err
	}
	s := &nginxScanner{text: string(b), line: 1, file: name}
	all, err := s.block(0)
	if err != nil {
		return nil, fmt.Errorf("%s:%d: %w", name, s.line, err)
	}
	return r.included(all, depth), nil
}

// included puts the directives of included files where they are included.
func (r *nginxReader) included(all []*directive, depth int) []*directive {
	var whole []*directive
	for _, d := range all {
		d.block = r.included(d.block, depth)
		if d.name() != "include" || d.arg(1) == "" {
			whole = append(whole, d)
			continue
		}
		pattern := d.arg(1)
		if !filepath.IsAbs(pattern) {
			pattern = filepath.Join(r.base, pattern)
		}
		if depth >= includeMax {
			r.problem("%v: includes within includes, %d deep", d.place, depth)
			continue
		}
		for _, name := range r.files.glob(pattern) {
			more, err := r.file(name, depth+1)
			if err != nil {
				r.problem("%v: %v", d.place, err)
			}
			whole = append(whole, more...)
		}
	}
	return whole
}

// nginxScanner splits nginx's syntax.
type nginxScanner struct {
	text string
	line int
	file string
}

// nestMax bounds blocks within blocks.
const nestMax = 30

// block reads directives up to the closing brace, or to the end of the file at depth 0.
func (s *nginxScanner) block(depth int) ([]*directive, error) {
	if depth > nestMax {
		return nil, fmt.Errorf("blocks within blocks, more than %d", nestMax)
	}
	var all []*directive
	d := &directive{}
	for {
		word, kind := s.next()
		switch kind {
		case 'w':
			if len(d.words) == 0 {
				d.place = Place{File: s.file, Line: s.line}
			}
			d.words = append(d.words, word)
		case ';':
			if len(d.words) > 0 {
				all, d = append(all, d), &directive{}
			}
		case '{':
			if len(d.words) == 0 {
				return nil, fmt.Errorf("a block without a name")
			}
			if strings.HasSuffix(d.name(), "_by_lua_block") {
				s.skipLua()
				all, d = append(all, d), &directive{}
				continue
			}
			inner, err := s.block(depth + 1)
			if err != nil {
				return nil, err
			}
			d.block = inner
			all, d = append(all, d), &directive{}
		case '}':
			if depth == 0 {
				return nil, fmt.Errorf("a closing brace too many")
			}
			return all, nil
		default:
			if depth > 0 {
				return nil, fmt.Errorf("a block is not closed")
			}
			return all, nil
		}
	}
}

// next reads a word ('w'), one of ; { } or the end (0).
func (s *nginxScanner) next() (string, byte) {
	for s.text != "" {
		switch c := s.text[0]; c {
		case '\n':
			s.line++
			s.text = s.text[1:]
		case ' ', '\t', '\r':
			s.text = s.text[1:]
		case '#':
			_, rest, _ := strings.Cut(s.text, "\n")
			s.text = rest
			s.line++
		case ';', '{', '}':
			s.text = s.text[1:]
			return "", c
		case '"', '\'':
			return s.quoted(c), 'w'
		default:
			return s.bare(), 'w'
		}
	}
	return "", 0
}

// luaToken is what matters of Lua: comments and strings, whose braces and quotes are none, and braces.
var luaToken = regexp.MustCompile(`(?s)--\[\[.*?\]\]|--[^\n]*|\[\[.*?\]\]|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[{}]`)

// skipLua passes over a block of Lua, up to the brace that closes it.
func (s *nginxScanner) skipLua() {
	for open := 1; open > 0; {
		at := luaToken.FindStringIndex(s.text)
		if at == nil {
			s.text = ""
			return
		}
		switch s.text[at[0]:at[1]] {
		case "{":
			open++
		case "}":
			open--
		}
		s.line += strings.Count(s.text[:at[1]], "\n")
		s.text = s.text[at[1]:]
	}
}

func (s *nginxScanner) quoted(quote byte) string {
	var b strings.Builder
	for i := 1; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '\\' && i+1 < len(s.text):
			i++
			b.WriteByte(s.text[i])
		case c == quote:
			s.text = s.text[i+1:]
			return b.String()
		default:
			if c == '\n' {
				s.line++
			}
			b.WriteByte(c)
		}
	}
	s.text = ""
	return b.String()
}

func (s *nginxScanner) bare() string {
	for i := 0; i < len(s.text); i++ {
		switch s.text[i] {
		case '\\':
			i++
		case '$':
			if i+1 < len(s.text) && s.text[i+1] == '{' { // ${name}
				if n := strings.IndexByte(s.text[i:], '}'); n > 0 {
					i += n
				}
			}
		case ' ', '\t', '\r', '\n', ';', '{', '}':
			word := s.text[:i]
			s.text = s.text[i:]
			return word
		}
	}
	word := s.text
	s.text = ""
	return word
}

// text is the directive as it stands in the file, without its block.
func (d *directive) text() string { return strings.Join(d.words, " ") }

// at is the directive's place with its text.
func (d *directive) at() Place { return Place{d.place.File, d.place.Line, d.text()} }

// logsOf collects the log files, the error logs first.
func logsOf(c *Config, all []*directive) {
	for _, name := range []string{"error_log", "access_log"} {
		walk(all, func(d *directive) {
			if d.name() == name {
				c.log(d.arg(1))
			}
		})
	}
}

func walk(all []*directive, visit func(*directive)) {
	for _, d := range all {
		visit(d)
		walk(d.block, visit)
	}
}
