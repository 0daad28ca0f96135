//go:build !linux

package lab

import (
	"errors"
	"os/exec"
)

// Network is a small network of namespaces, which only Linux has.
type Network struct{}

// CanIsolate says why this process cannot make the lab's network.
func CanIsolate() error { return errors.New("network namespaces need Linux") }

// Isolate does nothing here.
func Isolate(*exec.Cmd) {}

// Isolated reports whether this process is in namespaces of its own.
func Isolated() bool { return false }

// OpenNetwork fails here.
func OpenNetwork() (*Network, error) { return nil, CanIsolate() }

// Close does nothing here.
func (*Network) Close() {}

func (*Network) moveName() {}

// Lossy fails here.
func (*Network) Lossy() (int, error) { return 0, CanIsolate() }
