package gateway

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/listener"
)

// What a gateway tells the process that takes over from it, in the environment. The descriptors begin at firstPassed, as systemd's do.
const (
	inheritEnv = "WHYGATE_INHERIT" // the addresses of the sockets as the configuration spells them, one to a line
	readyEnv   = "WHYGATE_READY"   // the descriptor on which it says that it serves
	tagEnv     = "WHYGATE_TAG"     // what the ids of its QUIC connections begin with, in hexadecimal digits
)

// adminName is the admin socket's in inheritEnv: no listener's address has a space.
const adminName = "the admin address"

// takeoverTime bounds the start of the process that takes over.
const takeoverTime = time.Minute

// inherited is what an earlier process of this gateway passed on.
type inherited struct {
	listeners map[string][]net.Listener // by address as the configuration spells it
	ready     *os.File                  // nil if nobody waits
	tag       *listener.Tag             // of that process, nil if there was none, or it is not shared with any more
}

// inherit takes over what an earlier process passed on. The environment is cleared, so that no child takes it for its own.
func inherit() (*inherited, error) {
	in := &inherited{listeners: map[string][]net.Listener{}}
	names, ready := os.Getenv(inheritEnv), os.Getenv(readyEnv)
	_ = os.Unsetenv(inheritEnv)
	_ = os.Unsetenv(readyEnv)
	tag, noTag := hex.DecodeString(os.Getenv(tagEnv))
	_ = os.Unsetenv(tagEnv)
	fd, err := strconv.Atoi(ready)
	if names == "" || err != nil {
		return in, nil
	}
	for i, name := range strings.Split(names, "\n") {
		syscall.CloseOnExec(firstPassed + i)
		f := os.NewFile(uintptr(firstPassed+i), name)
		l, err := net.FileListener(f)
		_ = f.Close()
		if err != nil {
			return nil, fmt.Errorf("the socket of %s from the process before: %w", name, err)
		}
		in.listeners[name] = append(in.listeners[name], l)
	}
	if noTag == nil && len(tag) == len(listener.Tag{}) {
		in.tag = (*listener.Tag)(tag)
	}
	syscall.CloseOnExec(fd)
	in.ready = os.NewFile(uintptr(fd), "ready")
	return in, nil
}

// take hands out the sockets of an address, nil if there are none.
func (in *inherited) take(name string) []net.Listener {
	list := in.listeners[name]
	delete(in.listeners, name)
	return list
}

// serves tells the process before that this one serves, and closes the sockets that the configuration has no more.
func (in *inherited) serves() {
	for _, list := range in.listeners {
		for _, l := range list {
			_ = l.Close()
		}
	}
	if in.ready != nil {
		_, _ = in.ready.WriteString("ready\n")
		_ = in.ready.Close()
		in.ready = nil
	}
}

// filer is a listener whose socket another process can be given.
type filer interface {
	File() (*os.File, error)
}

// Upgrade starts the program anew, from its file as it is now and with the same arguments, gives it the sockets, and waits until it serves.
// From then on both accept connections, and nobody is refused: the caller stops this one. On an error this one goes on, and the new
// process has ended.
func (g *Gateway) Upgrade(ctx context.Context, program string, args []string) (process int, err error) {
	files, names, err := g.sharedSockets()
	defer func() {
		for _, f := range files {
			_ = f.Close()
		}
	}()
	if err != nil {
		return 0, err
	}
	told, tell, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer told.Close()
	c := exec.Command(program, args...) // it outlives ctx, and this process
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.ExtraFiles = append(append([]*os.File(nil), files...), tell)
	c.Env = append(os.Environ(), inheritEnv+"="+strings.Join(names, "\n"), readyEnv+"="+strconv.Itoa(firstPassed+len(files)), tagEnv+"="+hex.EncodeToString(g.tag[:]))
	if err := c.Start(); err != nil {
		_ = tell.Close()
		return 0, fmt.Errorf("start %s: %w", program, err)
	}
	_ = tell.Close() // the end of the new process is then the end of the pipe
	stop := context.AfterFunc(ctx, func() { _ = told.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	_ = told.SetReadDeadline(time.Now().Add(takeoverTime))
	var b [16]byte
	if n, _ := told.Read(b[:]); n == 0 {
		_ = c.Process.Kill()
		_ = c.Wait()
		return 0, &HintError{errors.New("the new process does not serve: it ended, or took too long"), "what it said is above; this one goes on"}
	}
	g.handedOver()
	notify("MAINPID=" + strconv.Itoa(c.Process.Pid))
	return c.Process.Pid, nil
}

// sharedSockets gives a descriptor of each socket, and the name by which the new process finds it.
func (g *Gateway) sharedSockets() (files []*os.File, names []string, err error) {
	add := func(l net.Listener, name string) {
		f, ok := l.(filer)
		if !ok {
			err = fmt.Errorf("the socket of %s cannot be given to another process", name)
			return
		}
		file, fault := f.File()
		if fault != nil {
			err = fmt.Errorf("the socket of %s: %w", name, fault)
			return
		}
		files, names = append(files, file), append(names, name)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.sockets {
		add(s.net, s.address.String())
	}
	if g.admin != nil {
		add(g.admin.Listener(), adminName)
	}
	return files, names, err
}

// handedOver has this process leave the paths of its unix sockets alone: they are the new one's.
func (g *Gateway) handedOver() {
	keep := func(l net.Listener) {
		if u, ok := l.(*net.UnixListener); ok {
			u.SetUnlinkOnClose(false)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.sockets {
		keep(s.net)
	}
	if g.admin != nil {
		keep(g.admin.Listener())
	}
}

// samePlace reports whether an open socket is where the configuration wants one.
func samePlace(at net.Addr, a config.Address) bool {
	if at.Network() != a.Network {
		return false
	}
	if a.Network == "unix" {
		return at.String() == a.Address
	}
	wantHost, wantPort, _ := net.SplitHostPort(a.Address)
	host, port, _ := net.SplitHostPort(at.String())
	if wantPort != "0" && wantPort != port {
		return false
	}
	everywhere := func(h string) bool { return h == "" || h == "::" || h == "0.0.0.0" }
	return host == wantHost || everywhere(host) && everywhere(wantHost) || wantHost == "localhost" && (host == "127.0.0.1" || host == "::1")
}

// ours are the sockets of a listener that the process before passed on, nil if it did not. While this one may still fail to start their
// paths are that one's: closing them removes none.
func (g *Gateway) ours(a config.Address) []net.Listener { return g.inherited.take(a.String()) }

// ownPaths has this process remove the paths of its unix sockets when it closes them. g.mu is held.
func (g *Gateway) ownPaths() {
	own := func(l net.Listener, a config.Address) {
		if u, ok := l.(*net.UnixListener); ok && a.Network == "unix" { // a socket that systemd made is systemd's
			u.SetUnlinkOnClose(true)
		}
	}
	for _, s := range g.sockets {
		own(s.net, s.address)
	}
	if g.admin != nil {
		own(g.admin.Listener(), g.current.cfg.Admin)
	}
}
