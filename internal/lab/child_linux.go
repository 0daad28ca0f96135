package lab

import (
	"os/exec"
	"syscall"
)

// EndWithUs makes a command that was not started yet get the signal when the thread that starts it ends, so also when this
// process is killed. Its caller must lock its goroutine to the thread until the command has ended.
func EndWithUs(cmd *exec.Cmd, signal syscall.Signal) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = signal
}

// Enclose makes a command that was not started yet the first process of a PID namespace: when it ends, the kernel ends all
// that it has started, however deep. It needs root.
func Enclose(cmd *exec.Cmd) {
	EndWithUs(cmd, syscall.SIGKILL)
	cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWPID
}
