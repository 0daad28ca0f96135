package main

import (
	"testing"
	"time"
)

func TestParseSince(t *testing.T) {
	zone := time.FixedZone("", 2*60*60)
	now := time.Date(2026, 11, 22, 14, 30, 0, 0, zone)
	for text, want := range map[string]time.Duration{
		"":                       0,
		"90s":                    90 * time.Second,
		"2h30m":                  150 * time.Minute,
		"2d":                     48 * time.Hour,
		"1d12h":                  36 * time.Hour,
		"1.5d":                   36 * time.Hour,
		"1w":                     7 * 24 * time.Hour,
		"1w2d3h":                 (9*24 + 3) * time.Hour,
		"2026-11-22":             14*time.Hour + 30*time.Minute,
		"2026-11-22T03:00":       11*time.Hour + 30*time.Minute,
		"2026-11-22 03:00":       11*time.Hour + 30*time.Minute,
		"2026-11-22 03:00:30":    11*time.Hour + 29*time.Minute + 30*time.Second,
		"2026-11-22T03:00:00Z":   9*time.Hour + 30*time.Minute,
		"2026-11-22T03:00+02:00": 11*time.Hour + 30*time.Minute,
		"03:00":                  11*time.Hour + 30*time.Minute,
		"23:00":                  15*time.Hour + 30*time.Minute,
	} {
		if got, err := parseSince(text, now); err != nil || got != want {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"-1h", "0s", "2x", "d", "yesterday", "2026-13-01", "2026-11-23", "25:00", "1d-2h", "1e9w", "NaNd", "2d 3"} {
		if got, err := parseSince(text, now); err == nil {
			t.Errorf("%q: %v, want an error", text, got)
		}
	}
}
