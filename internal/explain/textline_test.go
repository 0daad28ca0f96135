package explain

import (
	"testing"
	"time"
)

func TestWords(t *testing.T) {
	w := words{[]byte(`a  "b \" c" [d e] f`)}
	if got := w.next(); string(got) != "a" {
		t.Errorf("first is %q", got)
	}
	if got, ok := w.quoted(); !ok || string(got) != `b \" c` {
		t.Errorf("quoted is %q", got)
	}
	if _, ok := w.quoted(); ok {
		t.Error("no quoted part follows")
	}
	if got, ok := w.bracketed(); !ok || string(got) != "d e" {
		t.Errorf("bracketed is %q", got)
	}
	if got := w.next(); string(got) != "f" {
		t.Errorf("last is %q", got)
	}
	if got := w.next(); got != nil {
		t.Errorf("behind the end is %q", got)
	}
}

func TestSpacedClock(t *testing.T) {
	got, zoned, rest, ok := spacedClock([]byte("2024-01-02 10:00:00 +0130 x"))
	if want := time.Date(2024, 1, 2, 8, 30, 0, 0, time.UTC); !ok || !zoned || !got.Equal(want) || string(rest) != " x" {
		t.Errorf("%v %v %q %v", got, zoned, rest, ok)
	}
	if _, zoned, _, ok := spacedClock([]byte("2024-01-02 10:00:00")); !ok || zoned {
		t.Error("a time without a zone is local time")
	}
	if _, _, _, ok := spacedClock([]byte("2024-13-02 10:00:00")); ok {
		t.Error("there is no month 13")
	}
}

func TestDatedClock(t *testing.T) {
	got, rest, ok := datedClock([]byte("02-Jan-2024 10:00:00.250 INFO"))
	if want := time.Date(2024, 1, 2, 10, 0, 0, 250e6, time.Local); !ok || !got.Equal(want) || string(rest) != " INFO" {
		t.Errorf("%v %q %v", got, rest, ok)
	}
	for _, bad := range []string{"", "02-Jan-2024", "02-Jun-2024T10:00:00x", "xx-Jan-2024 10:00:00", "02-Foo-2024 10:00:00", "02-Jan-2024 25:00:00"} {
		if _, _, ok := datedClock([]byte(bad)); ok {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestDecimal(t *testing.T) {
	for in, want := range map[string]int64{"0": 0, "1.5": 15e8, "-1": -1e9, "-1.25": -125e7, "0.000000001": 1, "1795361722.868294": 1795361722868294000} {
		if got, ok := decimal([]byte(in)); !ok || got != want {
			t.Errorf("%s is %d", in, got)
		}
	}
	for _, bad := range []string{"", "-", ".5", "1.", "1.x", "x", "99999999999", "1 "} {
		if _, ok := decimal([]byte(bad)); ok {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestSetTarget(t *testing.T) {
	for in, want := range map[string][2]string{
		"/a?b=c":                   {"", "/a?b=c"},
		"http://h:80/a?b":          {"h:80", "/a?b"},
		"https://h":                {"h", ""},
		"https://h?x":              {"h", "?x"},
		"/redirect?to=http://evil": {"", "/redirect?to=http://evil"},
		"*":                        {"", "*"},
	} {
		var e Entry
		e.setTarget([]byte(in))
		if string(e.Host) != want[0] || string(e.Path) != want[1] {
			t.Errorf("%s gives %q and %q", in, e.Host, e.Path)
		}
	}
}

// FuzzFormats offers any line to every format of the corpora: none may panic, and what one takes has a verdict that can be
// named.
func FuzzFormats(f *testing.F) {
	for _, format := range corpusFormats {
		logs, _ := globCorpus(format)
		for _, log := range logs {
			for _, line := range log {
				f.Add(line)
			}
		}
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var e Entry
		for _, format := range corpusFormats {
			e.reset()
			if !format.Parse(&e, line) {
				continue
			}
			if verdict(&e) == "" || e.Kind == KindUnknown {
				t.Errorf("%s takes %q and says nothing", format.Name, line)
			}
		}
	})
}
