package fault

import "syscall"

// EndOf puts an errno of a TCP socket into the words of an End.
func EndOf(errno syscall.Errno) End {
	switch errno {
	case syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED:
		return Reset
	case syscall.ETIMEDOUT:
		return Timeout
	case syscall.ECONNREFUSED, syscall.ENOENT:
		return Refused
	case syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN, syscall.EACCES, syscall.EPERM:
		return Unreachable
	case syscall.EADDRNOTAVAIL, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRINUSE:
		return Exhausted
	}
	return Failed
}

// EndOfUnix is EndOf for a unix socket. It has no route, so what says so of a TCP socket is its own answer.
func EndOfUnix(errno syscall.Errno) End {
	switch errno {
	case syscall.EACCES, syscall.EPERM, syscall.EAGAIN, syscall.ENOTSOCK:
		return Refused
	}
	return EndOf(errno)
}

// Rank says which of several addresses' failures counts, as the failure of their name: the one that came furthest has the highest.
// A refusal comes further than an unreachable network, a timeout further than both, and what we ran out of explains all of them.
func (e End) Rank() int {
	switch e {
	case Exhausted:
		return 4
	case Timeout:
		return 3
	case Refused, Reset:
		return 2
	}
	return 1
}
