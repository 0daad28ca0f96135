package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
)

// errUnsupported is wrapped by what this machine cannot do.
var errUnsupported = errors.New("not possible here")

// open opens the socket that the scenario wants, and sets the stage's address.
func (g *stage) open(port int) error {
	switch {
	case g.At.Unix != "":
		return g.openUnix()
	case g.At.Network():
		return g.openInNetwork(port)
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	switch g.At.Socket {
	case Refuses:
		return g.refuse(port)
	case QueueFull:
		return g.fill(port)
	}
	l, err := g.listen(address)
	if err != nil {
		return err
	}
	g.listener, g.address = l, l.Addr().String()
	return nil
}

// listen listens on TCP.
func (g *stage) listen(address string) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		if g.At.Socket != SmallWindow {
			return nil
		}
		var failed error
		err := c.Control(func(fd uintptr) {
			failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096)
		})
		return errors.Join(err, failed)
	}}
	return config.Listen(context.Background(), "tcp", address)
}

// bound makes a TCP socket bound to the port on loopback.
func bound(port int) (fd, actual int, err error) {
	fd, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, 0, os.NewSyscallError("socket", err)
	}
	if err = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err == nil {
		err = syscall.Bind(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
	}
	if err != nil {
		_ = syscall.Close(fd)
		return 0, 0, fmt.Errorf("bind 127.0.0.1:%d: %w", port, err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		_ = syscall.Close(fd)
		return 0, 0, os.NewSyscallError("getsockname", err)
	}
	return fd, name.(*syscall.SockaddrInet4).Port, nil
}

// refuse takes the port without listening, so that nobody else does.
func (g *stage) refuse(port int) error {
	fd, actual, err := bound(port)
	if err != nil {
		return err
	}
	g.address = fmt.Sprintf("127.0.0.1:%d", actual)
	g.done = append(g.done, func() { _ = syscall.Close(fd) })
	return nil
}

// fill listens with the shortest queue there is and fills it: the kernel drops every further SYN.
func (g *stage) fill(port int) error {
	fd, actual, err := bound(port)
	if err != nil {
		return err
	}
	g.done = append(g.done, func() { _ = syscall.Close(fd) })
	if err := syscall.Listen(fd, 0); err != nil {
		return os.NewSyscallError("listen", err)
	}
	g.address = fmt.Sprintf("127.0.0.1:%d", actual)
	for range 2 { // a queue of 0 takes one connection
		c, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
		if err != nil {
			return os.NewSyscallError("socket", err)
		}
		g.done = append(g.done, func() { _ = syscall.Close(c) })
		if err := syscall.Connect(c, &syscall.SockaddrInet4{Port: actual, Addr: [4]byte{127, 0, 0, 1}}); err != nil && !errors.Is(err, syscall.EINPROGRESS) {
			return os.NewSyscallError("connect", err)
		}
	}
	return nil
}

// socketPathMax is how long a unix socket's path may be, in octets: sun_path has 108, and the last one is zero (unix(7)).
const socketPathMax = 107

// openUnix makes the unix socket, or the lack of one.
func (g *stage) openUnix() error {
	g.address = g.lab.addressAt(g.Scenario, g.lab.base)
	if len(g.address) > socketPathMax {
		return fmt.Errorf("%w: the path of its socket is longer than %d bytes: %s", errUnsupported, socketPathMax, g.address)
	}
	_ = os.Remove(g.address) // what a lab that was killed left there
	if g.At.Socket == NoFile {
		return nil
	}
	l, err := net.Listen("unix", g.address)
	if err != nil {
		return err
	}
	if g.At.Socket == FileStale {
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		path := g.address
		g.done = append(g.done, func() { _ = os.Remove(path) })
		return errors.Join(os.Chmod(g.address, 0o666), l.Close())
	}
	g.listener = l
	return os.Chmod(g.address, 0o666) // the proxy may be another user's
}
