//go:build !linux

package conn

import (
	"net"
	"syscall"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/mono"
)

// socket is never made where the system is not Linux: connections then go through package net alone.
type socket struct {
	net.Conn
	readHalf, writeHalf *half
	dontWait, ended     bool
	least               int
}

func (*socket) init(net.Conn) bool { return false }

func (*socket) read(*half, []byte) (int, fault.End)                   { panic("BUG: no socket") }
func (*socket) writeAll(*half, []byte, []byte) fault.End              { panic("BUG: no socket") }
func (*socket) each(*Conn, func() (mono.Time, bool)) fault.End        { panic("BUG: no socket") }
func (*socket) peek(*half) fault.End                                  { panic("BUG: no socket") }
func (*socket) ask(*Conn, []byte, bool) (fault.Stage, int, fault.End) { panic("BUG: no socket") }
func (*socket) endReceived(bool) bool                                 { panic("BUG: no socket") }
func (*socket) endedLate(time.Duration) bool                          { panic("BUG: no socket") }
func (*socket) watchSet(mono.Time)                                    { panic("BUG: no socket") }

func (*socket) wroteAt() mono.Time { panic("BUG: no socket") }
func (*socket) kick()              { panic("BUG: no socket") }

// CanSplice is false: splice(2) is Linux's.
func CanSplice(_, _ *Conn) bool { return false }

// Gap is asked before each read and each write of Splice for the deadline.
type Gap func() mono.Time

// Splice is never called where CanSplice is false.
func Splice(_, _ *Conn, _ int64, _, _ Gap) (int64, fault.End, fault.End) {
	return 0, fault.Failed, fault.Completed
}

var _ = syscall.EAGAIN
