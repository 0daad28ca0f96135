//go:build !linux

package pgtest

import "syscall"

// withUs cannot have a process end when we do: Close ends it.
func withUs(who *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: who}
}
