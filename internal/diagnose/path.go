package diagnose

import (
	"context"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/machine"
)

// Path is what the way to one address is like.
type Path struct {
	Address   string          `json:"address"` // host:port
	Evidence  *fault.Evidence `json:"evidence"`
	Cause     fault.Cause     `json:"cause"`
	Took      Millis          `json:"took_ms"`
	From      string          `json:"from,omitempty"`      // our address
	ICMP      *ICMP           `json:"icmp,omitempty"`      // what the network answered instead of the target
	Neighbour string          `json:"neighbour,omitempty"` // the ARP or neighbour entry where the address is on our own link
	Echo      *Echo           `json:"echo,omitempty"`
	Hops      []Hop           `json:"hops,omitempty"`
	MTU       *MTU            `json:"mtu,omitempty"`
	Queue     *Queue          `json:"queue,omitempty"`
	Beside    []Beside        `json:"beside,omitempty"`    // other ports of the same host, after a silence
	NoFamily  bool            `json:"no_family,omitempty"` // this machine has no route for the whole address family
	TTL       *TTL            `json:"ttl,omitempty"`       // of the target's packets, where they could be seen

	pings, syns int  // sent beside the connection
	resent      bool // the SYN was sent more than once, and then answered
}

// TTL is what was left of the time to live of packets from the target's address and port as they came, 0 where none came.
type TTL struct {
	Answer int  `json:"syn_ack,omitempty"` // of a SYN-ACK, or of the reply to a ping where there was none
	Ping   bool `json:"of_ping,omitempty"` // Answer is that of a ping
	Reset  int  `json:"rst,omitempty"`
}

// nearer is how many hops nearer than the target a reset came from; 0 if that does not show, or it came from further away.
func (t *TTL) nearer() int {
	if t == nil || t.Answer == 0 || t.Reset == 0 {
		return 0
	}
	return max(hopsAway(t.Answer)-hopsAway(t.Reset), 0)
}

// hopsAway is how many routers took one from a TTL, which systems begin at 64, 128 or 255.
func hopsAway(ttl int) int {
	for _, first := range [...]int{64, 128} {
		if ttl <= first {
			return first - ttl
		}
	}
	return 255 - ttl
}

// ICMP is an error that a host on the way sent for a SYN.
type ICMP struct {
	Type uint8  `json:"type"`
	Code uint8  `json:"code"`
	Name string `json:"name"`
	From string `json:"from"`
	v6   bool
}

// Echo is what became of an ICMP echo request.
type Echo struct {
	Answered bool   `json:"answered"`
	Took     Millis `json:"took_ms"`
	TTL      int    `json:"ttl,omitempty"` // of the reply as it came
}

// Hop is one router on the way, or the target.
type Hop struct {
	TTL     int    `json:"ttl"`
	From    string `json:"from,omitempty"` // empty if nobody answered
	Sent    int    `json:"sent"`
	Lost    int    `json:"lost"`
	Took    Millis `json:"took_ms"`           // the shortest
	Reached bool   `json:"reached,omitempty"` // the target itself, or who rejects in its place
	Says    string `json:"says,omitempty"`    // what it answered, where that was not "time exceeded"
}

// MTU is which sizes of packet pass, in octets of IP.
type MTU struct {
	Passed   int `json:"passed"`   // the largest that was answered
	Vanished int `json:"vanished"` // the smallest that was not, and that no host reported too big; 0 if none
	Reported int `json:"reported"` // what a router said that fits (ICMP 3/4), 0 if none did
}

// Queue is a listening socket's accept queue on this machine.
type Queue struct {
	Length    int   `json:"length"`
	Max       int   `json:"max"`
	Overflows int64 `json:"overflows"` // of all sockets of this network namespace, since it began
	Rose      int64 `json:"rose"`      // by how much while we tried to connect
}

// listenOverflows is how many connections the kernel dropped because an accept queue was full, 0 if it does not tell.
func listenOverflows() int64 { return int64(machine.Counter("TcpExt", "ListenOverflows")) }

// dialled is what became of one try to connect.
type dialled struct {
	errno   syscall.Errno
	timeout bool // ours
	icmp    *ICMP
	spent   time.Duration
	from    string
	port    uint16 // ours
	began   time.Time
	resent  bool // the SYN was sent more than once, and then answered
}

// dialing says how a probe connects.
type dialing struct {
	ttl     int // 0 is the system's
	timeout time.Duration
	quiet   bool // do not ask for the error queue, as where the kernel has none for TCP
}

// probePath connects to one address and, where that tells something, looks at the way there.
func probePath(ctx context.Context, at netip.AddrPort, o *Options) *Path {
	p := &Path{Address: at.String()}
	before := listenOverflows()
	d := dial(ctx, at, dialing{timeout: o.timeout()})
	p.Took, p.From, p.ICMP, p.resent = Millis(d.spent), d.from, d.icmp, d.resent
	p.Evidence = d.evidence(p.Address, o.timeout())
	if p.Evidence.End != fault.Completed {
		p.failed(ctx, at, o, before)
	}
	p.Cause = fault.Classify(p.Evidence).Cause
	return p
}

// evidence is what became of the try, in fault's words.
func (d *dialled) evidence(address string, timeout time.Duration) *fault.Evidence {
	e := &fault.Evidence{Stage: fault.Dial, Endpoint: address, Addr: address, Declared: -1, Errno: d.errno}
	e.Spent[fault.Dial] = d.spent
	switch {
	case d.timeout:
		e.End, e.Timer, e.After = fault.Timeout, fault.TimerConnect, timeout
	case d.errno != 0:
		e.End = fault.EndOf(d.errno)
	default:
		return e
	}
	if d.icmp != nil {
		e.Detail = d.icmp.String()
		if d.icmp.filtered() {
			e.Told = fault.CauseFirewallRejected
		}
	}
	return e
}

// failed looks for why a connection did not come about: each probe beside the others.
func (p *Path) failed(ctx context.Context, at netip.AddrPort, o *Options, before int64) {
	e := p.Evidence
	if machine.IsLocal(at.Addr()) {
		if q := machine.AcceptQueue(at); q != nil {
			all := listenOverflows()
			p.Queue = &Queue{Length: q.Length, Max: q.Max, Overflows: all, Rose: all - before}
		}
		return
	}
	if e.Errno == syscall.ENETUNREACH && p.ICMP == nil {
		p.NoFamily = at.Addr().Is6() && !hasRoute(true)
		return // no packet left this machine
	}
	p.Neighbour = neighbour(at.Addr())
	if p.ICMP == nil && p.Neighbour == neighbourFailed && (e.End == fault.Timeout || e.End == fault.Unreachable) {
		e.Told = fault.CauseHostUnreachable // the address is on our own link, and no machine there answers for it
		return
	}
	var group sync.WaitGroup
	group.Go(func() { p.Echo = echo(ctx, at.Addr(), min(o.timeout(), time.Second)) })
	if !o.NoTrace {
		group.Go(func() { p.Hops, p.syns = trace(ctx, at, tracing{tries: traceTries}) })
	}
	if e.End == fault.Timeout && p.ICMP == nil {
		group.Go(func() { p.Beside = besides(ctx, at) })
	}
	group.Wait()
	if p.Echo != nil {
		p.pings++
	}
}

// look looks at a way that is open: how far, and how large its packets may be. It runs beside the other probes.
func (p *Path) look(ctx context.Context, at netip.AddrPort, o *Options) {
	if machine.IsLocal(at.Addr()) {
		return
	}
	var group sync.WaitGroup
	group.Go(func() {
		p.Echo = echo(ctx, at.Addr(), min(o.timeout(), time.Second))
		if p.Echo != nil {
			p.pings++
		}
		if p.Echo != nil && p.Echo.Answered {
			p.MTU = pathMTU(ctx, at.Addr())
			p.pings += len(mtuSizes) + 1
		}
	})
	if !o.NoTrace {
		group.Go(func() { p.Hops, p.syns = trace(ctx, at, tracing{tries: 1}) })
	}
	group.Wait()
}

// probeUnix connects to a unix socket.
func probeUnix(ctx context.Context, path string, o *Options) *Path {
	p := &Path{Address: "unix:" + path}
	began := time.Now()
	errno, timedOut := dialUnix(ctx, path, o.timeout())
	p.Took = Millis(time.Since(began))
	d := &dialled{errno: errno, timeout: timedOut, spent: time.Duration(p.Took)}
	p.Evidence = d.evidence(p.Address, o.timeout())
	if errno != 0 {
		p.Evidence.End = fault.Refused // a unix socket has no route: these are its own answers
	}
	p.Cause = fault.Classify(p.Evidence).Cause
	return p
}

// Bounds of a traceroute.
const (
	traceTries = 2
	traceBatch = 5 // hops at once
	traceMax   = 20
	traceWait  = 700 * time.Millisecond
	silentMax  = 5 // hops in a row that say nothing, after which it ends
)

// tracing says how a traceroute is made.
type tracing struct {
	tries int  // SYNs to each hop
	quiet bool // use no error queue
	icmp  *icmpListener
}

// trace finds the hops to the port by SYNs whose TTL ends on the way, and counts them. It needs no privilege where the kernel passes
// ICMP errors on to a TCP socket's error queue; elsewhere root hears them on a raw socket.
func trace(ctx context.Context, at netip.AddrPort, how tracing) (hops []Hop, syns int) {
	if !canTrace {
		return nil, 0
	}
	how.icmp = listenICMP(at.Addr().Is6())
	defer how.icmp.close()
	for ttl := 1; ttl <= traceMax && ctx.Err() == nil; ttl += traceBatch {
		batch := make([]Hop, traceBatch)
		var group sync.WaitGroup
		for i := range batch {
			group.Go(func() { batch[i] = hop(ctx, at, ttl+i, how) })
		}
		group.Wait()
		syns += traceBatch * how.tries
		for _, h := range batch {
			hops = append(hops, h)
			if h.Reached {
				return hops, syns
			}
		}
		if silentAtEnd(hops) >= silentMax {
			return hops[:len(hops)-silentAtEnd(hops)+1], syns // one stands for the rest
		}
	}
	return hops, syns
}

func silentAtEnd(hops []Hop) int {
	n := 0
	for i := len(hops) - 1; i >= 0 && hops[i].From == ""; i-- {
		n++
	}
	return n
}

// hop finds who is so many hops away.
func hop(ctx context.Context, at netip.AddrPort, ttl int, how tracing) Hop {
	h := Hop{TTL: ttl, Sent: how.tries}
	results := make(chan dialled, how.tries)
	for range how.tries {
		go func() { // ends after traceWait
			d := dial(ctx, at, dialing{ttl: ttl, timeout: traceWait, quiet: how.quiet})
			how.icmp.explain(&d)
			results <- d
		}()
	}
	for range how.tries {
		d := <-results
		switch {
		case d.icmp == nil && (d.errno == 0 && !d.timeout || d.errno == syscall.ECONNREFUSED || d.errno == syscall.ECONNRESET):
			h.From, h.Reached = at.Addr().String(), true
			h.Says = "SYN answered"
			if d.errno != 0 {
				h.Says = fault.ErrnoName(d.errno)
			}
		case d.icmp == nil: // silence, or an error of this machine's own
			h.Lost++
			continue
		case d.icmp.exceeded():
			if h.From == "" {
				h.From = d.icmp.From
			}
		default:
			h.From, h.Reached, h.Says = d.icmp.From, true, d.icmp.String()
		}
		if h.Took == 0 || d.spent < time.Duration(h.Took) {
			h.Took = Millis(d.spent)
		}
	}
	return h
}

// String names the error: "ICMP 3/13, administratively prohibited, from 10.0.0.254".
func (i *ICMP) String() string {
	return "ICMP " + strconv.Itoa(int(i.Type)) + "/" + strconv.Itoa(int(i.Code)) + ", " + i.Name + ", from " + i.From
}

// exceeded reports whether the TTL ended there.
func (i *ICMP) exceeded() bool { return !i.v6 && i.Type == 11 || i.v6 && i.Type == 3 }

// filtered reports whether a filter says that it forbids the packet: RFC 1812, section 5.2.7.1, and RFC 4443, section 3.1.
func (i *ICMP) filtered() bool {
	if i.v6 {
		return i.Type == 1 && (i.Code == 1 || i.Code == 5 || i.Code == 6)
	}
	return i.Type == 3 && (i.Code == 9 || i.Code == 10 || i.Code == 13)
}

// unreachableNames are the codes of "destination unreachable", RFC 792 and RFC 1812.
var unreachableNames = [...]string{
	"network unreachable", "host unreachable", "protocol unreachable", "port unreachable", "fragmentation needed", "source route failed",
	"network unknown", "host unknown", "source host isolated", "network prohibited", "host prohibited", "network unreachable for this service",
	"host unreachable for this service", "administratively prohibited", "host precedence violation", "precedence cutoff",
}

var unreachableNames6 = [...]string{"no route", "administratively prohibited", "beyond scope", "address unreachable", "port unreachable", "source address failed policy", "reject route"}

// icmpName names a type and code.
func icmpName(kind, code uint8, v6 bool) string {
	switch {
	case v6 && kind == 1 && int(code) < len(unreachableNames6):
		return unreachableNames6[code]
	case v6 && kind == 3, !v6 && kind == 11:
		return "time exceeded"
	case v6 && kind == 2:
		return "packet too big"
	case !v6 && kind == 3 && int(code) < len(unreachableNames):
		return unreachableNames[code]
	}
	return "an error"
}
