package openfile

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// linksMax is how many symbolic links a path may lead over, as in the kernel (path_resolution(7)).
const linksMax = 40

// partsMax bounds the directories of a path, links included: the walk keeps a descriptor for each.
const partsMax = 512

// directoryOnly makes an open fail on what is no directory.
const directoryOnly = unix.O_DIRECTORY

// descriptor opens a name below the root with the flags of open(2).
func (r Root) descriptor(name string, flags int) (*os.File, error) {
	if r == "" {
		fd, err := uninterrupted(func() (int, error) { return unix.Open(name, flags|unix.O_CLOEXEC, 0) })
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		return os.NewFile(uintptr(fd), name), nil
	}
	root, err := uninterrupted(func() (int, error) {
		return unix.Open(string(r), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: string(r), Err: err}
	}
	defer unix.Close(root)
	fd, err := inRoot(root, name, flags)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) { // a kernel before 5.6, or a filter that forbids the call
		fd, err = walk(root, name, flags)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// againMax is how often the kernel is asked again when something was renamed while it walked: openat2(2).
const againMax = 64

// inRoot lets the kernel resolve the name as chroot(2) would, links included. A link of /proc to a descriptor is none.
func inRoot(root int, name string, flags int) (fd int, err error) {
	how := &unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Resolve: unix.RESOLVE_IN_ROOT}
	for range againMax {
		fd, err = uninterrupted(func() (int, error) { return unix.Openat2(root, rooted(name), how) })
		if !errors.Is(err, unix.EAGAIN) {
			break
		}
	}
	return fd, err
}

// rooted makes the empty name the root itself, which open(2) has no name for.
func rooted(name string) string {
	if name == "" {
		return "/"
	}
	return name
}

// walk resolves the name as inRoot does, step by step. Each directory is held open, so that nothing that is renamed meanwhile
// leads out: ".." is the directory that the walk came from, and each symbolic link is read and never followed by the kernel.
func walk(root int, name string, flags int) (int, error) {
	dirs := []int{root} // from the root to where the walk is; the root is the caller's
	defer func() {
		for _, fd := range dirs[1:] {
			unix.Close(fd)
		}
	}()
	rest, links := rooted(name), 0
	for {
		var part string
		part, rest, _ = strings.Cut(strings.TrimLeft(rest, "/"), "/")
		rest = strings.TrimLeft(rest, "/")
		here := dirs[len(dirs)-1]
		switch part {
		case "", ".":
			if rest == "" {
				return uninterrupted(func() (int, error) { return unix.Openat(here, ".", flags|unix.O_CLOEXEC, 0) })
			}
			continue
		case "..":
			if len(dirs) > 1 {
				unix.Close(here)
				dirs = dirs[:len(dirs)-1]
			}
			continue
		}
		if to, linked := readLink(here, part); linked {
			if links++; links > linksMax {
				return -1, unix.ELOOP
			}
			if strings.HasPrefix(to, "/") {
				for _, fd := range dirs[1:] {
					unix.Close(fd)
				}
				dirs = dirs[:1]
			}
			rest = to + "/" + rest
			if len(rest) > unix.PathMax {
				return -1, unix.ENAMETOOLONG
			}
			continue
		}
		if rest == "" {
			return uninterrupted(func() (int, error) { return unix.Openat(here, part, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0) })
		}
		next, err := uninterrupted(func() (int, error) {
			return unix.Openat(here, part, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		})
		if err != nil {
			return -1, err
		}
		if dirs = append(dirs, next); len(dirs) > partsMax {
			return -1, unix.ENAMETOOLONG
		}
	}
}

// readLink gives where a symbolic link leads, false if it is none.
func readLink(dir int, name string) (string, bool) {
	b := make([]byte, unix.PathMax)
	n, err := uninterrupted(func() (int, error) { return unix.Readlinkat(dir, name, b) })
	if err != nil {
		return "", false
	}
	return string(b[:n]), true
}

// uninterrupted asks again when a signal came between.
func uninterrupted(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// Stat looks at what a name below the root leads to, whatever it is, without opening it.
func (r Root) Stat(name string) (fs.FileInfo, error) {
	if r == "" {
		return os.Stat(name)
	}
	f, err := r.descriptor(name, unix.O_PATH)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Stat()
}

// awaitWriter waits until somebody has written to a FIFO, or has opened and closed it: until then a read that does not wait
// would take it for empty. The file's read deadline ends the wait.
func awaitWriter(f *os.File) {
	raw, err := f.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(func(fd uintptr) bool { // what goes wrong, the read that follows says
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
	})
}
