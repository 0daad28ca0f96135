package explain

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"context"
	"io"
	"os"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/whygate/whygate/internal/openfile"
)

// Source is one log to read.
type Source struct {
	Name string                        // as it is shown: the file's path, or "-"
	Open func() (io.ReadCloser, error) // opens it anew, from its beginning
	Once bool                          // it can be opened only once: standard input
	path string                        // the file to follow, empty where it cannot be followed
}

// FileSource is a file: plain, gzip, bzip2 or zstd, told by its first octets. What is no regular file, such as a named pipe or
// /dev/fd/63, is a stream: it is read once, and cannot be followed.
func FileSource(path string) Source {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return Source{Name: path, Once: true, Open: func() (io.ReadCloser, error) { return os.Open(path) }}
	}
	return Source{Name: path, path: path, Open: func() (io.ReadCloser, error) { return openRegular(context.Background(), path) }}
}

// openRegular opens a regular file and nothing else: others may put a pipe where a log was. It is never waited for, so that the
// context ends reads only.
func openRegular(ctx context.Context, path string) (*openfile.File, error) {
	return openfile.Open(ctx, path, openfile.Options{})
}

// StreamSource is a stream that is read once.
func StreamSource(name string, r io.Reader) Source {
	return Source{Name: name, Once: true, Open: func() (io.ReadCloser, error) { return io.NopCloser(r), nil }}
}

// decompressMemory bounds what a zstd frame may ask for as its window, in octets.
const decompressMemory = 16 << 20

// unpacked is a log as text, with what has to be closed.
type unpacked struct {
	io.Reader
	close func() error
}

func (u *unpacked) Close() error { return u.close() }

// unpack undoes gzip, bzip2 and zstd, which it knows by their magic numbers (RFC 1952 section 2.3.1, RFC 8878 section 3.1.1).
func unpack(r io.ReadCloser) (io.ReadCloser, error) {
	b := bufio.NewReaderSize(r, 16<<10)
	magic, err := b.Peek(4)
	if err != nil && len(magic) == 0 {
		return &unpacked{b, r.Close}, nil
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, err
		}
		return &unpacked{z, r.Close}, nil
	case len(magic) == 4 && bytes.HasPrefix(magic, []byte("BZh")) && magic[3] >= '1' && magic[3] <= '9':
		return &unpacked{bzip2.NewReader(b), r.Close}, nil
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(decompressMemory), zstd.WithDecoderMaxWindow(decompressMemory))
		if err != nil {
			return nil, err
		}
		return &unpacked{z, func() error { z.Close(); return r.Close() }}, nil
	}
	if order := utf16Order(magic); order != nil {
		return &unpacked{newUTF16(b, order), r.Close}, nil
	}
	return &unpacked{b, r.Close}, nil
}

// peeked is what the beginning of a source tells.
type peeked struct {
	start  time.Time
	offset int // seconds east of UTC that its clock is set to
	zoned  bool
}

// peekLines bounds how many lines are looked at for a first time.
const peekLines = 200

// peekSource reads the beginning of a source for its first time and its clock's zone.
func peekSource(s *Source, now time.Time) (p peeked) {
	f, err := s.Open()
	if err != nil {
		return p
	}
	defer f.Close()
	text, err := unpack(f)
	if err != nil {
		return p
	}
	defer text.Close()
	head := make([]byte, 64<<10)
	n, _ := io.ReadFull(text, head)
	r, e := NewRecogniser(formats, now), Entry{}
	lines := 0
	for line := range bytes.Lines(head[:n]) {
		line = bytes.TrimRight(line, "\r\n")
		if lines++; lines > peekLines {
			break
		}
		f, inner := r.Read(&e, line)
		if f == nil || e.Time.IsZero() {
			continue
		}
		if p.start.IsZero() {
			p.start = e.Time
		}
		if offset, ok := clockOffset(inner); ok && !p.zoned {
			p.offset, p.zoned = offset, true
			break
		}
	}
	return p
}

// clockOffset finds the zone of a common log's time in the line: [02/Jan/2006:15:04:05 -0700].
func clockOffset(line []byte) (int, bool) {
	i := bytes.IndexByte(line, '[')
	if i < 0 || len(line) < i+28 {
		return 0, false
	}
	if _, _, ok := commonClock(line[i+1:]); !ok {
		return 0, false
	}
	offset, _, ok := offsetOf(line[i+22:])
	return offset, ok
}
