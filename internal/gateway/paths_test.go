package gateway

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/whygate/whygate/internal/config"
)

// A process that takes sockets over and then fails to start leaves the paths of unix sockets: the one before goes on with them. One that
// serves removes them when it ends.
func TestPathsOfInheritedSockets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	before, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	before.(*net.UnixListener).SetUnlinkOnClose(false)
	defer before.Close()
	address := config.Address{Network: "unix", Address: path}
	inherit := func() *Gateway {
		f, err := before.(*net.UnixListener).File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		l, err := net.FileListener(f)
		if err != nil {
			t.Fatal(err)
		}
		g := &Gateway{inherited: &inherited{listeners: map[string][]net.Listener{address.String(): {l}}}}
		for _, n := range g.ours(address) {
			g.sockets = append(g.sockets, &socket{address: address, net: n})
		}
		if len(g.sockets) != 1 {
			t.Fatalf("%d sockets", len(g.sockets))
		}
		return g
	}
	g := inherit()
	g.closeSockets(g.sockets)
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("a process that did not serve removed the path: %v", err)
	}
	g = inherit()
	g.ownPaths()
	g.closeSockets(g.sockets)
	if _, err := os.Lstat(path); err == nil {
		t.Error("a process that served left the path")
	}
}
