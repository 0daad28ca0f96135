package explain

import "time"

// seriesBins is how many bins a series has. A terminal's sparkline and the page's picture have fewer or as many.
const seriesBins = 64

// series counts events over time in a bounded number of bins, which grow wider as the time gets longer.
type series struct {
	base  int64 // the first bin's beginning, in seconds since 1970, a multiple of width
	width int64 // of a bin, in seconds; 0 before the first event
	bins  [seriesBins]uint32
}

// add counts n events at t, in seconds since 1970. A negative n takes back what was counted.
func (s *series) add(t int64, n int) {
	if s.width == 0 {
		s.width, s.base = 1, t
	}
	for t < s.base || t >= s.base+s.width*seriesBins {
		if !s.widen(t) {
			return
		}
	}
	at := (t - s.base) / s.width
	s.bins[at] = uint32(max(int64(s.bins[at])+int64(n), 0))
}

// widen makes the bins twice as wide, with t or what is there at the beginning. It is false for a time that no log has.
func (s *series) widen(t int64) bool {
	if s.width > 1<<40 {
		return false
	}
	old, base, width := s.bins, s.base, s.width
	s.width *= 2
	if t < base { // the new base: as far to the left as the bins allow, so that t comes nearer
		s.base = base - (seriesBins/2)*s.width
	}
	s.base = floorTo(s.base, s.width)
	s.bins = [seriesBins]uint32{}
	for i, n := range old {
		if n == 0 {
			continue
		}
		at := (base + int64(i)*width - s.base) / s.width
		if at >= 0 && at < seriesBins {
			s.bins[at] += n
		}
	}
	return true
}

func floorTo(t, width int64) int64 {
	r := t % width
	if r < 0 {
		r += width
	}
	return t - r
}

// over gives the counts in n bins from one time to another.
func (s *series) over(from, to time.Time, n int) []int {
	out := make([]int, n)
	first, last := from.Unix(), to.Unix()+1
	if s.width == 0 || last <= first {
		return out
	}
	for i, count := range s.bins {
		if count == 0 {
			continue
		}
		middle := s.base + int64(i)*s.width + s.width/2
		at := (middle - first) * int64(n) / (last - first)
		out[min(max(at, 0), int64(n)-1)] += int(count)
	}
	return out
}
