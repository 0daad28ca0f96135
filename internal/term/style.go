package term

import (
	"io"
	"os"
	"strconv"

	xterm "golang.org/x/term"
)

// Widths in columns. A terminal narrower than the least is written to as if it had that: text of three words a line
// cannot be read either.
const (
	widthDefault = 80
	widthLeast   = 40
	widthMost    = 1000 // a COLUMNS beyond it is a mistake
)

// Style says how wide a writer's lines may be and whether it may have colour. The zero value is 80 columns without
// colour, which is what a file or a test gets.
type Style struct {
	Columns int  // columns of a line; 0 stands for 80
	Colour  bool // whether escape sequences may be written
}

// New gives the style of a writer: that of the terminal if it is one, otherwise 80 columns without colour. The variable
// COLUMNS, where set, overrides the width.
func New(w io.Writer) *Style {
	s := &Style{Columns: widthDefault}
	if fd, ok := terminal(w); ok {
		s.Colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
		if width, _, err := xterm.GetSize(fd); err == nil && width > 0 {
			s.Columns = width
		}
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 && n <= widthMost {
		s.Columns = n
	}
	s.Columns = max(s.Columns, widthLeast)
	return s
}

// IsTerminal reports whether the writer, or the one behind a Guard, is a terminal.
func IsTerminal(w io.Writer) bool {
	_, ok := terminal(w)
	return ok
}

func terminal(w io.Writer) (fd int, ok bool) {
	f, isFile := Inner(w).(*os.File)
	if !isFile {
		return 0, false
	}
	return int(f.Fd()), xterm.IsTerminal(int(f.Fd()))
}

// Width gives the columns of a line.
func (s *Style) Width() int {
	if s.Columns <= 0 {
		return widthDefault
	}
	return s.Columns
}

// ReadingWidth is Width but at most 100: longer lines of prose are hard to follow.
func (s *Style) ReadingWidth() int { return min(s.Width(), 100) }

// Bold gives the text in bold, the text alone where there is no colour. The same holds for the others.
func (s *Style) Bold(text string) string { return s.sgr("1", text) }

// Dim is for what matters less.
func (s *Style) Dim(text string) string { return s.sgr("2", text) }

// Underline is for headings and links.
func (s *Style) Underline(text string) string { return s.sgr("4", text) }

// Red is for what failed.
func (s *Style) Red(text string) string { return s.sgr("31", text) }

// Green is for what is in order.
func (s *Style) Green(text string) string { return s.sgr("32", text) }

// Yellow is for what to look at.
func (s *Style) Yellow(text string) string { return s.sgr("33", text) }

// Blue has no meaning of its own.
func (s *Style) Blue(text string) string { return s.sgr("34", text) }

// Cyan is for what to type, and for names.
func (s *Style) Cyan(text string) string { return s.sgr("36", text) }

// sgr puts "select graphic rendition" around the text (ECMA-48 section 8.3.117).
func (s *Style) sgr(code, text string) string {
	if !s.Colour || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
