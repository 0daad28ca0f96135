package fault

import (
	"syscall"
	"testing"
)

func TestEndOf(t *testing.T) {
	for _, c := range []struct {
		errno     syscall.Errno
		tcp, unix End
	}{
		{syscall.ECONNREFUSED, Refused, Refused},
		{syscall.ENOENT, Refused, Refused},
		{syscall.EACCES, Unreachable, Refused},
		{syscall.EPERM, Unreachable, Refused},
		{syscall.EAGAIN, Failed, Refused},
		{syscall.ENOTSOCK, Failed, Refused},
		{syscall.ECONNRESET, Reset, Reset},
		{syscall.EPIPE, Reset, Reset},
		{syscall.ETIMEDOUT, Timeout, Timeout},
		{syscall.EHOSTUNREACH, Unreachable, Unreachable},
		{syscall.ENETDOWN, Unreachable, Unreachable},
		{syscall.EMFILE, Exhausted, Exhausted},
		{syscall.EADDRINUSE, Exhausted, Exhausted},
		{syscall.EIO, Failed, Failed},
	} {
		if tcp, unix := EndOf(c.errno), EndOfUnix(c.errno); tcp != c.tcp || unix != c.unix {
			t.Errorf("%s: %s and %s, want %s and %s", c.errno, tcp, unix, c.tcp, c.unix)
		}
	}
}

func TestRank(t *testing.T) {
	order := []End{Unreachable, Refused, Timeout, Exhausted}
	for i := range order[1:] {
		if order[i].Rank() >= order[i+1].Rank() {
			t.Errorf("%s counts as much as %s", order[i], order[i+1])
		}
	}
}
