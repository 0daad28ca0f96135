package machine

import (
	"errors"
	"net/netip"
	"path/filepath"
	"strings"
)

// ErrUnsupported: there is no /proc to read.
var ErrUnsupported = errors.New("this system has no /proc")

// Listener is a socket that is listened on.
type Listener struct {
	Address netip.AddrPort // the address it is bound to
	Queue   int            // connections that wait to be accepted
	Inode   uint64
	Process *Process // who has it open, nil where that cannot be seen (another user's)
}

// Process is a running program.
type Process struct {
	PID         int
	Program     string   // the file that runs, as its own mount namespace names it
	Args        []string // its command line
	Dir         string   // its working directory
	Root        string   // what stands before paths of its mount namespace, empty where it is ours
	OtherNet    bool     // it is in another network namespace than we are
	Container   string   // the id of its container, as its control group names it; empty if it is in none
	Descriptors int      // that are open
	Limit       int      // how many it may have, 0 if that is not known
}

// Name is the program's file name.
func (p *Process) Name() string { return filepath.Base(p.Program) }

// Flag gives the value of a flag of its command line: "-c FILE", "-cFILE", "--config=FILE" or "--config FILE".
func (p *Process) Flag(names ...string) string {
	for i, arg := range p.Args {
		for _, name := range names {
			switch {
			case arg == name && i+1 < len(p.Args):
				return p.Args[i+1]
			case strings.HasPrefix(name, "--") && strings.HasPrefix(arg, name+"="):
				return arg[len(name)+1:]
			case !strings.HasPrefix(name, "--") && strings.HasPrefix(arg, name) && len(arg) > len(name) && !strings.HasPrefix(arg, "--"):
				return arg[len(name):]
			}
		}
	}
	return ""
}

// Path makes a path of the process one of ours: relative ones begin where it works, and those of another mount namespace
// are reached through its root.
func (p *Process) Path(name string) string {
	if !filepath.IsAbs(name) {
		name = filepath.Join(p.Dir, name)
	}
	return p.Root + name
}

// Accepts reports whether the listener takes connections to the address: it is bound to it, or to every address of its
// family; a socket of IPv6's :: takes IPv4 too, as Linux has it unless told otherwise.
func (l *Listener) Accepts(to netip.AddrPort) bool {
	if l.Address.Port() != to.Port() {
		return false
	}
	bound, wanted := l.Address.Addr().Unmap(), to.Addr().Unmap()
	switch {
	case bound == wanted:
		return true
	case bound.IsUnspecified():
		return bound.Is6() || wanted.Is4()
	}
	return false
}

// Queue is the accept queue of a listening socket: connections that the kernel has taken and the program has not.
type Queue struct{ Length, Max int }
