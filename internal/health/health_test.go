package health

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/balance"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/upstream"
)

const second = mono.Time(time.Second)

// watched is a watcher of n endpoints, its set and what it told.
func watched(n int) (*Watcher, *balance.Set, *[]Event) {
	set := balance.New(n, balance.RoundRobin)
	var events []Event
	names := []string{"a", "b", "c", "d", "e", "f", "g", "h"}[:n]
	return New(set, Options{Pool: "web", Names: names, Passive: EjectFailing, Event: func(e Event) { events = append(events, e) }}), set, &events
}

func refused() string { return "connection refused" }

// serve plays n requests, of which wrong says how each fails: 0 not at all, 1 the connection, else a status.
func serve(w *Watcher, set *balance.Set, n int, now mono.Time, wrong func(i, n int) int) (failures []int) {
	failures = make([]int, set.Len())
	for k := range n {
		i := set.Pick(nil, 0, now)
		set.Start(i)
		switch how := wrong(i, k); how {
		case 0:
			w.Answered(i, now)
		case 1:
			failures[i]++
			w.Failed(i, now, refused)
		default:
			failures[i]++
			w.Refused(i, how, now)
		}
		set.Finish(i)
	}
	return failures
}

// One endpoint answers every second request 503, and its checks are fine: its own traffic puts it out, soon, and again sooner.
func TestHalfFailingIsEjected(t *testing.T) {
	w, set, events := watched(3)
	failures, turn := 0, 0
	for s := range mono.Time(30) {
		w.Tick(s * second)
		for k := range mono.Time(10) {
			failures += serve(w, set, 100, s*second+k*second/10+1, func(i, _ int) int {
				if i != 1 {
					return 0
				}
				turn++
				return 503 * (turn % 2)
			})[1]
		}
	}
	if failures > 20 {
		t.Errorf("%d of 30,000 requests failed, want 20 at most", failures)
	}
	if e := (*events)[0]; e.To != Ejected || e.Endpoint != "b" || !strings.Contains(e.Reason, "503") || !strings.Contains(e.Reason, "of 1") {
		t.Errorf("the first event is %+v", e)
	}
}

// What fails everywhere ejects nobody: it is no endpoint's fault.
func TestSharedFaultEjectsNobody(t *testing.T) {
	for _, how := range []int{1, 500} {
		w, set, events := watched(3)
		for s := range mono.Time(20) {
			w.Tick(s * second)
			serve(w, set, 300, s*second+1, func(_, n int) int { return how * (n / 3 % 2) })
		}
		if len(*events) != 0 {
			t.Errorf("kind %d: %+v", how, (*events)[0])
		}
	}
}

func TestBrokenIsEjectedAndBack(t *testing.T) {
	w, set, events := watched(2)
	serve(w, set, 10, 1, func(int, int) int { return 0 })
	for k := range mono.Time(3) { // each is tried once per FailedFor
		w.Failed(1, k*mono.Time(balance.FailedFor)+1, refused)
	}
	if len(*events) != 1 || (*events)[0].To != Ejected || !strings.Contains((*events)[0].Reason, "3 requests in a row failed, the last: connection refused") {
		t.Fatalf("%+v", *events)
	}
	w.Answered(1, 11*second) // a request that was under way
	if w.Statuses(11 * second)[1].State != Ejected {
		t.Fatal("back by the answer of a request that began before")
	}
	w.Answered(1, 40*second)
	if st := w.Statuses(40 * second)[1]; st.State != Up || st.Reason == "" {
		t.Errorf("%+v after it answered the request that tried it", st)
	}
}

func TestEjectionsGrow(t *testing.T) {
	w, set, events := watched(2)
	serve(w, set, 10, 1, func(int, int) int { return 0 })
	now := second
	for range 3 {
		w.Failed(1, now, refused)
	}
	var lengths []time.Duration
	for range 6 {
		until := w.endpoints[1].until
		lengths = append(lengths, until.Sub(now))
		now = until
		w.Failed(1, now, refused)
	}
	for k, want := range []time.Duration{5, 10, 20, 40, 80, 80} {
		if got := lengths[k]; got < want*time.Second*9/10 || got > want*time.Second*11/10 {
			t.Errorf("ejection %d lasts %v, want about %d s", k, got, want)
		}
	}
	if !strings.Contains((*events)[1].Reason, "the request that tried it failed") {
		t.Errorf("%+v", (*events)[1])
	}
}

// Whatever happens, no more than half of the endpoints are passively out, at least one can be, and each is tried again.
func TestNeverMoreThanHalf(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 15))
		n := 2 + rnd.IntN(7)
		w, set, _ := watched(n)
		bad := make([]float64, n)
		tried := make([]mono.Time, n)
		for s := range mono.Time(120) {
			if s%10 == 0 {
				for i := range bad {
					bad[i] = float64(rnd.IntN(2)) * rnd.Float64()
				}
			}
			w.Tick(s * second)
			for k := range mono.Time(20) {
				now := s*second + k*second/20 + 1
				i := set.Pick(nil, 0, now)
				tried[i] = now
				set.Start(i)
				switch {
				case rnd.Float64() >= bad[i]:
					w.Answered(i, now)
				case rnd.IntN(2) == 0:
					w.Failed(i, now, refused)
				default:
					w.Refused(i, 500, now)
				}
				set.Finish(i)
				out := 0
				for j, st := range w.Statuses(now) {
					if st.State == Ejected {
						out++
						// A failure just before the end keeps it last for balance.FailedFor; then it is its turn within a second.
						if until := w.endpoints[j].until; now.Sub(until) > balance.FailedFor+time.Second && tried[j] < until {
							t.Fatalf("seed %d: endpoint %d was not tried after the end of its ejection", seed, j)
						}
					}
				}
				if out > max(1, n/2) {
					t.Fatalf("seed %d: %d of %d are out", seed, out, n)
				}
			}
		}
	}
}

func TestEjectOff(t *testing.T) {
	w, set, events := watched(2)
	w.options.Passive = EjectNobody
	serve(w, set, 100, 1, func(i, _ int) int { return i })
	if len(*events) != 0 {
		t.Errorf("%+v", *events)
	}
}

func TestDrainAndReady(t *testing.T) {
	w, set, events := watched(2)
	w.Drain(0, "kernel update")
	if got := set.Pick(nil, 0, 1); got != 1 || set.Pick(nil, 0, 1) != 1 {
		t.Error("a drained endpoint is asked")
	}
	w.result(0, &Check{Fall: 1, Rise: 1}, fault.Evidence{}, "", 0) // a check does not put back what somebody took out
	if st := w.Statuses(1)[0]; st.State != Drained || st.Reason != "kernel update" {
		t.Errorf("%+v", st)
	}
	if !w.Ready(0, "done", 1) || w.Ready(1, "was never out", 1) || len(*events) != 2 || (*events)[1].Reason != "done" {
		t.Errorf("%+v", *events)
	}
}

func TestChecksFallAndRise(t *testing.T) {
	w, set, events := watched(2)
	c := &Check{Every: 5 * time.Second, Fall: 3, Rise: 2}
	fails := func() { w.result(0, c, fault.Evidence{}, "the check was answered 500", w.endpoints[0].ok.Load()) }
	passes := func() { w.result(0, c, fault.Evidence{}, "", 0) }
	for range 2 {
		fails()
	}
	passes()
	for range 2 { // three, but not in a row
		fails()
	}
	if len(*events) != 0 {
		t.Fatal("interleaved results were counted as in a row")
	}
	fails()
	if len(*events) != 1 || (*events)[0].To != Down || set.Pick(nil, 0, 1) != 1 || set.Pick(nil, 0, 1) != 1 {
		t.Fatalf("%+v", *events)
	}
	if d := w.pause(0, c); d > closer*12/10 {
		t.Errorf("looked at again after %v only", d)
	}
	passes()
	if len(*events) != 1 {
		t.Fatal("one success was enough")
	}
	if passes(); len(*events) != 2 || (*events)[1].To != Up {
		t.Fatalf("%+v", *events)
	}
	for range 100 {
		if d := w.pause(1, c); d < 4*time.Second || d > 6*time.Second {
			t.Fatalf("checked after %v", d)
		}
	}
}

// A check that times out takes an endpoint out only if its own traffic agrees: overloaded is not down.
func TestTimedOutCheckNeedsAWitness(t *testing.T) {
	c := &Check{Fall: 1, Rise: 1}
	late := fault.Evidence{Timer: fault.TimerResponse}
	w, set, events := watched(2)
	serve(w, set, 100, 1, func(int, int) int { return 0 })
	if w.result(0, c, late, "not answered", w.endpoints[0].ok.Load()-1); len(*events) != 0 {
		t.Fatal("taken out though its requests were answered meanwhile")
	}
	if w.result(0, c, late, "not answered", w.endpoints[0].ok.Load()); len(*events) != 1 {
		t.Fatal("not taken out though nothing was answered meanwhile")
	}
	for range 50 {
		w.Refused(1, 503, 1)
	}
	if w.result(1, c, late, "not answered", 0); len(*events) != 2 {
		t.Error("not taken out though half of its requests fail")
	}
}

func TestCarryKeepsWhatIsKnown(t *testing.T) {
	old, _, _ := watched(3)
	old.Drain(2, "disk")
	set := balance.New(2, balance.RoundRobin)
	w := New(set, Options{Names: []string{"new", "c"}})
	w.Carry(old, []int{-1, 2})
	if st := w.Statuses(1); st[0].State != Up || st[1].State != Drained || st[1].Reason != "disk" {
		t.Errorf("%+v", st)
	}
}

// Checks on real sockets: what each kind finds.
func TestCheckAsks(t *testing.T) {
	var status atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RequestURI() != "/healthz?x=1" || r.Host != "app.test" || r.Header.Get("User-Agent") != "whygate-check" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		w.WriteHeader(int(status.Load()))
		_, _ = io.WriteString(w, "state")
	}))
	defer server.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts, nobody answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	target := func(addr string) *upstream.Target {
		e, err := upstream.ParseEndpoint("http://" + addr)
		if err != nil {
			t.Fatal(err)
		}
		return upstream.New(e, upstream.Options{Connect: time.Second, Head: time.Second, Write: time.Second, HeadMax: 1 << 16, Resolver: upstream.NewResolver(nil, time.Second)})
	}
	web := target(strings.TrimPrefix(server.URL, "http://"))
	c := Check{Path: "/healthz?x=1", Host: []byte("app.test"), Timeout: time.Second}
	exact := c
	exact.Status = []Range{{200, 200}}
	quick := c
	quick.Timeout = 50 * time.Millisecond
	tests := []struct {
		name   string
		status int64
		target *upstream.Target
		check  Check
		wrong  string // what the verdict has, empty for a good one
	}{
		{"200", 200, web, c, ""},
		{"302", 302, web, c, ""},
		{"503", 503, web, c, "was answered 503"},
		{"204 where 200 is wanted", 204, web, exact, "was answered 204"},
		{"silent", 0, target(silent.Addr().String()), quick, "not answered within 50ms"},
		{"silent, by TCP", 0, target(silent.Addr().String()), Check{Kind: TCP, Timeout: time.Second}, ""},
		{"refused", 0, target("127.0.0.1:1"), c, "refused"},
		{"refused, by TCP", 0, target("127.0.0.1:1"), Check{Kind: TCP, Timeout: time.Second}, "refused"},
	}
	for _, tt := range tests {
		status.Store(tt.status)
		if _, got := ask(t.Context(), tt.target, &tt.check); (got == "") != (tt.wrong == "") || !strings.Contains(got, tt.wrong) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.wrong)
		}
	}
}

// A check that we end is no result.
func TestCheckCancelledIsNoResult(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	e, err := upstream.ParseEndpoint("http://" + silent.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	w, _, events := watched(1)
	target := upstream.New(e, upstream.Options{Connect: time.Second, HeadMax: 1 << 16, Resolver: upstream.NewResolver(nil, time.Second)})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Run(ctx, 0, target, &Check{Path: "/", Every: time.Millisecond, Timeout: time.Minute, Fall: 1, Rise: 1})
	}()
	if _, err := silent.Accept(); err != nil {
		t.Fatal(err)
	}
	cancel()
	<-done
	if len(*events) != 0 || w.endpoints[0].checked.last != "" {
		t.Errorf("%+v, %q", *events, w.endpoints[0].checked.last)
	}
}

// Watchers that share endpoints over a reload may be used at once: requests that began under the old one end under it.
func TestCarriedEndpointsAreShared(t *testing.T) {
	names := []string{"a", "b"}
	set := balance.New(2, balance.RoundRobin)
	old := New(set, Options{Names: names, Passive: EjectFailing})
	next := New(set, Options{Names: names, Passive: EjectFailing})
	next.Carry(old, []int{0, 1})
	var both sync.WaitGroup
	for _, w := range []*Watcher{old, next} {
		both.Go(func() {
			for range 100 {
				w.Failed(0, mono.Now(), refused)
				w.Drain(0, "new kernel")
				w.Statuses(mono.Now())
				w.Ready(0, "again", mono.Now())
			}
		})
	}
	both.Wait()
	if s := old.Statuses(mono.Now()); s[0].State != Up || s[0].Failures != 200 {
		t.Errorf("%+v", s[0])
	}
}

// Ready puts back whatever is out: drained, down by checks, or ejected by its own traffic.
func TestReadyPutsBack(t *testing.T) {
	w, set, events := watched(3)
	now := second
	w.Drain(0, "new kernel")
	set.TakeOut(1, balance.Unhealthy)
	w.mu.Lock()
	w.become(1, Down, "the check failed")
	w.eject(2, now, "3 requests in a row failed")
	w.mu.Unlock()
	for i := range 3 {
		if !w.Ready(i, "somebody said so", now) || w.Ready(i, "again", now) {
			t.Errorf("%d was not out, or stayed so", i)
		}
		if s := w.Statuses(now)[i]; s.State != Up || s.Reason != "somebody said so" || !set.Usable(i, now) {
			t.Errorf("%+v, usable: %v", s, set.Usable(i, now))
		}
	}
	if len(*events) != 6 {
		t.Errorf("%v", *events)
	}
}

// What checks found down is put back when there are none any more; what somebody drained stays so, and comes back whole.
func TestUnchecked(t *testing.T) {
	w, set, _ := watched(3)
	for i := range 2 {
		set.TakeOut(i, balance.Unhealthy)
		w.mu.Lock()
		w.become(i, Down, "the check failed")
		w.mu.Unlock()
	}
	w.Drain(1, "new kernel")
	w.Unchecked(second)
	s := w.Statuses(second)
	if s[0].State != Up || s[1].State != Drained || s[2].State != Up || !set.Usable(0, second) || set.Usable(1, second) {
		t.Errorf("%+v", s)
	}
}

// Checks that one watcher began go on for the one that takes their endpoint, at its place there.
func TestTakenChecks(t *testing.T) {
	answers := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }))
	defer answers.Close()
	e, err := upstream.ParseEndpoint(answers.URL)
	if err != nil {
		t.Fatal(err)
	}
	old := New(balance.New(1, balance.RoundRobin), Options{Names: []string{"stays"}})
	set, told := balance.New(2, balance.RoundRobin), make(chan Event, 1)
	next := New(set, Options{Names: []string{"came", "stays"}, Event: func(e Event) { told <- e }})
	next.Carry(old, []int{-1, 0})
	target := upstream.New(e, upstream.Options{Connect: time.Second, HeadMax: 1 << 16, Resolver: upstream.NewResolver(nil, time.Second)})
	defer target.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var run sync.WaitGroup
	next.Take()
	run.Go(func() {
		old.Run(ctx, 0, target, &Check{Path: "/", Every: time.Millisecond, Timeout: time.Minute, Fall: 1, Rise: 1})
	})
	if e := <-told; e.Endpoint != "stays" || e.To != Down || !set.Usable(0, mono.Now()) || set.Usable(1, mono.Now()) {
		t.Errorf("%+v", e)
	}
	cancel()
	run.Wait()
}
