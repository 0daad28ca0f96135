//go:build linux

package gateway_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// zone is what a name server of the tests says, which they change.
type zone struct {
	mu      sync.Mutex // guards the fields below
	records []string
	rcode   int
}

func (z *zone) say(records ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.records, z.rcode = records, dns.RcodeSuccess
}

func (z *zone) fail(rcode int) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.rcode = rcode
}

// ServeDNS answers with the records of the name and type that are asked for.
func (z *zone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	z.mu.Lock()
	defer z.mu.Unlock()
	r := new(dns.Msg).SetReply(q)
	r.Rcode = z.rcode
	for _, line := range z.records {
		rr, err := dns.NewRR(line)
		if err != nil {
			panic(err)
		}
		if h := rr.Header(); z.rcode == dns.RcodeSuccess && h.Name == strings.ToLower(q.Question[0].Name) && h.Rrtype == q.Question[0].Qtype {
			r.Answer = append(r.Answer, rr)
		}
	}
	_ = w.WriteMsg(r)
}

// serveZone starts a name server, and gives the keys by which a gateway asks it.
func serveZone(t *testing.T, z dns.Handler) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started, done := make(chan struct{}), make(chan struct{})
	s := &dns.Server{PacketConn: c, Handler: z, NotifyStartedFunc: func() { close(started) }}
	go func() { defer close(done); _ = s.ActivateAndServe() }() // ends with Shutdown
	<-started
	t.Cleanup(func() { _ = s.Shutdown(); <-done })
	return fmt.Sprintf("resolver: {servers: ['%s'], timeout: 5s}", c.LocalAddr())
}

// addressed is an upstream that answers with the address that it was reached at, and knows how many connections it has.
type addressed struct {
	server *httptest.Server
	open   atomic.Int64
	asked  atomic.Int64
}

// addressedAt starts upstreams of several addresses of loopback and one port.
func addressedAt(t *testing.T, addrs ...string) (port string, all map[string]*addressed) {
	t.Helper()
	for range 20 {
		all = map[string]*addressed{}
		port = "0"
		var listeners []net.Listener
		for _, a := range addrs {
			l, err := net.Listen("tcp", net.JoinHostPort(a, port))
			if err != nil {
				break
			}
			listeners = append(listeners, l)
			_, port, _ = net.SplitHostPort(l.Addr().String())
		}
		if len(listeners) < len(addrs) {
			for _, l := range listeners {
				_ = l.Close()
			}
			continue
		}
		for i, l := range listeners {
			u := &addressed{}
			u.server = &httptest.Server{Listener: l, Config: &http.Server{
				Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					u.asked.Add(1)
					_, _ = io.WriteString(w, addrs[i]+" "+r.Host)
				}),
				ConnState: func(_ net.Conn, s http.ConnState) {
					switch s {
					case http.StateNew:
						u.open.Add(1)
					case http.StateClosed:
						u.open.Add(-1)
					}
				},
			}}
			u.server.Start()
			t.Cleanup(u.server.Close)
			all[addrs[i]] = u
		}
		return port, all
	}
	t.Skip("no port is free at every address of loopback")
	return "", nil
}

// names are the endpoints that the admin address shows, sorted.
func (g *gate) names(t *testing.T, but string) string {
	t.Helper()
	var all []string
	for name := range g.standings(t) {
		if name != but {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// resolving is what the admin address says of how a pool's names are followed.
func (g *gate) resolving(t *testing.T, pool string) (failing map[string]string, failures int) {
	t.Helper()
	_, body := fetch(t, http.DefaultClient, "http://"+g.Admin()+"/endpoints")
	var all struct {
		Pools []struct {
			Pool    string
			Resolve struct {
				Failures int
				Failing  map[string]string
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &all); err != nil {
		t.Fatal(err)
	}
	for _, p := range all.Pools {
		if p.Pool == pool {
			return p.Resolve.Failing, p.Resolve.Failures
		}
	}
	t.Fatalf("there is no pool %s", pool)
	return nil, 0
}

// Each address of a name is an endpoint, and comes and goes with the name's answers. One that left gets no request and loses its idle
// connections. Names that cannot be looked up change nothing, and are told of.
func TestNamesAreFollowed(t *testing.T) {
	t.Parallel()
	port, up := addressedAt(t, "127.0.0.2", "127.0.0.3", "127.0.0.4")
	z := &zone{}
	z.say("app.test. 1 IN A 127.0.0.2", "app.test. 1 IN A 127.0.0.3")
	healthy := "http://" + listen(t, well).address
	g := start(t, serveZone(t, z), map[string]route{
		"web":     {endpoints: []string{"http://app.test:" + port}, pool: "resolve: {every: 100ms}, host: endpoint"},
		"healthy": {endpoints: []string{healthy}},
	})
	at := func(addrs ...string) string {
		for i := range addrs {
			addrs[i] = "http://" + addrs[i] + ":" + port
		}
		return strings.Join(addrs, " ")
	}
	if got := g.names(t, healthy); got != at("127.0.0.2", "127.0.0.3") {
		t.Fatalf("the first endpoints are %s", got)
	}
	ask := func() string {
		status, body := fetch(t, http.DefaultClient, "http://"+g.address()+"/web")
		if status != 200 {
			t.Fatalf("%d", status)
		}
		return body
	}
	seen := map[string]int{}
	for range 20 {
		seen[ask()]++
	}
	if host := " app.test:" + port; seen["127.0.0.2"+host] != 10 || seen["127.0.0.3"+host] != 10 {
		t.Errorf("%v", seen)
	}
	z.say("app.test. 1 IN A 127.0.0.3", "app.test. 1 IN A 127.0.0.4")
	until(t, "the endpoints did not follow", func() bool { return g.names(t, healthy) == at("127.0.0.3", "127.0.0.4") })
	until(t, "the connections to the one that left are open still", func() bool { return up["127.0.0.2"].open.Load() == 0 })
	before := up["127.0.0.2"].asked.Load()
	for range 20 {
		ask()
	}
	if n := up["127.0.0.2"].asked.Load() - before; n != 0 {
		t.Errorf("the one that left got %d requests", n)
	}
	z.fail(dns.RcodeServerFailure)
	until(t, "the failure is not told", func() bool { failing, _ := g.resolving(t, "web"); return failing["app.test"] != "" })
	until(t, "it was asked but once", func() bool { _, failures := g.resolving(t, "web"); return failures > 1 })
	if got := g.names(t, healthy); got != at("127.0.0.3", "127.0.0.4") {
		t.Errorf("after a failure the endpoints are %s", got)
	}
	ask()
	_, metrics := fetch(t, http.DefaultClient, "http://"+g.Admin()+"/metrics")
	for _, want := range []string{`whygate_resolve_failing{pool="web"} 1`, `whygate_resolve_endpoints{pool="web"} 2`, `whygate_resolve_failures_total{pool="web"} `} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	z.say("app.test. 1 IN A 127.0.0.2")
	until(t, "it did not recover", func() bool {
		failing, _ := g.resolving(t, "web")
		return len(failing) == 0 && g.names(t, healthy) == at("127.0.0.2")
	})
	if got := ask(); !strings.HasPrefix(got, "127.0.0.2 ") {
		t.Errorf("%s answered", got)
	}
}

// Records of a service are endpoints with a weight, and a priority by which some are backups. A service that is said not to be there has none.
func TestServicesAreFollowed(t *testing.T) {
	t.Parallel()
	port, up := addressedAt(t, "127.0.0.2", "127.0.0.3", "127.0.0.4")
	z := &zone{}
	hosts := []string{"a.test. 1 IN A 127.0.0.2", "b.test. 1 IN A 127.0.0.3", "c.test. 1 IN A 127.0.0.4"}
	srv := func(records ...string) {
		var all []string
		for _, r := range records {
			all = append(all, "_http._tcp.app.test. 1 IN SRV "+r)
		}
		z.say(append(all, hosts...)...)
	}
	srv("10 3 "+port+" a.test.", "10 1 "+port+" b.test.", "20 0 "+port+" c.test.")
	healthy := "http://" + listen(t, well).address
	g := start(t, serveZone(t, z), map[string]route{
		"web":     {pool: "resolve: {srv: _http._tcp.app.test, every: 100ms}, retry: {attempts: 3}"},
		"healthy": {endpoints: []string{healthy}},
	})
	if got, want := g.names(t, healthy), fmt.Sprintf("http://a.test:%s http://b.test:%s http://c.test:%s", port, port, port); got != want {
		t.Fatalf("the first endpoints are %s, want %s", got, want)
	}
	ask := func(want int) {
		t.Helper()
		if status, _ := fetch(t, http.DefaultClient, "http://"+g.address()+"/web"); status != want {
			t.Fatalf("%d, want %d", status, want)
		}
	}
	for range 40 {
		ask(200)
	}
	a, b, c := up["127.0.0.2"].asked.Load(), up["127.0.0.3"].asked.Load(), up["127.0.0.4"].asked.Load()
	if a < 27 || a > 33 || a+b != 40 || c != 0 {
		t.Errorf("%d, %d and %d requests, want 30, 10 and none", a, b, c)
	}
	up["127.0.0.2"].server.Close()
	up["127.0.0.3"].server.Close()
	ask(200)
	if c := up["127.0.0.4"].asked.Load(); c != 1 {
		t.Errorf("the backup got %d requests", c)
	}
	z.say("_http._tcp.app.test. 1 IN SRV 0 0 0 .")
	until(t, "it is there still", func() bool { return g.names(t, healthy) == "" })
	ask(503)
	srv("10 0 " + port + " c.test.")
	until(t, "it did not come back", func() bool { return g.names(t, healthy) == "http://c.test:"+port })
	ask(200)
}

// A record that names what is no host changes nothing.
func TestServiceOfNoHost(t *testing.T) {
	t.Parallel()
	port, _ := addressedAt(t, "127.0.0.2")
	z := &zone{}
	z.say("_http._tcp.app.test. 1 IN SRV 1 1 "+port+" a.test.", "a.test. 1 IN A 127.0.0.2")
	healthy := "http://" + listen(t, well).address
	g := start(t, serveZone(t, z), map[string]route{"web": {pool: "resolve: {srv: _http._tcp.app.test, every: 100ms}"}, "healthy": {endpoints: []string{healthy}}})
	z.say(`_http._tcp.app.test. 1 IN SRV 1 1 80 a\032b.test.`)
	until(t, "nobody tells of it", func() bool {
		failing, _ := g.resolving(t, "web")
		return strings.Contains(failing["_http._tcp.app.test"], "no host and port")
	})
	if got := g.names(t, healthy); got != "http://a.test:"+port {
		t.Errorf("%s", got)
	}
}

// With requests under way all the time, endpoints come and go without one that fails.
func TestEndpointsComeAndGoUnderLoad(t *testing.T) {
	t.Parallel()
	port, _ := addressedAt(t, "127.0.0.2", "127.0.0.3")
	z := &zone{}
	z.say("app.test. 1 IN A 127.0.0.2")
	g := start(t, serveZone(t, z), map[string]route{"web": {
		endpoints: []string{"http://app.test:" + port}, pool: "resolve: {every: 100ms}, check: {every: 100ms}, overload: {adaptive: on}",
	}})
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				res, err := http.Get("http://" + g.address() + "/web") //nolint:noctx // it is answered at once
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
				if res.StatusCode != 200 {
					t.Errorf("%d", res.StatusCode)
				}
			}
		})
	}
	for i := range 6 {
		addr := fmt.Sprintf("127.0.0.%d", 2+(i+1)%2)
		z.say("app.test. 1 IN A " + addr)
		until(t, "the endpoints did not follow", func() bool { _, there := g.standings(t)["http://"+addr+":"+port]; return there })
	}
	close(stop)
	all.Wait()
}

// A reload goes on with what was found, also where the name server says nothing at the time; and what came and left is on the time line.
func TestReloadKeepsWhatWasFound(t *testing.T) {
	t.Parallel()
	port, _ := addressedAt(t, "127.0.0.2", "127.0.0.3")
	z := &zone{}
	z.say("app.test. 1 IN A 127.0.0.2")
	head := "version: 1\nlisten: [{address: '127.0.0.1:0'}]\nadmin: 127.0.0.1:0\naccess_log: \"off\"\nincidents: {store: memory}\n" + serveZone(t, z) + "\n"
	s := startText(t, head+"routes: [{pool: web}]\npools: {web: {endpoints: ['http://app.test:"+port+"'], resolve: {every: 100ms}}}\n")
	g := &gate{Gateway: s.Gateway}
	z.say("app.test. 1 IN A 127.0.0.3")
	second := "http://127.0.0.3:" + port
	until(t, "the endpoints did not follow", func() bool { return g.names(t, "") == second })
	z.fail(dns.RcodeServerFailure)
	s.replace(head + "routes: [{path: /x, pool: web}, {pool: web}]\npools: {web: {endpoints: ['http://app.test:" + port + "'], resolve: {every: 100ms}, timeouts: {head: 7s}}}\n")
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := g.names(t, ""); got != second {
		t.Errorf("after the reload the endpoints are %s", got)
	}
	if status, body := ask(t, s.address); status != 200 || !strings.HasPrefix(body, "127.0.0.3 ") {
		t.Errorf("%d %s", status, body)
	}
	until(t, "the time line lacks a change", func() bool {
		_, body := fetch(t, http.DefaultClient, "http://"+g.Admin()+"/api/changes")
		return strings.Contains(body, "came: "+second+"; left: http://127.0.0.2:"+port) && strings.Contains(body, "app.test cannot be looked up: ")
	})
}

// together is a name server that says nothing before so many names were asked for.
type together struct {
	zone
	names atomic.Int64
	seen  sync.Map
	want  int64
	all   chan struct{}
}

func (z *together) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	if _, again := z.seen.LoadOrStore(strings.ToLower(q.Question[0].Name), true); !again && z.names.Add(1) == z.want {
		close(z.all)
	}
	select {
	case <-z.all:
		z.zone.ServeDNS(w, q)
	case <-time.After(4 * time.Second): // resolver.timeout is five
	}
}

// The names of one pool are looked up at once. Those that stand for more endpoints than a pool may have are told of.
func TestManyNames(t *testing.T) {
	t.Parallel()
	z := &together{want: 6, all: make(chan struct{})}
	var records, endpoints []string
	for i := range 6 {
		for k := range 50 {
			records = append(records, fmt.Sprintf("n%d.test. 1 IN A 127.0.%d.%d", i, i+2, k+1))
		}
		endpoints = append(endpoints, fmt.Sprintf("http://n%d.test:80", i))
	}
	z.say(records...)
	healthy := "http://" + listen(t, well).address
	g := start(t, serveZone(t, z), map[string]route{"web": {endpoints: endpoints, pool: "resolve: {every: 100ms}"}, "healthy": {endpoints: []string{healthy}}})
	if failing, _ := g.resolving(t, "web"); len(failing) > 0 {
		t.Errorf("they were looked up one after the other: %v", failing)
	}
	if n := len(strings.Fields(g.names(t, healthy))); n != 256 {
		t.Errorf("%d endpoints", n)
	}
	if _, body := fetch(t, http.DefaultClient, "http://"+g.Admin()+"/endpoints"); !strings.Contains(body, `"beyond":44`) && !strings.Contains(body, `"beyond": 44`) {
		t.Error("the admin address does not say that there are 44 more")
	}
	z.say(append(records[:200:200], records[200], records[250])...)
	until(t, "fewer are too many still", func() bool {
		_, body := fetch(t, http.DefaultClient, "http://"+g.Admin()+"/endpoints")
		return !strings.Contains(body, `"beyond"`)
	})
}
