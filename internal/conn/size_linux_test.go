package conn

import (
	"testing"
	"unsafe"
)

// A connection with its socket is what an idle client costs for as long as it stays, and each request touches most of it.
func TestSizeOfAConnection(t *testing.T) {
	both := struct {
		Conn
		socket socket
	}{}
	if size := unsafe.Sizeof(both); size > 576 {
		t.Errorf("%d bytes for each connection, want 576 at most: a size of the allocator's", size)
	}
}
