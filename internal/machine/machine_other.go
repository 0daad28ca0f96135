//go:build !linux

package machine

import "net/netip"

// Listeners fails: there is no /proc.
func Listeners(int) ([]Listener, error) { return nil, ErrUnsupported }

// PortsTo counts nothing.
func PortsTo(netip.AddrPort) (used, waiting int) { return 0, 0 }

// KernelLog is not known.
func KernelLog() string { return "" }

// Ports is not known.
func Ports() (low, high int) { return 0, 0 }

// Look knows nothing but the number.
func Look(pid int) *Process { return &Process{PID: pid} }

// Counter has none.
func Counter(string, string) uint64 { return 0 }

// AcceptQueue is not known.
func AcceptQueue(netip.AddrPort) *Queue { return nil }

// IsLocal knows loopback.
func IsLocal(a netip.Addr) bool { return a.IsLoopback() }
