package diagnose

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/openfile"
	"github.com/whygate/whygate/internal/resolve"
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
	hostsFile = "/etc/hosts" // which the C library reads, too
	etcMax    = 1 << 20      // of a hosts file, in bytes
)

// serverGrace is how long name servers may still take for an answer when the name is known already, such as from the hosts file.
const serverGrace = time.Second

// probeName finds the name's addresses as a program would, and asks each configured server beside it: the system's, or those
// given, as a gateway with name servers of its own asks them.
func probeName(ctx context.Context, host string, timeout time.Duration, given []string) *Name {
	n := &Name{Host: host, HostsFile: readHosts(ctx, hostsFile, host)}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	names, servers := resolve.Questions(ctx, host, given)
	if len(names) > 1 {
		n.Search = names
	}
	n.NoServer = len(servers) == 0
	var group sync.WaitGroup
	var lookupErr error
	began := time.Now()
	group.Go(func() {
		if n.Addresses, lookupErr = lookup(ctx, host, given, timeout); lookupErr == nil {
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

// lookup asks as a program would, hosts file, search list and all, and gives each address once.
func lookup(ctx context.Context, host string, given []string, timeout time.Duration) (found []string, err error) {
	addrs, err := resolve.NewLookup(given, timeout).Addresses(ctx, host)
	for _, a := range addrs {
		if text := a.String(); !slices.Contains(found, text) {
			found = append(found, text)
		}
	}
	return found, err
}

// ask sends one query, and gives the answer as the report has it.
func ask(ctx context.Context, server, name string, kind uint16, unchecked bool) *DNSAnswer {
	began := time.Now()
	said := resolve.Ask(ctx, server, name, kind, unchecked)
	a := &DNSAnswer{
		Name: name, Answered: said.Answered, EDE: said.EDE, EDEText: said.EDEText, Aliases: said.Aliases, TTL: said.TTL, TCP: said.TCP,
		Truncated: said.Truncated, Took: Millis(time.Since(began)), rcode: said.RCode, errno: said.Errno,
	}
	if a.errno != 0 {
		a.Errno = fault.ErrnoName(a.errno)
	}
	if a.Answered {
		a.RCode = fault.RCodeName(a.rcode)
	}
	if a.EDE >= 0 {
		a.EDEName = fault.EDEName(a.EDE)
	}
	for _, address := range said.Addresses {
		a.Addresses = append(a.Addresses, address.String())
	}
	return a
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
