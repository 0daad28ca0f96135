package proxy

import (
	"testing"
	"unsafe"
)

// What every request touches is small, since with hundreds of them under way it does not stay in the processor's caches. What only some need has
// memory of its own.
func TestSizeOfARequest(t *testing.T) {
	t.Logf("%d bytes", unsafe.Sizeof(serving{}))
	if size := unsafe.Sizeof(serving{}); size > 2128 {
		t.Errorf("%d bytes for each request under way, want 2128 at most", size)
	}
}
