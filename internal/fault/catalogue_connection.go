package fault

// entriesConnection are the causes met between the request's first octet and the end of the response head.
var entriesConnection = []Entry{
	{
		Cause:    CauseClosedBeforeAnswer,
		Title:    "Closed before an answer",
		Family:   FamilyApplication,
		Type:     TypeConnectionTerminated,
		sentence: "{peer} closed the connection without answering[ after {wait}][ ({sent} bytes sent)]: the application most likely crashed or was killed",
		Meaning: "The upstream accepted a connection, took the request, and closed without a single byte of an answer. " +
			"A worker that crashed on this request, was killed for its memory, or was stopped in a restart does that; so does a port where another protocol is spoken.",
		Proof: []string{
			"The end was FIN with 0 bytes received, and not the keep-alive race: the connection was fresh, or the upstream had time to think.",
			"journalctl -u UNIT or kubectl logs --previous at that second: a stack trace, a signal, a restart.",
			"dmesg -T | grep -i 'killed process', or OOMKilled in kubectl describe pod.",
			"It repeats with the same URL: then this request kills it. It comes in bursts over all URLs: then it is a restart or a deploy.",
		},
		Advice: []string{
			"Read the application's log at that second, and its restarts: systemctl status UNIT, kubectl get pods.",
			"If the kernel killed it, raise its memory limit or find what the request allocates.",
			"If it comes with deploys, let the process finish its requests on SIGTERM, and take it out of rotation before.",
			"Check that the endpoint's scheme and port are right: some TLS, SSH and database ports close on a plain HTTP request.",
		},
		Covers:  []string{"R1", "T10"},
		Related: []Cause{CauseKeepaliveRace, CauseWorkerTimeout, CauseResetBeforeAnswer, CauseProxyProtocolMismatch},
		Retry:   retryIdempotent,
	},
	{
		Cause:    CauseKeepaliveRace,
		Title:    "The keep-alive race",
		Family:   FamilyMisconfiguration,
		Type:     TypeConnectionTerminated,
		sentence: "{peer} closed a reused connection[ (request {nth}[, idle {idle}])] before answering: its close and the request crossed on the way",
		Meaning: "The connection had lain idle and the upstream closed it at the same moment as the gateway sent a request on it (RFC 9112 section 9.5). " +
			"The upstream most likely never saw the request. It means that its keep-alive timeout is shorter than the time for which the gateway keeps idle connections.",
		Proof: []string{
			"The connection was reused, it ended with 0 bytes received, and within a round trip or so of the request.",
			"The idle time in the evidence is close to a round number, and the same in many incidents: that is the upstream's timeout. hypercorn 0.13 0 s and unannounced, gunicorn 2 s, Apache, uvicorn and Node.js 5 s (Node.js 20 to 26 close after 6 s; 65 s in its newest releases), cherrypy 10 s, Tomcat 20 s, Puma 20 s (65 s from 7.0 on), thin 30 s, daphne 60 s, nginx and aiohttp 75 s, waitress 125 s. Gateways keep them for longer: h2o and nghttpx 2 s, HAProxy 5 to 14 s, nginx, Varnish, Squid and frpc 60 s, oauth2-proxy 90 s, Caddy and Traffic Server 120 s, Apache without a limit.",
			"Nothing in the upstream's log; health checks stay green; curl never shows it.",
		},
		Advice: []string{
			"Raise the upstream's keep-alive timeout above the gateway's: server.keepAliveTimeout (and headersTimeout) in Node.js, --keep-alive in gunicorn, KeepAliveTimeout in Apache, keepalive_timeout in nginx, keepAliveTimeout in Tomcat.",
			"Or set pools.NAME.timeouts.idle below the idle time seen in the incidents; with auto, the default, Whygate learns it after three, and an upstream that closes after each answer after the first.",
			"Make requests idempotent, or have clients send Idempotency-Key: then the gateway repeats them by itself.",
		},
		Covers:  []string{"R2", "R30"},
		Related: []Cause{CauseClosedBeforeAnswer, CauseResetBeforeAnswer},
		Retry:   retryRace,
	},
	{
		Cause:    CauseResetBeforeAnswer,
		Title:    "Reset before an answer",
		Family:   FamilyApplication,
		Type:     TypeConnectionTerminated,
		sentence: "{peer} reset the connection without answering[ after {wait}][ ({sent} bytes sent)][ ({errno})]",
		Meaning: "The upstream, or something on the way to it, cut the connection with RST before any byte of an answer. " +
			"A process that dies with unread input does that, a server that closes with SO_LINGER 0, and firewalls that do not know the connection.",
		Proof: []string{
			"ECONNRESET with 0 bytes received, and not the keep-alive race: the connection was fresh, or the upstream had time to think.",
			"In tcpdump, compare the TTL of the RST with that of the SYN-ACK: if they differ, a box on the way sent it.",
			"nstat -az TcpExtTCPAbortOnClose TcpExtTCPAbortOnData on the upstream's host: if they grow, the application closed with unread input.",
		},
		Advice: []string{
			"Read the application's log and restarts at that second: journalctl -u UNIT, dmesg -T | grep -i 'killed process'.",
			"If the RST's TTL is another than the server's, look for the firewall or load balancer on the way, and at its session limits.",
			"If only large requests fail, the upstream refuses them without reading: raise its body or head limit.",
		},
		Covers:  []string{"R3"},
		Related: []Cause{CauseClosedBeforeAnswer, CauseUploadCut, CauseKeepaliveRace},
		Retry:   retryIdempotent,
	},
	{
		Cause:    CauseWorkerTimeout,
		Title:    "The upstream killed its worker",
		Family:   FamilyApplication,
		Type:     TypeConnectionTerminated,
		sentence: "{peer} hung up without answering after a round time[ ({wait})]: a time limit of the upstream most likely killed the worker",
		Meaning: "The upstream took the request, worked on it for a round number of seconds, and hung up without an answer. " +
			"That is the mark of a time limit on its side: the master process killed the worker, or a load balancer in between gave up.",
		Proof: []string{
			"The connection ended with 0 bytes received, at most 1.6 s after a limit that people set (5 to 30 s by fives, 45, 60, 90, 100, 120, 180, 300 s): masters look about once a second, so that 5 s of gunicorn's end after 5.5 to 5.8 s, of uwsgi's after 5.5 to 6.5, of unicorn's after 6.0 to 6.5.",
			"Other incidents of the same endpoint have the same time: 30 s is gunicorn's default, 60 s unicorn's. Puma has none for a request: its worker_timeout (60 s) ends a process that has stopped altogether.",
			"The application's log at that second: [CRITICAL] WORKER TIMEOUT in gunicorn, \"timeout (6s > 5s), killing\" in unicorn, \"Terminating timed out worker\" in Puma, HARAKIRI in uwsgi, \"execution timed out\" in php-fpm.",
		},
		Advice: []string{
			"Make the request faster or move it to a queue: it takes longer than the upstream's own limit.",
			"Or raise that limit, and keep timeouts.head above it: --timeout in gunicorn, timeout in unicorn, harakiri in uwsgi, request_terminate_timeout in php-fpm, service_timeout of rack-timeout.",
			"If a TCP load balancer stands in between, its idle timeout can cut the wait as well.",
		},
		Covers:  []string{"R1", "R3"},
		Related: []Cause{CauseClosedBeforeAnswer, CauseHeadTimeout},
		Retry:   retrySlow,
	},
	{
		Cause:    CauseUploadCut,
		Title:    "The upstream hung up during the upload",
		Family:   FamilyApplication,
		Type:     TypeConnectionTerminated,
		sentence: "{peer} ended the connection while the request body was being sent[ ({sent} bytes sent)][ ({errno})]",
		Meaning: "The upstream ended the connection before it had taken the whole request body, and no answer could be read. " +
			"Mostly it rejects the upload (too large, not allowed) and closes at once, so that its RST destroys the 413 or 401 that it sent (RFC 9112 section 9.6).",
		Proof: []string{
			"EPIPE or ECONNRESET on a write, or the end came with part of the body unsent.",
			"The bytes sent are near a limit of the upstream: 1 MiB is nginx's client_max_body_size.",
			"A smaller upload to the same URL works.",
		},
		Advice: []string{
			"Raise the upstream's limit of the request body: client_max_body_size in nginx, post_max_size and upload_max_filesize in PHP, maxPostSize or maxSwallowSize in Tomcat, bodyParser limit in Express.",
			"Have the client send Expect: 100-continue, so that the refusal comes before the body.",
			"If it fails at any size, read the application's log for a crash at that second.",
		},
		Covers:  []string{"R32", "R31"},
		Related: []Cause{CauseResetBeforeAnswer, CauseUploadStalled, CauseRequestBodyTooLarge},
		Retry:   retryIdempotent,
	},
	{
		Cause:    CauseUploadStalled,
		Title:    "The upstream stopped reading the request",
		Family:   FamilyOverload,
		Type:     TypeConnectionWriteTimeout,
		sentence: "{peer} took no byte of the request[ for {after}][ ({timer})][; {sent} bytes had been sent]",
		Meaning: "The gateway could not write more of the request: the upstream's receive window stays full, for its application does not read. " +
			"It is stuck, slow on its disk, or waits for something else before it reads on.",
		Proof: []string{
			"The gateway's timer (timeouts.write in Whygate) fired, and no byte could be written for its time.",
			"On the upstream's host, ss -tn shows a large Recv-Q on the connection: the kernel has it, the process does not read.",
			"If Recv-Q is 0 there, the bytes are lost on the way: large packets vanish, a path MTU problem.",
		},
		Advice: []string{
			"Find out what the upstream's worker waits for: py-spy dump, jstack, strace -p PID, and its disk's iostat.",
			"If small uploads work and large ones never, clamp the MSS or let ICMP fragmentation-needed pass.",
			"Raise pools.NAME.timeouts.write only if the upstream is meant to pause so long.",
		},
		Covers:  []string{"R33", "C13"},
		Related: []Cause{CauseUploadCut, CauseHeadTimeout, CauseConnectionLost},
		Retry:   retrySlow,
	},
	{
		Cause:    CauseHeadTimeout,
		Title:    "The upstream did not answer in time",
		Family:   FamilyOverload,
		Type:     TypeConnectionReadTimeout,
		sentence: "{peer} took the request and sent nothing[ for {after}][ ({timer})]",
		Meaning: "The connection stands, the request was sent, and no byte of an answer came until the gateway's timer fired. " +
			"The application is slow on this request, waits for something itself (a database, a lock, another service), or has no free worker.",
		Proof: []string{
			"The gateway's timer (timeouts.head in Whygate) fired with 0 bytes received; the connection did not end.",
			"Only one URL is slow: the request. All are slow: the application has no free worker, or what it depends on is slow.",
			"On a reused connection after minutes of idleness, with fresh ones fine: a firewall forgot the connection, see connection-lost.",
		},
		Advice: []string{
			"Find what the application waits for: its slow log, pg_stat_activity, SHOW PROCESSLIST, py-spy dump or jstack.",
			"If all requests are slow, count busy workers and add some, or endpoints.",
			"Move long work to a queue and answer 202; raise timeouts.head for that pool alone if it has to be waited for.",
		},
		Covers:  []string{"R12", "C13"},
		Related: []Cause{CauseWorkerTimeout, CauseSlowHead, CauseConnectionLost, CauseConnectionLimit},
		Retry:   retrySlow,
	},
	{
		Cause:    CauseSlowHead,
		Title:    "The response head came too slowly",
		Family:   FamilyApplication,
		Type:     TypeHTTPResponseTimeout,
		sentence: "{peer} began its answer but did not finish the head[ within {after}][ ({timer})][; {got} bytes came]",
		Meaning: "Some bytes of the response head came, but not its end, until the time for the whole head was over. " +
			"The application writes its head piece by piece, stopped in the middle of it, or drips bytes to keep connections busy.",
		Proof: []string{
			"The gateway's timer (timeouts.head in Whygate) fired after the first byte: the evidence has the bytes that came.",
			"The sample shows where the head stops; the header that would come next is what the application computes.",
		},
		Advice: []string{
			"See which header the head stops before, and why the application computes it after it has begun to answer.",
			"Buffer the head in the application and write it at once.",
			"If the upstream is not yours, take this as an attack or a defect: the limit protects the gateway.",
		},
		Covers:  []string{"R13"},
		Related: []Cause{CauseHeadTimeout, CauseHeadCut},
		Retry:   retrySlow,
	},
	{
		Cause:    CauseHeadCut,
		Title:    "The response head was cut off",
		Family:   FamilyApplication,
		Type:     TypeHTTPResponseIncomplete,
		sentence: "{peer} ended the connection inside the response head[ after {got} bytes][ ({errno})]",
		Meaning: "The answer began and the connection ended before the empty line that ends its head. " +
			"The application died while it was writing, or a proxy in between gave up.",
		Proof: []string{
			"Bytes of a head came, then FIN or RST; the sample shows how far it got.",
			"The application's log has a crash at that second; the last header in the sample tells what it was doing.",
			"If the bytes that came are exactly 4096 or 8192, a buffer was flushed and the rest was lost.",
		},
		Advice: []string{
			"Read the application's log at that second for a crash while it wrote the head.",
			"If the sample ends inside a very long header, look for a limit of the head's size between the application and the gateway.",
		},
		Covers:  []string{"R4"},
		Related: []Cause{CauseClosedBeforeAnswer, CauseBodyShort, CauseNotHTTP},
		Retry:   retryIdempotent,
	},
	{
		Cause:    CauseConnectionLost,
		Title:    "The connection went dead",
		Family:   FamilyNetwork,
		Type:     TypeConnectionReadTimeout,
		sentence: "{peer} stopped acknowledging packets: the kernel gave the connection up (ETIMEDOUT)[ at stage {stage}][, request {nth}][ after {idle} idle]",
		Meaning: "The connection was established, then none of our packets was acknowledged any more, and the kernel gave up (ETIMEDOUT). " +
			"The host vanished without a word, or a firewall, NAT or load balancer forgot the idle connection and now drops its packets.",
		Proof: []string{
			"ETIMEDOUT on a connection that had been established; a slow application would have acknowledged.",
			"ss -tnoi on the gateway shows retransmissions and a growing backoff while it lasts.",
			"It hits reused connections that were idle for minutes, and the idle time has a sharp lower bound: 350 s on AWS NLB, 240 s on Azure, 600 s or 3600 s on many firewalls.",
		},
		Advice: []string{
			"Set pools.NAME.timeouts.idle below the shortest idle timeout of the firewalls and NATs on the way.",
			"Lower net.ipv4.tcp_keepalive_time on the gateway's host, so that idle connections keep the entry alive.",
			"If fresh connections die too, look for a host that disappears or for large packets that are lost: ping -M do -s 1472 HOST.",
		},
		Covers:  []string{"C13", "R12"},
		Related: []Cause{CauseHeadTimeout, CauseKeepaliveRace, CauseKernelConnectTimeout},
		Retry:   retryIdempotent,
	},
}
