package term

import "strings"

// eighths are the left parts of a block, from none to seven eighths.
var eighths = [...]string{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"}

// Bar gives a bar of width columns, of which the fraction (0 to 1) is filled, to an eighth of a column. A fraction above 0
// shows at least one eighth. The rest is spaces.
func Bar(fraction float64, width int) string {
	if width <= 0 {
		return ""
	}
	if !(fraction > 0) { // also when it is not a number
		return strings.Repeat(" ", width)
	}
	parts := max(1, int(min(fraction, 1)*float64(width*8)+0.5))
	bar := strings.Repeat("█", parts/8) + eighths[parts%8]
	return bar + strings.Repeat(" ", width-Columns(bar))
}

// ticks are a sparkline's heights. The lowest is for zero alone, so that one of a thousand is still seen.
var ticks = [...]string{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"}

// Sparkline gives one character for each value, by its share of the largest. Values below zero are taken for zero.
func Sparkline(values []int) string {
	most := 0
	for _, v := range values {
		most = max(most, v)
	}
	var out strings.Builder
	for _, v := range values {
		at := 0
		if v > 0 {
			at = max(1, int(float64(v)/float64(most)*float64(len(ticks)-1)))
		}
		out.WriteString(ticks[at])
	}
	return out.String()
}
