package conftree

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// errLine: a line is too long.
var errLine = fmt.Errorf("a line of more than %d KiB", lineMax>>10)

// haproxySections begin a section.
var haproxySections = []string{
	"global", "defaults", "frontend", "backend", "listen", "resolvers", "peers", "userlist", "cache", "program", "http-errors", "ring", "mailers", "fcgi-app",
	"crt-store", "log-forward", "traces", "acme",
}

// HAProxy reads a file of HAProxy: sections, with the lines in them.
func (r *Reader) HAProxy(name, text string) ([]*Node, error) {
	var all []*Node
	line := 0
	for s := range strings.Lines(text) {
		line++
		if len(s) > lineMax {
			return nil, fmt.Errorf("%s:%d: %w", name, line, errLine)
		}
		words := splitWords(s, haproxyEscape)
		if len(words) == 0 {
			continue
		}
		n, err := r.add(words[0], words[1:], Place{name, line})
		if err != nil {
			return nil, err
		}
		switch {
		case slices.Contains(haproxySections, words[0]) && (len(all) == 0 || s[0] != ' ' && s[0] != '\t' || sectionAnyway(words)):
			all = append(all, n)
		case len(all) > 0:
			last := all[len(all)-1]
			last.Kids = append(last.Kids, n)
		}
	}
	return all, nil
}

// sectionAnyway reports whether a line that is indented begins a section all the same: no keyword of a section is called so.
func sectionAnyway(words []string) bool {
	return slices.Contains([]string{"global", "defaults", "frontend", "backend", "listen", "resolvers", "userlist"}, words[0]) && len(words) <= 2
}

// shellWords splits a line as a shell does: quotes, backslashes, and # at a word's beginning for the rest.
func shellWords(line string) []string {
	return splitWords(line, func(c byte) string { return string(c) })
}

// haproxyEscape is what a backslash and a character stand for in a line of HAProxy: before others than these the backslash stays, as in \1.
func haproxyEscape(c byte) string {
	switch c {
	case ' ', '#', '\\', '"', '\'', '\t':
		return string(c)
	case 'n':
		return "\n"
	case 'r':
		return "\r"
	case 't':
		return "\t"
	}
	return "\\" + string(c)
}

// splitWords splits a line. escape is what a backslash and a character stand for outside quotes.
func splitWords(line string, escape func(byte) string) []string {
	var words []string
	var b strings.Builder
	in, quote := false, byte(0)
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote != 0:
			switch {
			case c == quote:
				quote = 0
			case c == '\\' && quote == '"' && i+1 < len(line) && (line[i+1] == '"' || line[i+1] == '\\'):
				i++
				b.WriteByte(line[i])
			default:
				b.WriteByte(c)
			}
		case c == '"' || c == '\'':
			quote, in = c, true
		case c == '\\' && i+1 < len(line):
			i++
			in = true
			b.WriteString(escape(line[i]))
		case c == '#' && !in, c == '\n', c == '\r', c == ' ', c == '\t':
			if in {
				words = append(words, b.String())
				b.Reset()
				in = false
			}
			if c == '#' {
				return words
			}
		default:
			in = true
			b.WriteByte(c)
		}
	}
	if in {
		words = append(words, b.String())
	}
	return words
}

// Words splits a command as a shell does, without what a shell expands. It gives the first words of a very long one.
func Words(command string) []string { return shellWords(command[:min(len(command), lineMax)]) }

// Apache reads a file of Apache: directives, and <sections> with what stands in them. Includes are not followed; see ApacheFiles.
func (r *Reader) Apache(name, text string) ([]*Node, error) {
	root := &Node{}
	open := []*Node{root}
	line, start, held := 0, 0, ""
	for s := range strings.Lines(text) {
		line++
		s = strings.TrimSpace(s)
		if held == "" {
			start = line
		}
		if rest, goesOn := strings.CutSuffix(s, `\`); goesOn && len(held) < lineMax {
			held += rest + " "
			continue
		}
		s, held = strings.TrimSpace(held+s), ""
		switch {
		case len(s) > lineMax:
			return nil, fmt.Errorf("%s:%d: %w", name, line, errLine)
		case s == "" || s[0] == '#':
			continue
		case strings.HasPrefix(s, "</"):
			if len(open) == 1 {
				return nil, fmt.Errorf("%s:%d: %s closes nothing", name, line, s)
			}
			open = open[:len(open)-1]
			continue
		}
		section := s[0] == '<'
		words := apacheWords(strings.TrimSuffix(strings.TrimPrefix(s, "<"), ">"), section)
		if len(words) == 0 {
			continue
		}
		n, err := r.add(words[0], words[1:], Place{name, start})
		if err != nil {
			return nil, err
		}
		last := open[len(open)-1]
		last.Kids = append(last.Kids, n)
		if section {
			if len(open) > depthMax {
				return nil, fmt.Errorf("%s:%d: %w", name, line, errDeep)
			}
			open = append(open, n)
		}
	}
	if len(open) > 1 {
		return nil, fmt.Errorf("%v: <%s> is not closed", open[len(open)-1].Place, open[len(open)-1].Name)
	}
	return root.Kids, nil
}

// apacheWords splits a directive: quotes group, and a backslash escapes a quote only.
func apacheWords(line string, section bool) []string {
	if section && !strings.HasSuffix(line, " ") {
		line += " "
	}
	var words []string
	for rest := strings.TrimLeft(line, " \t"); rest != ""; rest = strings.TrimLeft(rest, " \t") {
		if q := rest[0]; q == '"' || q == '\'' {
			var b strings.Builder
			i := 1
			for ; i < len(rest) && rest[i] != q; i++ {
				if rest[i] == '\\' && i+1 < len(rest) && (rest[i+1] == q || rest[i+1] == '\\') {
					i++
				}
				b.WriteByte(rest[i])
			}
			words = append(words, b.String())
			rest = rest[min(i+1, len(rest)):]
			continue
		}
		end := strings.IndexAny(rest, " \t")
		if end < 0 {
			end = len(rest)
		}
		words = append(words, rest[:end])
		rest = rest[end:]
	}
	return words
}

// Caddyfile reads a Caddyfile: blocks of lines. Imports are not put in place; see CaddyFiles.
func (r *Reader) Caddyfile(name, text string) ([]*Node, error) {
	root := &Node{}
	open := []*Node{root}
	line := 0
	for s := range strings.Lines(text) {
		line++
		if len(s) > lineMax {
			return nil, fmt.Errorf("%s:%d: %w", name, line, errLine)
		}
		words := caddyWords(s)
		if len(words) == 0 {
			continue
		}
		if words[0] == "}" {
			if len(open) == 1 {
				return nil, fmt.Errorf("%s:%d: %w", name, line, errClosed)
			}
			open = open[:len(open)-1]
			continue
		}
		block := words[len(words)-1] == "{"
		if block {
			words = words[:len(words)-1]
		}
		if len(words) == 0 {
			words = []string{""} // the block of global options
		}
		n, err := r.add(words[0], words[1:], Place{name, line})
		if err != nil {
			return nil, err
		}
		last := open[len(open)-1]
		last.Kids = append(last.Kids, n)
		if block {
			if len(open) > depthMax {
				return nil, fmt.Errorf("%s:%d: %w", name, line, errDeep)
			}
			open = append(open, n)
		}
	}
	if len(open) > 1 {
		return nil, fmt.Errorf("%v: %w", open[len(open)-1].Place, errNotClosed)
	}
	return root.Kids, nil
}

// caddyWords splits a line: double quotes and backquotes group.
func caddyWords(line string) []string {
	var words []string
	for rest := strings.TrimSpace(line); rest != ""; rest = strings.TrimLeft(rest, " \t") {
		switch q := rest[0]; q {
		case '#':
			return words
		case '"', '`':
			word, after, _ := strings.Cut(rest[1:], string(q))
			words, rest = append(words, word), after
		default:
			end := strings.IndexAny(rest, " \t")
			if end < 0 {
				end = len(rest)
			}
			words, rest = append(words, rest[:end]), rest[end:]
		}
	}
	return words
}

// errNoKey: a line of an INI file that says nothing.
var errNoKey = errors.New("neither a [section] nor key = value")

// INI reads sections of "key = value": php-fpm's pools, uWSGI's files, systemd's units. Keys before a section stand in one without a name.
// A line that ends with a backslash goes on in the next one, as systemd has it.
func (r *Reader) INI(name, text string) ([]*Node, error) {
	var all []*Node
	line, start, held := 0, 0, ""
	for s := range strings.Lines(text) {
		line++
		s = strings.TrimSpace(s)
		if held == "" {
			start = line
		}
		if rest, goesOn := strings.CutSuffix(s, `\`); goesOn && len(held) < lineMax {
			held += rest + " "
			continue
		}
		s, held = strings.TrimSpace(held+s), ""
		if len(s) > lineMax {
			return nil, fmt.Errorf("%s:%d: %w", name, line, errLine)
		}
		if s == "" || s[0] == ';' || s[0] == '#' {
			continue
		}
		if s[0] == '[' && s[len(s)-1] == ']' {
			n, err := r.add(s[1:len(s)-1], nil, Place{name, start})
			if err != nil {
				return nil, err
			}
			all = append(all, n)
			continue
		}
		key, value, found := strings.Cut(s, "=")
		if !found && len(all) == 0 {
			return nil, fmt.Errorf("%s:%d: %w", name, start, errNoKey)
		}
		if len(all) == 0 {
			all = append(all, &Node{Place: Place{name, start}})
		}
		n, err := r.add(strings.TrimSpace(key), []string{unquoted(strings.TrimSpace(value))}, Place{name, start})
		if err != nil {
			return nil, err
		}
		last := all[len(all)-1]
		last.Kids = append(last.Kids, n)
	}
	return all, nil
}

// unquoted takes the quotes around a value away.
func unquoted(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}

// Script reads the settings of a file of Python or Ruby that are written out: "name = value" and "name value, value". What is computed is
// not known, and left out.
func (r *Reader) Script(name, text string) ([]*Node, error) {
	root := &Node{Place: Place{name, 1}}
	line := 0
	for s := range strings.Lines(text) {
		line++
		if len(s) > lineMax {
			return nil, fmt.Errorf("%s:%d: %w", name, line, errLine)
		}
		if s[0] == ' ' || s[0] == '\t' { // within a function, a block or a condition
			continue
		}
		key, value, ok := setting(s)
		if !ok {
			continue
		}
		n, err := r.add(key, value, Place{name, line})
		if err != nil {
			return nil, err
		}
		root.Kids = append(root.Kids, n)
	}
	return []*Node{root}, nil
}

// setting splits a line of a script into a name and literals.
func setting(line string) (string, []string, bool) {
	line = strings.TrimSpace(line)
	end := strings.IndexFunc(line, func(c rune) bool { return c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9') })
	if end <= 0 {
		return "", nil, false
	}
	name, rest := line[:end], strings.TrimSpace(line[end:])
	if after, assigned := strings.CutPrefix(rest, "="); assigned && !strings.HasPrefix(after, "=") {
		rest = strings.TrimSpace(after)
	}
	var values []string
	for rest != "" && rest[0] != '#' {
		switch c := rest[0]; {
		case strings.IndexByte("([{}]), \t", c) >= 0:
			rest = rest[1:]
		case c == '"' || c == '\'':
			value, after, closed := strings.Cut(rest[1:], string(c))
			if !closed {
				return "", nil, false
			}
			values, rest = append(values, value), after
		default:
			end := strings.IndexAny(rest, ",)]} \t#")
			if end < 0 {
				end = len(rest)
			}
			word := rest[:end]
			if !literal(word) {
				return "", nil, false
			}
			values, rest = append(values, word), rest[end:]
		}
	}
	return name, values, len(values) > 0
}

// literal reports whether a word stands for itself: a number, a truth, a symbol, the name of an option.
func literal(word string) bool {
	switch word {
	case "True", "False", "None", "true", "false", "nil", "=>":
		return true
	}
	if strings.HasPrefix(word, ":") || strings.HasSuffix(word, ":") {
		return true
	}
	return strings.Trim(word, "0123456789._") == ""
}
