package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// sinceHint shows what --since takes.
const sinceHint = "whygate explain --since 2h30m FILE\nwhygate explain --since 2d FILE\nwhygate explain --since '2026-11-22 03:00' FILE\nwhygate explain --since 03:00 FILE"

// sinceLayouts are the dates and times that --since takes, in this machine's zone where they name none.
var sinceLayouts = [...]string{
	time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly,
}

// parseSince reads how long ago, as 2h30m, 1d12h or 1w, or since when: a date, a date and a time, or a time of day, the last
// that has been. It gives how long ago that was; 0 for the empty text.
func parseSince(text string, now time.Time) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	if d, ok := longDuration(text); ok {
		if d <= 0 {
			return 0, fmt.Errorf("--since %s: not a time that has been", text)
		}
		return d, nil
	}
	at, err := moment(text, now)
	switch {
	case err != nil:
		return 0, fmt.Errorf("--since %q: neither how long ago nor a date or time", text)
	case !at.Before(now):
		return 0, fmt.Errorf("--since %s: a time in the future", text)
	}
	return now.Sub(at), nil
}

// moment reads a date, a date and a time, or a time of day.
func moment(text string, now time.Time) (time.Time, error) {
	for _, layout := range sinceLayouts {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	for _, layout := range [...]string{"15:04", "15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil {
			at := time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), t.Second(), 0, now.Location())
			if at.After(now) {
				at = time.Date(now.Year(), now.Month(), now.Day()-1, t.Hour(), t.Minute(), t.Second(), 0, now.Location())
			}
			return at, nil
		}
	}
	return time.Time{}, errors.New("no time")
}

// longDuration reads a duration that may begin with weeks and days, which time.ParseDuration does not know: 1w, 1d12h, 1.5d.
func longDuration(text string) (sum time.Duration, ok bool) {
	for _, unit := range [...]struct {
		name   string
		length time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}} {
		number, rest, found := strings.Cut(text, unit.name)
		if !found {
			continue
		}
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || n < 0 || n > 1e5 {
			return 0, false
		}
		sum += time.Duration(n * float64(unit.length))
		text, ok = rest, true
	}
	if text == "" {
		return sum, ok
	}
	d, err := time.ParseDuration(text)
	if err != nil || ok && d < 0 {
		return 0, false
	}
	return sum + d, true
}
