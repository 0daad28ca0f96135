package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// row is one scenario.
type row struct {
	name    string
	idle    time.Duration // after which origins close idle connections
	extra   string        // further keys of Whygate's pool
	prepare func(context.Context, *scene) error
	during  func(run context.Context, s *scene)
	load    func(run, ctx context.Context, s *scene) // instead of steady
	judge   func(*tally)
	only    string // the proxy that can do it; empty: all
}

func nothing(context.Context, *scene) error { return nil }

func still(run context.Context, _ *scene) { <-run.Done() }

// mode has the first origin, or all, behave so from the beginning.
func mode(name string, n int) func(context.Context, *scene) error {
	return func(ctx context.Context, s *scene) error {
		for _, o := range s.origins[:n] {
			if err := o.tell(ctx, name); err != nil {
				return err
			}
		}
		return nil
	}
}

var rows = []row{
	{name: "well", prepare: nothing, during: still},
	{name: "idle connections closed at 1 s", idle: time.Second, prepare: nothing, during: still},
	{name: "SIGKILL every 2 s", prepare: nothing, during: func(run context.Context, s *scene) {
		for n := 0; pause(run, 2*time.Second); n++ {
			o := s.origins[n%len(s.origins)]
			o.stop()
			if !pause(run, 500*time.Millisecond) || o.start() != nil {
				return
			}
		}
	}},
	{name: "one accepts and hangs", prepare: nothing, during: func(run context.Context, s *scene) {
		if pause(run, time.Second) {
			_ = s.origins[0].tell(run, "hang")
		}
		<-run.Done()
	}, judge: afterFirst},
	{name: "one answers every second 503", prepare: mode("refusing", 1), during: still},
	{name: "the same with retry.on", prepare: mode("refusing", 1), during: still, extra: "retry: {on: [503]}"},
	{name: "one answers garbage", prepare: mode("garbage", 1), during: still},
	{name: "one is 300 ms slower", prepare: mode("slow", 1), during: still, judge: func(t *tally) {
		slow := 0
		for _, d := range t.took {
			if d > slower {
				slow++
			}
		}
		t.note = fmt.Sprintf("its share %.1f %%", 100*float64(slow)/float64(max(len(t.took), 1)))
	}},
	{name: "all killed for 3 s", prepare: nothing, during: func(run context.Context, s *scene) {
		if !pause(run, 2*time.Second) {
			return
		}
		for _, o := range s.origins {
			o.stop()
		}
		if !pause(run, 3*time.Second) {
			return
		}
		for _, o := range s.origins {
			_ = o.start()
		}
		<-run.Done()
	}, judge: func(t *tally) {
		slices.SortFunc(t.ends, func(a, b end) int { return int(a.at - b.at) })
		var down, back time.Duration
		for _, e := range t.ends {
			switch {
			case !e.good:
				down = e.at
			case down > 0 && back < down:
				back = e.at
			}
		}
		t.savable = 0
		t.note = fmt.Sprintf("the last failure at %.2f s, of 5 s that the origins come back at", down.Seconds())
	}},
	{name: "overload, 3 times", prepare: mode("slots", 3), during: still, load: flood},
	{name: "program upgraded every 3 s", only: "whygate", prepare: nothing, during: func(run context.Context, s *scene) {
		for pause(run, 3*time.Second) {
			s.proxy.upgrade()
		}
	}},
	{name: "reload every second", prepare: nothing, during: func(run context.Context, s *scene) {
		for pause(run, time.Second) {
			s.proxy.reload()
		}
	}},
}

// afterFirst notes the p99 from a second after the fault on.
func afterFirst(t *tally) {
	var took []time.Duration
	for _, e := range t.ends {
		if e.at-e.took > 2*time.Second {
			took = append(took, e.took)
		}
	}
	if len(took) > 0 {
		slices.Sort(took)
		t.note = fmt.Sprintf("p99 after the first second %.1f ms", took[len(took)*99/100].Seconds()*1e3)
	}
}
