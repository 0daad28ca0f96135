//go:build !linux

package lab

import (
	"os/exec"
	"syscall"
)

// EndWithUs does nothing here: only Linux tells children of their parent's end.
func EndWithUs(*exec.Cmd, syscall.Signal) {}

// Enclose does nothing here.
func Enclose(*exec.Cmd) {}
