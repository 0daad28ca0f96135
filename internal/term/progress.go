package term

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// progressEvery is how often the line is drawn at most.
const progressEvery = 100 * time.Millisecond

// Progress is one line that tells how far long work has come. It is drawn only if its writer is a terminal, and is gone
// when Done returns. A nil Progress does nothing. It may be used by several goroutines.
type Progress struct {
	w     io.Writer
	style *Style
	label string
	total int64 // 0 if it is not known

	mu    sync.Mutex // guards the fields below
	count int64
	note  string
	drawn time.Time
	shown bool
}

// NewProgress begins a progress line on w, which is stderr as a rule. Without a total, the count alone is shown. It gives
// nil, which is fine to use, if w is no terminal. A Guard is passed by: the line moves the cursor.
func NewProgress(w io.Writer, label string, total int64) *Progress {
	if !IsTerminal(w) {
		return nil
	}
	return &Progress{w: Inner(w), style: New(w), label: label, total: total}
}

// Add counts n more done.
func (p *Progress) Add(n int64) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count += n
	p.draw()
}

// Set counts n done altogether.
func (p *Progress) Set(n int64) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count = n
	p.draw()
}

// Note shows what is being done, behind the bar.
func (p *Progress) Note(text string) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.note = Clean(text)
	p.draw()
}

// Done erases the line. Nothing is drawn after it, if nobody goes on counting.
func (p *Progress) Done() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
	p.drawn = time.Now()
}

// draw writes the line anew, unless that was done a moment ago. p.mu is held.
func (p *Progress) draw() {
	now := time.Now()
	if now.Sub(p.drawn) < progressEvery {
		return
	}
	p.drawn, p.shown = now, true
	fmt.Fprint(p.w, "\r"+Cut(p.line(), p.style.Width()-1)+"\x1b[K")
}

// line gives the line without what moves the cursor.
func (p *Progress) line() string {
	line := fmt.Sprintf("%s  %d", p.label, p.count)
	if p.total > 0 {
		fraction := min(float64(p.count)/float64(p.total), 1)
		line = fmt.Sprintf("%s  %s %3.0f%%", p.label, p.style.Green(Bar(fraction, 24)), fraction*100)
	}
	if p.note != "" {
		line += "  " + p.style.Dim(p.note)
	}
	return line
}
