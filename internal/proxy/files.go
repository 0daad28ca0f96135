package proxy

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
)

// Files is a directory to serve from.
type Files struct {
	Root     string   // an absolute path
	Index    []string // what a directory is answered with: the first that is there
	Fallback string   // the file for a path that leads to none, from the root; empty for none
	Links    bool     // a symbolic link may lead out of Root
	Hidden   bool     // names that begin with a dot are served
	Scripts  []string // what names end with that are programs: they are left to the next route, also where they are a directory's index
	Next     bool     // a path that leads to no file goes on to the next route

	mu   sync.Mutex // guards kept, and the fields of what it is and was
	kept *rooted    // the root as it was opened last, nil for none
}

// directory opens names below a root.
type directory interface {
	OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error)
	Stat(name string) (fs.FileInfo, error)
	Close() error
}

// linked is a directory whose links lead where they lead.
type linked string

func (l linked) OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	return os.OpenFile(path.Join(string(l), path.Clean("/"+name)), flag, perm)
}

func (l linked) Stat(name string) (fs.FileInfo, error) {
	return os.Stat(path.Join(string(l), path.Clean("/"+name)))
}
func (l linked) Close() error { return nil }

// rooted is an open root, out of which no name and no link leads. Requests share it while the same directory is there, and for rootTime at
// most: a file system that nobody asks for can be unmounted. Whoever is the last to use one that is out of date closes it.
type rooted struct {
	*os.Root
	of    *Files
	info  fs.FileInfo
	users int
	old   bool
}

// rootTime is how long an open root is kept.
const rootTime = time.Second

// open opens the root, or takes the one that is open, if the directory of that name is still the same: a release may have put another in its
// place.
func (f *Files) open() (directory, error) {
	if f.Links {
		return linked(f.Root), nil
	}
	info, err := os.Stat(f.Root)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.kept; r != nil {
		if os.SameFile(r.info, info) {
			r.users++
			return r, nil
		}
		f.outdate(r)
	}
	root, err := os.OpenRoot(f.Root)
	if err != nil {
		return nil, err
	}
	if info, err = root.Stat("."); err != nil {
		root.Close()
		return nil, err
	}
	r := &rooted{Root: root, of: f, info: info, users: 1}
	f.kept = r
	time.AfterFunc(rootTime, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.outdate(r)
	})
	return r, nil
}

// outdate lets nobody use the root any more who does not yet. mu is held.
func (f *Files) outdate(r *rooted) {
	if f.kept == r {
		f.kept = nil
	}
	if !r.old && r.users == 0 {
		_ = r.Root.Close()
	}
	r.old = true
}

// Close ends one use.
func (r *rooted) Close() error {
	r.of.mu.Lock()
	defer r.of.mu.Unlock()
	if r.users--; r.old && r.users == 0 {
		return r.Root.Close()
	}
	return nil
}

// errNoFile: the path leads to no file that may be served.
var errNoFile = errors.New("no file")

// fileName is the path as the name of a file, from the root and without a slash in front; "." is the root itself. slash reports whether the
// path ends with one.
func (f *Files) fileName(requested []byte) (name string, slash bool, err error) {
	text, err := url.PathUnescape(string(requested))
	if err != nil || strings.ContainsAny(text, "\x00\\") {
		return "", false, errNoFile
	}
	for segment := range strings.SplitSeq(text, "/") {
		if segment == ".." || !f.Hidden && len(segment) > 1 && segment[0] == '.' && segment != ".well-known" {
			return "", false, errNoFile
		}
	}
	name = strings.TrimPrefix(path.Clean("/"+text), "/")
	if name == "" {
		name = "."
	}
	return name, strings.HasSuffix(text, "/"), nil
}

// script reports whether a file is a program.
func (f *Files) script(name string) bool {
	for _, end := range f.Scripts {
		if len(name) >= len(end) && strings.EqualFold(name[len(name)-len(end):], end) {
			return true
		}
	}
	return false
}

// serveFile answers with a file. False means that there is none, and that the next route is to be asked.
func (s *serving) serveFile(f *Files) bool {
	if m := s.x.Request.Method; m != httpmsg.GET && m != httpmsg.HEAD {
		if f.Next {
			return false
		}
		end := s.ownError(http.StatusMethodNotAllowed, "405 Method Not Allowed\n")
		s.extra.Append("Allow", []byte("GET, HEAD"), httpmsg.Other)
		end()
		return true
	}
	root, err := f.open()
	if err != nil {
		s.failEarly(&fault.Evidence{Stage: fault.Select, End: fault.Misconfigured, Detail: "files.root cannot be opened: " + withoutPath(err)})
		return true
	}
	defer root.Close()
	requested := s.path()
	name, slash, err := f.fileName(requested)
	if err == nil {
		err = s.sendFile(f, root, name, slash)
	}
	switch {
	case err == nil:
		return true
	case f.Next:
		return false
	case f.Fallback != "":
		if err = s.sendFile(f, root, strings.TrimPrefix(f.Fallback, "/"), false); err == nil {
			return true
		}
	}
	e := &fault.Evidence{Stage: fault.Select, End: fault.NoRoute}
	if errors.Is(err, fs.ErrPermission) {
		e = &fault.Evidence{Stage: fault.Select, End: fault.Denied, Told: fault.CauseRequestDenied, By: fault.PartyGateway, Declared: -1}
	}
	s.failEarly(e)
	return true
}

// withoutPath is an error without the file that it is about.
func withoutPath(err error) string {
	var of *fs.PathError
	if errors.As(err, &of) {
		return of.Err.Error()
	}
	return err.Error()
}

// sendFile answers with the file of a name, or with the index of a directory. Nothing was answered where it fails.
func (s *serving) sendFile(f *Files, root directory, name string, slash bool) error {
	file, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO would be waited for
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() {
		return s.sendIndex(f, root, name, slash)
	}
	if f.script(name) {
		return errNoFile
	}
	if !info.Mode().IsRegular() || slash {
		return errNoFile
	}
	w := &answerWriter{s: s, header: http.Header{}}
	w.header.Set("ETag", `"`+strconv.FormatInt(info.ModTime().UnixNano(), 36)+"-"+strconv.FormatInt(info.Size(), 36)+`"`)
	http.ServeContent(w, s.fileRequest(), name, info.ModTime(), file)
	w.end()
	return nil
}

// sendIndex answers for a directory: with a redirect to its slash, or with its index.
func (s *serving) sendIndex(f *Files, root directory, name string, slash bool) error {
	for _, index := range f.Index {
		if info, err := root.Stat(path.Join(name, index)); err != nil || !info.Mode().IsRegular() {
			continue
		}
		if !slash {
			s.toSlash()
			return nil
		}
		if f.script(index) {
			s.indexed = path.Join("/", name, index)
			return errNoFile
		}
		return s.sendFile(f, root, path.Join(name, index), false)
	}
	return errNoFile
}

// toSlash sends the client to the directory's own address, so that relative links in its index lead somewhere.
func (s *serving) toSlash() {
	q := &s.x.Request
	to := append(append([]byte{'/'}, bytes.TrimLeft(q.Path, `/\`)...), '/')
	s.beginOwn(http.StatusMovedPermanently, 0)
	s.extra.Append("Location", append(to, q.Query...), httpmsg.Other)
	s.endOwn(nil)
}

// fileRequest is the request as net/http's file server reads it.
func (s *serving) fileRequest() *http.Request {
	h := http.Header{}
	for _, name := range []string{"Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"} {
		if v, ok := s.x.Request.Fields.Lookup(name); ok {
			h.Set(name, string(v))
		}
	}
	return &http.Request{Method: string(s.x.Request.Name), Header: h, URL: &url.URL{Path: string(s.x.Request.Path)}}
}

// answerWriter is an exchange as net/http's file server writes it.
type answerWriter struct {
	s      *serving
	header http.Header
	begun  bool
	lost   bool
}

func (w *answerWriter) Header() http.Header { return w.header }

func (w *answerWriter) WriteHeader(status int) {
	if w.begun {
		return
	}
	w.begun = true
	length := int64(httpmsg.LengthUnknown)
	if n, err := strconv.ParseInt(w.header.Get("Content-Length"), 10, 64); err == nil {
		length = n
	}
	s := w.s
	s.beginOwn(status, length)
	for name, values := range w.header {
		if name == "Content-Length" || name == "Date" || edited(s.route.SetResponse, []byte(name)) {
			continue
		}
		for _, v := range values {
			s.extra.Append(name, []byte(v), httpmsg.Other)
		}
	}
	s.setOwn()
	s.x.Head(&s.head)
	s.extraBuf = s.extra.Buffer()
}

func (w *answerWriter) Write(p []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	if w.s.head.NoBody {
		return len(p), nil
	}
	if w.lost || w.s.x.Write(p) != fault.Completed {
		w.lost = true
		return 0, errClientLeft
	}
	return len(p), nil
}

// piece is what is read at once of a file, or of an application's answer. Whoever reads keeps nothing of it.
type piece [64 << 10]byte

var pieces = sync.Pool{New: func() any { return new(piece) }}

// ReadFrom is what io.Copy and io.CopyN call, so that each answer does not take a buffer of its own.
func (w *answerWriter) ReadFrom(r io.Reader) (n int64, err error) {
	buffer := pieces.Get().(*piece)
	defer pieces.Put(buffer)
	for {
		got, err := r.Read(buffer[:])
		if got > 0 {
			put, failed := w.Write(buffer[:got])
			n += int64(put)
			if failed != nil {
				return n, failed
			}
		}
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

var errClientLeft = errors.New("the client left")

// end ends the answer. It was cut short where the file was, or the client left.
func (w *answerWriter) end() {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	if w.lost {
		own := w.s.keepOwn(&fault.Evidence{Stage: fault.Body, End: fault.Canceled, By: fault.PartyClient, Declared: -1})
		w.s.conclude(own, fault.Classify(own))
		return
	}
	w.s.x.End(nil)
}
