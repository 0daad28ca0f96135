// Package openfile opens files that somebody else may have put there: configurations and logs of other programs, certificates,
// files of a container. Where a file is expected there may be a FIFO, which nobody ever writes to, a device without end, or a
// link that leads elsewhere. Opening never waits, what was opened is looked at by its descriptor, no more is read than was
// allowed, and a read ends with its context.
//
// It must not know what the files are for.
package openfile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Kind says what is opened.
type Kind uint8

const (
	// Regular is a regular file, and nothing else.
	Regular Kind = iota
	// Named is what a user named himself: a regular file, or a FIFO or a character device, such as a shell's <(command) and
	// /dev/stdin. These can be read once, from where they are, and a FIFO is waited for until somebody writes to it.
	Named
)

// Options say what is opened and how much of it is read. The zero value is a regular file of any size.
type Options struct {
	Kind Kind
	Max  int64 // bytes that are read at most; 0: no bound
}

// NotRegularError says that something else is where a file was expected.
type NotRegularError struct {
	Name string
	Type fs.FileMode // the type bits
}

func (e *NotRegularError) Error() string {
	return e.Name + " is " + typeName(e.Type) + ", not a regular file"
}

// typeName is what a file of a type is called.
func typeName(t fs.FileMode) string {
	switch {
	case t&fs.ModeDir != 0:
		return "a directory"
	case t&fs.ModeNamedPipe != 0:
		return "a FIFO"
	case t&fs.ModeSocket != 0:
		return "a socket"
	case t&fs.ModeDevice != 0:
		return "a device"
	}
	return "something else"
}

// TooLargeError says that a file has more than the bytes that are read of it.
type TooLargeError struct {
	Name string
	Max  int64 // bytes
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%s is larger than %s", e.Name, size(e.Max))
}

func size(n int64) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}

// File is an open file. Its methods are for one goroutine at a time, except Close, which ends a Read.
type File struct {
	ctx    context.Context
	file   *os.File
	name   string
	info   fs.FileInfo
	left   int64       // bytes that may still be read, -1 without a bound
	max    int64       // the bound
	await  sync.Once   // of a FIFO, for its first writer
	unhook func() bool // takes the context's hook away
}

// Open opens a file. The errors are those of the system, *NotRegularError and *TooLargeError; reads end with ctx's error once
// it is done.
func Open(ctx context.Context, name string, o Options) (*File, error) {
	return Root("").Open(ctx, name, o)
}

// Read reads a whole file of at most o.Max bytes, which must be set.
func Read(ctx context.Context, name string, o Options) ([]byte, error) {
	return Root("").Read(ctx, name, o)
}

// Root is a directory that stands for "/": names begin there, and no symbolic link and no ".." leads out of it. It is how the
// files of another mount namespace are reached, as /proc/PID/root. The empty Root is this process's own "/", where relative
// names begin at the working directory.
type Root string

// Open is the function Open below the root.
func (r Root) Open(ctx context.Context, name string, o Options) (*File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	file, err := r.descriptor(name, syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC|syscall.O_NOCTTY)
	if err != nil {
		return nil, err
	}
	f := &File{ctx: ctx, file: file, name: name, max: o.Max, left: -1}
	if o.Max > 0 {
		f.left = o.Max
	}
	if err := f.admit(o); err != nil {
		file.Close()
		return nil, err
	}
	f.unhook = func() bool { return true }
	if f.Once() {
		f.unhook = context.AfterFunc(ctx, func() { file.SetReadDeadline(time.Unix(1, 0)) })
	}
	return f, nil
}

// admit looks at what was opened: by its descriptor, since the name may lead elsewhere by now.
func (f *File) admit(o Options) (err error) {
	if f.info, err = f.file.Stat(); err != nil {
		return err
	}
	switch mode := f.info.Mode(); {
	case mode.IsRegular():
		if o.Max > 0 && f.info.Size() > o.Max {
			return &TooLargeError{f.name, o.Max}
		}
		return nil
	case o.Kind == Named && mode&(fs.ModeNamedPipe|fs.ModeCharDevice) != 0:
		return nil
	default:
		return &NotRegularError{f.name, mode.Type()}
	}
}

// Once reports whether the file can be read only once: it is no regular one.
func (f *File) Once() bool { return !f.info.Mode().IsRegular() }

// Info is what the file was when it was opened.
func (f *File) Info() fs.FileInfo { return f.info }

// Name is the name that it was opened by.
func (f *File) Name() string { return f.name }

// Stat looks at the open file again.
func (f *File) Stat() (fs.FileInfo, error) { return f.file.Stat() }

// Read reads. The error is the context's once that is done, and *TooLargeError beyond the bound.
func (f *File) Read(b []byte) (int, error) {
	if err := f.ctx.Err(); err != nil {
		return 0, err
	}
	if f.left == 0 && len(b) > 0 { // is there more than was allowed?
		n, err := f.file.Read(make([]byte, 1))
		if n > 0 {
			return 0, &TooLargeError{f.name, f.max}
		}
		return 0, f.told(err)
	}
	if f.left > 0 && int64(len(b)) > f.left {
		b = b[:f.left]
	}
	if f.Once() {
		f.await.Do(func() { awaitWriter(f.file) })
	}
	n, err := f.file.Read(b)
	if f.left > 0 {
		f.left -= int64(n)
	}
	return n, f.told(err)
}

// told makes the end of a wait the context's error.
func (f *File) told(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if ended := f.ctx.Err(); ended != nil {
			return ended
		}
	}
	return err
}

// ReadAt reads a regular file at an offset. The bound on bytes does not hold here: the caller's buffer is one.
func (f *File) ReadAt(b []byte, offset int64) (int, error) {
	if err := f.ctx.Err(); err != nil {
		return 0, err
	}
	return f.file.ReadAt(b, offset)
}

// Seek sets where a regular file is read next. The bound on bytes goes on to count.
func (f *File) Seek(offset int64, whence int) (int64, error) { return f.file.Seek(offset, whence) }

// Close closes the file.
func (f *File) Close() error {
	f.unhook()
	return f.file.Close()
}

// Read is the function Read below the root.
func (r Root) Read(ctx context.Context, name string, o Options) ([]byte, error) {
	if o.Max <= 0 {
		panic("BUG: a whole file is read without a bound")
	}
	f, err := r.Open(ctx, name, o)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// A file of /proc has no size, and one that grows has another soon: the size is only where to begin.
	b := make([]byte, 0, max(512, f.info.Size()+1))
	for {
		n, err := f.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return nil, err
		}
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
	}
}

// List gives the entries of a directory in the order of their names, and the first max of the system's order where it has
// more; whole says whether that is all.
func (r Root) List(ctx context.Context, name string, max int) (entries []fs.DirEntry, whole bool, err error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	dir, err := r.descriptor(name, syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC|directoryOnly)
	if err != nil {
		return nil, false, err
	}
	defer dir.Close()
	entries, err = dir.ReadDir(max + 1)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	whole = len(entries) <= max
	if !whole {
		entries = entries[:max]
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	return entries, whole, err
}
