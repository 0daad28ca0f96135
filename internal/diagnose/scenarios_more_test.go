package diagnose_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/whygate/whygate/internal/diagnose"
	"github.com/whygate/whygate/internal/fault"
)

// answers gives the octets to each request on a connection of its own, as a server that closes after an answer does.
func (h *house) answers(octets []byte) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = l.Close() })
	go func() { // ends when the listener is closed
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { // ends with the connection, or with its deadline
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(10 * time.Second))
				b := make([]byte, 64<<10)
				if n, _ := c.Read(b); n > 0 {
					_, _ = c.Write(octets)
					_ = c.(*net.TCPConn).CloseWrite()
					_, _ = c.Read(b)
				}
			}()
		}
	}()
	return "http://" + l.Addr().String() + "/"
}

// recorded walks to servers that answer as products do.
func (h *house) recorded() (all []played) {
	for _, c := range diagnose.RecordedCases() {
		o := diagnose.Options{Host: c.Host, Timeout: straightTime, Budget: diagnose.DefaultBudget}
		if c.Handler == nil {
			o.URL = h.answers(c.Octets)
		} else {
			s := httptest.NewServer(c.Handler)
			h.t.Cleanup(s.Close)
			o.URL = s.URL
		}
		p := played{name: "answer " + c.Name, options: o}
		if c.Want != fault.CauseNone {
			p.want = []fault.Cause{c.Want}
		}
		all = append(all, p)
	}
	return all
}

// everyNth answers each nth request one way, and the others another.
func everyNth(n int64, one, others http.HandlerFunc) http.HandlerFunc {
	var count atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) {
		if count.Add(1)%n == 0 {
			one(w, r)
			return
		}
		others(w, r)
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		fmt.Fprintln(w, "so it is")
	}
}

func hangUp(w http.ResponseWriter, _ *http.Request) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = c.Close()
	}
}

// atTimes walks to servers that fail some of the time, and to some that look as if they did.
func (h *house) atTimes() (all []played) {
	add := func(name string, handler http.HandlerFunc, want ...fault.Cause) {
		s := httptest.NewServer(handler)
		h.t.Cleanup(s.Close)
		all = append(all, played{name: "at times " + name, options: diagnose.Options{URL: s.URL, Timeout: straightTime, Budget: diagnose.DefaultBudget}, want: want})
	}
	ended := []fault.Cause{fault.CauseClosedBeforeAnswer, fault.CauseKeepaliveRace, fault.CauseResetBeforeAnswer}
	add("one of two is 500", everyNth(2, status(500), status(200)), fault.CauseApplicationError)
	add("one of three is 500", everyNth(3, status(500), status(200)), fault.CauseApplicationError)
	add("one of three is 502", everyNth(3, status(502), status(200)), fault.CauseUpstreamStatus)
	add("one of four hangs up", everyNth(4, hangUp, status(200)), ended...)
	add("one of three is 404", everyNth(3, status(404), status(200)), fault.CauseUpstreamStatus)
	add("one of four is limited", everyNth(4, status(429), status(200)), fault.CauseRateLimited)
	add("one of five works", everyNth(5, status(200), status(500)), fault.CauseApplicationError)
	add("404 each time", status(404))
	add("another size each time", everyNth(2, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "a longer one than the other") }, status(200)))
	add("one of two is slow", everyNth(2, func(http.ResponseWriter, *http.Request) { <-time.After(350 * time.Millisecond) }, status(200)))
	return all
}

// lossy walks to an address whose SYNs are lost at times, and to one whose are not.
func (h *house) lossy() (all []played) {
	s := httptest.NewUnstartedServer(status(200))
	s.Listener.Close()
	port, err := h.network.Lossy()
	if err != nil {
		fmt.Printf("| skipped: lost SYNs: %v\n", err)
		return nil
	}
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		h.t.Fatal(err)
	}
	s.Listener = l
	s.Start()
	h.t.Cleanup(s.Close)
	return []played{{name: "one of three SYNs is lost", options: diagnose.Options{URL: s.URL, Timeout: 4 * time.Second, Budget: diagnose.DefaultBudget}, want: []fault.Cause{fault.CauseConnectionLost}}}
}
