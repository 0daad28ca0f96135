package conn

import "time"

// epoch is what Now counts from. Only differences of Now mean anything.
var epoch = time.Now()

// Now is the monotonic clock in nanoseconds. It costs half of time.Now and has no wall clock to go wrong.
func Now() int64 { return int64(time.Since(epoch)) }
