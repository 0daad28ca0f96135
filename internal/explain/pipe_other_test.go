//go:build !unix

package explain

import "testing"

func namedPipe(t *testing.T) string {
	t.Helper()
	t.Skip("no named pipes")
	return ""
}
