package conn

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"reflect"
	"syscall"

	"github.com/whygate/whygate/internal/fault"
)

// errWouldBlock is what a socket says inside TLS when it was told not to wait.
var errWouldBlock error = wouldBlock{}

// wouldBlock is temporary in net.Error's sense, so that crypto/tls does not give the session up.
type wouldBlock struct{}

func (wouldBlock) Error() string   { return "would block" }
func (wouldBlock) Timeout() bool   { return true }
func (wouldBlock) Temporary() bool { return true }

// errCanceled is what a wait says that a Cancel ended.
var errCanceled error = canceled{}

// canceled is temporary in net.Error's sense, so that crypto/tls does not give the session up: the rest of an upload is not
// wanted, but the connection's next octets may be.
type canceled struct{}

func (canceled) Error() string   { return "nobody waits for it any more" }
func (canceled) Timeout() bool   { return true }
func (canceled) Temporary() bool { return true }

// end notes why a direction ended and puts it into fault's words.
func (h *half) end(err error) fault.End {
	h.err = err
	var errno syscall.Errno
	switch {
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fault.Closed
	case errors.Is(err, errCanceled):
		return fault.Canceled
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fault.Timeout
	case errors.As(err, &errno):
		h.errno = errno
		return fault.EndOf(errno)
	}
	if _, ok := AlertOf(err); ok {
		return fault.Alert
	}
	var record tls.RecordHeaderError
	if errors.As(err, &record) || isTLS(err) {
		return fault.Malformed
	}
	if errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe) {
		return fault.Closed
	}
	return fault.Failed
}

// AlertOf is the number of the TLS alert that the peer sent. crypto/tls gives it as an unexported integer type inside an
// OpError whose Op is "remote error".
func AlertOf(err error) (uint8, bool) {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" {
		return 0, false
	}
	if v := reflect.ValueOf(op.Err); v.Kind() == reflect.Uint8 {
		return uint8(v.Uint()), true
	}
	return 0, false
}

// isTLS reports whether crypto/tls itself ended the session: it sent an alert of its own.
func isTLS(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "local error"
}

// IsEOF reports whether the peer just closed the connection.
func IsEOF(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

func isTimeout(err error) bool {
	op, ok := err.(*net.OpError)
	if ok {
		err = op.Err
	}
	return err == os.ErrDeadlineExceeded || os.IsTimeout(err)
}
