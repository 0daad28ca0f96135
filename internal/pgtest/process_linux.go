package pgtest

import "syscall"

// withUs has a process of somebody's end when we do.
func withUs(who *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: who, Pdeathsig: syscall.SIGQUIT}
}
