package proxyconf

import (
	"fmt"
	"path/filepath"
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
	*reader
	base string // what relative includes start from
}

func readNginx(all *reader, file string) error {
	r := &nginxReader{all, filepath.Dir(file)}
	root, err := r.file(file, 0)
	if err != nil {
		return err
	}
	logsOf(r.Config, root)
	nginxState(r.Config, root)
	r.Config.match = func(q Request) *Route { return nginxRoute(root, q) }
	return nil
}

// file reads one file into directives, with what it includes in place.
func (r *nginxReader) file(name string, depth int) ([]*directive, error) {
	b, err := r.read(name)
	if err != nil {
		return nil, err
	}
	s := &nginxScanner{r: r.reader, text: string(b), line: 1, file: name}
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
		for _, name := range r.glob(pattern) {
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
	r    *reader
	text string
	line int
	file string
}

// nginxUnread are the blocks that say nothing about where a request goes, and may be very long: tables of addresses and names.
var nginxUnread = map[string]bool{"map": true, "geo": true, "types": true, "split_clients": true, "charset_map": true}

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
			if err := s.r.build(wordSize + len(word)); err != nil {
				return nil, err
			}
		case ';':
			if err := s.r.build(blockSize); err != nil {
				return nil, err
			}
			if len(d.words) > 0 {
				all, d = append(all, d), &directive{}
			}
		case '{':
			if len(d.words) == 0 {
				return nil, fmt.Errorf("a block without a name")
			}
			if err := s.r.build(blockSize); err != nil {
				return nil, err
			}
			if lua := strings.HasSuffix(d.name(), "_by_lua_block"); lua || nginxUnread[d.name()] {
				if lua {
					s.skipLua()
				} else if err := s.skip(); err != nil {
					return nil, err
				}
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

// skip passes over a block, up to the brace that closes it.
func (s *nginxScanner) skip() error {
	for open := 1; open > 0; {
		_, kind := s.next()
		switch kind {
		case '{':
			open++
		case '}':
			open--
		case 0:
			return fmt.Errorf("a block is not closed")
		}
	}
	return s.r.ctx.Err()
}

// skipLua passes over a block of Lua, up to the brace that closes it. What matters of Lua are comments and strings, whose braces
// and quotes are none, and braces. Each octet is looked at a few times at most: a string or a comment that is not closed is
// none, and no further one of its kind is looked for.
func (s *nginxScanner) skipLua() {
	text := s.text
	last := strings.LastIndex(text, "]]") // where the last long string or comment may end
	open, at := 1, 0
	var unclosed [256]bool // quotes
	for open > 0 && at < len(text) {
		rest := text[at:]
		switch c := text[at]; {
		case strings.HasPrefix(rest, "--[[") && at < last:
			at += strings.Index(rest, "]]") + 2
		case strings.HasPrefix(rest, "--"):
			comment, _, _ := strings.Cut(rest, "\n")
			at += len(comment)
		case strings.HasPrefix(rest, "[[") && at < last:
			at += strings.Index(rest, "]]") + 2
		case (c == '"' || c == '\'') && !unclosed[c]:
			n := luaString(rest)
			unclosed[c] = n == 0
			at += max(n, 1)
		default:
			switch c {
			case '{':
				open++
			case '}':
				open--
			}
			at++
		}
	}
	s.line += strings.Count(text[:at], "\n")
	s.text = text[at:]
}

// luaString is the length of the string in quotes that the text begins with, 0 if it is not closed.
func luaString(text string) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case text[0]:
			return i + 1
		}
	}
	return 0
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

// nameMax is how long the name of a variable is at most, with its braces.
const nameMax = 256

func (s *nginxScanner) bare() string {
	for i := 0; i < len(s.text); i++ {
		switch s.text[i] {
		case '\\':
			i++
		case '$':
			if i+1 < len(s.text) && s.text[i+1] == '{' { // ${name}
				if n := strings.IndexByte(s.text[i:min(i+nameMax, len(s.text))], '}'); n > 0 {
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
