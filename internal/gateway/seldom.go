package gateway

import (
	"sync/atomic"
	"time"

	"github.com/whygate/whygate/internal/mono"
)

// seldomEvery is how often what repeats is logged at most: a scanner, or a bug that every request meets, must not fill the disk.
const seldomEvery = time.Second

// seldom lets what repeats be told of once in seldomEvery, and counts what is not told. It is safe for concurrent use.
type seldom struct {
	last   mono.Atomic // when it was told of last; 0 for never
	untold atomic.Uint64
}

// now reports whether it is to be told of now, and counts it if it is not.
func (s *seldom) now() bool {
	now, last := mono.Now(), s.last.Load()
	if last != 0 && now.Sub(last) < seldomEvery || !s.last.CompareAndSwap(last, now) {
		s.untold.Add(1)
		return false
	}
	return true
}

// others adds to a log line how many like it were not told of since the last one, if there are any.
func (s *seldom) others(args []any) []any {
	if n := s.untold.Swap(0); n > 0 {
		args = append(args, "unlogged_before", n)
	}
	return args
}
