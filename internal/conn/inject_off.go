//go:build linux && !race && !poison

package conn

import "syscall"

// injected does nothing in the builds that ship.
func injected(uintptr, Op) syscall.Errno { return 0 }

func ended(errno syscall.Errno) (int, syscall.Errno) { return 0, errno }
