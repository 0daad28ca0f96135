package certs

import (
	"os"
	"sync"
	"time"
)

const (
	// lookEvery is how often the files are looked at. Nobody tells of a change: what the system tells of directories is lost
	// where a link further up is moved, and there are few watches to be had.
	lookEvery = time.Second
	// settle is how long files must have been left alone before they are read: certificate and key are written one after the
	// other, and a long file in pieces.
	settle = 200 * time.Millisecond
	// settleMax bounds the wait for files that are written all the time.
	settleMax = 5 * time.Second
)

// stamp is what tells that files have changed: links are followed.
type stamp []os.FileInfo

func stampOf(files []string) stamp {
	s := make(stamp, len(files))
	for i, file := range files {
		s[i], _ = os.Stat(file) // nil is a stamp too
	}
	return s
}

func (s stamp) same(t stamp) bool {
	for i, a := range s {
		b := t[i]
		if (a == nil) != (b == nil) || a != nil && (!os.SameFile(a, b) || a.Size() != b.Size() || !a.ModTime().Equal(b.ModTime())) {
			return false
		}
	}
	return true
}

// watch calls reload after files have changed.
type watch struct {
	files  []string
	reload func()
	stop   chan struct{}
	wait   sync.WaitGroup
}

// watchFiles begins to watch files that were as last when they were read. It ends with close.
func watchFiles(files []string, last stamp, reload func()) *watch {
	w := &watch{files: files, reload: reload, stop: make(chan struct{})}
	w.wait.Go(func() { w.run(last) })
	return w
}

func (w *watch) run(last stamp) {
	for w.pause(lookEvery) {
		now := stampOf(w.files)
		if now.same(last) {
			continue
		}
		for waited := time.Duration(0); waited < settleMax; waited += settle {
			if !w.pause(settle) {
				return
			}
			before := now
			if now = stampOf(w.files); now.same(before) {
				break
			}
		}
		last = now
		w.reload()
	}
}

// pause waits, and is false once the watch ends.
func (w *watch) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-w.stop:
		return false
	case <-timer.C:
		return true
	}
}

func (w *watch) close() {
	close(w.stop)
	w.wait.Wait()
}
