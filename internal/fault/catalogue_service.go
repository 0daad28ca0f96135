package fault

// entriesService are the causes that lie inside the upstream. A log, an operator or a pattern over many requests tells
// them; to one exchange they look like connection-refused, closed-before-answer, head-timeout or upstream-status.
var entriesService = []Entry{
	{
		Cause:    CauseWorkerKilled,
		Title:    "A worker was killed while it had requests",
		Family:   FamilyApplication,
		Type:     TypeConnectionTerminated,
		sentence: "a worker of {peer} was killed while it had the request",
		Meaning: "The upstream's master process, its supervisor or an operator ended the worker that had the request. " +
			"A time limit of the application server does that (gunicorn, uwsgi, php-fpm, Puma), a supervisor whose check failed, and kill -9.",
		Proof: []string{
			"The application server's log has it: WORKER TIMEOUT and \"was sent SIGKILL\" in gunicorn, HARAKIRI in uwsgi, \"execution timed out\" and \"exited on signal 9\" in php-fpm, \"Terminating timed out worker\" in Puma.",
			"The time between the request and its end is the same in many incidents, and equals a limit in its configuration.",
			"The gateway sees a connection that ended without a byte: closed-before-answer or worker-timeout.",
		},
		Advice: []string{
			"Read the line just before the kill: it names the worker and mostly the request. Make that request faster, or move it to a queue.",
			"If it has to take so long, raise the limit that killed it (timeout in gunicorn, harakiri in uwsgi, request_terminate_timeout in php-fpm) and keep timeouts.head above it.",
			"If a liveness check killed it, give the check its own thread or a longer timeout: a busy worker is not a dead one.",
		},
		Covers:  []string{"R1", "R3"},
		Related: []Cause{CauseWorkerTimeout, CauseClosedBeforeAnswer, CauseOutOfMemory, CauseWorkerCrashed},
		Retry:   retryIdempotent,
	},
	{
		Cause:    CauseOutOfMemory,
		Title:    "The upstream ran out of memory",
		Family:   FamilyOverload,
		Type:     TypeConnectionTerminated,
		sentence: "{peer} ran out of memory and was killed",
		Meaning: "The kernel's out-of-memory killer, or the limit of a container, ended the upstream's process, and every request in it with it. " +
			"The load has grown, one request allocates without bound, or memory leaks until it is full.",
		Proof: []string{
			"dmesg -T | grep -i 'killed process' names the process, its memory and its cgroup.",
			"kubectl describe pod says Last State: Terminated, Reason: OOMKilled, Exit Code: 137.",
			"Memory rises steadily over hours before it (a leak), or jumps within a request (one large answer).",
		},
		Advice: []string{
			"See which process was killed and whether its memory rose slowly or at once: dmesg -T, and the container's memory graph.",
			"Raise the limit for now (resources.limits.memory, MemoryMax=), and bound what a request may load: page the query, stream the file.",
			"Run fewer workers for each gigabyte, or restart them after so many requests: max_requests in gunicorn, pm.max_requests in php-fpm.",
		},
		Covers:  []string{"R1", "R3"},
		Related: []Cause{CauseWorkerKilled, CauseWorkerCrashed, CauseClosedBeforeAnswer, CauseConnectionRefused},
		Retry:   retryIdempotent,
	},
	{
		Cause:    CauseWorkerCrashed,
		Title:    "The upstream's process crashed",
		Family:   FamilyApplication,
		Type:     TypeConnectionTerminated,
		sentence: "the process of {peer} crashed while it had the request",
		Meaning: "The process that had the request ended by itself: an unhandled exception at the top, a panic, a segmentation fault, an assertion, exit in the middle. " +
			"Other requests in the same process were lost with it.",
		Proof: []string{
			"The log has a stack trace, \"panic:\", \"Segmentation fault\" or \"exited on signal 11\" at that second.",
			"coredumpctl list shows a core dump, and dmesg -T a segfault line with the library's name.",
			"The same URL and body do it again: then this request crashes it.",
		},
		Advice: []string{
			"Read the stack trace in the upstream's log: journalctl -u UNIT, docker logs, kubectl logs --previous.",
			"If one request does it each time, block that request at the gateway until the defect is mended.",
			"If a native library crashes after an update (an extension, a driver, libc), go back one version.",
		},
		Covers:  []string{"R1", "R3"},
		Related: []Cause{CauseClosedBeforeAnswer, CauseWorkerKilled, CauseServiceFailed, CauseOutOfMemory},
		Retry:   retryIdempotent,
	},
	{
		Cause:    CauseWorkersBusy,
		Title:    "All workers of the upstream are busy",
		Family:   FamilyOverload,
		Type:     TypeConnectionReadTimeout,
		sentence: "all workers of {peer} are busy: the request waited for one[ for {wait}]",
		Meaning: "The upstream accepts connections, or its kernel does, but each of its workers has a request, so new ones wait in its queue until somebody's patience ends. " +
			"It gets more requests than it can do, or each of them takes longer than it used to, mostly for a database or another service behind it.",
		Proof: []string{
			"The application server's log: \"server reached pm.max_children\" in php-fpm, \"server reached MaxRequestWorkers\" in Apache, \"listen queue\" of uwsgi full.",
			"ss -lnt on its host: Recv-Q of the listening socket grows towards Send-Q; nstat -az TcpExtListenOverflows counts up.",
			"Every URL is slow, even one that does nothing; the processors are idle if workers wait for something, and full if they compute.",
		},
		Advice: []string{
			"See what the busy workers do: the status page of php-fpm or Apache, py-spy dump, jstack. One slow dependency fills all of them.",
			"Put a time limit on what they wait for (the database, other services), so that one slow dependency does not take every worker.",
			"Add workers if memory and processors allow, or endpoints; limit what the gateway sends at once: pools.NAME.limits.connections.",
		},
		Covers:  []string{"R12", "C2"},
		Related: []Cause{CauseHeadTimeout, CauseSocketBacklogFull, CauseUpstreamOverloaded, CauseConnectTimeout},
		Retry:   retrySlow,
	},
	{
		Cause:    CauseApplicationError,
		Title:    "The application failed on the request",
		Family:   FamilyApplication,
		Type:     TypeNone,
		sentence: "{peer} failed on the request and said so[ with {status}]: its own log has the error",
		Meaning: "The application ran, met an error on this request, and answered with its own 5xx. The gateway passed that on unchanged. " +
			"The cause is in the application: an exception, a failing query, a service behind it that does not answer.",
		Proof: []string{
			"The status was received from the upstream, and the access log names \"origin\" as its maker.",
			"The application's log has an exception or an error line with the same time, path or request id.",
			"A deploy, a migration or a change of its settings came just before the first one.",
		},
		Advice: []string{
			"Find the request in the application's log by time, path and request id: the stack trace is there.",
			"If it began with a deploy, roll it back first and look afterwards.",
			"If the error names a database or another service, go on there.",
		},
		Covers:  []string{"A14"},
		Related: []Cause{CauseUpstreamStatus, CauseWorkerCrashed, CauseUpstreamOverloaded},
		Retry:   retryIdempotent,
	},
	{
		Cause:    CauseServiceStopped,
		Title:    "The service is stopped",
		Family:   FamilyMaintenance,
		Type:     TypeConnectionRefused,
		sentence: "the service behind {peer} is stopped",
		Meaning: "Somebody or something stopped the upstream's service on purpose: a deploy, a restart, an update of packages, a scale to zero. Nothing listens until it is started again. " +
			"It is no crash: it ended with success.",
		Proof: []string{
			"systemctl status UNIT says inactive (dead), and its journal has Stopped or Deactivated successfully.",
			"docker ps -a says Exited (0) or Exited (143); kubectl get deploy shows 0 replicas.",
			"The first refused connection and the stop have the same second.",
		},
		Advice: []string{
			"Start it: systemctl start UNIT, docker start NAME, kubectl scale deploy NAME --replicas=2.",
			"If nobody meant to stop it, see who did: journalctl -u UNIT, the log of the deploy, apt's and unattended-upgrades' history.",
			"If deploys do it each time, run two of it and replace them one after the other, or take it out of its pool before.",
		},
		Covers:  []string{"C1"},
		Related: []Cause{CauseConnectionRefused, CauseServiceFailed, CauseMaintenance, CauseNoEndpoints},
		Retry:   retryAny,
	},
	{
		Cause:    CauseServiceFailed,
		Title:    "The service fails to start or keeps crashing",
		Family:   FamilyApplication,
		Type:     TypeConnectionRefused,
		sentence: "the service behind {peer} has failed and does not run",
		Meaning: "The upstream's service does not stay up: it ended with an error, its supervisor tried again, and gave up or waits longer each time. " +
			"A wrong setting, a missing file or secret, a port that is taken, or a database that is not there yet are the usual reasons.",
		Proof: []string{
			"systemctl status UNIT says failed, with the exit code, or \"Start request repeated too quickly\".",
			"kubectl get pods says CrashLoopBackOff or Error; docker ps shows Restarting.",
			"The last lines before each end are the same: that is the reason.",
		},
		Advice: []string{
			"Read the last lines before it ended: journalctl -u UNIT -n 50, docker logs NAME, kubectl logs POD --previous.",
			"If it says that the address is in use, find who has the port: ss -lntp.",
			"Undo what changed last: the version, the environment, the secret. Then systemctl reset-failed UNIT and start it.",
		},
		Covers:  []string{"C1"},
		Related: []Cause{CauseConnectionRefused, CauseServiceStopped, CauseWorkerCrashed, CauseSocketMissing},
		Retry:   retryAny,
	},
	{
		Cause:    CauseUpstreamOverloaded,
		Title:    "The upstream says that it is overloaded",
		Family:   FamilyOverload,
		Type:     TypeNone,
		sentence: "{peer} itself said that it is overloaded[, with {status}]",
		Meaning: "The upstream answered by itself that it takes no more: 503 or 429, often with Retry-After, or a page that says so. " +
			"It protects itself, and does it right; the load, or what it depends on, is the matter.",
		Proof: []string{
			"The status was received from the upstream and is 503, 429 or 529; Retry-After is set.",
			"The number of requests, or their latency, rose before the first one.",
			"Other proxies behind this gateway put their name in Server, Via or Proxy-Status: then it is their limit.",
		},
		Advice: []string{
			"Send it less: shed or delay what can wait, honour Retry-After, and switch off retries on statuses while it lasts.",
			"Add endpoints, and look first whether a slow dependency has made each request longer.",
			"Find who sends more than before: the access log by client and path.",
		},
		Covers:  []string{"A14"},
		Related: []Cause{CauseUpstreamStatus, CauseWorkersBusy, CauseRateLimited, CauseCircuitOpen},
		Retry:   "Only after the seconds that Retry-After names, and for idempotent methods: a retry at once adds to the load.",
	},
}
