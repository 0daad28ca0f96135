// Package words puts counts, lists and long lines into a sentence.
package words

import (
	"fmt"
	"strings"
)

// Count is a number with its noun: "1 pod", "3 pods", "2 addresses".
func Count[N ~int | ~int64](n N, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "s"):
		return fmt.Sprintf("%d %ses", n, noun)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// List has at most so many items, and says how many more there are.
func List(items []string, most int) string {
	if len(items) <= most {
		return strings.Join(items, ", ")
	}
	return strings.Join(items[:most], ", ") + fmt.Sprintf(" and %d more", len(items)-most)
}

// firstMax is how much of a line First keeps, in bytes.
const firstMax = 240

// First is a line without the blanks around it, and without its end where it is long.
func First(line string) string {
	line = strings.TrimSpace(line)
	if len(line) > firstMax {
		line = strings.ToValidUTF8(line[:firstMax], "") + " …"
	}
	return line
}
