//go:build !linux

package conn

import "github.com/whygate/whygate/internal/mono"

// poller is never made where the system is not Linux.
type poller struct{}

func (*poller) remove(int32) { panic("BUG: no socket") }
func (*poller) ring(int64)   { panic("BUG: no socket") }

func hasCome(int32) bool { panic("BUG: no socket") }

// CanPark is false: an epoll set is Linux's.
func (c *Conn) CanPark() bool { return false }

// Park is false: an epoll set is Linux's.
func (l *Lot) Park(*Conn, mono.Time, func(Wakeup)) bool { return false }

// Close does nothing: nobody was parked.
func (l *Lot) Close() {}
