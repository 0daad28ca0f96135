package console

import (
	"strconv"
	"time"

	"github.com/whygate/whygate/internal/store"
)

// spark is a picture of the last day: a bar for each half an hour, a line for each change. Its measures are those of the picture.
type spark struct {
	Bars  []sparkBar
	All   string // the bars as one path each, for lists
	Saved string
	Marks []sparkMark
	Most  int64
	Width int
}

type sparkBar struct {
	X, Y, Height, SavedHeight, SavedY int
	Title                             string
}

type sparkMark struct {
	X     int
	Title string
}

// Measures of the picture.
const (
	barStep     = 10
	barWidth    = 8
	sparkHeight = 48
)

// sparkOf draws counts over the day that ends now.
func sparkOf(buckets []store.Bucket, changes []store.Change, now time.Time) spark {
	s := spark{Width: sparkBars * barStep}
	last := now.Truncate(store.Step)
	first := last.Add(-(sparkBars - 1) * store.Step)
	var counts, saved [sparkBars]int64
	for _, b := range buckets {
		if i := int(b.At.Sub(first) / store.Step); i >= 0 && i < sparkBars && !b.At.Before(first) {
			counts[i] += b.Count
			saved[i] += b.Saved
			s.Most = max(s.Most, counts[i])
		}
	}
	var all, rescued []byte
	for i, n := range counts {
		if n == 0 {
			continue
		}
		h := max(int(n*(sparkHeight-2)/s.Most), 2)
		b := sparkBar{X: i * barStep, Y: sparkHeight - h, Height: h, Title: first.Add(time.Duration(i)*store.Step).Format("15:04") + " UTC: " + plural(n, "incident")}
		b.SavedHeight = int(saved[i]) * h / int(n)
		b.SavedY = sparkHeight - b.SavedHeight
		if saved[i] > 0 {
			b.Title += ", " + number(saved[i]) + " saved by a retry"
		}
		s.Bars = append(s.Bars, b)
		all = appendBar(all, b.X, b.Y, b.Height)
		if b.SavedHeight > 0 {
			rescued = appendBar(rescued, b.X, b.SavedY, b.SavedHeight)
		}
	}
	s.All, s.Saved = string(all), string(rescued)
	for _, c := range changes {
		if x := int(float64(c.At.Sub(first)) / float64(store.Step) * barStep); x >= 0 && x <= s.Width {
			s.Marks = append(s.Marks, sparkMark{x, c.At.Format("15:04") + " UTC " + c.Kind + " " + c.Subject + ": " + c.Text})
		}
	}
	return s
}

// appendBar appends a bar to a path of SVG.
func appendBar(dst []byte, x, y, height int) []byte {
	dst = append(strconv.AppendInt(append(dst, 'M'), int64(x), 10), ' ')
	dst = append(strconv.AppendInt(dst, int64(y), 10), "h8v"...)
	return append(strconv.AppendInt(dst, int64(height), 10), "h-8z"...)
}
