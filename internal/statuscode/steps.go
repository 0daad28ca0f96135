package statuscode

// defaultSteps are what to do for a class of codes, where an entry says nothing of its own.
func defaultSteps(class byte) []Step {
	switch class {
	case '1':
		return stepsInterim
	case '2':
		return stepsFine
	case '3':
		return stepsRedirect
	case '4':
		return stepsClient
	}
	return stepsServer
}

var stepsInterim = []Step{
	{"Look at all responses", "See the interim response and the final one behind it, as they come.", "curl -sv -o /dev/null URL"},
	{"See whether a hop swallows it", "Compare with what the upstream itself sends.", "whygate diagnose URL --upstream HOST:PORT"},
}

var stepsFine = []Step{
	{"Nothing is wrong", "If the content is not what you expect, look at the headers: who answered, and whether a cache did.", "curl -sv -o /dev/null URL"},
}

var stepsRedirect = []Step{
	{"Follow it", "Print each hop with its status and Location; the same one twice is a loop.", "curl -sIL URL"},
	{"Look for the rule", "Ask the upstream itself: if it redirects too, the rule is there, otherwise in the gateway.", "curl -sI -H 'Host: NAME' http://UPSTREAM/PATH"},
	{"If it loops", "Read what proves and mends a redirect loop.", "whygate cause redirect-loop"},
}

var stepsClient = []Step{
	{"Look at the exchange", "See the request as it was sent, and the whole answer with its body, which mostly says what it dislikes.", "curl -sv URL"},
	{"Find out who answered", "Server, Via and Proxy-Status tell the gateway's answer from the upstream's.", "whygate diagnose URL"},
	{"Ask the upstream itself", "If it answers better, the gateway or a filter before it made this.", "curl -sv -H 'Host: NAME' http://UPSTREAM/PATH"},
	{"Read the log", "Find the request in the gateway's log, with the cause.", "whygate explain /var/log/nginx/error.log"},
}

var stepsServer = []Step{
	{"See whether it lasts", "Ask several times: once in a while is another story than each time.", "for i in 1 2 3 4 5; do curl -so /dev/null -w '%{http_code} %{time_total}s\\n' URL; done"},
	{"Find out who answered", "Walk the path as a proxy would, and see where it goes wrong.", "whygate diagnose URL"},
	{"Read the proxy's log", "Have its lines turned into causes, the commonest first.", "whygate explain /var/log/nginx/error.log"},
	{"Read the application's log", "Look at the second of the error.", "journalctl -u UNIT --since '10 minutes ago'"},
}

// What the guides of 502, 503 and 504 have in common.
var (
	stepRefresh = Step{
		"Refresh and see whether it lasts",
		"Load the page again after some seconds, then in a private window, in another browser and from another network (a phone without Wi-Fi). " +
			"If only one of them fails, it is a cookie, an extension, a cached page or DNS there. If one request in many fails, suspect one bad endpoint or a race; if each fails, a service that is down or a wrong setting.",
		"for i in 1 2 3 4 5; do curl -so /dev/null -w '%{http_code} %{time_total}s\\n' URL; done",
	}
	stepWho = Step{
		"Find out who made the answer",
		"Server, Via, Proxy-Status, CF-Ray and the look of the page tell which of the proxies on the way it was. With received-status in Proxy-Status the error came from further behind.",
		"curl -sv -o /dev/null URL 2>&1 | grep -iE '^< (HTTP|server|via|proxy-status|cf-|x-cache|age)'",
	}
	stepDiagnose = Step{
		"Walk the path as a proxy would",
		"DNS, connection, TLS, request, first byte, head, body: one stage after the other, timed, until the one that fails. It names the cause and what proves it.",
		"whygate diagnose URL --upstream HOST:PORT",
	}
	stepLogs = Step{
		"Read the server logs",
		"The proxy's error log has the reason in its own words; this turns its lines into causes, counted, the commonest first. It reads nginx, HAProxy, Envoy, Apache, Caddy, Traefik and AWS logs.",
		"whygate explain /var/log/nginx/error.log",
	}
	stepApplication = Step{
		"Check the upstream servers",
		"See whether the service runs, since when, and what it said at the second of the error: a stack trace, a signal, out of memory, a full worker pool. A start time after the error means that it crashed or was deployed.",
		"systemctl status UNIT; journalctl -u UNIT --since '10 minutes ago'",
	}
	stepListening = Step{
		"Check that it listens where the gateway looks",
		"On the upstream's host: the port must be there, and not on 127.0.0.1 only if the gateway is another host or container. A Recv-Q that grows towards Send-Q is a full accept queue.",
		"ss -lntp",
	}
	stepPing = Step{
		"Check the network: reachability",
		"From the gateway's host. Loss or jumping times point at the network; no answer at all may only mean that ping is filtered, so try the port as well.",
		"ping -c 5 HOST; nc -vz HOST PORT",
	}
	stepTrace = Step{
		"Check the network: the way",
		"As root, see how far packets to that very port come. Stars from one hop on to the end mean that they are dropped there, by a firewall or for want of a route; if ping works at the same time, it is a firewall.",
		"traceroute -T -p PORT HOST",
	}
	stepDNS = Step{
		"Check DNS",
		"Ask for the upstream's name on the gateway's host, and compare with where it should be. An old address after a move, SERVFAIL, or an answer only inside the company are the usual findings.",
		"dig +nocmd +noall +answer +comments NAME; getent ahosts NAME",
	}
	stepConfiguration = Step{
		"Check the configuration",
		"Read the gateway's file, then resolve, dial, shake hands with and ask every endpoint in it. Scheme, port, Host and SNI, timeouts and buffer sizes are what is wrong most often; what changed last is the first suspect.",
		"whygate check -c whygate.yaml --probe",
	}
	stepMaintenance = Step{
		"Ask about maintenance and deploys",
		"See what was rolled out, restarted or drained at that time. Errors in the seconds of a deploy need a graceful stop; an endpoint in maintenance needs somebody to end it.",
		"kubectl rollout history deploy/NAME; journalctl --since '1 hour ago' -u UNIT | grep -iE 'start|stopp'",
	}
	stepFirewall = Step{
		"Check firewalls and filters",
		"On both hosts and in the cloud's security groups: the gateway's address must be allowed to the port. A web application firewall or an intrusion prevention system on the way can cut requests as well; its log names the rule.",
		"nft list ruleset | grep -nE 'drop|reject'; dmesg -T | grep -iE 'drop|reject|nf_conntrack' | tail",
	}
	stepOverload = Step{
		"Check for overload",
		"On the upstream's host: load, memory, the out-of-memory killer, sockets in TIME_WAIT. Compare requests per second with the hour before.",
		"uptime; free -m; ss -s; dmesg -T | grep -i 'killed process' | tail",
	}
	stepBypass = Step{
		"Leave out one hop after the other",
		"Ask the origin behind the CDN, then the application behind the load balancer. The first hop that answers well has the fault just before it.",
		"curl -sv -o /dev/null --resolve NAME:443:ORIGIN_ADDRESS https://NAME/PATH",
	}
	stepReproduce = Step{
		"Make it happen on purpose",
		"Let a faulty upstream provoke the same error, to see what your proxy does and logs.",
		"whygate lab list",
	}
)
