package lab

import (
	"fmt"
	"net"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// okBody is what a healthy upstream of the lab answers.
const okBody = "all is well\n"

// fine answers every request well, as long as the client likes.
var fine = Serve(Answer("200 OK", okBody))

// good is what becomes of a request when nothing is wrong.
var good = Want{Status: []int{200}, Body: okBody}

const (
	whyDNSError   = "RFC 9209, section 2.3.2: dns_error, 502"
	whyDNSTimeout = "RFC 9209, section 2.3.1: dns_timeout, 504"
)

// unresolved is a scenario of a name that gives no address.
func unresolved(name, host, row, does string, cause ...fault.Cause) Scenario {
	return Scenario{
		Name: name, Group: DNS, Row: row, Does: does, Why: whyDNSError, At: At{Host: host + ".lab.test", Socket: Absent},
		Want: Want{Status: []int{502}, Types: []fault.Type{fault.TypeDNSError}, Cause: cause},
	}
}

// moveName gives the name that moves its second address.
func moveName() Step {
	return Act("give the name another address", func(p *Peer) error {
		if n := p.stage.lab.network; n != nil {
			n.moveName()
		}
		return nil
	})
}

// atSecond answers at the second address of the name that moves, and does the steps at the first.
func atSecond(there, here Plays) Step {
	text := fmt.Sprintf("at the name's second address: answer 200\nat the first:\n%s", indent(here.Text()))
	return Act(text, func(p *Peer) error {
		if host, _, _ := net.SplitHostPort(p.raw.LocalAddr().String()); host != farSecond {
			return p.play(here)
		}
		if err := p.write(response("200 OK", okBody)); err != nil {
			return err
		}
		return p.play(there)
	})
}

// resolved is a healthy scenario of a name.
func resolved(name, host, does, why string) Scenario {
	return Scenario{Name: name, Group: DNS, Does: does, Why: why, At: At{Host: host + ".lab.test"}, Plays: fine, Want: good}
}

var dnsScenarios = []Scenario{
	resolved("dns-ok", "ok", "The name has one address, and a healthy upstream is there.", "A control: nothing is wrong."),
	resolved("dns-alias", "alias", "The name is an alias (CNAME) for one with an address.", "RFC 1034, section 3.6.2: aliases are followed."),
	resolved("dns-slow", "answers-slowly", "The name server takes 300 ms to answer.", "Slow is not broken."),
	resolved("dns-truncated", "truncated-answer", "The name server answers over UDP that it has more to say (TC), and gives the address over TCP.", "RFC 7766, section 5: a resolver asks again over TCP."),
	resolved("dns-one-dead-address", "one-dead", "The name has two addresses; packets to the first one vanish.", "RFC 8305, section 5: the next address is tried before the first one's time is up."),
	resolved("dns-one-refused-address", "one-refused", "The name has two addresses; the first one refuses.", "RFC 1123, section 2.3: every address of a name is tried."),
	resolved("dns-dead-ipv6", "dead-v6", "The name has an IPv6 address that cannot be reached, and an IPv4 one that can.", "RFC 8305, section 4: both families are tried."),

	{
		Name: "dns-changes", Group: DNS, Does: "The name gets another address after the first request; the machine at the old one resets connections.", Why: "RFC 1035, section 3.2.1: an address is good for its TTL, which is a second here.",
		At: At{Host: "moves.lab.test"}, Ask: Ask{Warm: 1, Pause: 2500 * time.Millisecond, Times: 2}, Want: good,
		Plays: Plays{Await(), atSecond(fine, Plays{First(1, Plays{Answer("200 OK", okBody, "Connection: close"), moveName(), Close()}, Plays{Reset()})})},
	},

	unresolved("dns-nxdomain", "nxdomain", "D1", "The name server says that the name does not exist.", fault.CauseDNSNXDomain),
	unresolved("dns-no-data", "empty", "D2", "The name exists, and has no address.", fault.CauseDNSNoData),
	unresolved("dns-dangling-alias", "dangling", "D1", "The name is an alias for one that does not exist.", fault.CauseDNSNXDomain),
	unresolved("dns-servfail", "servfail", "D3", "The name server answers SERVFAIL.", fault.CauseDNSServFail),
	unresolved("dns-no-authority", "no-authority", "D3", "SERVFAIL with extended error 22: the zone's own servers are silent.", fault.CauseDNSServFail),
	unresolved("dns-refused", "refused", "D4", "The name server refuses to answer this client.", fault.CauseDNSRefused),
	unresolved("dns-not-implemented", "notimp", "D4", "The name server answers NOTIMP.", fault.CauseDNSError, fault.CauseDNSRefused),
	unresolved("dns-bogus", "bogus", "D7", "SERVFAIL with extended error 6: DNSSEC does not verify.", fault.CauseDNSBogus),
	unresolved("dns-signature-expired", "expired-rrsig", "D7", "SERVFAIL with extended error 7: a DNSSEC signature has expired.", fault.CauseDNSBogus),
	unresolved("dns-blocked", "blocked", "D8", "NXDOMAIN with extended error 15: a filter blocks the name.", fault.CauseDNSBlocked),
	unresolved("dns-filtered", "filtered", "D8", "REFUSED with extended error 17: the client asked for a filter.", fault.CauseDNSBlocked),
	{
		Name: "dns-silent", Group: DNS, Row: "D5", Does: "The name server takes the query and never answers.", Why: whyDNSTimeout,
		At: At{Host: "silent.lab.test", Socket: Absent}, Want: Want{Status: []int{504}, Types: []fault.Type{fault.TypeDNSTimeout}, Cause: []fault.Cause{fault.CauseDNSTimeout}},
	},
	{
		Name: "dns-only-ipv6", Group: DNS, Row: "C5", Does: "The name has an IPv6 address only, and this machine has no route for it.", Why: "RFC 9209, section 2.3.6: destination_ip_unroutable, 502",
		At:   At{Host: "only-v6.lab.test", Socket: Absent},
		Want: Want{Status: []int{502}, Types: []fault.Type{fault.TypeDestinationIPUnroutable, fault.TypeDNSError}, Cause: []fault.Cause{fault.CauseNetworkUnreachable, fault.CauseDNSNoData}},
	},
	{
		Name: "dns-moved", Group: DNS, Row: "D10", Does: "The name has the address of a machine that is gone.", Why: "RFC 9209, section 2.3.6: destination_ip_unroutable, 502",
		At:   At{Host: "moved.lab.test", Socket: Absent},
		Want: Want{Status: []int{502, 504}, Types: []fault.Type{fault.TypeDestinationIPUnroutable, fault.TypeConnectionTimeout}, Cause: []fault.Cause{fault.CauseHostUnreachable, fault.CauseConnectTimeout}},
	},
}
