package certs

import (
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long after a change the files are read: certificate and key are written one after the other.
const settle = 200 * time.Millisecond

// watch calls reload some time after one of the files has changed.
type watch struct {
	watcher *fsnotify.Watcher
	wait    sync.WaitGroup
	reload  func()
	failed  func(error) // told why changes may be missed
}

// newWatch begins to watch. It ends with close.
func newWatch(reload func(), failed func(error), files ...string) (*watch, error) {
	inner, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", files[0], err)
	}
	// The directories, not the files: a file is often replaced by another of its name, or is a link that moves.
	for _, file := range files {
		if err := inner.Add(filepath.Dir(file)); err != nil {
			_ = inner.Close()
			return nil, fmt.Errorf("watch %s: %w", filepath.Dir(file), err)
		}
	}
	w := &watch{watcher: inner, reload: reload, failed: failed}
	w.wait.Go(w.run)
	return w, nil
}

func (w *watch) run() {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	defer timer.Stop()
	for {
		select {
		case _, ok := <-w.watcher.Events:
			if !ok {
				return
			}
			timer.Reset(settle)
		case err, ok := <-w.watcher.Errors:
			if !ok {
				return
			}
			w.failed(err)
		case <-timer.C:
			w.reload()
		}
	}
}

func (w *watch) close() {
	_ = w.watcher.Close()
	w.wait.Wait()
}
