package lab

// The addresses of the lab's network: the gateway's namespace, a router's, and the far one with the upstreams.
//
//	gateway 10.99.0.1/24 ── 10.99.0.254 router 10.99.1.254 ── 10.99.1.0/24 far
//
// What the router does with a packet depends on the far address that it is for.
const (
	gatewayAddress = "10.99.0.1"
	routerNear     = "10.99.0.254"
	routerFar      = "10.99.1.254"

	farGood         = "10.99.1.1"
	farSecond       = "10.99.1.2"  // another one of the same machine
	farDropped      = "10.99.1.20" // packets are dropped
	farRefused      = "10.99.1.21" // rejected with RST
	farProhibited   = "10.99.1.22" // rejected with ICMP 3/13, administratively prohibited
	farHostUnreach  = "10.99.1.23" // rejected with ICMP 3/1, host unreachable
	farNetUnreach   = "10.99.1.24" // rejected with ICMP 3/0, network unreachable
	farPortUnreach  = "10.99.1.25" // rejected with ICMP 3/3, port unreachable
	farSmallPackets = "10.99.1.26" // large packets vanish, and nobody is told
	farHostFiltered = "10.99.1.27" // rejected with ICMP 3/10, host prohibited
	farNameServer   = "10.99.1.53"
	nobodyOnLink    = "10.99.0.77" // an address of the gateway's own link that no machine has
	noRoute         = "10.98.0.1"  // an address that the gateway has no route to
)

// networkVariable is set in a process that runs in the lab's namespaces: to those of the process that started it, which it must
// not be in.
const networkVariable = "WHYGATE_LAB_NETWORK"

// resolvConf is what programs in the lab's network read as /etc/resolv.conf.
const resolvConf = "nameserver " + farNameServer + "\noptions timeout:1 attempts:1\n"

// NameServer is the address of the lab's name server, for proxies that want to be told.
const NameServer = farNameServer + ":53"
