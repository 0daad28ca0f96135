package proxyconf

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/whygate/whygate/internal/openfile"
)

// Limits of what is read and of what is built of it, so that neither a wrong path nor a hostile file costs much.
const (
	fileMax     = 4 << 20  // bytes of one file
	octetsMax   = 16 << 20 // bytes of all files
	builtMax    = 32 << 20 // bytes of what the files become: some 200,000 directives
	filesMax    = 500      // files of one configuration
	triesMax    = 2000     // files that are looked for, there or not
	entriesMax  = 20_000   // entries of all directories that are looked through
	includeMax  = 10       // includes within includes
	nestMax     = 30       // blocks within blocks
	importsMax  = 50_000   // lines that imports of snippets put in place
	textMax     = 16 << 10 // bytes of a text whose variables are replaced: their values may have variables, too
	lineMax     = 64 << 10 // bytes of a line, those that go on in the next one included
	logsMax     = 100      // log files
	problemsMax = 100
)

// Bytes that the parts of a configuration take beside their text: a directive, a line or a block, and a word in it.
const (
	blockSize = 144
	wordSize  = 32
)

// errBuilt: what the files become has no room.
var errBuilt = fmt.Errorf("the configuration becomes larger than %d MiB, and the rest of it was not read", builtMax>>20)

// reader reads the files of one configuration. Everything that a file becomes is charged to it.
type reader struct {
	*Config
	ctx                           context.Context
	files                         Files
	octets, built, tries, entries int
}

// build charges what is to be kept, in bytes. The error is the context's, or says that there is no room for more.
func (r *reader) build(bytes int) error {
	if r.built += bytes; r.built > builtMax {
		return errBuilt
	}
	return r.ctx.Err()
}

// words charges a line of words with its text.
func (r *reader) words(words []string) error {
	bytes := blockSize
	for _, w := range words {
		bytes += wordSize + 2*len(w)
	}
	return r.build(bytes)
}

// read reads one file and notes it, as long as the configuration is not too large.
func (r *reader) read(name string) ([]byte, error) {
	if r.full() {
		return nil, fmt.Errorf("more than %d files, or %d MiB: %s was not read", filesMax, octetsMax>>20, name)
	}
	r.tries++
	b, err := openfile.Root(r.files.Root).Read(r.ctx, name, openfile.Options{Max: fileMax})
	if err != nil {
		return nil, err
	}
	r.octets += len(b)
	r.Files = append(r.Files, name)
	return b, nil
}

// full reports whether no further file is read.
func (r *reader) full() bool {
	return len(r.Files) >= filesMax || r.octets >= octetsMax || r.built >= builtMax || r.tries >= triesMax
}

// Files is where a configuration's files are. Root stands for "/": the files of another mount namespace are below one, and
// none of their links leads out of it. It is empty for this process's own.
type Files struct{ Root string }

// Stat looks at what a name leads to.
func (f Files) Stat(name string) (fs.FileInfo, error) { return openfile.Root(f.Root).Stat(name) }

// Open opens a regular file, to read it as far as ctx allows.
func (f Files) Open(ctx context.Context, name string) (*openfile.File, error) {
	return openfile.Root(f.Root).Open(ctx, name, openfile.Options{})
}

// glob lists the files of a pattern, in order; the pattern itself if it has no wildcard.
func (r *reader) glob(pattern string) []string {
	if !strings.ContainsAny(pattern, "*?[") {
		return []string{pattern}
	}
	dir, last := filepath.Split(pattern)
	dir = filepath.Clean(dir)
	dirs := []string{dir}
	if strings.ContainsAny(dir, "*?[") {
		above, middle := filepath.Split(dir)
		if strings.ContainsAny(above, "*?[") {
			return nil // wildcards in more than the last two parts may lead over the whole file system
		}
		dirs = r.fitting(filepath.Clean(above), middle)
	}
	var found []string
	for _, dir := range dirs {
		if len(found) > filesMax || r.ctx.Err() != nil {
			break
		}
		found = append(found, r.fitting(dir, last)...)
	}
	slices.Sort(found)
	return found
}

// fitting lists the entries of a directory that fit a pattern. As in a shell, one that begins with a dot fits none that does not.
func (r *reader) fitting(dir, pattern string) []string {
	var names []string
	for _, e := range r.list(dir) {
		if strings.HasPrefix(e.Name(), ".") && !strings.HasPrefix(pattern, ".") {
			continue
		}
		if fits, err := filepath.Match(pattern, e.Name()); err == nil && fits {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	return names
}

// list lists a directory, as long as not too many were.
func (r *reader) list(dir string) []fs.DirEntry {
	left := entriesMax - r.entries
	if left <= 0 {
		r.problem("%s: more than %d entries of directories were looked through, and this one was not", dir, entriesMax)
		return nil
	}
	entries, whole, err := openfile.Root(r.files.Root).List(r.ctx, dir, left)
	r.entries += 1 + len(entries)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		r.problem("%v", err)
	case !whole:
		r.problem("%s has more entries than were looked through", dir)
	}
	return entries
}

// ending lists a directory's files with one of the endings.
func (r *reader) ending(dir string, endings ...string) []string {
	var names []string
	for _, e := range r.list(dir) {
		if !e.IsDir() && slices.ContainsFunc(endings, func(s string) bool { return strings.HasSuffix(e.Name(), s) }) {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	return names
}
