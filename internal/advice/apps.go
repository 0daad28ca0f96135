package advice

import "github.com/whygate/whygate/internal/fault"

// The options are those of the servers' own documentation: docs.gunicorn.org settings, uwsgi-docs, the FPM page of php.net,
// puma.io and lib/puma/dsl.rb, nodejs.org http, tomcat.apache.org config/http.

var ofGunicorn = table{
	fault.CauseWorkerTimeout:       {{set: "gunicorn --timeout {longer:120}", why: "30 s is the default; find what takes so long first: py-spy dump --pid PID"}, {set: "gunicorn --worker-class gthread --threads 8", why: "a thread that waits does not stop the worker's heartbeat; and a sync worker is killed for a client that connects and sends nothing, or TLS: then there is no access line at that second"}},
	fault.CauseWorkerKilled:        {{set: "gunicorn --max-requests 1000 --max-requests-jitter 100", why: "starts a worker anew before a leak has eaten the memory"}},
	fault.CauseOutOfMemory:         {{set: "gunicorn --workers 2 --preload", why: "fewer workers, that share what they loaded"}, {set: "gunicorn --max-requests 1000 --max-requests-jitter 100", why: "bounds a leak"}},
	fault.CauseWorkerCrashed:       {{set: "gunicorn --capture-output --log-level debug", why: "puts the worker's last words into the log"}},
	fault.CauseServiceFailed:       {{set: "gunicorn --check-config app:app", why: "says what keeps it from starting"}},
	fault.CauseWorkersBusy:         {{set: "gunicorn --workers 9 --threads 4", why: "2 x processors + 1 is the usual number"}, {set: "gunicorn --backlog 2048", why: "below net.core.somaxconn"}},
	fault.CauseKeepaliveRace:       {{set: "gunicorn --keep-alive 75", why: "seconds, above the proxy's idle timeout; 2 is the default, and sync workers keep none"}},
	fault.CauseRequestHeadTooLarge: {{set: "gunicorn --limit-request-field_size 16380 --limit-request-line 8190", why: "8190 and 4094 are the defaults"}},
	fault.CauseApplicationError:    {{why: "The traceback stands under the line in this log."}},
}

var ofUWSGI = table{
	fault.CauseWorkerTimeout:       {{set: "harakiri = 120", why: "the limit that killed it; harakiri-verbose = true says what it was at"}},
	fault.CauseWorkersBusy:         {{set: "listen = 1024", why: "the queue of the socket; 100 is the default, and net.core.somaxconn bounds it"}, {set: "processes = 8", why: "and threads, as memory allows"}},
	fault.CauseWorkerKilled:        {{set: "reload-on-rss = 512", why: "MiB: starts a worker anew before the kernel kills it"}},
	fault.CauseOutOfMemory:         {{set: "reload-on-rss = 512", why: "MiB: starts a worker anew before it eats more"}, {set: "max-requests = 1000", why: "bounds a leak"}},
	fault.CauseWorkerCrashed:       {{set: "py-call-osafterfork = true", why: "for libraries that do not stand a fork; lazy-apps = true loads them after it"}},
	fault.CauseServiceFailed:       {{set: "need-app = true", why: "ends at once if the application does not load, so that its unit says so"}},
	fault.CauseWrongService:        {{set: "http-socket = :8080", why: "for a proxy that speaks HTTP; socket = is for uwsgi_pass"}},
	fault.CauseRequestHeadTooLarge: {{set: "buffer-size = 32768", why: "4096 is the default for a request's head"}},
	fault.CauseKeepaliveRace:       {{set: "http-keepalive = 75", why: "of its HTTP router; http-socket keeps none"}},
}

var ofPHPFPM = table{
	fault.CauseWorkersBusy:         {{where: "pool", set: "pm.max_children = 40", why: "memory for PHP, divided by what one child takes: ps -o rss= -C php-fpm8.2"}, {where: "pool", set: "request_slowlog_timeout = 5s", why: "says which scripts hold the children"}},
	fault.CauseWorkerTimeout:       {{where: "pool", set: "request_terminate_timeout = {longer:120}s", why: "the limit that ended it; fastcgi_read_timeout in nginx must be above"}},
	fault.CauseWorkerKilled:        {{where: "pool", set: "pm.max_requests = 500", why: "starts a child anew before a leak has eaten the memory"}},
	fault.CauseOutOfMemory:         {{where: "pool", set: "pm.max_children = 10", why: "so that all of them fit"}, {where: "pool", set: "php_admin_value[memory_limit] = 256M", why: "bounds one request"}},
	fault.CauseWorkerCrashed:       {{where: "pool", set: "rlimit_core = unlimited", why: "leaves a core for gdb; turn off opcache.jit and extensions one by one"}},
	fault.CauseServiceFailed:       {{set: "php-fpm -t", why: "says what is wrong with the configuration"}},
	fault.CauseSocketPermission:    {{where: "pool", set: "listen.owner = www-data", why: "with listen.group the same and listen.mode = 0660"}},
	fault.CauseSocketBacklogFull:   {{where: "pool", set: "listen.backlog = 1024", why: "below net.core.somaxconn; more children empty it"}},
	fault.CauseHeadTimeout:         {{where: "pool", set: "request_slowlog_timeout = 5s", why: "writes the script's stack into slowlog"}},
	fault.CauseRequestBodyTooLarge: {{where: "php.ini", set: "post_max_size = 50M", why: "and upload_max_filesize"}},
	fault.CauseNoHead:              {{where: "php.ini", set: "display_errors = Off", why: "a warning printed before the head breaks it; log_errors = On keeps it"}},
	fault.CauseApplicationError:    {{where: "pool", set: "catch_workers_output = yes", why: "puts the scripts' errors into this log"}},
}

var ofPuma = table{
	fault.CauseWorkerTimeout:    {{where: "config/puma.rb", set: "worker_timeout {longer:120}", why: "60 s is the default; a worker that does not check in hangs as a whole, mostly in C code or for want of memory"}},
	fault.CauseOutOfMemory:      {{where: "config/puma.rb", set: "workers 2", why: "fewer workers; MALLOC_ARENA_MAX=2 or jemalloc keep each smaller"}},
	fault.CauseWorkerKilled:     {{where: "config/puma.rb", set: "before_fork { GC.compact }", why: "and preload_app!, so that workers share what they loaded"}},
	fault.CauseWorkersBusy:      {{where: "config/puma.rb", set: "threads 5, 5", why: "and the pool of database connections as large"}, {where: "config/puma.rb", set: "workers 4", why: "one for each processor"}},
	fault.CauseServiceFailed:    {{set: "bundle exec rails runner 'p 1'", why: "loads the application and says why it does not"}},
	fault.CauseKeepaliveRace:    {{where: "config/puma.rb", set: "persistent_timeout 75", why: "seconds, above the proxy's idle timeout; 20 is the default"}},
	fault.CauseHeadTimeout:      {{where: "Gemfile", set: `gem "rack-timeout"`, why: "ends a request after 15 s, and logs where it stood"}},
	fault.CauseServiceStopped:   {{where: "config/puma.rb", set: "force_shutdown_after 25", why: "how long requests may finish after SIGTERM"}},
	fault.CauseRequestMalformed: {{where: "config/puma.rb", set: `ssl_bind "0.0.0.0", 9292, key: "key.pem", cert: "cert.pem"`, why: "if TLS is meant to end here; otherwise speak http:// to it"}},
}

var ofNode = table{
	fault.CauseOutOfMemory:         {{set: "node --max-old-space-size=1024 app.js", why: "MiB, below the container's limit"}, {set: "node --heapsnapshot-near-heap-limit=2 app.js", why: "leaves a snapshot that shows what holds the memory"}},
	fault.CauseWorkerKilled:        {{set: "node --max-old-space-size=384 app.js", why: "three quarters of the container's limit: V8 then fails by itself, and says so"}},
	fault.CauseWorkerCrashed:       {{set: `process.on("unhandledRejection", (err) => { log(err); process.exitCode = 1; server.close(); });`, why: "lets the requests that run finish; catch it where it happens"}},
	fault.CauseServiceFailed:       {{set: "ss -lntp 'sport = :3000'", why: "EADDRINUSE: who has the port"}},
	fault.CauseKeepaliveRace:       {{set: "server.keepAliveTimeout = 75_000;", why: "milliseconds, above the proxy's idle timeout; 5 s is the default"}, {set: "server.headersTimeout = 76_000;", why: "above it"}},
	fault.CauseHeadTooLarge:        {{set: "node --max-http-header-size=32768 app.js", why: "16 KiB is the default, for what it receives"}},
	fault.CauseRequestHeadTooLarge: {{set: "node --max-http-header-size=32768 app.js", why: "16 KiB is the default, and the answer 431"}},
	fault.CauseServiceStopped:      {{set: `process.on("SIGTERM", () => server.close(() => process.exit(0)));`, why: "lets the requests that run finish"}, {set: "pm2 reload app --wait-ready", why: "replaces processes one by one"}},
	fault.CauseWorkersBusy:         {{set: "pm2 start app.js -i max", why: "one process for each processor"}},
}

var ofTomcat = table{
	fault.CauseWorkersBusy:         {{where: "Connector", set: `maxThreads="400"`, why: "200 is the default; jstack PID shows what they wait for, mostly the pool of database connections"}, {where: "Connector", set: `acceptCount="200"`, why: "how many may wait; 100 is the default"}},
	fault.CauseOutOfMemory:         {{where: "setenv.sh", set: `CATALINA_OPTS="-Xmx2g -XX:+HeapDumpOnOutOfMemoryError -XX:+ExitOnOutOfMemoryError"`, why: "a dump to look into, and a process that does not live on half dead"}},
	fault.CauseWorkerKilled:        {{where: "setenv.sh", set: `CATALINA_OPTS="-XX:MaxRAMPercentage=70"`, why: "keeps the machine below the container's limit"}},
	fault.CauseKeepaliveRace:       {{where: "Connector", set: `keepAliveTimeout="75000"`, why: "milliseconds, above the proxy's idle timeout; connectionTimeout counts without it, 20 s"}, {where: "Connector", set: `maxKeepAliveRequests="-1"`, why: "100 is the default"}},
	fault.CauseHeadTooLarge:        {{where: "Connector", set: `maxHttpResponseHeaderSize="32768"`, why: "8 KiB is the default"}},
	fault.CauseRequestHeadTooLarge: {{where: "Connector", set: `maxHttpRequestHeaderSize="32768"`, why: "8 KiB is the default; maxHttpHeaderSize before 10.1"}},
	fault.CauseRequestMalformed:    {{where: "Connector", set: `relaxedQueryChars="[]|"`, why: "for clients that do not escape them; 0x16 0x03 0x01 in the message is TLS on a plain port"}},
	fault.CauseUploadCut:           {{where: "Connector", set: `maxSwallowSize="-1"`, why: "reads a refused upload to its end, so that its answer is seen; 2 MiB is the default"}},
	fault.CauseServiceFailed:       {{set: "catalina.sh configtest", why: "says what keeps it from starting"}},
	fault.CauseUpstreamOverloaded:  {{where: "Connector", set: `maxConnections="8192"`, why: "below LimitNOFILE= of its unit: too many open files is that limit"}},
	fault.CauseServiceStopped:      {{where: "setenv.sh", set: "CATALINA_STOP_TIMEOUT=30", why: "with the proxy told before, so that requests finish"}},
}

var ofLinux = table{
	fault.CauseOutOfMemory:          {{where: "systemd unit", set: "MemoryMax=2G", why: "of the service; in Kubernetes resources.limits.memory"}, {where: "systemd unit", set: "OOMPolicy=continue", why: "keeps the service up when one of its workers is killed"}},
	fault.CauseWorkerKilled:         {{set: "journalctl -k -g 'Killed process' -o short-iso", why: "whether the kernel did it; otherwise it was an operator, or the unit's TimeoutStopSec="}},
	fault.CauseWorkerCrashed:        {{set: "coredumpctl info", why: "the stack of the process that crashed"}},
	fault.CauseServiceFailed:        {{set: "journalctl -u UNIT -n 50 --no-pager", why: "the application's own last lines"}, {where: "systemd unit", set: "Restart=on-failure", why: "with RestartSec=1 and StartLimitIntervalSec=0, it does not give up"}},
	fault.CauseServiceStopped:       {{set: "journalctl -u UNIT -g 'Stopp' -o short-iso", why: "when, and journalctl _COMM=sudo around it who"}},
	fault.CauseWorkersBusy:          {{set: "sysctl -w net.core.somaxconn=4096", why: "and the application's own backlog: the queue of that port is full"}},
	fault.CauseConnectTimeout:       {{set: "sysctl -w net.netfilter.nf_conntrack_max=524288", why: "the table of connections is full; shorten nf_conntrack_tcp_timeout_established as well"}},
	fault.CauseDescriptorsExhausted: {{set: "sysctl -w fs.file-max=2097152", why: "of the whole machine"}},
	fault.CauseMemoryExhausted:      {{set: "sysctl net.ipv4.tcp_mem", why: "the pages that sockets may hold; ss -m shows who holds them"}},
	fault.CauseHostUnreachable:      {{set: "sysctl -w net.ipv4.neigh.default.gc_thresh3=8192", why: "the table of neighbours is full"}},
}
