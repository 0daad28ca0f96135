package lab

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"strings"
)

// errElsewhere ends a script on a connection of the index: the next request on it is for another path.
var errElsewhere = errors.New("a request for another path")

// serveIndex serves the index: /NAME/... plays that scenario on the connection, / lists them.
func (l *Lab) serveIndex() { l.accept(l.index, l.indexed) }

// indexed reads each request of a connection, and plays the scenario that its path names for as long as the paths name it.
func (l *Lab) indexed(c net.Conn) {
	if !l.track(c) {
		return
	}
	defer l.untrack(c)
	raw := &tapped{Conn: c}
	index := &stage{Scenario: &Scenario{Name: "index"}, lab: l}
	p := &Peer{conn: raw, raw: raw, stage: index, done: l.stop.Done(), index: true}
	p.ahead.from = raw
	p.in = bufio.NewReaderSize(&p.ahead, 16<<10)
	for {
		if p.receive() != nil {
			return
		}
		name := scenarioOf(p.request.target)
		if g := l.stages[name]; g != nil && g.byPath() {
			p.unread(p.request.raw)
			p.stage = g
			if err := p.play(g.Plays); !errors.Is(err, errElsewhere) {
				g.finish(p, err)
				return
			}
			continue
		}
		p.stage = index
		index.hit(p)
		if p.readBody() != nil || p.write(l.directions(name)) != nil {
			return
		}
	}
}

// scenarioOf is the scenario that a target's path names: its first segment.
func scenarioOf(target string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(target, "/"), "/")
	name, _, _ = strings.Cut(name, "?")
	return name
}

// ByPath reports whether the scenario is served, and a path of the index chooses it.
func (l *Lab) ByPath(s *Scenario) bool { return l.Serves(s) && l.stages[s.Name].byPath() }

// byPath reports whether a path of the index can choose the scenario: what it does, it does after the connection was
// accepted, in clear. Where a script begins before a request, it begins when the index has read one.
func (g *stage) byPath() bool {
	return g.listener != nil && !g.At.Network() && g.At.scheme() == "http" && g.At.Unix == "" && g.At.Socket == Listens && len(g.Plays) > 0
}

// directions answer a path that chooses no scenario.
func (l *Lab) directions(name string) string {
	if g := l.stages[name]; g != nil {
		return response("421 Misdirected Request", fmt.Sprintf("%s happens before a request can be read: ask %s instead\n", name, g.address))
	}
	if why := l.Skipped[name]; why != "" {
		return response("421 Misdirected Request", fmt.Sprintf("%s is not served: %s\n", name, why))
	}
	var b strings.Builder
	if name != "" {
		fmt.Fprintf(&b, "no scenario is called %q\n\n", name)
	}
	for _, s := range all {
		if g := l.stages[s.Name]; g != nil {
			fmt.Fprintf(&b, "%-34s %-24s %s\n", s.Name, g.address, s.Does)
		}
	}
	if name != "" {
		return response("404 Not Found", b.String())
	}
	return response("200 OK", b.String())
}
