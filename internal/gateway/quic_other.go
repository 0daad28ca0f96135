//go:build !linux

package gateway

import (
	"net"
	"syscall"

	"github.com/whygate/whygate/internal/listener"
)

// shareUDP does nothing: elsewhere the kernel cannot tell two processes' connections apart.
func shareUDP(_, _ string, _ syscall.RawConn) error { return nil }

// lendUDP does nothing, for the same reason.
func lendUDP(net.PacketConn, *listener.Tag) error { return nil }

// receiveBuffer is not known.
func receiveBuffer(net.PacketConn) int { return 0 }

// onlyIPv6 is not known.
func onlyIPv6(net.Listener) bool { return false }
