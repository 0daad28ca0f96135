package diagnose

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/whygate/whygate/internal/fault"
)

// asked serves with a handler and notes the requests.
type asked struct {
	*httptest.Server
	mu   sync.Mutex // guards seen
	seen []string
}

func serve(t *testing.T, handler http.HandlerFunc) *asked {
	t.Helper()
	a := &asked{}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		a.seen = append(a.seen, r.Method+" "+r.URL.Path)
		a.mu.Unlock()
		handler(w, r)
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *asked) count(prefix string) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.seen {
		if strings.HasPrefix(s, prefix) {
			n++
		}
	}
	return n
}

func run(t *testing.T, o *Options) *Report {
	t.Helper()
	o.NoTrace = true
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRedirectThatSetsACookie leads to its own URL, and is no circle: browsers send the cookie.
func TestRedirectThatSetsACookie(t *testing.T) {
	t.Parallel()
	a := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if _, err := r.Cookie("seen"); err != nil {
			http.SetCookie(w, &http.Cookie{Name: "seen", Value: "1"})
			http.Redirect(w, r, "/", http.StatusFound)
		}
	})
	if r := run(t, &Options{URL: a.URL}); !r.Verdict.Healthy || len(r.Walk.HTTP.Follow) != 1 || r.Walk.HTTP.Follow[0].Status != 200 {
		t.Errorf("%+v", r.Verdict)
	}
	circle := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "seen", Value: time.Now().String()})
		http.Redirect(w, r, "/", http.StatusFound)
	})
	if r := run(t, &Options{URL: circle.URL}); r.Verdict.Cause != fault.CauseRedirectLoop {
		t.Errorf("a circle with a new cookie each time: %+v", r.Verdict)
	}
}

// TestRedirectOfAnUpstream to https belongs to the gateway: the upstream has no such port.
func TestRedirectOfAnUpstream(t *testing.T) {
	t.Parallel()
	gateway := serve(t, func(http.ResponseWriter, *http.Request) {})
	upstream := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://"+r.Host+r.URL.Path, http.StatusMovedPermanently)
	})
	if r := run(t, &Options{URL: gateway.URL, Upstreams: []string{upstream.URL}}); !r.Verdict.Healthy {
		t.Errorf("%+v", r.Verdict)
	}
}

// TestUnsafeMethodIsSentOnce to the URL and to each upstream that was named, and to none that was found.
func TestUnsafeMethodIsSentOnce(t *testing.T) {
	t.Parallel()
	refuse := func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) }
	gateway, named, found := serve(t, refuse), serve(t, refuse), serve(t, refuse)
	o := &Options{URL: gateway.URL + "/pay?x=1", Method: "POST", Upstreams: []string{named.URL}, IdleProbe: time.Second}
	o.Here = func(context.Context, Target) (*Here, error) {
		return &Here{Proxy: "nginx", Upstreams: []HereUpstream{{Address: found.Listener.Addr().String()}}}, nil
	}
	run(t, o)
	if gateway.count("") != 1 || named.count("") != 1 || found.count("") != 0 {
		t.Errorf("the gateway got %d, the upstream %d, the one that was found %d", gateway.count(""), named.count(""), found.count(""))
	}
}

// TestEventsMayBeRare: a stream of events is silent while nothing happens.
func TestEventsMayBeRare(t *testing.T) {
	t.Parallel()
	a := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		_, _ = w.Write([]byte("data: x\n\n"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	if r := run(t, &Options{URL: a.URL, Timeout: 300 * time.Millisecond, Count: -1}); !r.Verdict.Healthy || !r.Walk.HTTP.Main.Streams {
		t.Errorf("%+v", r.Verdict)
	}
}

// TestBudgetBreaksNothing: what the budget ended is no failure of the server's.
func TestBudgetBreaksNothing(t *testing.T) {
	t.Parallel()
	a := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(600 * time.Millisecond):
		case <-r.Context().Done():
		}
	})
	began := time.Now()
	r := run(t, &Options{URL: a.URL, Budget: time.Second})
	if !r.Verdict.Healthy || !r.Cut || time.Since(began) > 3*time.Second {
		t.Errorf("%+v, cut %v, after %v", r.Verdict, r.Cut, time.Since(began))
	}
}

// TestUpstreamWithoutAScheme is asked by https where it speaks that.
func TestUpstreamWithoutAScheme(t *testing.T) {
	t.Parallel()
	gateway := serve(t, func(http.ResponseWriter, *http.Request) {})
	secure := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	r := run(t, &Options{URL: gateway.URL, Upstreams: []string{secure.Listener.Addr().String()}, Insecure: true})
	if !r.Verdict.Healthy || !r.Upstreams[0].Target.Secure || r.Upstreams[0].main().Status != 200 {
		t.Errorf("%+v", r.Verdict)
	}
}

// nameServer answers every question for an address of IPv4, or says nothing.
func nameServer(t *testing.T, address string) string {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	s := &dns.Server{PacketConn: pc, NotifyStartedFunc: func() { close(ready) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		if address == "" {
			return
		}
		m := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 7}, A: net.ParseIP(address)}}
		}
		_ = w.WriteMsg(m)
	})}
	go func() { _ = s.ActivateAndServe() }() // until Shutdown
	<-ready
	t.Cleanup(func() { _ = s.Shutdown() })
	return pc.LocalAddr().String()
}

// TestGivenNameServers are asked instead of the system's, and a silent one beside another neither disagrees nor delays for long.
func TestGivenNameServers(t *testing.T) {
	t.Parallel()
	good, silent := nameServer(t, "127.0.0.9"), nameServer(t, "")
	n := probeName(t.Context(), "app.whygate.test.", 20*time.Second, []string{good, silent})
	if len(n.Addresses) != 1 || n.Addresses[0] != "127.0.0.9" || n.Cause != fault.CauseNone || n.Disagree || len(n.Servers) != 2 || n.asked != 4 {
		t.Errorf("%+v", n)
	}
	if took := n.Servers[1].A.Took; time.Duration(took) > 10*time.Second {
		t.Errorf("the silent one was waited for %v", time.Duration(took))
	}
}

// TestWalkWithGivenNameServers finds and asks a name that only those know, as check --probe does with resolver.servers.
func TestWalkWithGivenNameServers(t *testing.T) {
	t.Parallel()
	a := serve(t, func(http.ResponseWriter, *http.Request) {})
	_, port, _ := net.SplitHostPort(a.Listener.Addr().String())
	r := run(t, &Options{URL: "http://app.whygate.test:" + port + "/", Servers: []string{nameServer(t, "127.0.0.1")}, Count: 1})
	if !r.Verdict.Healthy || len(r.Walk.Name.Servers) != 1 {
		t.Errorf("%+v, %+v", r.Verdict, r.Walk.Name)
	}
}
