//go:build !linux

package lab

import (
	"errors"
	"fmt"
	"net"
	"strconv"
)

// errUnsupported is wrapped by what this machine cannot do.
var errUnsupported = errors.New("not possible here")

// open opens the socket that the scenario wants, and sets the stage's address. Sockets that only Linux can make are left out.
func (g *stage) open(port int) error {
	if g.At.Socket != Listens || g.At.Unix != "" || g.At.Network() {
		return fmt.Errorf("%w: such a socket needs Linux", errUnsupported)
	}
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return err
	}
	g.listener, g.address = l, l.Addr().String()
	return nil
}
