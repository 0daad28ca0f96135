package here

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/diagnose"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/machine"
	"github.com/whygate/whygate/internal/redact"
	"github.com/whygate/whygate/internal/words"
)

// wanted is what may be a container: an upstream, or the target itself.
type wanted struct {
	at     string // the upstream's address, empty for the target
	host   string
	port   int
	local  bool // it is an address of this machine
	served bool // somebody listens at it
	holder string
}

// recently is how long ago a container may have been started again to tell of now.
const recently = 15 * time.Minute

// containers asks the engines that are there for the containers behind the upstreams, and behind the target itself.
func (h *finder) containers(ctx context.Context, a *around, all []wanted) {
	for _, path := range a.engines {
		e := openEngine(path)
		if e == nil {
			continue
		}
		list, err := e.list(ctx)
		if err != nil {
			continue
		}
		h.WasRead(fmt.Sprintf("the containers of the engine at %s (GET)", path))
		cut := &look{engine: e, name: "docker", list: list, around: a}
		if strings.Contains(path, "podman") {
			cut.name = "podman"
		}
		if a.process != nil && a.process.Container != "" {
			for i := range list {
				if strings.HasPrefix(list[i].ID, a.process.Container) {
					cut.proxy = &list[i]
				}
			}
		}
		for i := range all {
			cut.find(ctx, h, &all[i])
		}
	}
}

// front asks for the container that the target's own port belongs to: nobody listens there, or an engine does in its place.
func (h *finder) front(ctx context.Context, t *diagnose.Target, l *machine.Listener) {
	ctx, cancel := context.WithTimeout(ctx, stateTime)
	defer cancel()
	if port, err := strconv.Atoi(t.Port); err == nil {
		h.containers(ctx, &around{engines: engineSockets(), listen: machine.Listeners}, []wanted{{port: port, local: true, served: l != nil}})
	}
}

// look is one engine, asked for one proxy.
type look struct {
	*engine
	name   string // of the command
	list   []listed
	proxy  *listed // the proxy's own container, nil where it is in none
	around *around
}

// find tells of the container that a wanted address or name means.
func (k *look) find(ctx context.Context, h *finder, w *wanted) {
	if w.local && w.at != "" && k.bridged() && isLoopbackHost(w.host) {
		k.ownLoopback(h, w)
		return
	}
	found, inside := k.matches(ctx, w)
	if len(found) == 0 {
		if w.at != "" && w.local {
			k.unpublished(h, w)
		}
		return
	}
	alive := slices.ContainsFunc(found, (*listed).running)
	for _, l := range found {
		c := k.look(ctx, l.ID)
		if c == nil {
			continue
		}
		s := k.judge(ctx, w, l, c, inside)
		if s == nil {
			if w.at == "" && l.running() {
				h.Note("port %d of this machine is container %s's %d (%s)", w.port, l.title(), inside, c.Config.Image)
			}
			continue
		}
		s.At = w.at
		s.Weak = s.Weak || !l.running() && (alive || w.served)
		h.Tell(*s)
	}
}

// matches are the containers that it may be, and the port that is asked for in them.
func (k *look) matches(ctx context.Context, w *wanted) (found []*listed, inside int) {
	inside = w.port
	for i := range k.list {
		l := &k.list[i]
		if l == k.proxy {
			continue
		}
		switch {
		case l.has(w.host), l.called(w.host), w.holder != "" && strings.HasPrefix(l.ID, w.holder):
			found = append(found, l)
		case w.local && l.publishes(w.port) > 0:
			found, inside = append(found, l), l.publishes(w.port)
		}
	}
	if len(found) > 0 || !w.local {
		return k.nearest(found), inside
	}
	for i := range k.list {
		if l := &k.list[i]; !l.running() {
			if c := k.look(ctx, l.ID); c != nil && c.binds(w.port) > 0 {
				found, inside = append(found, l), c.binds(w.port)
			}
		}
	}
	return found, inside
}

// unpublished is about a port of this machine that nobody listens at, where a container has it, and publishes it elsewhere or nowhere.
func (k *look) unpublished(h *finder, w *wanted) {
	if w.served {
		return
	}
	for i := range k.list {
		l := &k.list[i]
		if !l.running() || l == k.proxy || !l.own(w.port) {
			continue
		}
		text := fmt.Sprintf("container %s has port %d, and does not publish it on this machine", l.title(), w.port)
		for _, p := range l.Ports {
			if p.PrivatePort == w.port && p.PublicPort > 0 {
				text = fmt.Sprintf("port %d is container %s's own; this machine has it as %d", w.port, l.title(), p.PublicPort)
			}
		}
		h.Tell(diagnose.HereState{Cause: fault.CauseConnectionRefused, At: w.at, Text: text})
		return
	}
}

// nearest are those of the containers that are in a network of the proxy's, all where none is: another project may have the same name.
func (k *look) nearest(found []*listed) []*listed {
	if !k.bridged() {
		return found
	}
	near := slices.DeleteFunc(slices.Clone(found), func(l *listed) bool { return !k.together(l) })
	if len(near) == 0 {
		return found
	}
	return near
}

// bridged reports whether the proxy runs in a container with networks of the engine's, and not in this machine's own.
func (k *look) bridged() bool {
	if k.proxy == nil || len(k.proxy.NetworkSettings.Networks) == 0 {
		return false
	}
	_, host := k.proxy.NetworkSettings.Networks["host"]
	return !host
}

// together reports whether a container has a network in common with the proxy's.
func (k *look) together(l *listed) bool {
	for name := range l.NetworkSettings.Networks {
		if _, common := k.proxy.NetworkSettings.Networks[name]; common {
			return true
		}
	}
	return false
}

// ownLoopback is about an upstream on loopback, where the proxy's container has a loopback of its own.
func (k *look) ownLoopback(h *finder, w *wanted) {
	for i := range k.list {
		l := &k.list[i]
		own := l.publishes(w.port)
		if l.own(w.port) {
			own = w.port
		}
		if l == k.proxy || own == 0 || !l.running() {
			continue
		}
		name := l.title()
		if l.Labels.Compose != "" {
			name = l.Labels.Compose
		}
		text := fmt.Sprintf("%s is the proxy's container %s itself, and not this machine; port %d is container %s's", w.at, k.proxy.title(), w.port, l.title())
		if k.together(l) {
			text += fmt.Sprintf(": name it %s:%d", commandWord(name), own)
		}
		h.Tell(diagnose.HereState{Cause: fault.CauseConnectionRefused, At: w.at, Text: text})
		return
	}
}

// isLoopbackHost reports whether a name or an address means the machine, or the container, itself.
func isLoopbackHost(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// judge says what is wrong with a container, nil if nothing is.
func (k *look) judge(ctx context.Context, w *wanted, l *listed, c *container, inside int) *diagnose.HereState {
	title := "container " + l.title()
	switch c.State.Status {
	case "exited", "dead", "stopped":
		return exited(title, c, k.name+" logs "+commandWord(l.title()))
	case "restarting":
		s := &diagnose.HereState{Cause: fault.CauseServiceFailed, Text: fmt.Sprintf("%s is being started again and again (%s); its last run %s%s", title, words.Count(c.RestartCount, "restart"), endWords(c), whenEnded(c))}
		if c.State.OOMKilled {
			s.Cause = fault.CauseOutOfMemory
		}
		return s
	case "created", "configured", "initialized":
		text := title + " was made and never started"
		if c.State.Error != "" {
			text += ": " + redact.URLs(words.First(redact.Line(c.State.Error)))
		}
		return &diagnose.HereState{Cause: fault.CauseServiceFailed, Text: text}
	case "paused":
		return &diagnose.HereState{Cause: fault.CauseWorkersBusy, Text: fmt.Sprintf("%s is paused: connections wait for it (%s unpause %s)", title, k.name, commandWord(l.title()))}
	}
	if s := k.apart(w, l); s != nil {
		return s
	}
	if s := k.wrongPort(w, l, c, inside); s != nil {
		return s
	}
	if hc := c.State.Health; hc != nil && hc.Status == "unhealthy" {
		text := fmt.Sprintf("%s is unhealthy, its last %s failed", title, words.Count(max(hc.FailingStreak, 1), "health check"))
		if n := len(hc.Log); n > 0 {
			text += fmt.Sprintf(", the latest at %s with exit code %d: %s", hc.Log[n-1].Start.Local().Format("15:04:05"), hc.Log[n-1].ExitCode, redact.URLs(words.First(redact.Line(hc.Log[n-1].Output))))
		}
		return &diagnose.HereState{Cause: fault.CauseServiceFailed, Text: text}
	}
	if s := k.moved(ctx, w, l, c); s != nil {
		return s
	}
	if ago := time.Since(c.State.StartedAt); c.RestartCount > 0 && ago < recently {
		return &diagnose.HereState{Cause: fault.CauseServiceFailed, Weak: true, Text: fmt.Sprintf("%s was started again %v ago, after %s", title, ago.Round(time.Second), words.Count(c.RestartCount, "restart"))}
	}
	return nil
}

// moved is about a container that was started after the proxy's: one that resolves a name at its own start asks the old address.
func (k *look) moved(ctx context.Context, w *wanted, l *listed, c *container) *diagnose.HereState {
	if !k.bridged() || !l.called(w.host) {
		return nil
	}
	own := k.look(ctx, k.proxy.ID)
	if own == nil || own.State.StartedAt.IsZero() || !c.State.StartedAt.After(own.State.StartedAt.Add(time.Minute)) {
		return nil
	}
	return &diagnose.HereState{Cause: fault.CauseHostUnreachable, Weak: true, Text: fmt.Sprintf("container %s was started at %s, after the proxy's container %s: a proxy that resolves %s at its start alone, as nginx does, may still ask its old address (%s restart %s, or a resolver in its configuration)",
		l.title(), c.State.StartedAt.Local().Format("2006-01-02 15:04:05"), k.proxy.title(), w.host, k.name, commandWord(k.proxy.title()))}
}

// exited says how a container ended.
func exited(title string, c *container, command string) *diagnose.HereState {
	s := &diagnose.HereState{Cause: fault.CauseServiceFailed, Text: fmt.Sprintf("%s %s%s (%s)", title, endWords(c), whenEnded(c), command)}
	switch code := c.State.ExitCode; {
	case c.State.OOMKilled:
		s.Cause = fault.CauseOutOfMemory
	case code == 0, code == 143:
		s.Cause = fault.CauseServiceStopped
	case code == 137:
		s.Cause = fault.CauseWorkerKilled
	}
	return s
}

// endWords say an end by its exit code.
func endWords(c *container) string {
	text := fmt.Sprintf("exited with code %d", c.State.ExitCode)
	switch code := c.State.ExitCode; {
	case c.State.OOMKilled:
		text += ", killed for want of memory (OOMKilled)"
		if c.HostConfig.Memory > 0 {
			text += fmt.Sprintf(", its limit is %d MiB", c.HostConfig.Memory>>20)
		}
	case code == 137:
		text += " (SIGKILL: somebody stopped it the hard way, or the kernel for want of memory)"
	case code == 143:
		text += " (SIGTERM: somebody stopped it)"
	case code == 139:
		text += " (SIGSEGV: it crashed)"
	case code == 127:
		text += " (its command was not found)"
	case code == 126:
		text += " (its command could not be run)"
	case code == 0:
		text += " (by itself, or it was stopped)"
	}
	if c.State.Error != "" {
		text += ": " + redact.URLs(words.First(redact.Line(c.State.Error)))
	}
	return text
}

func whenEnded(c *container) string {
	if c.State.FinishedAt.Year() < 2000 {
		return ""
	}
	return fmt.Sprintf(" %v ago, at %s", time.Since(c.State.FinishedAt).Round(time.Second), c.State.FinishedAt.Local().Format("2006-01-02 15:04:05"))
}

// apart is about a container that has no network in common with the proxy's.
func (k *look) apart(w *wanted, l *listed) *diagnose.HereState {
	if w.at == "" || !l.has(w.host) && !l.called(w.host) || !k.bridged() || k.together(l) {
		return nil
	}
	theirs, ours := slices.Sorted(maps.Keys(l.NetworkSettings.Networks)), slices.Sorted(maps.Keys(k.proxy.NetworkSettings.Networks))
	in := "no network"
	if len(theirs) > 0 {
		in = strings.Join(theirs, ", ")
	}
	return &diagnose.HereState{
		Cause: fault.CauseDNSNXDomain,
		Text:  fmt.Sprintf("container %s is in %s, and the proxy's container %s in %s: they have no network in common (%s network connect %s %s)", l.title(), in, k.proxy.title(), strings.Join(ours, ", "), k.name, commandWord(ours[0]), commandWord(l.title())),
	}
}

// wrongPort is about a container that runs, and does not listen where it is asked.
func (k *look) wrongPort(w *wanted, l *listed, c *container, inside int) *diagnose.HereState {
	title := "container " + l.title()
	if inside == w.port && !w.local && len(l.Ports) > 0 && !l.own(w.port) {
		if own := l.publishes(w.port); own > 0 {
			return &diagnose.HereState{Cause: fault.CauseConnectionRefused, Text: fmt.Sprintf("%d is the port that this machine publishes of %s; in its network it is %d", w.port, title, own)}
		}
	}
	if c.State.Pid <= 0 || k.around.listen == nil || c.HostConfig.NetworkMode == "host" {
		return nil
	}
	all, err := k.around.listen(c.State.Pid)
	if err != nil || len(all) == 0 {
		return nil
	}
	var ports []string
	only := ""
	for i := range all {
		at := all[i].Address
		if at.Addr() == netip.MustParseAddr("127.0.0.11") { // the engine's own name server
			continue
		}
		if int(at.Port()) != inside {
			ports = append(ports, strconv.Itoa(int(at.Port())))
			continue
		}
		if !at.Addr().IsLoopback() {
			return nil
		}
		only = at.String()
	}
	path := ""
	if inside != w.port {
		path = fmt.Sprintf(", which this machine has as %d", w.port)
	}
	slices.Sort(ports)
	switch ports = slices.Compact(ports); {
	case only != "":
		return &diagnose.HereState{Cause: fault.CauseConnectionRefused, Text: fmt.Sprintf("in %s the program listens at %s alone, which nobody outside of it reaches: let it listen on 0.0.0.0", title, only)}
	case len(ports) > 0:
		return &diagnose.HereState{Cause: fault.CauseConnectionRefused, Text: fmt.Sprintf("nothing in %s listens on port %d%s; it listens on %s", title, inside, path, words.List(ports, 3))}
	}
	return nil
}

// commandWord is a name as it may stand in a command; NAME where it is none that is harmless there.
func commandWord(name string) string {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r))
	}) {
		return "NAME"
	}
	return name
}

// wantedOf are the upstreams of the proxy as containers may be meant by them.
func (h *finder) wantedOf(owners []owner) (all []wanted) {
	for i := range h.Upstreams {
		u := &h.Upstreams[i]
		host, port, err := net.SplitHostPort(u.Address)
		n, err2 := strconv.Atoi(port)
		if err != nil || err2 != nil {
			continue
		}
		w := wanted{at: u.Address, host: host, port: n, local: host == "localhost"}
		if a, err := netip.ParseAddr(host); err == nil {
			w.local = machine.IsLocal(a)
		}
		for _, o := range owners {
			if o.at == u.Address && o.process != nil {
				w.served, w.holder = true, o.process.Container
			}
		}
		all = append(all, w)
	}
	return all
}

// engineHelpers are the programs by which an engine listens at the ports that it publishes.
var engineHelpers = []string{"docker-proxy", "rootlessport", "pasta", "slirp4netns", "conmon"}

// isEngineHelper reports whether a program stands for a container.
func isEngineHelper(program string) bool {
	return slices.Contains(engineHelpers, filepath.Base(program))
}
