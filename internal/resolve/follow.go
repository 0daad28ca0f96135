package resolve

import (
	"context"
	"net"
	"time"

	"github.com/miekg/dns"
)

// Service is a record of type SRV (RFC 2782): where a service is to be had.
type Service struct {
	Target   string // a name without a dot at its end; empty where the service is said not to be there at all
	Port     uint16
	Priority uint16 // the lowest is to be asked first
	Weight   uint16 // its share among those of one priority
}

// Services asks for a service's records, _http._tcp.example.com, and for how long they hold. A service that is said not to be there, by a
// target of the root, is no error: there are none. What is no answer is a *net.DNSError.
func (l *Lookup) Services(ctx context.Context, name string) (all []Service, ttl time.Duration, err error) {
	a, failed := l.ask(ctx, name, dns.TypeSRV)
	if failed != nil {
		return nil, 0, failed
	}
	for _, s := range a.Services {
		if s.Target != "" {
			all = append(all, s)
		}
	}
	if len(a.Services) == 0 {
		return nil, 0, &net.DNSError{Err: "the name has no record of type SRV", Name: name, IsNotFound: true}
	}
	return all, time.Duration(a.TTL) * time.Second, nil
}

// TTL asks for how long the addresses of a host hold, which net.Resolver keeps to itself. It is false where no name server says so: the name
// may stand in the hosts file.
func (l *Lookup) TTL(ctx context.Context, host string) (time.Duration, bool) {
	least, known := uint32(0), false
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		a, failed := l.ask(ctx, host, kind)
		if failed == nil && len(a.Addresses) > 0 && (!known || a.TTL < least) {
			least, known = a.TTL, true
		}
	}
	return time.Duration(least) * time.Second, known
}

// ask asks one server after another, for each name that the search list makes of this one, until one answers that it is there.
func (l *Lookup) ask(ctx context.Context, name string, kind uint16) (Answer, *net.DNSError) {
	if l.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, l.timeout)
		defer cancel()
	}
	names, servers := Questions(ctx, name, l.servers)
	failed := &net.DNSError{Err: "there is no name server to ask", Name: name}
	for i, server := range servers {
		share, cancel := ctx, context.CancelFunc(func() {})
		if end, ok := ctx.Deadline(); ok {
			share, cancel = context.WithTimeout(ctx, time.Until(end)/time.Duration(len(servers)-i))
		}
		a, said := askServer(share, server, names, kind)
		cancel()
		if said == nil {
			return a, nil
		}
		if failed = said; said.IsNotFound {
			break
		}
	}
	failed.Name = name
	return Answer{}, failed
}

// askServer asks one server for each of the names in turn. One that is there without records of the kind, as all are under a wildcard, is the
// answer only where no later one has some.
func askServer(ctx context.Context, server string, names []string, kind uint16) (Answer, *net.DNSError) {
	var failed *net.DNSError
	var empty *Answer
	for _, name := range names {
		a := Ask(ctx, server, name, kind, false)
		switch {
		case a.Answered && a.RCode == dns.RcodeSuccess:
			if len(a.Addresses)+len(a.Services) > 0 {
				return a, nil
			}
			if empty == nil {
				empty = &a
			}
		case a.Answered:
			failed = &net.DNSError{Err: dns.RcodeToString[int(a.RCode)], Server: server, IsNotFound: a.RCode == dns.RcodeNameError}
		case a.Errno != 0:
			return a, &net.DNSError{Err: a.Errno.Error(), Server: server}
		default:
			return a, &net.DNSError{Err: "no answer in time", Server: server, IsTimeout: true}
		}
	}
	if empty != nil {
		return *empty, nil
	}
	return Answer{}, failed
}
