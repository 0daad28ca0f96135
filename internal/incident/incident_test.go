package incident

import (
	"strconv"
	"sync"
	"testing"
)

func TestRecorderKeepsTheLast(t *testing.T) {
	var r Recorder
	if r.Find("0") != nil || r.Last(10) != nil || r.Seen() != 0 {
		t.Error("an empty recorder has something")
	}
	for i := range Kept + 10 {
		r.Record(&Incident{ID: strconv.Itoa(i)})
	}
	if r.Find("9") != nil {
		t.Error("the oldest is still kept")
	}
	if i := r.Find("10"); i == nil || i.ID != "10" {
		t.Errorf("the oldest that is kept is not found: %v", i)
	}
	last := r.Last(3)
	if len(last) != 3 || last[0].ID != strconv.Itoa(Kept+9) || last[2].ID != strconv.Itoa(Kept+7) {
		t.Errorf("Last(3): %v", last)
	}
	if n := len(r.Last(Kept + 100)); n != Kept {
		t.Errorf("%d are kept, want %d", n, Kept)
	}
	if r.Seen() != Kept+10 {
		t.Errorf("seen %d", r.Seen())
	}
}

func TestRecorderFromManyGoroutines(t *testing.T) {
	var r Recorder
	var wait sync.WaitGroup
	for g := range 8 {
		wait.Go(func() {
			for i := range 500 {
				r.Record(&Incident{ID: strconv.Itoa(g*1000 + i)})
				r.Last(2)
				r.Find("7")
			}
		})
	}
	wait.Wait()
	if r.Seen() != 4000 {
		t.Errorf("seen %d", r.Seen())
	}
}
