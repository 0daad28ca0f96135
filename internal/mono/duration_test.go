package mono

import (
	"testing"
	"time"
)

func TestWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.01ms", 1: "0.01ms", 42 * time.Microsecond: "0.04ms", 420 * time.Microsecond: "0.4ms", 12 * time.Millisecond: "12ms", 999900 * time.Microsecond: "999ms",
		time.Second: "1s", 5012 * time.Millisecond: "5.01s", time.Minute: "60s", 12345 * time.Millisecond: "12.3s",
	} {
		if got := Words(d); got != want {
			t.Errorf("%v is %s, want %s", d, got, want)
		}
	}
}
