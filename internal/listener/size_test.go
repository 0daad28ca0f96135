package listener

import (
	"testing"
	"unsafe"
)

// A client's connection costs this beside its conn.Conn for as long as it stays.
func TestSizeOfASession(t *testing.T) {
	if size := unsafe.Sizeof(session{}); size > 352 {
		t.Errorf("%d bytes for each connection, want 352 at most: a size of the allocator's", size)
	}
}
