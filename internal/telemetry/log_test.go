package telemetry

import (
	"bytes"
	"sync"
	"testing"
)

// file is a writer that notes that it was closed.
type file struct {
	mu     sync.Mutex // guards the fields below
	text   bytes.Buffer
	closed bool
	late   bool // written to when it was closed
}

func (f *file) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.late = f.late || f.closed
	return f.text.Write(b)
}

func (f *file) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	return nil
}

// A log that is opened again loses no line, and closes every file when it writes there no more.
func TestLogReopens(t *testing.T) {
	files := []*file{{}}
	l := NewLog(files[0], JSON)
	var wait sync.WaitGroup
	const writers, each = 4, 500
	for range writers {
		wait.Go(func() {
			for range each {
				if !l.Write(record()) {
					t.Error("refused")
				}
			}
		})
	}
	for range 50 {
		f := &file{}
		files = append(files, f)
		l.Reopen(f)
	}
	wait.Wait()
	l.Close()
	lines := 0
	for i, f := range files {
		f.mu.Lock()
		lines += bytes.Count(f.text.Bytes(), []byte("\n"))
		if !f.closed || f.late {
			t.Errorf("file %d: closed %v, written to after that %v", i, f.closed, f.late)
		}
		f.mu.Unlock()
	}
	if lines != writers*each || l.Dropped() != 0 {
		t.Errorf("%d lines, %d dropped", lines, l.Dropped())
	}
	last := &file{}
	if l.Reopen(last); !last.closed {
		t.Error("a closed log keeps a file open")
	}
}

// A bug in the format costs the line, and leaves the log as it was.
func TestLogSurvivesAPanic(t *testing.T) {
	var out file
	told := 0
	l := NewLog(&out, func(dst []byte, r *Record) []byte {
		if r.Status == 0 {
			panic("bug")
		}
		return JSON(append(dst, 'x'), r)
	})
	l.Panicked = func(reason any) {
		if reason == "bug" {
			told++
		}
	}
	l.Write(record())
	l.Write(&Record{})
	l.Write(record())
	l.Close()
	if n := bytes.Count(out.text.Bytes(), []byte("\n")); n != 2 || told != 1 || l.Dropped() != 1 {
		t.Errorf("%d lines, told %d times, %d dropped", n, told, l.Dropped())
	}
}
