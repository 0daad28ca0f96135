package resolve

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"github.com/whygate/whygate/internal/openfile"
)

// SystemFile lists the system's name servers and its search list.
const SystemFile = "/etc/resolv.conf"

// Bounds of what a host is asked for.
const (
	ServersMax = 3       // name servers, as many as the C library asks
	NamesMax   = 4       // of a search list
	fileMax    = 1 << 20 // of SystemFile, in bytes
	dnsSize    = 1232    // of a datagram: passes every path, as DNS flag day 2020 has it
)

// Questions gives the names that the search list makes of a host, and the name servers to ask for them: those given, or the system's.
// There is at least one name.
func Questions(ctx context.Context, host string, given []string) (names, servers []string) {
	names, servers = []string{dns.Fqdn(host)}, Servers(given)
	if conf, err := System(ctx, SystemFile); err == nil {
		names = conf.NameList(host)
		for _, s := range conf.Servers {
			if len(given) == 0 {
				servers = append(servers, net.JoinHostPort(s, conf.Port))
			}
		}
	}
	return names[:min(len(names), NamesMax)], servers[:min(len(servers), ServersMax)]
}

// System reads a list of name servers. A container's may be anything: a FIFO or a device is none.
func System(ctx context.Context, file string) (*dns.ClientConfig, error) {
	b, err := openfile.Read(ctx, file, openfile.Options{Max: fileMax})
	if err != nil {
		return nil, err
	}
	return dns.ClientConfigFromReader(bytes.NewReader(b))
}

// Answer is one name server's answer to one question.
type Answer struct {
	Answered  bool
	RCode     uint16 // dns.RcodeSuccess and others
	EDE       int32  // the extended error, -1 where there is none
	EDEText   string
	Aliases   []string // the chain of CNAMEs
	Addresses []netip.Addr
	Services  []Service
	TTL       uint32 // the least of all records, in seconds
	TCP       bool   // it came by TCP, since it did not fit a datagram
	Truncated bool   // by UDP it came truncated

	Errno syscall.Errno // why it could not be asked; 0 where it was silent
}

// Ask asks one server (host:port) one question with EDNS0, which is what an extended error needs. Unchecked tells the server not to
// validate. The context's end bounds it; a second does where it has none.
func Ask(ctx context.Context, server, name string, kind uint16, unchecked bool) (a Answer) {
	a.EDE = -1
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), kind)
	m.SetEdns0(dnsSize, true)
	m.CheckingDisabled = unchecked
	left := time.Second
	if end, ok := ctx.Deadline(); ok {
		left = max(time.Until(end), time.Millisecond) // 0 would be the client's default
	}
	c := &dns.Client{Timeout: left}
	in, err := exchange(ctx, c, m, server)
	if err == nil && in.Truncated {
		a.TCP, a.Truncated, c.Net = true, true, "tcp"
		in, err = exchange(ctx, c, m, server)
	}
	if err != nil {
		if !os.IsTimeout(err) {
			errors.As(err, &a.Errno)
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
func (a *Answer) read(in *dns.Msg) {
	a.Answered, a.RCode = true, uint16(in.Rcode)
	if opt := in.IsEdns0(); opt != nil {
		for _, o := range opt.Option {
			if e, ok := o.(*dns.EDNS0_EDE); ok {
				a.EDE, a.EDEText = int32(e.InfoCode), e.ExtraText
			}
		}
	}
	for i, rr := range in.Answer {
		if i == 0 || rr.Header().Ttl < a.TTL {
			a.TTL = rr.Header().Ttl
		}
		var ip net.IP
		switch r := rr.(type) {
		case *dns.CNAME:
			a.Aliases = append(a.Aliases, strings.TrimSuffix(r.Target, "."))
		case *dns.A:
			ip = r.A
		case *dns.AAAA:
			ip = r.AAAA
		case *dns.SRV:
			a.Services = append(a.Services, Service{strings.ToLower(strings.TrimSuffix(r.Target, ".")), r.Port, r.Priority, r.Weight})
		}
		if addr, ok := netip.AddrFromSlice(ip); ok {
			a.Addresses = append(a.Addresses, addr.Unmap())
		}
	}
}
