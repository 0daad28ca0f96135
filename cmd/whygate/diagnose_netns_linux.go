package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/whygate/whygate/internal/openfile"
)

// enterNamespace runs this command anew in the network namespace of a process, with the hosts file and the name servers that
// the process has. It returns only if that failed.
func (w *world) enterNamespace(ctx context.Context, pid int) error {
	if os.Getuid() != 0 {
		return withHint(errors.New("--netns needs root"), fmt.Sprintf("sudo whygate diagnose --netns %d …", pid))
	}
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return withHint(fmt.Errorf("--netns %d: %w", pid, err), "docker inspect -f '{{.State.Pid}}' CONTAINER")
	}
	defer ns.Close()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	runtime.LockOSThread() // and stay: this thread becomes the new program
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("a mount namespace of our own: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("a mount namespace of our own: %w", err)
	}
	for _, name := range []string{"/etc/resolv.conf", "/etc/hosts"} {
		if err := w.takeFile(ctx, pid, name); err != nil {
			return fmt.Errorf("the %s of process %d: %w", name, pid, err)
		}
	}
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("--netns %d: %w", pid, err)
	}
	return fmt.Errorf("--netns: %w", unix.Exec(self, withoutNamespace(os.Args), os.Environ()))
}

// takenMax is how much of a hosts file, or of a list of name servers, is taken, in bytes.
const takenMax = 1 << 20

// takeFile mounts a copy of the process's file over ours. The file itself is in another mount namespace, from which it cannot
// be mounted. One that the process does not have, or that we do not, is left; of one that is no regular file, or too large, it is
// said that it was left.
func (w *world) takeFile(ctx context.Context, pid int, name string) error {
	root := openfile.Root(fmt.Sprintf("/proc/%d/root", pid))
	b, err := root.Read(ctx, name, openfile.Options{Max: takenMax})
	if err != nil {
		if ended := ctx.Err(); ended != nil {
			return ended
		}
		if !errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintf(w.stderr, "whygate: the %s of process %d is not used, ours is: %v\n", name, pid, err)
		}
		return nil
	}
	if _, err := os.Stat(name); err != nil {
		return nil
	}
	f, err := os.CreateTemp("", "whygate-netns-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // the mount keeps it
	_, err = f.Write(b)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Chmod(f.Name(), 0o644)
	}
	if err != nil {
		return err
	}
	return unix.Mount(f.Name(), name, "", unix.MS_BIND, "")
}

// withoutNamespace takes --netns from a command line.
func withoutNamespace(args []string) []string {
	out := slices.Clone(args)
	for i := 0; i < len(out); i++ {
		if out[i] == "--netns" && i+1 < len(out) {
			return slices.Delete(out, i, i+2)
		}
		if strings.HasPrefix(out[i], "--netns=") {
			return slices.Delete(out, i, i+1)
		}
	}
	return out
}
