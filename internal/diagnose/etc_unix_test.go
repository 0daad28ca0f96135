//go:build unix

package diagnose

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/whygate/whygate/internal/openfile"
)

// In a container /etc/hosts and /etc/resolv.conf are what its maker put there: nothing is waited for, and nothing read without end.
func TestOwnFilesMayBeAnything(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pipe, large := filepath.Join(dir, "pipe"), filepath.Join(dir, "large")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	if err := os.WriteFile(large, append([]byte("10.0.0.1 app.test\n"), make([]byte, etcMax)...), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{pipe, "/dev/zero", dir, large, filepath.Join(dir, "none")} {
		if got := readHosts(t.Context(), file, "app.test"); got != nil {
			t.Errorf("%s: %v", file, got)
		}
		if conf, err := readResolv(t.Context(), file); err == nil {
			t.Errorf("%s: %v", file, conf)
		}
	}
	if _, err := readResolv(t.Context(), pipe); !errors.As(err, new(*openfile.NotRegularError)) {
		t.Errorf("of a FIFO it is said: %v", err)
	}
}
