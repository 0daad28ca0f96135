package term

import (
	"io"
	"sync"
	"unicode/utf8"

	"github.com/whygate/whygate/internal/visible"
)

// Guard is a writer that lets nothing through but text: newlines and tabs stay, and whatever else acts instead of being seen (a
// control character, one that turns the direction of writing, an octet that is not UTF-8) is shown as Clean shows it. The sequences
// that Style writes pass where the writer behind shows colours. So a name or a line that somebody forgot to clean does no harm.
//
// It may be used by several goroutines. What ends in the middle of a character or a sequence is kept for the next write, or for Flush.
type Guard struct {
	w      io.Writer
	styled bool

	mu   sync.Mutex // guards the fields below, and the order of writes
	held []byte     // four bytes at most
	out  []byte
}

// NewGuard gives a guard before w.
func NewGuard(w io.Writer) *Guard { return &Guard{w: w, styled: New(w).Colour} }

// Inner gives the writer behind a guard, for who writes only what it made itself; another writer is given back as it is.
func Inner(w io.Writer) io.Writer {
	if g, ok := w.(*Guard); ok {
		return g.w
	}
	return w
}

// Write writes the text and what was held back. Where the writer behind fails, nothing counts as written.
func (g *Guard) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	text := b
	if len(g.held) > 0 {
		text = append(g.held, b...)
		g.held = nil
	}
	whole := len(text) - unfinished(text)
	g.held = append([]byte(nil), text[whole:]...)
	if err := g.write(text[:whole]); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Flush shows what was held back: nothing comes that would complete it.
func (g *Guard) Flush() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	text := g.held
	g.held = nil
	return g.write(text)
}

// write writes text that ends with a whole character. g.mu is held.
func (g *Guard) write(text []byte) error {
	g.out = g.out[:0]
	done := 0
	for i := 0; i < len(text); {
		if plain[text[i]] {
			i++
			continue
		}
		size, passes := g.next(text[i:])
		if !passes {
			g.out = append(g.out, text[done:i]...)
			done = i + size
			g.out = visible.Append(g.out, string(text[i:done]), "")
		}
		i += size
	}
	if done == 0 {
		if len(text) == 0 {
			return nil
		}
		_, err := g.w.Write(text)
		return err
	}
	g.out = append(g.out, text[done:]...)
	_, err := g.w.Write(g.out)
	if cap(g.out) > keptMax {
		g.out = nil
	}
	return err
}

// keptMax is how large the room for what is shown may be to be kept for the next write, in bytes.
const keptMax = 64 << 10

// plain are the bytes that pass by themselves: printable ASCII, newline, tab.
var plain = func() (table [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		table[c] = true
	}
	table['\n'], table['\t'] = true, true
	return table
}()

// next gives the length of what the text begins with, a character or a sequence of Style's, and whether it passes as it is.
func (g *Guard) next(text []byte) (size int, passes bool) {
	if text[0] == 0x1b {
		if n := sequence(text); n > 0 && g.styled {
			return n, true
		}
		return 1, false
	}
	r, size := utf8.DecodeRune(text)
	return size, !visible.Hidden(r)
}

// sequences are what Style writes.
var sequences = [...]string{"\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[4m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[34m", "\x1b[36m"}

// sequence gives the length of the sequence of Style's that the text begins with, 0 if it begins with none.
func sequence(text []byte) int {
	for _, s := range sequences {
		if len(text) >= len(s) && string(text[:len(s)]) == s {
			return len(s)
		}
	}
	return 0
}

// unfinished gives the length of the text's end that may be the beginning of a character or of a sequence, 0 if there is none.
func unfinished(text []byte) int {
	for n := 1; n < len("\x1b[31m") && n <= len(text); n++ {
		end := text[len(text)-n:]
		switch c := end[0]; {
		case c == 0x1b:
			for _, s := range sequences {
				if len(end) < len(s) && s[:len(end)] == string(end) {
					return n
				}
			}
			return 0
		case c >= utf8.RuneSelf && utf8.RuneStart(c):
			if !utf8.FullRune(end) {
				return n
			}
			return 0
		}
	}
	return 0
}
