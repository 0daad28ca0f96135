package explain

import (
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/fault"
)

// TestPosted has inputs in the shape of what people post: a line behind a quote mark or a word, without its date, in JSON of a program
// that is known by its keys. Each has its cause, and whom it is about.
func TestPosted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text  string
		cause fault.Cause
		at    string // the upstream, empty where none is told
	}{
		"the address that was dialed, and not the URL that was asked for": {
			`ERR Request failed error="Unable to reach the origin service. The service may be down or it may not be responding to traffic from cloudflared: dial tcp 127.0.0.1:5244: connect: connection refused" connIndex=1 dest=https://shop.example.com/favicon.ico event=0`,
			fault.CauseConnectionRefused, "127.0.0.1:5244",
		},
		"an address far behind the words is not cut": {
			"`connect() failed (113: Host is unreachable) while connecting to upstream, client: 172.17.0.1, server: shop.example.com, request: \"GET /feed/ HTTP/1.1\", upstream: \"http://172.17.0.7:2368/feed/\", host: \"shop.example.com\"`",
			fault.CauseHostUnreachable, "172.17.0.7:2368",
		},
		"a date is no address": {
			`01/Jul/2018:08:40:46 -0400 [ERROR 502 /] dial  failed: Lookup of  failed: lookup : no such host`, fault.CauseDNSNXDomain, "",
		},
		"a socket behind FastCGI's scheme": {
			`[error] 1179#0: *83208 upstream timed out (110: Connection timed out) while reading response header from upstream, client: XX, server: XX, request: "GET /mail/ HTTP/1.1", upstream: "fastcgi://unix:/var/run/php5-fpm.sock", host: "XX"`,
			fault.CauseHeadTimeout, "unix:/var/run/php5-fpm.sock",
		},
		"a socket that nobody listens on": {
			`2013/05/21 19:13:30 [error] 4087#0: *1 connect() to unix:///srv/app/app.socket failed (111: Connection refused) while connecting to upstream, client: 10.0.0.9, server: a, request: "GET / HTTP/1.1", upstream: "http://unix:///srv/app/app.socket:/", host: "a"`,
			fault.CauseConnectionRefused, "/srv/app/app.socket",
		},
		"no name is sent by nginx": {
			`*10 SSL_do_handshake() failed (SSL: error:0A000410:SSL routines::sslv3 alert handshake failure:SSL alert number 40) while SSL handshaking to upstream, client: 172.19.0.1, server: a, request: "GET / HTTP/2.0"`,
			fault.CauseTLSNameUnknown, "",
		},
		"the answer had begun": {
			`*343455444 upstream prematurely closed connection while sending to client, client: 10.0.0.9, server: a, request: "POST /api HTTP/1.1", upstream: "http://10.0.0.7:80/api", host: "a"`,
			fault.CauseBodyShort, "10.0.0.7:80",
		},
		"the answer had begun, with a date": {
			`2021/03/17 10:00:00 [error] 31#31: *3 upstream prematurely closed connection while sending to client, client: 10.0.0.9, server: a, request: "POST /api HTTP/1.1", upstream: "http://10.0.0.7:80/api", host: "a"`,
			fault.CauseBodyShort, "10.0.0.7:80",
		},
		"Envoy's details as they were before 1.18":   {"503 upstream_reset_before_response_started{local reset} LR", fault.CauseConnectionLost, ""},
		"the request is a TLS record":                {`Ignored premature client disconnection. No more data after: b'\x16\x03\x01\x01"\x01\x00'`, fault.CauseTLSToPlainPort, ""},
		"Apache's message without what is before it": {"`AH01144: No protocol handler was valid for the URL /index.php. If you are using a DSO version of mod_proxy, make sure the proxy submodules are included`", fault.CauseRouteBroken, ""},
		"Apache's number with an errno":              {"> (104)Connection reset by peer: [client 10.0.0.9:41416] AH01075: Error dispatching request to : ", fault.CauseResetBeforeAnswer, ""},
		"YARP's own sentence":                        {"RequestTimedOut: The request timed out before receiving a response.", fault.CauseHeadTimeout, ""},
		"a health check's own reason":                {"haproxy Server web/app1 is DOWN, reason: Layer4 timeout check duration: 10001ms. 2 active and 0 backup servers left.", fault.CauseConnectTimeout, "web/app1"},
		"a time of day is no port":                   {`2018/11/06 20:25:11 server.go:1005: [error] could not fetch: rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing dial tcp 172.16.30.67:10085: connect: connection refused"`, fault.CauseConnectionRefused, "172.16.30.67:10085"},
		"a script that php-fpm does not have":        {`2021/12/14 07:43:17 [error] 48715#48715: *1 FastCGI sent in stderr: "Primary script unknown" while reading response header from upstream, client: 10.0.0.9, server: a, request: "GET / HTTP/2.0", upstream: "fastcgi://127.0.0.1:9000", host: "a"`, fault.CauseRouteBroken, "127.0.0.1:9000"},
		"a file that nginx may not read":             {`> 2772 stat() "/var/www/html/remote.php" failed (13: Permission denied), client: 10.0.0.9, server: a, request: "PROPFIND /remote.php HTTP/1.1", host: "a"`, fault.CauseRouteBroken, ""},
		"Passenger's socket":                         {`2014/08/06 11:17:45 [error] 9455#0: *1 connect() to /tmp/passenger.1.0/generation-0/request failed (111: Connection refused) while connecting to upstream, client: 10.0.0.9, server: a, request: "GET / HTTP/1.1", upstream: "passenger:/tmp/passenger.1.0/generation-0/request:", host: "a"`, fault.CauseConnectionRefused, "/tmp/passenger.1.0/generation-0/request"},
		"curl behind a proxy that tunnels":           {"curl: (56) Received HTTP code 504 from proxy after CONNECT", fault.CauseConnectTimeout, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := explainText(t, "posted.log", c.text+"\n")
			if len(r.Findings) != 1 || r.Findings[0].Cause != c.cause {
				t.Fatalf("%+v, want one %s", r.Findings, c.cause)
			}
			at := ""
			if len(r.Findings[0].Upstreams) > 0 {
				at = r.Findings[0].Upstreams[0].Name
			}
			if at != c.at {
				t.Errorf("at %q, want %q", at, c.at)
			}
		})
	}
}

// TestEnvoysDuration is in milliseconds, whatever its key is called.
func TestEnvoysDuration(t *testing.T) {
	t.Parallel()
	r := explainText(t, "envoy.json", `{"responseCodeDetails":"upstream_reset_before_response_started{connection_failure}","requestMethod":"GET","startTime":"2021-07-21T09:42:36.514Z","responseFlags":"UF,URX","responseCode":"503","duration":"55"}`+"\n")
	if len(r.Findings) != 1 || !strings.Contains(r.Findings[0].Sentence, "55ms") {
		t.Errorf("%+v", r.Findings)
	}
}

// TestAWorkerEndsOnce: gunicorn says that a worker is over its time, and that it was killed for it.
func TestAWorkerEndsOnce(t *testing.T) {
	t.Parallel()
	const timeout = "[2021-11-20 18:34:24 +0100] [669] [CRITICAL] WORKER TIMEOUT (pid:1609)\n"
	const killed = "[2021-11-20 18:34:25 +0100] [669] [WARNING] Worker with pid 1609 was terminated due to signal 9\n"
	const other = "[2021-11-20 18:34:25 +0100] [669] [WARNING] Worker with pid 1610 was terminated due to signal 9\n"
	if r := explainText(t, "gunicorn.log", timeout+killed); r.Faults != 1 || r.Findings[0].Cause != fault.CauseWorkerTimeout {
		t.Errorf("%d faults, %+v", r.Faults, r.Findings)
	}
	if r := explainText(t, "gunicorn.log", timeout+other); r.Faults != 2 {
		t.Errorf("another worker: %d faults, %+v", r.Faults, r.Findings)
	}
}

// TestRouteOfAQuery: the root with a query is the root.
func TestRouteOfAQuery(t *testing.T) {
	t.Parallel()
	if got := string(appendRoute(nil, []byte("/?_task=mail&_action=refresh"))); got != "/" {
		t.Errorf("%q", got)
	}
}
