package advice

import "github.com/whygate/whygate/internal/fault"

// storiesOfOthers are of products with few.
var storiesOfOthers = []story{
	{
		products: "apache", causes: []fault.Cause{fault.CauseServiceFailed, fault.CauseRouteBroken, fault.CauseInternalError, fault.CauseUnknown}, words: "address already in use",
		title:    "Apache did not start",
		sentence: "Apache did not start: another program has the port already",
		do:       []directive{{set: "ss -lntp 'sport = :{bound:80}'", why: "who listens there"}},
		alone:    true, unlogged: true, certain: true, check: "ss -lntp 'sport = :{bound:80}'",
	},
	{
		causes: []fault.Cause{fault.CauseTLSALPN}, words: "unadvertised alpn|bad extension",
		sentence: "HTTP/2 alone was offered to {peer:the upstream}, and it chose HTTP/1.1, as Apache without mod_http2 does: it does not speak HTTP/2 there",
		do: []directive{
			{why: "Enable HTTP/2 on the upstream (Apache: a2enmod http2, Protocols h2 http/1.1), or have the proxy speak HTTP/1.1 to it."},
			{where: "location", set: "proxy_pass https://{peer:10.0.0.7:443};", why: "instead of grpc_pass, where it is no gRPC service", fits: ofNginxFamily},
		},
		alone: true, certain: true, check: "openssl s_client -connect {addr:HOST:PORT} -alpn h2 </dev/null | grep ALPN",
	},
	{
		causes: []fault.Cause{fault.CauseServiceFailed, fault.CauseRouteBroken}, words: "address already in use|eaddrinuse|address in use",
		title:    "The port is taken",
		sentence: "it did not start: another program, or an old copy of itself, has the port already",
		do: []directive{
			{set: "ss -lntp 'sport = :{bound:8080}'", why: "who listens there"},
			{why: "An old process that still ends holds it: let the unit wait for it (KillMode=mixed, TimeoutStopSec=), rather than start two."},
		},
		alone: true, unlogged: true, certain: true, check: "ss -lntp 'sport = :{bound:8080}'",
	},
}

// storiesOfAll are of any program.
var storiesOfAll = []story{
	{
		products: "apache", causes: own, words: "no space left on device", and: "mutex|semaphore",
		title:    "Apache has no semaphore left",
		sentence: "the machine has no semaphore left, which the kernel calls no space left on device: Apaches that died left theirs behind",
		do: []directive{
			{set: "ipcs -s | grep www-data", why: "those that are left behind; ipcrm -s ID removes one, with Apache stopped"},
			{where: "server", set: "Mutex file:/var/lock/apache2 default", why: "needs none"},
		},
		alone: true, unlogged: true, certain: true, check: "ipcs -ls, and ipcs -s | wc -l",
	},
	{
		causes: append([]fault.Cause{fault.CauseUploadStalled, fault.CauseBodyStalled, fault.CauseApplicationError}, own...), words: "no space left on device|enospc|(28: ",
		title:    "The disk is full",
		sentence: "the disk is full: what is buffered on it has no room",
		do: []directive{
			{set: "df -h {dir:/var}; df -i {dir:/var}", why: "room, and inodes; du -xh --max-depth=2 /var | sort -h | tail finds what took it"},
			{where: "location", set: "proxy_max_temp_file_size 0;", why: "buffers no answer on the disk; proxy_request_buffering off; no upload", fits: ofNginxFamily},
			{set: "journalctl --vacuum-size=200M", why: "logs are what fills disks most; docker system df where containers run"},
		},
		alone: true, unlogged: true, certain: true, check: "df -h {dir:/var}; df -i {dir:/var}",
	},
	{
		products: "nginx|apache|haproxy|caddy|traefik|varnish|squid|selinux|", causes: []fault.Cause{fault.CauseFirewallRejected, fault.CauseNetworkError}, words: "permission denied|eacces|avc:  denied|avc: denied",
		title:    "A policy of this machine forbids the connection",
		sentence: "this machine's own policy forbids the connection to {peer:the upstream}: SELinux, as a rule",
		do: []directive{
			{set: "setsebool -P {boolean:httpd_can_network_connect} 1", why: "lets the proxy's domain connect to any port; ausearch -m avc -ts recent shows the denial, with the port as dest="},
			{set: "semanage port -a -t http_port_t -p tcp {port:8080}", why: "or names this one port as one of HTTP's"},
			{why: "Without SELinux (getenforce): a rule of nftables, IPAddressDeny= in the proxy's unit, or a NetworkPolicy."},
		},
		alone: true, unlogged: true, check: "ausearch -m avc -ts recent: denied { name_connect }, with the port as dest=",
	},
	{
		causes: []fault.Cause{fault.CauseDescriptorsExhausted}, words: "too many open files|emfile|enfile|no file descriptors",
		do:    []directive{{where: "systemd unit", set: "LimitNOFILE=65536", why: "of the program that says so; ulimit -n in a shell, ulimits: in compose.yaml", fits: notProxyTables}},
		check: "grep 'open files' /proc/PID/limits, against ls /proc/PID/fd | wc -l", certain: true,
	},
}

func ofNginxFamily(f *Facts) bool { return FamilyOf(f.Product) == "nginx" }

// notProxyTables reports whether the product's own table says nothing of descriptors.
func notProxyTables(f *Facts) bool {
	return len(tables[f.Product][fault.CauseDescriptorsExhausted]) == 0
}
