package proxy

import "testing"

// What was right is remembered by user and password together, and not for ever.
func TestAuthRemembers(t *testing.T) {
	t.Parallel()
	a := NewAuth("x", func(_, _ []byte) bool { return true })
	sum := a.sum([]byte("ann"), []byte("b:c"))
	if a.known(sum) || a.sum([]byte("ann"), []byte("b:d")) == sum || NewAuth("x", nil).sum([]byte("ann"), []byte("b:c")) == sum {
		t.Error("known before, or the same for another password or another gateway")
	}
	a.remember(sum)
	if !a.known(sum) {
		t.Error("not known")
	}
	for i := range goodMax {
		a.remember(a.sum([]byte{byte(i), byte(i >> 8)}, nil))
	}
	if len(a.good) > goodMax {
		t.Errorf("%d are remembered", len(a.good))
	}
}
