package phrase

// supervisorPhrases are what supervisors and container engines say of a process, in their logs and in the lists that people paste:
// systemctl status, supervisorctl status, pm2 ls, docker ps, docker compose, kubectl get pods.
var supervisorPhrases = []Phrase{
	// systemctl status.
	{"active: failed (result: ", "", "result: oom-kill|result: signal|result: core-dump|result: timeout|result: watchdog", failed, Worded, Strong, Application, "platform", "systemd"},
	{"active: failed (result: oom-kill", "", "", outOfMemory, exact, Strong, Application, "platform", "systemd"},
	{"active: failed (result: signal", "", "", workerKilled, exact, Strong, Application, "platform", "systemd"},
	{"active: failed (result: core-dump", "", "", workerCrashed, exact, Strong, Application, "platform", "systemd"},
	{"active: failed (result: timeout", "", "", failed, exact, Strong, Application, "platform", "systemd"},
	{"active: failed (result: watchdog", "", "", workerTimeout, exact, Strong, Application, "platform", "systemd"},
	{"active: activating (auto-restart)", "", "", failed, Worded, Strong, Application, "platform", "systemd"},
	{"active: inactive (dead)", "", "triggeredby|.timer|status=0/success", stopped, Worded, Strong, Application, "platform", "systemd"},

	// supervisord and supervisorctl.
	{"exited too quickly", "", "", failed, Worded, Strong, Application, "platform", "supervisord"},
	{"entered fatal state", "", "", failed, exact, Strong, Application, "platform", "supervisord"},
	{"error (spawn error)", "", "", failed, exact, Strong, Application, "platform", "supervisorctl"},
	{"error (no such file)", "", "", failed, exact, Strong, Application, "platform", "supervisorctl"},
	{"error (abnormal termination)", "", "", failed, exact, Strong, Application, "platform", "supervisorctl"},
	{"spawnerr: ", "", "", failed, exact, Strong, Application, "platform", "supervisord"},
	{"; not expected)", "exit status", "", failed, Worded, Strong, Application, "platform", "supervisord"},
	{"; not expected)", "terminated by sigkill", "", workerKilled, exact, Strong, Application, "platform", "supervisord"},
	{"; not expected)", "terminated by sigsegv|terminated by sigabrt|terminated by sigbus|terminated by sigill|terminated by sigfpe", "", workerCrashed, exact, Strong, Application, "platform", "supervisord"},

	// pm2.
	{" errored ", "│ fork|│ cluster", "", failed, Worded, Strong, Application, "platform", "pm2"},
	{" waiting restart ", "│ fork|│ cluster", "", failed, Worded, Strong, Application, "platform", "pm2"},
	{" stopped ", "│ fork|│ cluster", "", stopped, Worded, Strong, Application, "platform", "pm2"},
	{"too many unstable restarts", "", "", failed, Worded, Strong, Application, "platform", "pm2"},

	// docker ps, docker compose ps.
	{"restarting (", " ago", "", failed, Worded, Strong, Application, "platform", "Docker"},
	{"exited (137)", " ago", "", workerKilled, exact, Strong, Application, "platform", "Docker"},
	{"exited (139)", " ago", "", workerCrashed, exact, Strong, Application, "platform", "Docker"},
	{"exited (134)", " ago", "", workerCrashed, exact, Strong, Application, "platform", "Docker"},
	{"exited (143)", " ago", "", stopped, exact, Strong, Application, "platform", "Docker"},
	{"exited (", " ago", "exited (0)|exited (137)|exited (139)|exited (134)|exited (143)", failed, Worded, Strong, Application, "platform", "Docker"},
	{"(unhealthy)", "up ", "", nobody, Worded, Strong, Application, "platform", "Docker"},
	{"dependency failed to start", "", "", failed, Worded, Strong, Application, "platform", "Docker Compose"},
	{"is unhealthy", "container ", "", nobody, Worded, Strong, Application, "platform", "Docker Compose"},

	// What a process ended with, whoever started it. 137 and 143 are told elsewhere.
	{"exited with code 1", "", "npm err|yarn|build|code 13|code 14|code 12|code 10|code 11", failed, code, Errno, Application, "platform", ""},
	{"exited with code 126", "", "", failed, Named, Errno, Application, "platform", ""},
	{"exited with code 127", "", "", failed, Named, Errno, Application, "platform", ""},
	{"exited with code 134", "", "", workerCrashed, Named, Errno, Application, "platform", ""},
	{"exited with code 2", "", "npm err|yarn|build", failed, code, Errno, Application, "platform", ""},
	{"exited with code 3", "", "", failed, code, Errno, Application, "platform", ""},

	// kubectl get pods, and events.
	{"invalidimagename", "", "", failed, exact, Strong, Application, "kubernetes", ""},
	{"containercannotrun", "", "", failed, exact, Strong, Application, "kubernetes", ""},
	{"init:crashloopbackoff", "", "", failed, exact, Strong, Application, "kubernetes", ""},
	{"init:error", "", "", failed, exact, Strong, Application, "kubernetes", ""},
	{"startup tcp probe failed", "", "", failed, exact, Strong, Application, "gcp", "Cloud Run"},
	{"startup http probe failed", "", "", failed, exact, Strong, Application, "gcp", "Cloud Run"},
	{"startup grpc probe failed", "", "", failed, exact, Strong, Application, "gcp", "Cloud Run"},
	{"liveness http probe failed", "", "", failed, exact, Strong, Application, "gcp", "Cloud Run"},
	{"failed to start and listen on the port defined", "", "", failed, exact, Strong, Application, "gcp", "Cloud Run"},
	{"endpoints: ", " <none>", "", noEndpoints, Worded, Strong, Gateway, "kubernetes", "kubectl describe service"},

	// ANCM, LiteSpeed, and gunicorn as a stack shows it.
	{"or did not listen on the given port", "", "", failed, exact, Strong, Application, "iis", "ASP.NET Core"},
	{"nonexistent network connection", "", "", closedOrReset, Worded, Strong, Gateway, "iis", "1229"},
	{"0x800704cd", "", "", closedOrReset, Worded, Strong, Gateway, "iis", "1229"},
	{"connect to backend:", "errno=111", "", refused, exact, Strong, Gateway, "litespeed", ""},
	{"connect to backend:", "errno=2,|errno=2 ", "", socketGone, exact, Strong, Gateway, "litespeed", ""},
	{"connect to backend:", "errno=13,", "", socketDenied, exact, Strong, Gateway, "litespeed", ""},
	{"connect to backend:", "errno=11,", "", backlog, exact, Strong, Gateway, "litespeed", ""},
	{"connect to backend:", "errno=110,", "", connectTimeout, exact, Strong, Gateway, "litespeed", ""},
	{"backend(s) are busy or not available", "", "", nobody, Worded, Strong, Gateway, "litespeed", ""},
	{"reached max children process limit", "", "", workersBusy, exact, Strong, Application, "litespeed", ""},
	{"no request delivery notification has been received", "", "", headTimeout, exact, Strong, Gateway, "litespeed", ""},
	{", associated process: ", "connection reset", "", reset, exact, Strong, Gateway, "litespeed", ""},
	{"in handle_abort", "", "", workerTimeout, exact, Strong, Application, "gunicorn", ""},
}

// askerPhrases are what those say who ask a server for its health or measure it.
var askerPhrases = []Phrase{
	{"critical - socket timeout after", "", "", anyTimeout, exact, Strong, Gateway, "", "Nagios"},
	{"invalid http response status code, wanted", "", "", status, exact, Strong, Gateway, "", "the blackbox exporter"},
	{"error 500: ", "", "http error", status, Named, Errno, Gateway, "", "Google's clients"},
	{"error 502: ", "", "http error", status, Named, Errno, Gateway, "", "Google's clients"},
	{"error 503: ", "", "http error", status, Named, Errno, Gateway, "", "Google's clients"},
	{"error 504: ", "", "http error", status, Named, Errno, Gateway, "", "Google's clients"},
	{"we received from your web server was", "> 500|> 502|> 503|> 504", "", status, Worded, Strong, Gateway, "", "Cypress"},
	{"non-2xx or 3xx responses: ", "", "", status, Worded, Strong, Gateway, "", "wrk"},
	{"non-2xx responses: ", "", "", status, Worded, Strong, Gateway, "", "ab"},
	{"write:errno=104", "", "", tlsClosed, Worded, Strong, Gateway, "", "openssl s_client"},
	{"write:errno=54", "", "", tlsClosed, Worded, Strong, Gateway, "", "openssl s_client on macOS"},
	{"write:errno=0", "", "", tlsClosed, Worded, Strong, Gateway, "", "openssl s_client"},
	{"trying to reach: 'http", "error: 'eof'", "", closed, exact, Strong, Gateway, "", "Kubernetes' API server"},
	{"error: 'eof'", "", "", closed, Worded, Strong, Gateway, "", "Kubernetes' API server"},

	// Gateways that are built of OpenResty.
	{"failed to pick server", "", "", noEndpoints, Worded, Strong, Gateway, "apisix", ""},
	{"missing upstream configuration", "", "", broken, exact, Strong, Gateway, "apisix", ""},
	{"balancer not found for", "", "", noEndpoints, exact, Strong, Gateway, "kong", ""},
	{"failed creating balancer", "", "", noEndpoints, exact, Strong, Gateway, "kong", ""},
}
