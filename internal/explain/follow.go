package explain

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/whygate/whygate/internal/openfile"
)

// pollEvery is how often a followed file is looked at without being told of a change: file systems over the network, and
// some containers' mounts, tell of none.
const pollEvery = time.Second

// errRotated tells that a followed file began anew: another one has its name, or it was cut.
var errRotated = errors.New("rotated")

// watcher tells the readers of followed files that something happened in their directories.
type watcher struct {
	notify *fsnotify.Watcher
	wake   map[string][]chan struct{} // by directory
}

// newWatcher watches the directories of the files: a file that is renamed or made anew shows there only. It is nil where
// the system has no such service, and then there is only the poll.
func newWatcher(paths []string) *watcher {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil
	}
	w := &watcher{notify: notify, wake: map[string][]chan struct{}{}}
	for _, path := range paths {
		dir := filepath.Dir(path)
		if _, known := w.wake[dir]; !known {
			if notify.Add(dir) != nil {
				continue
			}
			w.wake[dir] = nil
		}
	}
	return w
}

// of gives the channel that wakes the reader of a file. All are made before run begins.
func (w *watcher) of(path string) chan struct{} {
	wake := make(chan struct{}, 1)
	if w != nil {
		dir := filepath.Dir(path)
		w.wake[dir] = append(w.wake[dir], wake)
	}
	return wake
}

// run passes on what happens until the context ends.
func (w *watcher) run(ctx context.Context) {
	defer w.notify.Close()
	for {
		select {
		case <-ctx.Done():
			return
		case event, ok := <-w.notify.Events:
			if !ok {
				return
			}
			for _, wake := range w.wake[filepath.Dir(event.Name)] {
				select {
				case wake <- struct{}{}:
				default: // it has been told already
				}
			}
		case _, ok := <-w.notify.Errors:
			if !ok {
				return
			}
		}
	}
}

// tail reads a file as it grows. At its end it waits; when another file has taken its name, or it was cut, it gives
// errRotated, and goes on with the new one at its beginning.
type tail struct {
	ctx    context.Context
	path   string
	wake   chan struct{}
	file   *openfile.File
	offset int64
	begun  int64 // its size when it was opened: what lies behind was appended; 0 for a file that took its name since
	grown  bool  // what was read last lies behind begun
}

func (t *tail) Read(p []byte) (int, error) {
	for {
		if err := t.ctx.Err(); err != nil {
			return 0, err
		}
		t.grown = t.offset >= t.begun
		if !t.grown { // no read goes over the border
			p = p[:min(int64(len(p)), t.begun-t.offset)]
		}
		n, err := t.file.Read(p)
		t.offset += int64(n)
		if n > 0 || err != nil && !errors.Is(err, io.EOF) {
			return n, err
		}
		t.begun = min(t.begun, t.offset) // it shrank while it was read
		again, err := t.rotated()
		if err != nil || again {
			return 0, err
		}
		if err := t.wait(); err != nil {
			return 0, err
		}
	}
}

// wait waits for something to happen, at most until the next poll.
func (t *tail) wait() error {
	poll := time.NewTimer(pollEvery)
	defer poll.Stop()
	select {
	case <-t.ctx.Done():
		return t.ctx.Err()
	case <-t.wake:
	case <-poll.C:
	}
	return nil
}

// rotated looks whether the name stands for another file, or the file was cut. The old file is at its end, but one more
// read makes sure that nothing was written between.
func (t *tail) rotated() (bool, error) {
	here, err := t.file.Stat()
	if err != nil {
		return false, err
	}
	if here.Size() < t.offset {
		t.offset, t.begun = 0, 0
		if _, err := t.file.Seek(0, io.SeekStart); err != nil {
			return false, err
		}
		return true, errRotated
	}
	named, err := os.Stat(t.path)
	if err != nil { // renamed, and the new one is not there yet
		return false, nil
	}
	if os.SameFile(here, named) || here.Size() > t.offset {
		return false, nil
	}
	file, err := openRegular(t.ctx, t.path)
	if err != nil { // nor while something else than a file has its name
		return false, nil
	}
	t.file.Close()
	t.file, t.offset, t.begun = file, 0, 0
	return true, errRotated
}

// Close closes the file that is read now.
func (t *tail) Close() error { return t.file.Close() }

// readFollowed reads a feed to its end and beyond. Line numbers begin anew with each file.
func (r *run) readFollowed(f *feed, wake chan struct{}) error {
	if f.source.path == "" {
		return r.read(f)
	}
	file, err := openRegular(r.ctx, f.source.path)
	if err != nil {
		return err
	}
	t := &tail{ctx: r.ctx, path: f.source.path, wake: wake, file: file}
	defer t.Close()
	if info, err := file.Stat(); err == nil {
		t.begun = info.Size()
	}
	f.tail = t
	if packed(file) { // a compressed file does not grow
		return r.read(f)
	}
	for {
		err := r.readLines(f, &lineReader{ctx: r.ctx, r: t})
		if !errors.Is(err, errRotated) {
			return err
		}
	}
}

// packed reports whether the file is compressed.
func packed(file io.ReaderAt) bool {
	var magic [4]byte
	n, _ := file.ReadAt(magic[:], 0)
	return n == 4 && (string(magic[:3]) == "BZh" || magic[0] == 0x1f && magic[1] == 0x8b || magic == [4]byte{0x28, 0xb5, 0x2f, 0xfd})
}

// mergeFollow takes the lines of all feeds as they come, and tells the state again where something changed.
func (r *run) mergeFollow() error {
	var paths []string
	for _, f := range r.feeds {
		if f.source.path != "" {
			paths = append(paths, f.source.path)
		}
	}
	w := newWatcher(paths)
	arrived := make(chan arrival)
	for _, f := range r.feeds {
		r.openFollowed(f, w.of(f.source.path), arrived)
	}
	if w != nil {
		r.readers.Go(func() { w.run(r.ctx) }) // ends with the context
	}
	return r.takeArrivals(arrived)
}

// arrival is a parsed block, or the end of a feed where there is none.
type arrival struct {
	feed  *feed
	block *block
}

// openFollowed begins to read a feed whose blocks go into one channel with those of the others.
func (r *run) openFollowed(f *feed, wake chan struct{}, arrived chan<- arrival) {
	blocks := max(blocksMax/len(r.feeds), 2)
	f.blocks, f.free = make(chan *block, blocks), make(chan *block, blocks)
	for range blocks {
		f.free <- &block{space: make([]byte, 0, blockSize)}
	}
	r.goRead(f, func() { // ends with the context, or with a stream
		defer close(f.blocks)
		if err := r.readFollowed(f, wake); err != nil && !errors.Is(err, io.EOF) && r.ctx.Err() == nil {
			f.file.fail(err)
		}
	})
	r.readers.Go(func() { // ends when the blocks do
		for b := r.take(f); b != nil; b = r.take(f) {
			select {
			case arrived <- arrival{f, b}:
			case <-r.ctx.Done():
				return
			}
		}
		select {
		case arrived <- arrival{f, nil}:
		case <-r.ctx.Done():
		}
	})
}

// takeArrivals takes block after block until the context or all feeds end, and calls Summary when things have been quiet
// for a moment after something changed.
func (r *run) takeArrivals(arrived <-chan arrival) error {
	open := len(r.feeds)
	quiet := r.o.Quiet
	if quiet <= 0 {
		quiet = 5 * time.Second
	}
	timer := time.NewTimer(quiet)
	defer timer.Stop()
	told := int64(-1)
	for open > 0 {
		select {
		case <-r.ctx.Done():
			return nil
		case a := <-arrived:
			if a.block == nil {
				open--
				continue
			}
			r.engine.tally(a.feed, a.block)
			r.engine.grown = a.block.grown
			for i := range a.block.records {
				rec := &a.block.records[i]
				if !rec.Time.IsZero() {
					a.feed.last = rec.Time
				}
				r.engine.take(rec, a.feed.file, a.feed.last)
			}
			a.feed.free <- a.block
		case <-timer.C:
			timer.Reset(quiet)
			if r.o.Summary != nil && r.engine.faults != told && r.engine.faults > 0 {
				told = r.engine.faults
				r.o.Summary(r.engine.report())
			}
		}
	}
	return nil
}
