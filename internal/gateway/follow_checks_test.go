//go:build linux

package gateway_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
)

// Checks of an endpoint that stays go on while others come and go: names that change more often than a check may take must not hide that it
// is dead.
func TestChecksGoOnWhileEndpointsCome(t *testing.T) {
	t.Parallel()
	port, up := addressedAt(t, "127.0.0.2", "127.0.0.3", "127.0.0.4")
	up["127.0.0.2"].server.Close()
	silent, err := net.Listen("tcp", "127.0.0.2:"+port) // the kernel connects, and nobody answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	z := &zone{}
	say := func(i int) { z.say("app.test. 1 IN A 127.0.0.2", fmt.Sprintf("app.test. 1 IN A 127.0.0.%d", 3+i%2)) }
	say(0)
	g := start(t, serveZone(t, z), map[string]route{"web": {
		endpoints: []string{"http://app.test:" + port}, pool: "resolve: {every: 100ms}, check: {every: 100ms, timeout: 2s, fall: 1}",
	}})
	dead := "http://127.0.0.2:" + port
	changes := 0
	until(t, "nobody sees that it is dead", func() bool {
		next := fmt.Sprintf("http://127.0.0.%d:%s", 3+changes%2, port)
		if _, there := g.standings(t)[next]; there { // the name is looked up again then
			changes++
			say(changes)
		}
		return g.standings(t)[dead].State == "down"
	})
	if changes < 2 { // a busy machine makes few while the check waits
		t.Errorf("the endpoints changed %d times", changes)
	}
	// Those that came are checked, and those that left are not.
	until(t, "one that came is not checked", func() bool {
		s, there := g.standings(t)[fmt.Sprintf("http://127.0.0.%d:%s", 3+changes%2, port)]
		return there && s.Check == "passed"
	})
	left, stays := up[fmt.Sprintf("127.0.0.%d", 3+(changes+1)%2)], up[fmt.Sprintf("127.0.0.%d", 3+changes%2)]
	before, then := left.asked.Load(), stays.asked.Load()
	until(t, "it is checked no more", func() bool { return stays.asked.Load() > then+5 })
	if n := left.asked.Load() - before; n != 0 {
		t.Errorf("one that left was checked %d times", n)
	}
}

// So they do over reloads, of which some controllers make one for each change of any service.
func TestChecksGoOnOverReloads(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // the kernel connects, and nobody answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	dead := "http://" + silent.Addr().String()
	text := func(path string, every string) string {
		return "version: 1\nlisten: [{address: '127.0.0.1:0'}]\nadmin: 127.0.0.1:0\naccess_log: \"off\"\nincidents: {store: memory}\nroutes: [{path: " + path +
			", pool: web}, {pool: web}]\npools: {web: {endpoints: ['" + dead + "', '" + dead + "'], check: {every: " + every + ", timeout: 2s, fall: 1}}}\n"
	}
	s := startText(t, text("/0", "100ms"))
	g := &gate{Gateway: s.Gateway}
	reloads := 0
	until(t, "nobody sees that it is dead", func() bool {
		reloads++
		s.replace(text(fmt.Sprintf("/%d", reloads), "100ms"))
		if err := s.Reload(); err != nil {
			t.Fatal(err)
		}
		return g.standings(t)[dead].State == "down"
	})
	if reloads < 2 {
		t.Errorf("it was reloaded %d times", reloads)
	}
	// Those that are to be made in another way begin anew.
	s.replace(strings.ReplaceAll(text("/", "100ms"), "timeout: 2s", "timeout: 300ms"))
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	until(t, "the settings of before hold", func() bool { return strings.Contains(g.standings(t)[dead].Check, "within 300ms") })
}
