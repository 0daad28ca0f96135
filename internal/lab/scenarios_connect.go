package lab

import "github.com/whygate/whygate/internal/fault"

const (
	whyRefused    = "RFC 9209, section 2.3.7: connection_refused, 502"
	whyUnroutable = "RFC 9209, section 2.3.6: destination_ip_unroutable, 502"
	whyConnect    = "RFC 9209, section 2.3.9: connection_timeout, 504"
)

var (
	refused    = Want{Status: []int{502}, Types: []fault.Type{fault.TypeConnectionRefused}, Cause: []fault.Cause{fault.CauseConnectionRefused}}
	unroutable = []fault.Type{fault.TypeDestinationIPUnroutable}
)

// rejected is a scenario in which the network answers for the upstream.
func rejected(name, host, row, does string, causes ...fault.Cause) Scenario {
	return Scenario{
		Name: name, Group: Connect, Row: row, Does: does, Why: whyUnroutable, At: At{Host: host, Socket: Absent},
		Want: Want{Status: []int{502}, Types: unroutable, Cause: causes},
	}
}

var connectScenarios = []Scenario{
	{Name: "far-ok", Group: Connect, Does: "The upstream is behind a router, and healthy.", Why: "A control: nothing is wrong.", At: At{Host: farGood}, Plays: fine, Want: good},
	{
		Name: "connection-refused", Group: Connect, Row: "C1", Does: "Nobody listens on the port: the kernel answers with RST.", Why: whyRefused,
		At: At{Socket: Refuses}, Want: refused,
	},
	{
		Name: "accept-queue-full", Group: Connect, Row: "C2", Does: "The port is listened on and nothing is accepted: the queue is full, and the kernel drops the SYN.", Why: whyConnect,
		At: At{Socket: QueueFull}, Want: Want{Status: []int{504}, Types: []fault.Type{fault.TypeConnectionTimeout}, Cause: []fault.Cause{fault.CauseConnectTimeout}},
	},
	{
		Name: "syn-dropped", Group: Connect, Row: "C2", Does: "A firewall drops every packet to the upstream.", Why: whyConnect,
		At: At{Host: farDropped, Socket: Absent}, Want: Want{Status: []int{504}, Types: []fault.Type{fault.TypeConnectionTimeout}, Cause: []fault.Cause{fault.CauseConnectTimeout}},
	},
	{Name: "firewall-rst", Group: Connect, Row: "C1", Does: "A firewall answers the SYN with RST.", Why: whyRefused, At: At{Host: farRefused, Socket: Absent}, Want: refused},
	rejected("icmp-admin-prohibited", farProhibited, "C6", "A firewall answers the SYN with ICMP 3/13, administratively prohibited.", fault.CauseHostUnreachable, fault.CauseFirewallRejected),
	rejected("icmp-host-prohibited", farHostFiltered, "C6", "A firewall answers the SYN with ICMP 3/10, host prohibited.", fault.CauseHostUnreachable, fault.CauseFirewallRejected),
	rejected("icmp-host-unreachable", farHostUnreach, "C4", "A router answers the SYN with ICMP 3/1, host unreachable.", fault.CauseHostUnreachable, fault.CauseFirewallRejected),
	rejected("icmp-net-unreachable", farNetUnreach, "C5", "A router answers the SYN with ICMP 3/0, network unreachable.", fault.CauseNetworkUnreachable),
	{
		Name: "icmp-port-unreachable", Group: Connect, Row: "C1", Does: "A firewall answers the SYN with ICMP 3/3, port unreachable.", Why: whyRefused,
		At: At{Host: farPortUnreach, Socket: Absent}, Want: refused,
	},
	rejected("no-route", noRoute, "C5", "This machine has no route to the upstream's network.", fault.CauseNetworkUnreachable),
	{
		Name: "no-arp-answer", Group: Connect, Row: "C4", Does: "The address is on this machine's own link, and no machine there answers for it.", Why: whyUnroutable,
		At: At{Host: nobodyOnLink, Socket: Absent}, Want: Want{Status: []int{502}, Types: unroutable, Cause: []fault.Cause{fault.CauseHostUnreachable}},
	},
	{
		Name: "mtu-black-hole", Group: Connect, Row: "C13", Does: "Small packets pass, those above 600 bytes vanish, and nobody says so: the answer of 4 KiB never comes.", Why: "RFC 9209, section 2.3.10: connection_read_timeout, 504",
		At: At{Host: farSmallPackets}, Plays: Serve(Answer("200 OK", filler(4<<10))),
		Want: Want{Status: []int{504}, Types: []fault.Type{fault.TypeConnectionReadTimeout}, Cause: []fault.Cause{fault.CauseHeadTimeout}},
	},
	{Name: "unix-ok", Group: Connect, Does: "The upstream listens on a unix socket, and is healthy.", Why: "A control: nothing is wrong.", At: At{Unix: "here"}, Plays: fine, Want: good},
	{
		Name: "unix-missing", Group: Connect, Row: "C9", Does: "The unix socket's file is not there.", Why: whyRefused, At: At{Unix: "missing", Socket: NoFile},
		Want: Want{Status: []int{502}, Types: []fault.Type{fault.TypeConnectionRefused}, Cause: []fault.Cause{fault.CauseSocketMissing}},
	},
	{
		Name: "unix-stale", Group: Connect, Row: "C9", Does: "The unix socket's file is there, and nobody listens any more.", Why: whyRefused, At: At{Unix: "stale", Socket: FileStale},
		Want: Want{Status: []int{502}, Types: []fault.Type{fault.TypeConnectionRefused}, Cause: []fault.Cause{fault.CauseConnectionRefused}},
	},
}

// filler is a body of so many octets that shows its own length and place.
func filler(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = "abcdefghijklmnopqrstuvwxyz0123456789\n"[i%37]
	}
	return string(b)
}
