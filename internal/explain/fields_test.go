package explain

import (
	"testing"
	"time"
)

// formatFields are lines with what they give beside their verdict: who was asked for what, when, how long it took.
var formatFields = []struct {
	format                           *Format
	line                             string
	method, host, path, upstream, id string
	client                           string
	status                           int
	took                             time.Duration
	at                               string
}{
	{
		caddyJSON, `{"level":"error","ts":1755770000.25,"logger":"http.log.error","msg":"dial tcp 10.0.0.7:8080: connect: connection refused","request":{"remote_ip":"203.0.113.9","remote_port":"51234","client_ip":"203.0.113.9","method":"GET","host":"h","uri":"/a?b"},"duration":0.5,"status":502}`,
		"GET", "h", "/a?b", "10.0.0.7:8080", "", "203.0.113.9", 502, 500 * time.Millisecond, "2025-08-21T09:53:20.25Z",
	},
	{
		traefikAccess, `203.0.113.9 - - [21/Aug/2025:09:53:20 +0000] "GET /a?b HTTP/1.1" 502 11 "-" "x" 2 "r@docker" "http://172.18.0.5:8080" 1001ms`,
		"GET", "", "/a?b", "172.18.0.5:8080", "", "203.0.113.9", 502, 1001 * time.Millisecond, "2025-08-21T09:53:20Z",
	},
	{
		albAccess, `https 2025-08-21T09:53:50.5Z app/shop/50 203.0.113.9:51234 10.0.1.7:8080 0.001 30.004 -1 502 - 412 293 "GET https://h:443/a?b HTTP/1.1" "x" c p arn "Root=1-2" "h" "arn" 1 2025-08-21T09:53:20.5Z "forward" "-" "-" "10.0.1.7:8080" "-" "-" "-"`,
		"GET", "h:443", "/a?b", "10.0.1.7:8080", "Root=1-2", "203.0.113.9", 502, 30004 * time.Millisecond, "2025-08-21T09:53:50.5Z",
	},
	{
		gcpAccess, `{"jsonPayload":{"statusDetails":"backend_timeout"},"httpRequest":{"requestMethod":"GET","requestUrl":"https://h/a?b","status":502,"remoteIp":"203.0.113.9","latency":"30.001s"},"resource":{"labels":{"backend_service_name":"shop"}},"timestamp":"2025-08-21T09:53:20Z","trace":"t/1"}`,
		"GET", "h", "/a?b", "shop", "t/1", "203.0.113.9", 502, 30001 * time.Millisecond, "2025-08-21T09:53:20Z",
	},
	{
		cloudflareLog, `{"ClientIP":"203.0.113.9","ClientRequestHost":"h","ClientRequestMethod":"GET","ClientRequestURI":"/a?b","EdgeResponseStatus":524,"EdgeStartTimestamp":1755770000000000000,"EdgeEndTimestamp":1755770120000000000,"OriginIP":"198.51.100.7","OriginResponseStatus":0,"RayID":"8"}`,
		"GET", "h", "/a?b", "198.51.100.7", "8", "203.0.113.9", 524, 120 * time.Second, "2025-08-21T09:53:20Z",
	},
	{
		herokuLog, `2025-08-21T09:53:20.5+00:00 heroku[router]: at=error code=H12 desc="Request timeout" method=GET path="/a?b" host=h request_id=r fwd="203.0.113.9,1.1.1.1" dyno=web.1 connect=1ms service=30000ms status=503 bytes=0`,
		"GET", "h", "/a?b", "web.1", "r", "203.0.113.9", 503, 30 * time.Second, "2025-08-21T09:53:20.5Z",
	},
	{
		iisW3C, `2025-08-21 09:53:20 10.0.0.5 GET /a b 443 - 203.0.113.9 x - 502 3 12029 21015`,
		"GET", "", "/a", "", "", "203.0.113.9", 502, 21015 * time.Millisecond, "2025-08-21T09:53:20Z",
	},
	{
		squidNative, `1755770000.250   1500 203.0.113.9 TCP_MISS/503 1584 GET http://app.internal/a?b - HIER_DIRECT/10.0.0.7 text/html`,
		"GET", "app.internal", "/a?b", "10.0.0.7", "", "203.0.113.9", 503, 1500 * time.Millisecond, "2025-08-21T09:53:20.25Z",
	},
	{
		whygateJSON, `{"time":"2025-08-21T09:53:20.123Z","status":502,"by":"gateway","method":"GET","host":"h","target":"/a?b","client":"203.0.113.9:51234","request_id":"r","duration":12.5,"attempts":[{"endpoint":"http://x:1","addr":"10.0.0.7:8080","stage":"dial","end":"refused"}],"fault":{"type":"connection_refused","cause":"connection-refused","family":"application","stage":"dial"}}`,
		"GET", "h", "/a?b", "10.0.0.7:8080", "r", "203.0.113.9", 502, 12500 * time.Microsecond, "2025-08-21T09:53:20.123Z",
	},
	{
		whygateJSON, `{"time":"2025-08-21T09:53:20.123Z","status":502,"by":"gateway","method":"GET","host":"h","target":"/a?b","client":"203.0.113.9:51234","request_id":"r","duration_ms":12.5,"attempts":[{"endpoint":"http://x:1","address":"10.0.0.7:8080","stage":"dial","end":"refused"}],"fault":{"type":"connection_refused","cause":"connection-refused","family":"application","stage":"dial"}}`,
		"GET", "h", "/a?b", "10.0.0.7:8080", "r", "203.0.113.9", 502, 12500 * time.Microsecond, "2025-08-21T09:53:20.123Z",
	},
}

func TestFormatFields(t *testing.T) {
	for _, c := range formatFields {
		var e Entry
		e.reset()
		if !c.format.Parse(&e, []byte(c.line)) {
			t.Errorf("%s does not take its line", c.format.Name)
			continue
		}
		for _, f := range []struct{ name, got, want string }{
			{"method", string(e.Method), c.method},
			{"host", string(e.Host), c.host},
			{"path", string(e.Path), c.path},
			{"upstream", string(e.Upstream), c.upstream},
			{"id", string(e.ID), c.id},
			{"client", string(e.Client), c.client},
			{"time", e.Time.UTC().Format(time.RFC3339Nano), c.at},
		} {
			if f.got != f.want {
				t.Errorf("%s: %s is %q, not %q", c.format.Name, f.name, f.got, f.want)
			}
		}
		if e.Status != c.status || e.Took != c.took || !e.Zoned {
			t.Errorf("%s: status %d, took %v, zoned %v", c.format.Name, e.Status, e.Took, e.Zoned)
		}
	}
}

// TestFormatMarkers holds the lines that mark a start, a stop or a reload.
func TestFormatMarkers(t *testing.T) {
	for _, c := range []struct {
		format *Format
		line   string
		want   Marker
	}{
		{caddyJSON, `{"level":"info","ts":1795361722.8,"msg":"serving initial configuration"}`, MarkerStart},
		{caddyJSON, `{"level":"info","ts":1795361722.8,"logger":"admin.api","msg":"load complete"}`, MarkerReload},
		{caddyJSON, `{"level":"info","ts":1795361722.8,"msg":"shutting down apps, then terminating","signal":"SIGTERM"}`, MarkerStop},
		{traefikLog, `time="2025-08-21T09:53:20Z" level=info msg="Traefik version 2.11.2 built on 2024-04-11T15:52:53Z"`, MarkerStart},
		{traefikLog, `{"level":"debug","providerName":"docker","time":"2025-08-21T09:53:34Z","message":"Configuration received"}`, MarkerReload},
		{herokuLog, `2025-08-21T09:53:20.1+00:00 heroku[web.1]: State changed from starting to up`, MarkerStart},
		{herokuLog, `2025-08-21T09:53:20.1+00:00 heroku[web.1]: Stopping all processes with SIGTERM`, MarkerStop},
		{herokuLog, `2025-08-21T09:53:20.1+00:00 app[api]: Deploy 193d1419 by user dev@example.com`, MarkerReload},
		{gunicornLog, `[2025-08-21 09:53:20 +0000] [1] [INFO] Listening at: http://0.0.0.0:8000 (1)`, MarkerStart},
		{gunicornLog, `[2025-08-21 09:53:20 +0000] [1] [INFO] Handling signal: hup`, MarkerReload},
		{gunicornLog, `[2025-08-21 09:53:20 +0000] [1] [INFO] Shutting down: Master`, MarkerStop},
		{uwsgiLog, `*** Starting uWSGI 2.0.26 (64bit) on [Thu Aug 21 09:53:20 2025] ***`, MarkerStart},
		{uwsgiLog, `...gracefully killing workers...`, MarkerReload},
		{uwsgiLog, `goodbye to uWSGI.`, MarkerStop},
		{phpFPMLog, `[21-Aug-2025 09:53:01] NOTICE: ready to handle connections`, MarkerStart},
		{phpFPMLog, `[21-Aug-2025 09:53:01] NOTICE: Reloading in progress ...`, MarkerReload},
		{phpFPMLog, `[21-Aug-2025 09:53:01] NOTICE: exiting, bye-bye!`, MarkerStop},
		{pumaLog, `[4] * Listening on http://0.0.0.0:3000`, MarkerStart},
		{pumaLog, `[4] - Starting phased worker restart, phase: 1`, MarkerReload},
		{pumaLog, `[4] - Goodbye!`, MarkerStop},
		{nodeLog, `2025-08-21T09:53:21: PM2 log: App [api:0] online`, MarkerStart},
		{nodeLog, `2025-08-21T09:53:21: PM2 log: App [api:0] exited with code [0] via signal [SIGINT]`, MarkerStop},
		{tomcatLog, `21-Aug-2025 09:53:01.123 INFO [main] org.apache.catalina.startup.Catalina.start Server startup in [2345] milliseconds`, MarkerStart},
		{tomcatLog, `21-Aug-2025 09:53:01.123 INFO [Thread-4] org.apache.catalina.core.StandardService.stopInternal Stopping service [Catalina]`, MarkerStop},
		{systemdLog, `Started shop.service - Shop application.`, MarkerStart},
		{systemdLog, `Stopped Shop application.`, MarkerStop},
		{systemdLog, `Reloaded nginx.service - A web server.`, MarkerReload},
		{systemdLog, `shop.service: Main process exited, code=killed, status=15/TERM`, MarkerStop},
	} {
		var e Entry
		e.reset()
		if !c.format.Parse(&e, []byte(c.line)) || e.Marker != c.want || e.Kind != KindNoise {
			t.Errorf("%s: %q is %s, marks %q, not %q", c.format.Name, c.line, e.Kind, e.Marker, c.want)
		}
	}
}

// TestFormatsAreStrict offers lines that look alike and are no format's, or another program's.
func TestFormatsAreStrict(t *testing.T) {
	for _, line := range []string{
		``, ` `, `-`, `{}`, `[]`, `{"level":"info","ts":1795361722.8,"logger":"worker","msg":"job done"}`, `{"level":"info","msg":"hello"}`, `{"level":"debug","time":"2025-08-21T09:53:34Z","message":"cache warmed"}`,
		`time="2025-08-21T09:53:20Z" level=info msg="container started"`, `2025-08-21T09:53:20Z INF listening addr=:80`, `Started GET "/books" for 127.0.0.1 at 2025-08-21 09:53:20 +0000`, `Completed 200 OK in 5ms`,
		`[2025-08-21 09:53:20] production.ERROR: boom`, `at=info method=GET`, `worker 1 is here`, `Error: something`, `    at Object.<anonymous> (/app/index.js:1:7)`, `java.lang.NullPointerException: x`,
		`2025-08-21 09:53:20 hello 200 0 0 15`, `1755770000.250 1500 hello`, `*   `, `--`, `--  Nonsense  x`, `  hint: read the manual`, `foo.service: something else entirely`,
	} {
		for _, f := range corpusFormats {
			var e Entry
			e.reset()
			if f.Parse(&e, []byte(line)) {
				t.Errorf("%s takes %q as %s", f.Name, line, e.Kind)
			}
		}
	}
}
