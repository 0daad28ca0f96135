package diagnose

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/openfile"
)

// Name is what is known of a name: as a program on this machine finds it, and as each name server says.
type Name struct {
	Host      string          `json:"host"`
	Evidence  *fault.Evidence `json:"evidence"`
	Cause     fault.Cause     `json:"cause"`
	Addresses []string        `json:"addresses"`            // what a program here gets, in its order
	HostsFile []string        `json:"hosts_file,omitempty"` // what the hosts file says
	Took      Millis          `json:"took_ms"`
	Search    []string        `json:"search,omitempty"` // the names that the search list makes of it, in their order
	Servers   []*ServerSays   `json:"servers"`
	Wildcard  string          `json:"wildcard,omitempty"`    // that gives any name beside it the same addresses; looked for where the answer is no site's
	Aliases   *AliasChain     `json:"alias_chain,omitempty"` // where the name's aliases lead to no address

	Disagree    bool `json:"servers_disagree"`    // two servers answer differently
	HostsDiffer bool `json:"hosts_file_differs"`  // the hosts file has other addresses than the name servers
	Bogus       bool `json:"dnssec_bogus"`        // it fails with validation and works without
	Sinkhole    bool `json:"sinkhole"`            // it resolves to an address that leads nowhere
	NoServer    bool `json:"no_server,omitempty"` // no name server is configured

	asked int // questions sent to Servers
}

// ServerSays is one name server's answers.
type ServerSays struct {
	Server    string     `json:"server"`
	A         *DNSAnswer `json:"a"`
	AAAA      *DNSAnswer `json:"aaaa"`
	Unchecked *DNSAnswer `json:"without_validation,omitempty"` // asked with CD set, after a SERVFAIL

	asked int // questions sent
}

// DNSAnswer is the answer to one query.
type DNSAnswer struct {
	Name      string   `json:"name"`
	Answered  bool     `json:"answered"`
	RCode     string   `json:"rcode,omitempty"`
	EDE       int32    `json:"ede"` // -1 where there is none
	EDEName   string   `json:"ede_name,omitempty"`
	EDEText   string   `json:"ede_text,omitempty"`
	Aliases   []string `json:"aliases,omitempty"` // the chain of CNAMEs
	Addresses []string `json:"addresses,omitempty"`
	TTL       uint32   `json:"ttl,omitempty"`
	TCP       bool     `json:"tcp,omitempty"`       // it came by TCP, since it did not fit a datagram
	Truncated bool     `json:"truncated,omitempty"` // by UDP it came truncated
	Errno     string   `json:"errno,omitempty"`
	Took      Millis   `json:"took_ms"`

	rcode uint16
	errno syscall.Errno
}

// Bounds of the name probe.
const (
	serversMax = 3 // as many as the C library asks
	namesMax   = 4 // of a search list
	dnsSize    = 1232
)

// Files that the C library reads, too.
const (
	resolvFile = "/etc/resolv.conf"
	hostsFile  = "/etc/hosts"
)

// serverGrace is how long name servers may still take for an answer when the name is known already, such as from the hosts file.
const serverGrace = time.Second

// probeName finds the name's addresses as a program would, and asks each configured server beside it: the system's, or those
// given, as a gateway with name servers of its own asks them.
func probeName(ctx context.Context, host string, timeout time.Duration, given []string) *Name {
	n := &Name{Host: host, HostsFile: readHosts(ctx, hostsFile, host)}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	names, servers := resolvers(ctx, host, given)
	if len(names) > 1 {
		n.Search = names
	}
	n.NoServer = len(servers) == 0
	var group sync.WaitGroup
	var lookupErr error
	began := time.Now()
	group.Go(func() {
		if n.Addresses, lookupErr = lookup(ctx, host, given); lookupErr == nil {
			grace := time.AfterFunc(serverGrace, cancel)
			context.AfterFunc(ctx, func() { grace.Stop() })
		}
		n.Took = Millis(time.Since(began))
	})
	n.Servers = make([]*ServerSays, len(servers))
	for i, s := range servers {
		group.Go(func() { n.Servers[i] = askServer(ctx, s, names) })
	}
	group.Wait()
	for _, s := range n.Servers {
		n.asked += s.asked
	}
	n.compare()
	n.judge(lookupErr, timeout)
	if n.Cause != fault.CauseNone {
		n.chaseAliases(ctx)
	}
	return n
}

// resolvers gives the names that the search list makes of a host, and the name servers to ask for them.
func resolvers(ctx context.Context, host string, given []string) (names, servers []string) {
	names = []string{dns.Fqdn(host)}
	conf, err := readResolv(ctx, resolvFile)
	if err == nil {
		names = conf.NameList(host)
	}
	for _, s := range given {
		if _, _, err := net.SplitHostPort(s); err != nil {
			s = net.JoinHostPort(strings.Trim(s, "[]"), "53")
		}
		servers = append(servers, s)
	}
	if err == nil && len(given) == 0 {
		for _, s := range conf.Servers {
			servers = append(servers, net.JoinHostPort(s, conf.Port))
		}
	}
	return names[:min(len(names), namesMax)], servers[:min(len(servers), serversMax)]
}

// etcMax is how much of a hosts file, or of a list of name servers, is read, in bytes.
const etcMax = 1 << 20

// readResolv reads a list of name servers. A container's may be anything: a FIFO or a device is none.
func readResolv(ctx context.Context, file string) (*dns.ClientConfig, error) {
	b, err := openfile.Read(ctx, file, openfile.Options{Max: etcMax})
	if err != nil {
		return nil, err
	}
	return dns.ClientConfigFromReader(bytes.NewReader(b))
}

// lookup asks as a program would, hosts file, search list and all: the system's name servers, or the given ones in turn.
func lookup(ctx context.Context, host string, given []string) (found []string, err error) {
	all := []*net.Resolver{net.DefaultResolver}
	if len(given) > 0 {
		_, servers := resolvers(ctx, host, given)
		all = all[:0]
		for _, s := range servers {
			all = append(all, &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, network, s)
			}})
		}
	}
	for i, r := range all {
		share, cancel := ctx, context.CancelFunc(func() {})
		if end, ok := ctx.Deadline(); ok {
			share, cancel = context.WithTimeout(ctx, time.Until(end)/time.Duration(len(all)-i))
		}
		var addrs []netip.Addr
		addrs, err = r.LookupNetIP(share, "ip", host)
		cancel()
		for _, a := range addrs {
			if text := a.Unmap().String(); !slices.Contains(found, text) {
				found = append(found, text)
			}
		}
		var missing *net.DNSError
		if err == nil || errors.As(err, &missing) && missing.IsNotFound {
			break
		}
	}
	return found, err
}

// askServer asks one server for both kinds of address, and without validation if it fails.
func askServer(ctx context.Context, server string, names []string) *ServerSays {
	s := &ServerSays{Server: server}
	var group sync.WaitGroup
	var a, aaaa int
	group.Go(func() { s.A, a = askNames(ctx, server, names, dns.TypeA) })
	group.Go(func() { s.AAAA, aaaa = askNames(ctx, server, names, dns.TypeAAAA) })
	group.Wait()
	s.asked = a + aaaa
	if s.A.Answered && s.A.rcode == dns.RcodeServerFailure {
		s.asked++
		s.Unchecked = ask(ctx, server, s.A.Name, dns.TypeA, true)
	}
	return s
}

// askNames asks for each name of the search list until one has an answer, and counts the questions.
func askNames(ctx context.Context, server string, names []string, kind uint16) (a *DNSAnswer, asked int) {
	for _, name := range names {
		asked++
		a = ask(ctx, server, name, kind, false)
		if !a.Answered || len(a.Addresses) > 0 {
			break
		}
	}
	return a, asked
}

// ask sends one query with EDNS0, which is what an extended error needs.
func ask(ctx context.Context, server, name string, kind uint16, unchecked bool) *DNSAnswer {
	a := &DNSAnswer{Name: name, EDE: -1}
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), kind)
	m.SetEdns0(dnsSize, true)
	m.CheckingDisabled = unchecked
	began := time.Now()
	defer func() { a.Took = Millis(time.Since(began)) }()
	left := time.Second
	if end, ok := ctx.Deadline(); ok {
		left = max(time.Until(end), time.Millisecond)
	}
	c := &dns.Client{Timeout: left}
	in, err := exchange(ctx, c, m, server)
	if err == nil && in.Truncated {
		a.TCP, a.Truncated, c.Net = true, true, "tcp"
		in, err = exchange(ctx, c, m, server)
	}
	if err != nil {
		if !os.IsTimeout(err) && errors.As(err, &a.errno) {
			a.Errno = fault.ErrnoName(a.errno)
		}
		return a
	}
	a.read(in)
	return a
}

// exchange asks one server and ends with ctx, which the library looks at for its deadline only.
func exchange(ctx context.Context, c *dns.Client, m *dns.Msg, server string) (*dns.Msg, error) {
	nc, err := c.DialContext(ctx, server)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	in, _, err := c.ExchangeWithConnContext(ctx, m, nc)
	return in, err
}

// read takes what a message says.
func (a *DNSAnswer) read(in *dns.Msg) {
	a.Answered, a.rcode, a.RCode = true, uint16(in.Rcode), fault.RCodeName(uint16(in.Rcode))
	if opt := in.IsEdns0(); opt != nil {
		for _, o := range opt.Option {
			if e, ok := o.(*dns.EDNS0_EDE); ok {
				a.EDE, a.EDEName, a.EDEText = int32(e.InfoCode), fault.EDEName(int32(e.InfoCode)), e.ExtraText
			}
		}
	}
	for i, rr := range in.Answer {
		if i == 0 || rr.Header().Ttl < a.TTL {
			a.TTL = rr.Header().Ttl
		}
		switch r := rr.(type) {
		case *dns.CNAME:
			a.Aliases = append(a.Aliases, strings.TrimSuffix(r.Target, "."))
		case *dns.A:
			a.Addresses = append(a.Addresses, r.A.String())
		case *dns.AAAA:
			a.Addresses = append(a.Addresses, r.AAAA.String())
		}
	}
}

// readHosts gives the addresses that a hosts file has for the name. What is no regular file, or too large, has none.
func readHosts(ctx context.Context, file, host string) []string {
	b, err := openfile.Read(ctx, file, openfile.Options{Max: etcMax})
	if err != nil {
		return nil
	}
	var found []string
	for line := range strings.Lines(string(b)) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		for i := 1; i < len(words); i++ {
			if strings.EqualFold(words[i], strings.TrimSuffix(host, ".")) {
				found = append(found, words[0])
				break
			}
		}
	}
	return found
}

// compare finds where the sources differ.
func (n *Name) compare() {
	var first []string
	for _, s := range n.Servers {
		if said := s.said(); said != nil {
			n.Disagree = n.Disagree || first != nil && !slices.Equal(said, first)
			first = said
		}
		if s.Unchecked != nil && s.Unchecked.Answered && s.Unchecked.rcode == dns.RcodeSuccess && len(s.Unchecked.Addresses) > 0 {
			n.Bogus = true
		}
		if len(n.HostsFile) > 0 && s.A.Answered && len(s.A.Addresses)+len(s.AAAA.Addresses) > 0 {
			known := slices.Concat(s.A.Addresses, s.AAAA.Addresses)
			if !slices.ContainsFunc(n.HostsFile, func(a string) bool { return slices.Contains(known, a) }) {
				n.HostsDiffer = true
			}
		}
	}
	for _, a := range n.Addresses {
		if addr, err := netip.ParseAddr(a); err == nil && addr.IsUnspecified() && len(n.HostsFile) == 0 {
			n.Sinkhole = true
		}
	}
}

// said is what a server says, in a form that can be compared: its code and its addresses. Nil if it did not answer both questions:
// silence is no other opinion.
func (s *ServerSays) said() []string {
	if !s.A.Answered || !s.AAAA.Answered {
		return nil
	}
	out := slices.Concat(s.A.Addresses, s.AAAA.Addresses)
	slices.Sort(out)
	return append(out, s.A.RCode)
}

// judge makes the evidence.
func (n *Name) judge(err error, timeout time.Duration) {
	e := &fault.Evidence{Stage: fault.Resolve, Endpoint: n.Host, Declared: -1}
	e.Spent[fault.Resolve] = time.Duration(n.Took)
	n.Evidence = e
	switch {
	case n.Sinkhole:
		e.End, e.Told, e.DNS = fault.NoAddress, fault.CauseDNSBlocked, n.dns()
	case err == nil && len(n.Addresses) > 0:
		return
	case n.NoServer:
		e.End = fault.Misconfigured
	default:
		e.End, e.DNS = fault.NoAddress, n.dns()
		if a := n.counts(); a != nil {
			e.Errno = a.errno
		}
		switch {
		case n.Bogus:
			e.Told = fault.CauseDNSBogus
		case !e.DNS.Answered && e.Errno == 0:
			e.End, e.Timer, e.After = fault.Timeout, fault.TimerResolve, timeout
		}
	}
	n.Cause = fault.Classify(e).Cause
}

// counts gives the answer that counts: the first server's that answered, the first's where none did.
func (n *Name) counts() *DNSAnswer {
	for _, s := range n.Servers {
		if s.A.Answered {
			return s.A
		}
	}
	if len(n.Servers) > 0 {
		return n.Servers[0].A
	}
	return nil
}

// dns is the answer that counts in fault's words.
func (n *Name) dns() *fault.DNS {
	d := &fault.DNS{Name: n.Host, EDE: -1}
	for _, s := range n.Servers {
		if d.Server == "" || s.A.Answered {
			d.Server = s.Server
			d.Answered, d.RCode, d.EDE, d.EDEText = s.A.Answered, s.A.rcode, s.A.EDE, s.A.EDEText
		}
		if s.A.Answered {
			break
		}
	}
	return d
}
