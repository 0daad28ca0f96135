//go:build unix

package diagnose

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// In a container /etc/hosts is what its maker put there: nothing is waited for, and nothing read without end.
func TestHostsMayBeAnything(t *testing.T) {
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
	}
}
