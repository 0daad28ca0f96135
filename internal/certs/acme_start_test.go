package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

// handshaken reports whether a client that asks for a name is shown a certificate, and does not wait for one longer than wait.
func handshaken(t *testing.T, a *ACME, name string, wait time.Duration) bool {
	t.Helper()
	c, s := net.Pipe()
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() {
		_ = tls.Server(s, &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) { return a.get(h), nil }}).HandshakeContext(ctx)
		_ = s.Close()
	})
	err := tls.Client(c, &tls.Config{ServerName: name, InsecureSkipVerify: true}).HandshakeContext(ctx)
	_ = c.Close()
	all.Wait()
	return err == nil
}

// long is more than anything takes that goes right.
const long = time.Minute

// become waits until something is so.
func become(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(long); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not so after " + long.String() + ": " + what)
		}
	}
}

// slowAuthority is an authority that says nothing about renewals before the test ends, refuses all else, and counts that.
func slowAuthority(t *testing.T) (directory string, asked, orders *atomic.Int32) {
	t.Helper()
	asked, orders = &atomic.Int32{}, &atomic.Int32{}
	mux := http.NewServeMux()
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	mux.HandleFunc("/dir", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"newNonce":"%[1]s/n","newAccount":"%[1]s/a","newOrder":"%[1]s/o","renewalInfo":"%[1]s/ari"}`, s.URL)
	})
	mux.HandleFunc("/ari/", func(_ http.ResponseWriter, r *http.Request) { asked.Add(1); <-r.Context().Done() })
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { orders.Add(1); w.WriteHeader(http.StatusForbidden) })
	return s.URL + "/dir", asked, orders
}

// silentAuthority accepts connections and says nothing.
func silentAuthority(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { _, _ = io.Copy(io.Discard, c); _ = c.Close() }) // ends when the ACME is closed, which is before
		}
	})
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	return "http://" + l.Addr().String() + "/dir"
}

// What is stored is shown as soon as the names are managed, whatever the authority is like.
func TestStoredIsShownAtOnce(t *testing.T) {
	slow, _, _ := slowAuthority(t)
	for what, directory := range map[string]string{"nobody listens": nobody, "it is silent": silentAuthority(t), "it is slow": slow} {
		t.Run(what, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "acme")
			var names []string
			for i := range 20 {
				names = append(names, fmt.Sprintf("n%d.example.com", i))
			}
			keepIn(t, dir, directory, names...)
			a := forTest(t, ACMEOptions{Directory: directory, Storage: dir})
			a.Manage(append(names, "none.example.com"))
			for _, name := range names {
				if a.get(&tls.ClientHelloInfo{ServerName: name}) == nil { // a look, which waits for nothing
					t.Errorf("%s is not shown", name)
				}
			}
		})
	}
}

// The authority is asked when to renew what is stored, outside the turns: none is taken.
func TestAskedOutsideTheTurns(t *testing.T) {
	directory, asked, orders := slowAuthority(t)
	dir := filepath.Join(t.TempDir(), "acme")
	keepIn(t, dir, directory, "a.example.com", "b.example.com")
	a := forTest(t, ACMEOptions{Directory: directory, Storage: dir})
	a.Manage([]string{"a.example.com", "b.example.com"})
	become(t, "the authority is asked", func() bool { return asked.Load() > 0 })
	if n := len(a.turns); n != 0 || orders.Load() != 0 {
		t.Errorf("%d turns are taken, %d orders made", n, orders.Load())
	}
}

// Names on demand whose certificates are stored are all served after a start, however many, and while other names are being refused.
func TestStoredOnDemand(t *testing.T) {
	directory := silentAuthority(t)
	dir := filepath.Join(t.TempDir(), "acme")
	var names []string
	for i := range 3 * newMax {
		names = append(names, fmt.Sprintf("n%d.example.com", i))
	}
	keepIn(t, dir, directory, names...)
	a := forTest(t, ACMEOptions{Directory: directory, Storage: dir, OnDemand: true, Suffixes: []string{"example.com"}})
	a.Manage(nil)
	for i := range newMax + 1 {
		a.awaited(t.Context(), fmt.Sprintf("stranger%d.example.com", i))
	}
	for _, name := range names {
		if !handshaken(t, a, name, long) {
			t.Errorf("%s is not served", name)
		}
	}
	if finished := a.awaited(t.Context(), "other.example.com"); finished != nil {
		t.Error("more names than may come are ordered")
	}
	become(t, "the turns are taken", func() bool { return len(a.turns) == triesAtOnce-1 })
	a.Manage([]string{"configured.example.com"})
	become(t, "a configured name has a turn", func() bool { return len(a.turns) == triesAtOnce })
}

// A renewal that is asked for while a try is under way is done after it, and not said to be done before.
func TestRenewDuringATry(t *testing.T) {
	directory, _, orders := slowAuthority(t)
	dir := filepath.Join(t.TempDir(), "acme")
	keepIn(t, dir, directory, "a.example.com")
	a := forTest(t, ACMEOptions{Directory: directory, Storage: dir})
	a.Manage([]string{"a.example.com"})
	a.mu.Lock()
	m := a.names["a.example.com"]
	m.working = true // a try that did not take what is asked for below
	a.mu.Unlock()
	done := make(chan error, 1)
	go func() { done <- a.Renew(t.Context(), "a.example.com") }() // ends with the test's context
	become(t, "it is asked for", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return m.asked != nil
	})
	a.ended(m, m.cert, nil, nil)
	a.nudge()
	var failure *Failure
	if err := <-done; !errors.As(err, &failure) || orders.Load() == 0 {
		t.Errorf("%v, after %d requests for an order", err, orders.Load())
	}
}

var refusedByAuthority = acme.Problem{Type: acme.ProblemTypeNamespace + "connection"}

// The end of a try for a name that was given up does nothing to the same name, configured since.
func TestStaleTry(t *testing.T) {
	routed := true
	a := forTest(t, ACMEOptions{Directory: silentAuthority(t), OnDemand: true, Suffixes: []string{"example.com"}, Routed: func(string) bool { return routed }})
	a.mu.Lock()
	old := a.add("x.example.com", nil)
	old.demand, old.working = true, true
	a.mu.Unlock()
	routed = false
	a.Manage(nil)
	routed = true
	a.Manage([]string{"x.example.com"})
	a.ended(old, nil, nil, refusedByAuthority)
	if all := a.Status(); len(all) != 1 || all[0].OnDemand || all[0].Failure != nil {
		t.Errorf("%+v", all)
	}
}

// A name on demand that the authority refuses is ordered ever more seldom, and what is remembered of that has a bound.
func TestRefusedOnDemand(t *testing.T) {
	a := forTest(t, ACMEOptions{OnDemand: true, Suffixes: []string{"example.com"}})
	a.Quiet() // no try but ours
	refused := func(name string) time.Duration {
		a.mu.Lock()
		m := a.names[name]
		if m == nil {
			m = a.add(name, nil)
			m.demand, m.failed = true, a.refused[name].failed
		}
		m.working = true
		a.mu.Unlock()
		a.ended(m, nil, nil, refusedByAuthority)
		a.mu.Lock()
		defer a.mu.Unlock()
		return time.Until(a.refused[name].until)
	}
	for i, least := range []time.Duration{time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 6 * time.Hour} {
		if got := refused("x.example.com"); got < least*7/10 {
			t.Errorf("after %d failures %s", i+1, got)
		}
	}
	a.mu.Lock()
	for i := range refusedMax {
		m := &managed{name: fmt.Sprintf("n%d.example.com", i), due: time.Now(), failed: 1}
		a.refuse(m)
	}
	if len(a.refused) > refusedMax || a.refused["x.example.com"].failed != 7 {
		t.Errorf("%d are remembered, x with %+v", len(a.refused), a.refused["x.example.com"])
	}
	a.forget(time.Now().Add(2 * refusedKeep))
	if len(a.refused) != 0 {
		t.Errorf("%d are remembered for ever", len(a.refused))
	}
	a.mu.Unlock()
}

// A name on demand that was refused comes back with its count when a client asks for it.
func TestRefusedComesBack(t *testing.T) {
	a := forTest(t, ACMEOptions{Directory: silentAuthority(t), OnDemand: true, Suffixes: []string{"example.com"}})
	a.mu.Lock()
	a.refused["x.example.com"] = refusal{time.Now().Add(time.Hour), 3}
	a.mu.Unlock()
	if a.awaited(t.Context(), "x.example.com") != nil {
		t.Error("it is ordered before its time")
	}
	a.mu.Lock()
	a.refused["x.example.com"] = refusal{time.Now(), 3}
	a.mu.Unlock()
	if a.awaited(t.Context(), "x.example.com") == nil {
		t.Error("it is not ordered")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if m := a.names["x.example.com"]; m == nil || m.failed != 3 {
		t.Errorf("%+v", m)
	}
}

// A route that a reload takes away while it is decided about a name, or while the order waits, leaves no order behind.
func TestRouteTakenAway(t *testing.T) {
	var routed atomic.Bool
	routed.Store(true)
	in, out := make(chan struct{}), make(chan struct{})
	ask := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { in <- struct{}{}; <-out }))
	defer ask.Close()
	directory, _, orders := slowAuthority(t)
	a := forTest(t, ACMEOptions{Directory: directory, OnDemand: true, Ask: ask.URL, Routed: func(string) bool { return routed.Load() }})
	var all sync.WaitGroup
	all.Go(func() {
		if a.awaited(t.Context(), "x.example.com") != nil {
			t.Error("a name without a route is taken up")
		}
	})
	<-in
	routed.Store(false)
	a.Manage(nil)
	out <- struct{}{}
	all.Wait()

	a.mu.Lock()
	m := a.add("y.example.com", nil) // its route goes between its taking up and its try
	m.demand, m.working = true, true
	a.mu.Unlock()
	a.try(m)
	if all := a.Status(); len(all) != 0 || orders.Load() != 0 {
		t.Errorf("%+v, %d requests for an order", all, orders.Load())
	}
}

// A name that came on demand leaves when whoever decides says no at its renewal, and when nobody has asked for it in a month. While it is
// not known the certificate stays.
func TestDemandedLeaves(t *testing.T) {
	var status atomic.Int32
	ask := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(status.Load())) }))
	defer ask.Close()
	status.Store(http.StatusOK)
	directory, _, orders := slowAuthority(t)
	dir := filepath.Join(t.TempDir(), "acme")
	keepIn(t, dir, directory, "a.example.com", "b.example.com")
	a := forTest(t, ACMEOptions{Directory: directory, Storage: dir, OnDemand: true, Ask: ask.URL})
	for _, name := range []string{"a.example.com", "b.example.com"} {
		if !handshaken(t, a, name, long) {
			t.Fatalf("%s is not served", name)
		}
	}
	status.Store(http.StatusNotFound)
	if err := a.Renew(t.Context(), "a.example.com"); !errors.Is(err, ErrUnknownName) || orders.Load() != 0 {
		t.Errorf("%v, %d requests for an order", err, orders.Load())
	}
	if handshaken(t, a, "a.example.com", long) {
		t.Error("a name that may have none is served")
	}
	ask.Close()
	var failure *Failure
	if err := a.Renew(t.Context(), "b.example.com"); !errors.As(err, &failure) || orders.Load() != 0 {
		t.Errorf("%v, %d requests for an order", err, orders.Load())
	}
	if !handshaken(t, a, "b.example.com", long) {
		t.Error("a name is given up because it could not be asked")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forget(time.Now().Add(unusedMax - time.Hour))
	if len(a.names) != 1 {
		t.Errorf("%d names, want b alone", len(a.names))
	}
	a.forget(time.Now().Add(unusedMax + time.Hour))
	if len(a.names) != 0 || len(a.shown.Load().byName) != 0 {
		t.Error("a name that nobody asks for stays")
	}
}

// Once it is quiet nothing begins.
func TestQuiet(t *testing.T) {
	directory, _, orders := slowAuthority(t)
	a := forTest(t, ACMEOptions{Directory: directory, OnDemand: true, Suffixes: []string{"example.com"}})
	a.Quiet()
	a.Manage([]string{"a.example.com"})
	if a.awaited(t.Context(), "a.example.com") != nil || a.awaited(t.Context(), "b.example.com") != nil {
		t.Error("a handshake waits for what is not begun")
	}
	if err := a.Renew(t.Context(), "a.example.com"); !errors.Is(err, errQuiet) {
		t.Errorf("a renewal: %v", err)
	}
	a.start(time.Now().Add(time.Hour))
	if len(a.turns) != 0 || orders.Load() != 0 {
		t.Error("a try begins")
	}
}
