package lab

import (
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// zone is the domain that the lab's name server knows. Every name in it behaves as its first label says; see answers.
const zone = "lab.test."

// rule is how the name server answers for one name.
type rule struct {
	rcode  int
	ede    int // an extended DNS error, RFC 8914; 0 none
	text   string
	a      []string
	aaaa   []string
	alias  string // a CNAME to this name
	silent bool
}

// rules have the behaviour of each first label in the zone.
var rules = map[string]rule{
	"ok":               {a: []string{farGood}},
	"alias":            {alias: "ok." + zone},
	"nxdomain":         {rcode: dns.RcodeNameError},
	"servfail":         {rcode: dns.RcodeServerFailure},
	"refused":          {rcode: dns.RcodeRefused},
	"notimp":           {rcode: dns.RcodeNotImplemented},
	"silent":           {silent: true},
	"empty":            {},
	"dangling":         {alias: "nowhere." + zone},
	"nowhere":          {rcode: dns.RcodeNameError},
	"bogus":            {rcode: dns.RcodeServerFailure, ede: int(dns.ExtendedErrorCodeDNSBogus), text: "signature of lab.test does not verify"},
	"expired-rrsig":    {rcode: dns.RcodeServerFailure, ede: int(dns.ExtendedErrorCodeSignatureExpired), text: "RRSIG expired"},
	"blocked":          {rcode: dns.RcodeNameError, ede: int(dns.ExtendedErrorCodeBlocked), text: "on the block list"},
	"filtered":         {rcode: dns.RcodeRefused, ede: int(dns.ExtendedErrorCodeFiltered), text: "by policy"},
	"no-authority":     {rcode: dns.RcodeServerFailure, ede: int(dns.ExtendedErrorCodeNoReachableAuthority), text: "all name servers of lab.test are silent"},
	"only-v6":          {aaaa: []string{"fd99:9::1"}},
	"one-dead":         {a: []string{farDropped, farGood}},
	"one-refused":      {a: []string{farRefused, farGood}},
	"dead-v6":          {a: []string{farGood}, aaaa: []string{"fd99:9::1"}},
	"moved":            {a: []string{nobodyOnLink}},
	"moves":            {a: []string{farGood}},
	"upstream":         {a: []string{farGood}},
	"answers-slowly":   {a: []string{farGood}, rcode: dns.RcodeSuccess, text: "slow"},
	"sinkhole":         {a: []string{"0.0.0.0"}},
	"truncated-answer": {a: []string{farGood}, text: "tcp"},
}

// slowAnswer is how long the name server takes for answers-slowly.
const slowAnswer = 300 * time.Millisecond

// nameserver is the lab's name server: authoritative for the zone, REFUSED for everything else.
type nameserver struct {
	servers []*dns.Server
	moved   atomic.Bool // the name "moves" has its second address now
}

// serveNames answers on a packet connection and a listener, both of the caller's choosing.
func serveNames(packets net.PacketConn, streams net.Listener) *nameserver {
	n := &nameserver{}
	for _, s := range []*dns.Server{{PacketConn: packets}, {Listener: streams}} {
		s.Handler = dns.HandlerFunc(n.answer)
		n.servers = append(n.servers, s)
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go func() { _ = s.ActivateAndServe() }() // ends with close
		<-started
	}
	return n
}

func (n *nameserver) close() {
	for _, s := range n.servers {
		_ = s.Shutdown()
	}
}

// answer answers one query.
func (n *nameserver) answer(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	m.Authoritative, m.RecursionAvailable = true, true
	if len(q.Question) != 1 || !dns.IsSubDomain(zone, strings.ToLower(q.Question[0].Name)) {
		m.Rcode = dns.RcodeRefused
		_ = w.WriteMsg(m)
		return
	}
	question := q.Question[0]
	label := dns.SplitDomainName(strings.ToLower(question.Name))[0]
	r, known := rules[label]
	if !known {
		r = rule{rcode: dns.RcodeNameError}
	}
	if r.silent {
		return
	}
	if label == "moves" && n.moved.Load() {
		r.a = []string{farSecond}
	}
	if r.text == "slow" {
		time.Sleep(slowAnswer)
	}
	if r.text == "tcp" && w.LocalAddr().Network() == "udp" {
		m.Truncated = true
		_ = w.WriteMsg(m)
		return
	}
	m.Rcode = r.rcode
	r.records(m, question)
	if opt := q.IsEdns0(); opt != nil {
		m.SetEdns0(1232, opt.Do())
		if r.ede != 0 {
			m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_EDE{InfoCode: uint16(r.ede), ExtraText: r.text})
		}
	}
	_ = w.WriteMsg(m)
}

// records adds what the rule has for the question, through one alias.
func (r rule) records(m *dns.Msg, q dns.Question) {
	name := q.Name
	if r.alias != "" {
		m.Answer = append(m.Answer, record(name, "CNAME", r.alias))
		name = r.alias
		target := rules[dns.SplitDomainName(name)[0]]
		m.Rcode = target.rcode
		r.a, r.aaaa = target.a, target.aaaa
	}
	switch q.Qtype {
	case dns.TypeA:
		for _, a := range r.a {
			m.Answer = append(m.Answer, record(name, "A", a))
		}
	case dns.TypeAAAA:
		for _, a := range r.aaaa {
			m.Answer = append(m.Answer, record(name, "AAAA", a))
		}
	}
	if len(m.Answer) == 0 {
		m.Ns = append(m.Ns, record(zone, "SOA", "ns.lab.test. hostmaster.lab.test. 1 60 60 60 1"))
	}
}

// record makes a resource record that is good for a second.
func record(name, kind, data string) dns.RR {
	rr, err := dns.NewRR(fmt.Sprintf("%s 1 IN %s %s", name, kind, data))
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return rr
}
