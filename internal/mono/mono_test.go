package mono

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestDeadlines(t *testing.T) {
	if Now() <= 0 {
		t.Errorf("the present is %d: 0 would be never", Now())
	}
	synctest.Test(t, func(t *testing.T) {
		now := Now()
		time.Sleep(time.Second)
		if d := Now().Sub(now); d != time.Second {
			t.Errorf("a second later it is %s later", d)
		}
		for d, want := range map[time.Duration]Time{0: 0, -1: 0, time.Minute: now + 60_000_000_000} {
			if got := now.Until(d); got != want {
				t.Errorf("Until(%s) is %d, want %d", d, got, want)
			}
		}
		at := now.Add(time.Hour)
		if got := FromWall(at.Wall()); got != at {
			t.Errorf("there and back by the wall clock: %d, want %d", got, at)
		}
		if !Time(0).Wall().IsZero() || FromWall(time.Time{}) != 0 {
			t.Error("never is the zero time, both ways")
		}
	})
}

func TestEarlier(t *testing.T) {
	for _, c := range []struct{ t, u, want Time }{{0, 0, 0}, {0, 5, 5}, {5, 0, 5}, {3, 5, 3}, {5, 3, 3}} {
		if got := Earlier(c.t, c.u); got != c.want {
			t.Errorf("Earlier(%d, %d) is %d, want %d", c.t, c.u, got, c.want)
		}
	}
}
