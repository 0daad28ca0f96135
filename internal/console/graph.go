package console

import (
	"time"

	"github.com/whygate/whygate/internal/store"
)

// spark is a picture of the last day: a bar for each half an hour, a line for each change. Its measures are those of the picture.
type spark struct {
	Bars  []sparkBar
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
	last := now.Truncate(sparkStep)
	first := last.Add(-(sparkBars - 1) * sparkStep)
	var counts, saved [sparkBars]int64
	for _, b := range buckets {
		if i := int(b.At.Sub(first) / sparkStep); i >= 0 && i < sparkBars && !b.At.Before(first) {
			counts[i] += b.Count
			saved[i] += b.Saved
			s.Most = max(s.Most, counts[i])
		}
	}
	for i, n := range counts {
		if n == 0 {
			continue
		}
		h := max(int(n*(sparkHeight-2)/s.Most), 2)
		b := sparkBar{X: i * barStep, Y: sparkHeight - h, Height: h, Title: first.Add(time.Duration(i)*sparkStep).Format("15:04") + " UTC: " + plural(n, "incident")}
		b.SavedHeight = int(saved[i]) * h / int(n)
		b.SavedY = sparkHeight - b.SavedHeight
		if saved[i] > 0 {
			b.Title += ", " + number(saved[i]) + " saved by a retry"
		}
		s.Bars = append(s.Bars, b)
	}
	for _, c := range changes {
		if x := int(float64(c.At.Sub(first)) / float64(sparkStep) * barStep); x >= 0 && x <= s.Width {
			s.Marks = append(s.Marks, sparkMark{x, c.At.Format("15:04") + " UTC " + c.Kind + " " + c.Subject + ": " + c.Text})
		}
	}
	return s
}
