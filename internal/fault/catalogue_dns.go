package fault

// entriesDNS are the causes met while the endpoint's name is resolved.
var entriesDNS = []Entry{
	{
		Cause:    CauseDNSNXDomain,
		Title:    "The name does not exist",
		Family:   FamilyNetwork,
		Type:     TypeDNSError,
		sentence: "{name} does not exist: {server} answered NXDOMAIN[ ({ede})]",
		Meaning: "The name server answered, and its answer is that the endpoint's name does not exist (NXDOMAIN, RFC 1035). " +
			"The name is misspelt, its record was deleted, or it exists only in a zone or search domain that this host does not ask.",
		Proof: []string{
			"The response code is 3 (NXDOMAIN) and came from the server named in the evidence.",
			"dig NAME @SERVER from the gateway's host shows status: NXDOMAIN, and the SOA in its authority section names the zone that denied it.",
			"dig NAME. with the final dot gives the same; if a short name works elsewhere, compare the search lines of /etc/resolv.conf.",
		},
		Advice: []string{
			"Correct the endpoint's name in the configuration, or create its record in the zone that the SOA names.",
			"In a container, use the service's name on a network that both share; localhost and the host's /etc/hosts do not reach inside.",
			"In Kubernetes, write the full name (app.namespace.svc.cluster.local) and check that the Service exists.",
			"If another name server knows the name, set resolver.servers to it.",
		},
		Covers:  []string{"D1"},
		Related: []Cause{CauseDNSNoData, CauseDNSBlocked},
		Retry:   retryAny,
	},
	{
		Cause:    CauseDNSNoData,
		Title:    "The name has no address",
		Family:   FamilyNetwork,
		Type:     TypeDNSError,
		sentence: "{name} exists but has no A or AAAA record at {server}[ ({ede})]",
		Meaning: "The name exists, but it has no A and no AAAA record (NOERROR with an empty answer). " +
			"It may have other records only (TXT, MX, SRV), or be a CNAME that leads to nothing; in Kubernetes, a headless Service with no ready pod looks like this.",
		Proof: []string{
			"The response code is 0 (NOERROR) and the answer holds no address for either family.",
			"dig NAME A and dig NAME AAAA both show ANSWER: 0, or a CNAME only.",
		},
		Advice: []string{
			"Add an A or AAAA record for the name, or point the endpoint at a name that has one.",
			"Follow the CNAME chain with dig +trace NAME and repair its last link.",
			"For a headless Service, look for ready pods: kubectl get endpointslices.",
		},
		Covers:  []string{"D2"},
		Related: []Cause{CauseDNSNXDomain, CauseNoEndpoints},
		Retry:   retryAny,
	},
	{
		Cause:    CauseDNSServFail,
		Title:    "The name server failed",
		Family:   FamilyNetwork,
		Type:     TypeDNSError,
		sentence: "{server} could not resolve {name}: SERVFAIL[ ({ede})]",
		Meaning: "The name server answered SERVFAIL: it tried to resolve the name and failed itself. " +
			"As a rule it cannot reach the servers that own the zone, or they answer nonsense.",
		Proof: []string{
			"The response code is 2 (SERVFAIL); an extended error 22 or 23 says that the zone's own servers could not be reached.",
			"dig +trace NAME follows the delegation from the root and stops at the broken server.",
			"dig NAME +cd: if that works and the plain query does not, DNSSEC is the reason, see dns-bogus.",
		},
		Advice: []string{
			"Ask the zone's own servers directly (dig NS ZONE, then dig NAME @EACH) and repair the one that does not answer.",
			"Read the log of the resolver that said SERVFAIL: unbound, CoreDNS and systemd-resolved write down why.",
			"Set resolver.servers to a second resolver, so that one that fails is not the only one.",
		},
		Covers:  []string{"D3"},
		Related: []Cause{CauseDNSBogus, CauseDNSTimeout},
		Retry:   retryAny,
	},
	{
		Cause:    CauseDNSRefused,
		Title:    "The name server refused the query",
		Family:   FamilyNetwork,
		Type:     TypeDNSError,
		sentence: "{server} refused to answer for {name}: REFUSED[ ({ede})]",
		Meaning: "The name server answered REFUSED: by its policy it does not serve this client or this zone. " +
			"It is often an authoritative server that was taken for a resolver, or a resolver with a list of allowed clients.",
		Proof: []string{
			"The response code is 5 (REFUSED), at once.",
			"dig NAME @SERVER from another host works: then the gateway's address is not on the server's list.",
			"The answer has no ra flag (recursion available): then the server is no resolver.",
		},
		Advice: []string{
			"Set resolver.servers (or /etc/resolv.conf) to a server that resolves for this host.",
			"Add the gateway's address to the server's list: allow-recursion in BIND, access-control in unbound, acl in CoreDNS.",
		},
		Covers:  []string{"D4"},
		Related: []Cause{CauseDNSError, CauseDNSBlocked},
		Retry:   retryAny,
	},
	{
		Cause:    CauseDNSError,
		Title:    "The name did not resolve",
		Family:   FamilyNetwork,
		Type:     TypeDNSError,
		sentence: "{name} did not resolve[: {server} answered {rcode}][ ({ede})]",
		Meaning: "The system could not turn the name into an address, and the answer was none of the usual ones: " +
			"an uncommon response code such as FORMERR or NOTIMP, a malformed answer, or a failure of the system's own resolver before a server was asked.",
		Proof: []string{
			"The evidence has the response code if a server answered; without one, the failure is on this host.",
			"getent hosts NAME takes the way through /etc/nsswitch.conf, dig NAME asks the server: if they differ, the host's set-up is at fault.",
			"FORMERR for the plain query that works with dig +noedns NAME: the server, or a firewall before it, does not know EDNS.",
		},
		Advice: []string{
			"Compare getent hosts NAME with dig NAME on the gateway's host, and repair the one that fails.",
			"Check /etc/resolv.conf and /etc/nsswitch.conf; in a container they come from the runtime.",
			"Set resolver.servers to name servers that are known to work, to leave the system's resolver out.",
		},
		Covers:  []string{"D4"},
		Related: []Cause{CauseDNSServFail, CauseDNSUnreachable},
		Retry:   retryAny,
	},
	{
		Cause:    CauseDNSTimeout,
		Title:    "The name server did not answer",
		Family:   FamilyNetwork,
		Type:     TypeDNSTimeout,
		sentence: "{server} did not answer for {name}[ within {after}][ ({timer})]",
		Meaning: "Queries for the endpoint's address were sent and no answer came. " +
			"The name server is down or overloaded, or a firewall drops UDP port 53 one way or the other. No request reached the upstream.",
		Proof: []string{
			"No server answered at all within resolver.timeout; an answer of any kind would be another cause.",
			"dig NAME @SERVER +tries=1 +time=2 says no servers could be reached; dig +tcp tells whether only UDP is lost.",
			"Packets leave and none comes back: tcpdump -ni any port 53.",
		},
		Advice: []string{
			"Check that the name server runs and that port 53 is open from the gateway, UDP and TCP.",
			"Name at least two servers in resolver.servers or /etc/resolv.conf.",
			"If it is slow and not dead, look for lost UDP packets: in Kubernetes use a node-local DNS cache, on the host look for a full conntrack table (dmesg).",
		},
		Covers:  []string{"D5"},
		Related: []Cause{CauseDNSUnreachable, CauseDNSServFail},
		Retry:   retryAny,
	},
	{
		Cause:    CauseDNSUnreachable,
		Title:    "Nothing listens at the name server's address",
		Family:   FamilyNetwork,
		Type:     TypeDNSError,
		sentence: "{server} could not be reached to resolve {name}[: {errno}]",
		Meaning: "The query came back as undeliverable: the host that should serve names answered that its port 53 is closed, or a router that there is no way to it. " +
			"No name server answered, so nothing is known about the name.",
		Proof: []string{
			"The errno is ECONNREFUSED (port closed, ICMP type 3 code 3), EHOSTUNREACH or ENETUNREACH, and it came at once.",
			"On the name server's host, ss -lunp sport = :53 shows no listener, or one on 127.0.0.1 only.",
		},
		Advice: []string{
			"Start the name server, or correct its address in resolver.servers or /etc/resolv.conf.",
			"If resolv.conf names 127.0.0.53, see whether systemd-resolved runs: systemctl status systemd-resolved; inside a container that address is never right.",
		},
		Covers:  []string{"D6"},
		Related: []Cause{CauseDNSTimeout},
		Retry:   retryAny,
	},
	{
		Cause:    CauseDNSBogus,
		Title:    "DNSSEC validation failed",
		Family:   FamilySecurity,
		Type:     TypeDNSError,
		sentence: "{server} rejects the records of {name}: DNSSEC validation failed[ ({ede})]",
		Meaning: "The resolver got records for the name, but their DNSSEC signatures do not verify, so it withholds them (SERVFAIL with an extended error). " +
			"Signatures have expired, the DS record at the parent does not fit the zone's key, or somebody forges answers.",
		Proof: []string{
			"SERVFAIL with an extended DNS error from 6 (bogus) to 12, or 25; 7 means that a signature has expired.",
			"dig NAME fails and dig NAME +cd (checking disabled) works.",
			"delv NAME, or dnsviz probe, shows which link of the chain is broken.",
		},
		Advice: []string{
			"Sign the zone anew, or correct the DS record at the parent; whoever runs the zone has to do it.",
			"For extended error 7 or 8, check the clock of the resolver and of the signer first: timedatectl.",
			"As a stopgap, give the resolver a negative trust anchor for that zone alone; do not turn validation off.",
		},
		Covers:  []string{"D7"},
		Related: []Cause{CauseDNSServFail},
		Retry:   retryAny,
	},
	{
		Cause:    CauseDNSBlocked,
		Title:    "A DNS filter blocks the name",
		Family:   FamilySecurity,
		Type:     TypeDNSError,
		sentence: "{server} blocks {name}[: {ede}][, \"{edetext}\"]",
		Meaning: "The resolver knows the name but will not give its address, by a policy: a list of blocked names, a content filter, or an order from outside. " +
			"It says so with an extended DNS error (RFC 8914), which most software throws away, so that the name only seems not to exist.",
		Proof: []string{
			"The extended error is 15 (blocked), 16 (censored), 17 (filtered) or 18 (prohibited); its text often names the list.",
			"dig NAME @ANOTHER-RESOLVER gives an address.",
		},
		Advice: []string{
			"Put the name on the allow list of the filter (Pi-hole, AdGuard, RPZ, or the provider's), naming the rule that the extended error shows.",
			"Set resolver.servers to a resolver without that policy, if the policy is not meant for servers.",
		},
		Covers:  []string{"D8"},
		Related: []Cause{CauseDNSNXDomain, CauseDNSRefused},
		Retry:   retryAny,
	},
	{
		Cause:    CauseDNSNoResolver,
		Title:    "No name server is configured",
		Family:   FamilyGateway,
		Type:     TypeProxyConfigurationError,
		sentence: "the gateway has no name server to resolve {name} with",
		Meaning: "The endpoint is a name, and the gateway has nobody to ask for its address: resolver.servers is empty and the system has none either. " +
			"This is the gateway's own configuration, not the upstream's fault.",
		Proof: []string{
			"resolver.servers has no entry, and /etc/resolv.conf is missing or has no nameserver line.",
			"An endpoint written as an address works at the same time.",
		},
		Advice: []string{
			"Set resolver.servers, or give the host a nameserver line in /etc/resolv.conf.",
			"Write the endpoint as an address if it never changes.",
		},
		Covers:  []string{"D9"},
		Related: []Cause{CauseDNSError, CauseRouteBroken},
		Retry:   retryAny,
	},
}
