package lab

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestUnixSockets checks whose path is whose: two labs may use one directory, and a path may be too long.
func TestUnixSockets(t *testing.T) {
	t.Parallel()
	dir, s := t.TempDir(), Get("unix-ok")
	one, err := Open([]*Scenario{s}, Options{Base: -1, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if !one.Serves(s) {
		t.Skipf("skipped: %s", one.Skipped[s.Name])
	}
	two, err := Open([]*Scenario{s}, Options{Base: -1, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	two.Close()
	if c, err := net.Dial("unix", one.Address(s)); err != nil {
		t.Errorf("the second lab took the first one's socket: %v", err)
	} else {
		_ = c.Close()
	}
	one.Close()
	if _, err := os.Stat(filepath.Dir(one.Address(s))); !os.IsNotExist(err) {
		t.Errorf("the sockets' directory was left behind: %v", err)
	}
	long := &Lab{dir: "/" + strings.Repeat("d", socketPathMax), base: DefaultBase, Skipped: map[string]string{}, stages: map[string]*stage{}}
	if err := long.stageOf(s, 0); err != nil || !strings.Contains(long.Skipped[s.Name], "longer than") {
		t.Errorf("a path that is too long: %v, %q", err, long.Skipped[s.Name])
	}
}
