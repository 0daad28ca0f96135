package explain

import (
	"testing"
)

// customCases are log formats as configurations have them, with a line and what it says.
var customCases = []struct {
	name, format, line, kind, cause, upstream string
}{
	{
		"nginx", `log_format main '$remote_addr [$time_local] "$request" $status $upstream_addr $upstream_status $upstream_connect_time $upstream_header_time $upstream_response_time';`,
		`203.0.113.9 [14/Mar/2026:12:00:01 +0000] "GET /a HTTP/1.1" 502 10.0.1.7:80, 10.0.1.8:80 502, 502 -, - -, - 0.001, 0.001`, "fault", "connection-refused", "10.0.1.8:80",
	},
	{
		"nginx json", `log_format j escape=json '{"t":"$time_iso8601","s":$status,"r":"$request","us":"$upstream_status","uh":"$upstream_header_time","ua":"$upstream_addr"}';`,
		`{"t":"2026-03-14T12:00:01+00:00","s":502,"r":"GET /a HTTP/1.1","us":"502","uh":"0.003","ua":"10.0.1.7:80"}`, "fault", "upstream-status", "10.0.1.7:80",
	},
	{
		"nginx over several lines", "log_format  x  '$remote_addr $status '\n   '$request_time';", `203.0.113.9 200 0.001`, "ok", "none", "",
	},
	{
		"haproxy", `%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %tsc %rc %hr %hs %{+Q}r`,
		`10.0.0.1:51 [14/Mar/2026:12:00:01.000] fe be/s1 0/0/-1/-1/3001 503 217 SC-- 3 "GET /a HTTP/1.1"`, "fault", "connection-refused", "be",
	},
	{
		"haproxy, quoted, with an expression", `log-format "%{+Q}o client=%ci time=[%t] status=%ST state=%tsc err=%[bc_err_name] req=%r"`,
		`client=10.0.0.1 time=[14/Mar/2026:12:00:01.000] status=503 state="sC--" err=- req="GET /a HTTP/1.1"`, "fault", "connect-timeout", "",
	},
	{
		"envoy", `[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %DURATION% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" "%UPSTREAM_HOST%"\n`,
		`[2026-03-14T12:00:01.000Z] "GET /a HTTP/1.1" 503 UF 2 "delayed_connect_error:_Connection_refused" "10.0.1.7:80"`, "fault", "connection-refused", "10.0.1.7:80",
	},
	{
		"envoy json", `{"code":"%RESPONSE_CODE%","f":"%RESPONSE_FLAGS%","up":"%UPSTREAM_HOST%","p":"%REQ(:PATH)%"}`,
		`{"code":504,"f":"UT","up":"10.0.1.7:80","p":"/a"}`, "fault", "head-timeout", "10.0.1.7:80",
	},
}

func TestAccessFormat(t *testing.T) {
	t.Parallel()
	for _, c := range customCases {
		f, err := Compile(c.format)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var e Entry
		e.reset()
		if !f.Parse(&e, []byte(c.line)) {
			t.Errorf("%s: the line is not of the format", c.name)
			continue
		}
		if got := e.Fault().Cause.String(); e.Kind.String() != c.kind || got != c.cause || string(e.Upstream) != c.upstream {
			t.Errorf("%s: %s %s at %q, want %s %s at %q", c.name, e.Kind, got, e.Upstream, c.kind, c.cause, c.upstream)
		}
		e.reset()
		if f.Parse(&e, []byte("something else")) && e.Kind != KindUnknown {
			t.Errorf("%s takes another line", c.name)
		}
	}
	for _, bad := range []string{"", "no variable", "$remote_addr $time_local", "%ci %cp", "%PROTOCOL%", "$", "${status", "%{+Q", "%[src", "%REQ(:METHOD"} {
		if _, err := Compile(bad); err == nil {
			t.Errorf("%q is taken for a format", bad)
		}
	}
}
