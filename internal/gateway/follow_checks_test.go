//go:build linux

package gateway_test

import (
	"fmt"
	"net"
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
	if changes < 5 {
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
