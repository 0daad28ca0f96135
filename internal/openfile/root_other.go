//go:build !linux

package openfile

import (
	"errors"
	"io/fs"
	"os"
)

// directoryOnly is asked of the descriptor by ReadDir here.
const directoryOnly = 0

// errRoot: there is no other mount namespace to read where there is no /proc.
var errRoot = errors.New("files below another root are only read on Linux")

// descriptor opens a name.
func (r Root) descriptor(name string, flags int) (*os.File, error) {
	if r != "" {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errRoot}
	}
	return os.OpenFile(name, flags, 0)
}

// Stat looks at what a name leads to.
func (r Root) Stat(name string) (fs.FileInfo, error) {
	if r != "" {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: errRoot}
	}
	return os.Stat(name)
}

// awaitWriter has nothing to wait with: a FIFO without a writer is empty.
func awaitWriter(*os.File) {}
