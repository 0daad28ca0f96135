package here

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/diagnose"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/machine"
	"github.com/whygate/whygate/internal/proxyconf"
	"github.com/whygate/whygate/internal/words"
)

// Limits of what is told of this machine's state.
const (
	stateTime = 2 * time.Second // bounds the reading of all of it
	nearly    = 0.95            // the share of a limit from which it is as good as reached
)

// defaultConnections is nginx's worker_connections where its configuration does not say.
const defaultConnections = 512

// around is what lookAround needs to know of the proxy.
type around struct {
	config    *proxyconf.Config // nil where it could not be read
	backend   string            // of HAProxy
	process   *machine.Process
	listeners []machine.Listener
	system    *machine.System
	run       program
	kernel    func() string                             // the kernel's log
	engines   []string                                  // sockets at which an engine of containers may answer
	listen    func(pid int) ([]machine.Listener, error) // the sockets that a container's program listens at
}

// owner is who listens at an upstream of this machine.
type owner struct {
	at      string
	process *machine.Process
}

// lookAround reads the state of this machine, of the proxy, and of who owns its upstreams. What is not there is skipped in silence.
func (h *finder) lookAround(ctx context.Context, a *around) {
	ctx, cancel := context.WithTimeout(ctx, stateTime)
	defer cancel()
	owners := h.owners(a.listeners)
	h.family(ctx, a, "", a.process)
	h.queues(a)
	h.conntrack(ctx, a.system)
	h.memory(ctx, a.system, "", a.process)
	for _, o := range owners {
		if o.process == nil || o.process.PID == a.process.PID {
			continue
		}
		h.family(ctx, a, o.at, o.process)
		h.memory(ctx, a.system, o.at, o.process)
	}
	h.kernelLog(ctx, a, owners)
	if a.config != nil {
		for _, path := range a.config.Sockets {
			if path = socketOf(a.process, path); path != "" {
				h.askHAProxy(ctx, path, a.backend)
			}
		}
		for _, s := range a.config.Status {
			h.askStubStatus(ctx, s, a)
		}
	}
	h.phpFPM(ctx, a)
	h.containers(ctx, a, h.wantedOf(owners))
	h.units(ctx, a, owners)
	h.WasRead(a.system.Read()...)
}

// socketOf is the path to connect to for a unix socket of a process, empty where it may lead elsewhere: below the root of another mount
// namespace a symbolic link would be followed in ours.
func socketOf(p *machine.Process, name string) string {
	if p.Root == "" {
		return p.Path(name)
	}
	at := p.Root
	for part := range strings.SplitSeq(strings.Trim(name, "/"), "/") {
		at += "/" + part
		if info, err := os.Lstat(at); err != nil || part == ".." || info.Mode()&os.ModeSymlink != 0 {
			return ""
		}
	}
	return at
}

// owners finds who listens at the upstreams of this machine; an upstream that nobody listens at has none.
func (h *finder) owners(listeners []machine.Listener) (all []owner) {
	for i := range h.Upstreams {
		to, err := addressHere(h.Upstreams[i].Address)
		if err != nil || !to.Addr().IsLoopback() {
			continue
		}
		o := owner{at: h.Upstreams[i].Address}
		for j := range listeners {
			if listeners[j].Accepts(to) {
				o.process = listeners[j].Process
				break
			}
		}
		all = append(all, o)
	}
	return all
}

// addressHere reads host:port, with localhost as IPv4's loopback.
func addressHere(text string) (netip.AddrPort, error) {
	return netip.ParseAddrPort(strings.Replace(text, "localhost:", "127.0.0.1:", 1))
}

// family looks at a server's processes: whether each works, how many descriptors and connections it has left.
func (h *finder) family(ctx context.Context, a *around, at string, p *machine.Process) {
	all := a.system.Family(ctx, p.PID)
	workers := all
	if len(all) > 1 {
		workers = all[1:]
	}
	stuck, why := 0, ""
	for i := range workers {
		m := &workers[i]
		if s := m.Stuck(); s != "" {
			stuck, why = stuck+1, fmt.Sprintf("%s (process %d) %s", m.Name, m.PID, s)
		}
		if m.Limit > 0 && float64(m.Descriptors) > nearly*float64(m.Limit) {
			h.Tell(diagnose.HereState{
				Cause: fault.CauseDescriptorsExhausted, At: at,
				Text: fmt.Sprintf("%s (process %d) has %d of its %d descriptors open (LimitNOFILE, worker_rlimit_nofile, ulimit -n)", m.Name, m.PID, m.Descriptors, m.Limit),
			})
		}
		if most := connectionsOf(h.Proxy, a.config); at == "" && most > 0 && float64(m.Sockets) > nearly*float64(most) {
			h.Tell(diagnose.HereState{Cause: fault.CauseOwnLimit, Text: fmt.Sprintf("nginx's worker %d has %d of its %d connections in use (worker_connections)", m.PID, m.Sockets, most)})
		}
	}
	if stuck > 0 {
		text := why
		if len(workers) > 1 {
			text = fmt.Sprintf("%d of %d workers do no work: %s", stuck, len(workers), why)
		}
		h.Tell(diagnose.HereState{Cause: fault.CauseWorkersBusy, At: at, Text: text, Weak: stuck < len(workers)})
	}
}

// connectionsOf is how many connections a worker of the proxy may have, 0 where that is not known.
func connectionsOf(product string, c *proxyconf.Config) int {
	if product != "nginx" && product != "openresty" || c == nil {
		return 0
	}
	if c.Connections > 0 {
		return c.Connections
	}
	return defaultConnections
}

// queues looks at the accept queues of the proxy's own port and of its upstreams here.
func (h *finder) queues(a *around) {
	look := func(at string, to netip.AddrPort) {
		q := machine.AcceptQueue(to)
		if q == nil {
			return
		}
		h.WasRead("the accept queue of " + to.String())
		if q.Length > q.Max {
			h.Tell(diagnose.HereState{Cause: fault.CauseWorkersBusy, At: at, Text: fmt.Sprintf("the accept queue of %s is full: %d connections wait and %d may, since the program does not take them", to, q.Length, q.Max)})
		}
	}
	for i := range a.listeners {
		if l := &a.listeners[i]; l.Process == a.process && l.Address == h.listens {
			look("", l.Address)
		}
	}
	for i := range h.Upstreams {
		if to, err := addressHere(h.Upstreams[i].Address); err == nil && to.Addr().IsLoopback() && !a.process.OtherNet {
			look(h.Upstreams[i].Address, to)
		}
	}
}

func (h *finder) conntrack(ctx context.Context, s *machine.System) {
	if used, most := s.Conntrack(ctx); most > 0 && float64(used) > nearly*float64(most) {
		h.Tell(diagnose.HereState{Cause: fault.CauseConnectTimeout, Text: fmt.Sprintf("the kernel tracks %d connections and can track %d: new ones are dropped (net.netfilter.nf_conntrack_max)", used, most)})
	}
}

// memory looks at the memory of a process's control group. How long ago a process was killed the group does not say.
func (h *finder) memory(ctx context.Context, s *machine.System, at string, p *machine.Process) {
	m := s.Memory(ctx, p.PID)
	if m == nil {
		return
	}
	if m.Max > 0 && float64(m.Used) > nearly*float64(m.Max) {
		h.Tell(diagnose.HereState{Cause: fault.CauseMemoryExhausted, At: at, Weak: true, Text: fmt.Sprintf("%s has %d of its %d MiB of memory in use (control group %s)", p.Name(), m.Used>>20, m.Max>>20, m.Group)})
	}
	if m.Kills > 0 {
		h.Tell(diagnose.HereState{Cause: fault.CauseOutOfMemory, At: at, Weak: true, Text: fmt.Sprintf("the kernel killed %s in %s's control group %s for want of memory since it was made", words.Count(m.Kills, "process"), p.Name(), m.Group)})
	}
}

// kernelSince is how old a line of the kernel's log may be to tell of now.
const kernelSince = 15 * time.Minute

// Lines of the kernel's log.
var (
	kernelLine   = regexp.MustCompile(`^(?:<\d+>)?\[\s*(\d+\.\d+)\] (.*)`)
	kernelKilled = regexp.MustCompile(`(?i)out of memory: killed process (\d+) \(([^)]*)\)`)
	kernelDenied = regexp.MustCompile(`avc:\s+denied\s+\{ ([^}]*) \}.*?comm="([^"]*)"`)
	kernelArmour = regexp.MustCompile(`apparmor="DENIED" operation="([^"]*)".*?comm="([^"]*)"`)
	kernelPort   = regexp.MustCompile(`\bdest=(\d+)`)
	kernelName   = regexp.MustCompile(` name="([^"]*)"`)
	kernelFlood  = regexp.MustCompile(`[Pp]ossible SYN flooding on port (?:\S*:)?(\d+)`)
)

// kernelLog reads what the kernel said in the last minutes: who was killed for want of memory, what SELinux and AppArmor denied, whose
// queue and which table was full.
func (h *finder) kernelLog(ctx context.Context, a *around, owners []owner) {
	text, up := a.kernel(), a.system.Up(ctx)
	if text == "" || up == 0 {
		return
	}
	h.WasRead("the kernel's log")
	for line := range strings.Lines(text) {
		m := kernelLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil || ctx.Err() != nil {
			continue
		}
		at, _ := strconv.ParseFloat(m[1], 64)
		if ago := time.Duration((up - at) * float64(time.Second)); ago >= -time.Minute && ago <= kernelSince {
			h.kernelSays(m[2], max(ago, 0).Round(time.Second), a.process, owners)
		}
	}
}

func (h *finder) kernelSays(line string, ago time.Duration, proxy *machine.Process, owners []owner) {
	when := fmt.Sprintf(" %v ago", ago)
	if m := kernelKilled.FindStringSubmatch(line); m != nil {
		s := diagnose.HereState{Cause: fault.CauseOutOfMemory, Text: fmt.Sprintf("the kernel killed %s (process %s) for want of memory%s", m[2], m[1], when), Weak: true}
		for _, o := range owners {
			if o.process == nil || o.process.Name() == m[2] || strings.HasPrefix(o.process.Name(), m[2]) {
				s.At, s.Weak = o.at, o.process == nil && len(owners) > 1
			}
		}
		h.Tell(s)
		return
	}
	if m := kernelDenied.FindStringSubmatch(line); m != nil && m[2] == proxy.Name() {
		h.denied("SELinux", m[1], line, when)
	}
	if m := kernelArmour.FindStringSubmatch(line); m != nil && m[2] == proxy.Name() {
		h.denied("AppArmor", m[1], line, when)
	}
	if strings.Contains(line, "nf_conntrack: table full") || strings.Contains(line, "nf_conntrack: nf_conntrack: table full") {
		h.Tell(diagnose.HereState{Cause: fault.CauseConnectTimeout, Text: "the kernel dropped packets since its table of connections is full (nf_conntrack: table full)" + when})
	}
	if m := kernelFlood.FindStringSubmatch(line); m != nil {
		for _, o := range owners {
			if strings.HasSuffix(o.at, ":"+m[1]) {
				h.Tell(diagnose.HereState{Cause: fault.CauseWorkersBusy, At: o.at, Weak: true, Text: "the kernel found the queue of port " + m[1] + " full (possible SYN flooding)" + when})
			}
		}
	}
}

// denied: a connection that is forbidden fails like a socket without permission, anything else as the log of the proxy has it.
func (h *finder) denied(who, what, line, when string) {
	text := fmt.Sprintf("%s forbade %s to %s", who, h.Proxy, strings.TrimSpace(what))
	s := diagnose.HereState{Cause: fault.CauseSocketPermission}
	if m := kernelPort.FindStringSubmatch(line); m != nil {
		text += " (port " + m[1] + ")"
		for i := range h.Upstreams {
			if strings.HasSuffix(h.Upstreams[i].Address, ":"+m[1]) {
				s.At = h.Upstreams[i].Address
			}
		}
	} else if m := kernelName.FindStringSubmatch(line); m != nil {
		text += " " + m[1]
	}
	s.Weak = s.At == "" && !strings.Contains(what, "connect")
	s.Text = text + when
	h.Tell(s)
}
