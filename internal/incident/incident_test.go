package incident

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/fault"
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

func TestClientsPushNothingOut(t *testing.T) {
	var r Recorder
	now := time.Now()
	r.Record(&Incident{ID: "crash", Cause: fault.CauseClosedBeforeAnswer, Family: fault.FamilyApplication, At: now})
	for i := range 3 * Kept {
		r.Record(&Incident{ID: strconv.Itoa(i), Cause: fault.CauseRequestMalformed, Family: fault.FamilyClient, At: now.Add(time.Duration(i+1) * time.Millisecond)})
	}
	if r.Find("crash") == nil {
		t.Error("bad requests push an application's crash out")
	}
	last := r.Last(3 * Kept)
	if len(last) != Kept+1 || last[0].ID != strconv.Itoa(3*Kept-1) || last[Kept].ID != "crash" {
		t.Errorf("%d incidents, from %s to %s", len(last), last[0].ID, last[len(last)-1].ID)
	}
}
