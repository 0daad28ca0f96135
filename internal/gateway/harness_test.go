//go:build linux

// Package gateway_test puts the gateway, as it is built from a configuration, between raw sockets: clients that write
// requests octet by octet, and upstreams that break every rule there is. A row of a table is one failure mode of the fault
// taxonomy, with what the client, the access log and the operator must be told of it.
package gateway_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/gateway"
	"github.com/whygate/whygate/internal/pgtest"
	"github.com/whygate/whygate/internal/store"
)

// patience bounds every wait of a test for something that must come. It is long, since the machine may be busy.
const patience = 20 * time.Second

// testsAtOnce is how many tests run side by side. They mostly wait, for timers and for the log, so it has little to do with
// the number of processors.
const testsAtOnce = 32

// TestMain wants every goroutine and every socket that the tests opened to be gone in the end.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(testsAtOnce)); err != nil {
		panic(err)
	}
	before := openSockets()
	code := m.Run()
	pgtest.Close()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, "goroutines are left:", err)
			code = 1
		}
		if left := socketsLeft(before); left > before {
			fmt.Fprintf(os.Stderr, "%d sockets were open before the tests, %d after\n", before, left)
			code = 1
		}
	}
	os.Exit(code)
}

// socketsLeft waits for closed sockets to go from the table of descriptors and counts those that stay.
func socketsLeft(before int) int {
	for deadline := time.Now().Add(2 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if n := openSockets(); n <= before || time.Now().After(deadline) {
			return n
		}
	}
}

// openSockets counts this process's sockets, 0 where there is no /proc. Pipes are left out: conn keeps some for splice(2).
func openSockets() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	n := 0
	for _, e := range entries {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}

// gate is a running gateway with its ears: the access log by request id, and the admin server.
type gate struct {
	*gateway.Gateway
	lines *lines
}

// route leads one path to one pool.
type route struct {
	endpoints []string // nil where pool has them
	pool      string   // further keys of the pool, as in a YAML flow mapping
}

// start runs a gateway with a route /NAME for each pool, and /healthy to an upstream in order. head has further keys of the
// file. The gateway is stopped when the test ends, and must stop cleanly.
func start(t *testing.T, head string, routes map[string]route) *gate {
	t.Helper()
	var text strings.Builder
	text.WriteString("version: 1\nlisten: [{address: '127.0.0.1:0'}]\nadmin: 127.0.0.1:0\nproxy_status: full\n" + head + "\nroutes:\n")
	if routes["healthy"].endpoints == nil {
		routes["healthy"] = route{endpoints: []string{"http://" + listen(t, well).address}}
	}
	for name := range routes {
		fmt.Fprintf(&text, "  - {path: /%s, pool: %s}\n", name, name)
	}
	text.WriteString("pools:\n")
	for name, r := range routes {
		if r.endpoints == nil { // the pool's keys have them
			fmt.Fprintf(&text, "  %s: {%s}\n", name, r.pool)
			continue
		}
		fmt.Fprintf(&text, "  %s: {endpoints: [%q], %s}\n", name, strings.Join(r.endpoints, `", "`), r.pool)
	}
	cfg, problems := config.Parse("test.yaml", []byte(strings.ReplaceAll(text.String(), `\"`, `"`)), config.Options{})
	if cfg == nil {
		t.Fatalf("the configuration is not in order: %v\n%s", problems.Err(), text.String())
	}
	lines := &lines{of: map[string]chan line{}}
	g, err := gateway.New(cfg, gateway.Options{Store: store.Nowhere, Stdout: lines, Stderr: t.Output(), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	g.Start()
	t.Cleanup(func() {
		if !g.Stop(0, 5*time.Second) {
			t.Error("the gateway did not stop cleanly: an exchange went on")
		}
	})
	return &gate{g, lines}
}

func (g *gate) address() string { return g.Addresses()[0].Address }

// line is what the tests read of a line of the access log.
type line struct {
	RequestID string `json:"request_id"`
	Status    int
	By        string
	Attempts  []attempt
	Fault     *struct {
		Type, Cause, Family, Stage, Incident, Sentence string
		Saved, Late                                    bool
	}
}

type attempt struct {
	Endpoint, Stage, End string
	Reused               bool
	Nth                  int
	Sent, Got            int64
}

// String is the attempt in short: which exchange on the connection, how far it came and how it ended: "2 first_byte reset".
func (a attempt) String() string {
	return strings.TrimSpace(fmt.Sprint(a.Nth, " ", a.Stage, " ", a.End))
}

func (l *line) attempts() string {
	var all []string
	for _, a := range l.Attempts {
		all = append(all, a.String())
	}
	return strings.Join(all, ", ")
}

// lines is the access log's writer: it hands each line to who waits for its request id.
type lines struct {
	mu sync.Mutex // guards of
	of map[string]chan line
}

func (w *lines) Write(p []byte) (int, error) {
	for text := range bytes.Lines(p) {
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			return 0, fmt.Errorf("a line that is not JSON: %w: %s", err, text)
		}
		select {
		case w.channel(l.RequestID) <- l:
		default: // nobody asks so often for one id
		}
	}
	return len(p), nil
}

func (w *lines) channel(id string) chan line {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of[id] == nil {
		w.of[id] = make(chan line, 4)
	}
	return w.of[id]
}

func (w *lines) await(t *testing.T, id string) line {
	t.Helper()
	select {
	case l := <-w.channel(id):
		return l
	case <-time.After(patience):
		t.Fatalf("no line in the access log for %s", id)
		return line{}
	}
}

// found is what the tests read of an incident.
type found struct {
	ID, Type, Cause, Stage, Title, Sentence string
	Status                                  int
	Saved, Late                             bool
	Advice                                  []string
	Evidence                                map[string]any
	Attempts                                []map[string]any
}

// incident asks the admin server for an incident.
func (g *gate) incident(t *testing.T, id string) found {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	res, err := client.Get("http://" + g.Admin() + "/incidents/" + id)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var i found
	d := json.NewDecoder(res.Body)
	d.UseNumber()
	if err := d.Decode(&i); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("incident %s: status %d, %v", id, res.StatusCode, err)
	}
	return i
}

// healthy asks for the healthy route and wants it served: on c, or on a new connection if c is nil.
func (g *gate) healthy(t *testing.T, c *client) {
	t.Helper()
	if c == nil {
		c = dial(t, g.address())
	}
	a := c.ask(t, request{path: "/healthy", id: "next"})
	if a.status != http.StatusOK || string(a.body) != wellBody || a.err != nil {
		t.Errorf("the next request, to a healthy route, was answered %d %q %v", a.status, a.body, a.err)
	}
}

// reserved is the address of a port that is taken but not listened on: connections to it are refused.
func reserved(t *testing.T) string {
	t.Helper()
	fd := socketOf(t, net.IPv4(127, 0, 0, 1))
	return addressOf(t, fd)
}
