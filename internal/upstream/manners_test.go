package upstream

import (
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/mono"
)

const second = mono.Time(time.Second)

func moment(s float64) mono.Time { return 1 + mono.Time(s*float64(second)) }

func between(lo, hi float64) span {
	return span{time.Duration(lo * float64(time.Second)), time.Duration(hi * float64(time.Second))}
}

func TestCloserIsNotKept(t *testing.T) {
	var m manners
	if m.proven(false, moment(1)) || !m.proven(true, moment(1)) {
		t.Fatal("before anything is known, what cannot be sent again may use a kept connection, or what can may not")
	}
	m.carried(1)
	m.ended(1, between(0, 0.001), moment(1))
	if m.keeps(1, 0, moment(2)) {
		t.Fatal("kept after the endpoint closed its first connection at once")
	}
	// The next look comes after strictMin: one connection is kept, and not used at once by anybody.
	if !m.keeps(1, 0, moment(7)) || m.keeps(1, 1, moment(7)) || m.proven(true, moment(7)) {
		t.Fatal("the habit is not looked at again by one connection")
	}
	m.ended(1, between(0, 1), moment(8))
	if m.keeps(1, 0, moment(17)) || !m.keeps(1, 0, moment(19)) {
		t.Fatal("the time until the next look did not double")
	}
	m.carried(2) // one was seen open long enough
	if !m.keeps(1, 100, moment(19)) || !m.proven(false, moment(19)) {
		t.Fatal("not forgiven")
	}
}

func TestFixedNumberOfAnswers(t *testing.T) {
	var m manners
	for n := range uint32(5) {
		m.carried(n + 1)
	}
	for i := range hastyMin {
		if !m.keeps(5, 0, moment(1)) {
			t.Fatalf("given up after %d", i)
		}
		m.ended(5, between(0, 0.002), moment(1))
	}
	if m.keeps(5, 0, moment(1)) || !m.keeps(4, 0, moment(1)) {
		t.Error("kept for a sixth exchange, or not for a fifth")
	}
}

func TestRestartIsNoHabit(t *testing.T) {
	var m manners
	for n := range uint32(500) {
		m.carried(n + 1)
	}
	for n := range uint32(500) { // a busy pool's connections end at once, after as many exchanges as each had
		m.ended(n+1, between(0, 0.03), moment(5))
	}
	if !m.keeps(1, 64, moment(5)) || !m.proven(false, moment(5)) || m.idle(time.Minute, 0, moment(5)) != time.Minute {
		t.Error("a restart was taken for a habit")
	}
}

func TestLearnsIdleTime(t *testing.T) {
	tests := []struct {
		name string
		died []span
		want time.Duration
	}{
		{"five seconds", []span{between(4.2, 5.2), between(4.9, 5.9), between(4.5, 5.5)}, 3900 * time.Millisecond},
		{"one second", []span{between(0.2, 1.2), between(0.9, 1.9), between(0.7, 1.7)}, 450 * time.Millisecond},
		{"two are not enough", []span{between(4.2, 5.2), between(4.9, 5.9)}, time.Minute},
		{"nobody had looked before", []span{between(0, 5.2), between(0, 5.9), between(0, 5.5)}, time.Minute},
		{"at any time", []span{between(4, 5), between(20, 21), between(41, 42), between(11, 12)}, time.Minute},
		{"one restart among them", []span{between(4.2, 5.2), between(4.9, 5.9), between(2, 3), between(4.5, 5.5), between(4.6, 5.6)}, 3900 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var m manners
			for i, s := range tt.died {
				m.ended(9, s, moment(float64(10*i)))
			}
			if got := m.idle(time.Minute, 0, moment(100)); got != tt.want {
				t.Errorf("kept for %v, want %v (limit %v)", got, tt.want, m.limit)
			}
		})
	}
}

// What ends together counts once, and not at all if it had rested for different times.
func TestEndsTogetherAreOneEvent(t *testing.T) {
	var m manners
	for event := range 3 {
		for i := range 20 {
			rested := 2 + 3*float64(i)
			m.ended(9, between(rested, rested+1), moment(float64(10*event)))
		}
	}
	if m.limit != 0 {
		t.Errorf("three restarts were taken for a limit of %v", m.limit)
	}
}

func TestSaidIdleTime(t *testing.T) {
	var m manners
	for said, want := range map[time.Duration]time.Duration{
		0: time.Minute, time.Second: 500 * time.Millisecond, 5 * time.Second: 4 * time.Second, 65 * time.Second: 58500 * time.Millisecond, time.Hour: time.Minute,
	} {
		if got := m.idle(time.Minute, said, moment(1)); got != want {
			t.Errorf("timeout=%v: kept for %v, want %v", said, got, want)
		}
	}
}

func TestLearnedIsSaid(t *testing.T) {
	var m manners
	for i := range 3 {
		m.ended(9, between(4.4, 5.4), moment(float64(10*i)))
	}
	if got := m.text(m.idle(time.Minute, 0, moment(30))); !strings.Contains(got, "4.4s idle") || !strings.Contains(got, "3.4s") {
		t.Errorf("says %q", got)
	}
	m = manners{}
	m.carried(1)
	m.ended(1, between(0, 0.001), moment(1))
	if got := m.text(time.Minute); !strings.Contains(got, "after each answer") {
		t.Errorf("says %q", got)
	}
}
