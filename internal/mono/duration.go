package mono

import (
	"strconv"
	"time"
)

// Words is AppendWords's text.
func Words(d time.Duration) string { return string(AppendWords(nil, d)) }

// AppendWords appends a duration with as many digits as people compare: 0.04ms, 0.4ms, 12ms, 5.01s, 60s. What took time is never 0.
func AppendWords(dst []byte, d time.Duration) []byte {
	switch {
	case d < 100*time.Microsecond:
		return append(AppendNumber(dst, max(float64(d)/float64(time.Millisecond), 0.01), 2), "ms"...)
	case d < 10*time.Millisecond:
		return append(AppendNumber(dst, float64(d)/float64(time.Millisecond), 1), "ms"...)
	case d < time.Second:
		return append(strconv.AppendInt(dst, d.Milliseconds(), 10), "ms"...)
	case d < 10*time.Second:
		return append(AppendNumber(dst, d.Seconds(), 2), 's')
	}
	return append(AppendNumber(dst, d.Seconds(), 1), 's')
}

// AppendNumber appends a number with at most so many digits after the point, and no zeros at its end.
func AppendNumber(dst []byte, n float64, digits int) []byte {
	dst = strconv.AppendFloat(dst, n, 'f', digits, 64)
	for dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	if dst[len(dst)-1] == '.' {
		dst = dst[:len(dst)-1]
	}
	return dst
}
