package fault

import (
	"strings"
	"testing"

	"github.com/dunglas/httpsfv"
)

// checkMember parses a member of Proxy-Status with a parser that is not ours. Nothing at all is valid too.
func checkMember(t *testing.T, member []byte) httpsfv.Item {
	t.Helper()
	if len(member) == 0 {
		return httpsfv.Item{}
	}
	list, err := httpsfv.UnmarshalList([]string{string(member)})
	if err != nil || len(list) != 1 {
		t.Fatalf("%s: %d members, %v", member, len(list), err)
	}
	return list[0].(httpsfv.Item)
}

func param(i httpsfv.Item, key string) any {
	if i.Params == nil {
		return nil
	}
	v, _ := i.Params.Get(key)
	return v
}

func TestProxyStatusOfEveryVerdict(t *testing.T) {
	for _, v := range verdicts {
		e := v.e
		e.Addr, e.Detail = "10.9.8.7:80", "a \"quoted\" \\ detail\x00\xff"
		if e.Endpoint == "" {
			e.Endpoint = "http://app.internal:80"
		}
		f := Classify(&e)
		for _, d := range []Disclosure{DisclosureOff, DisclosureSafe, DisclosureFull} {
			member := AppendProxyStatus(nil, "gw-eu-1", f, &e, d)
			if (len(member) == 0) != (d == DisclosureOff || f.Type == TypeNone) {
				t.Errorf("%s: %q", f.Cause, member)
				continue
			}
			item := checkMember(t, member)
			if len(member) > 0 && param(item, "error") != httpsfv.Token(f.Type.String()) {
				t.Errorf("%s: error=%v", f.Cause, param(item, "error"))
			}
			checkParams(t, f.Type, item)
			for _, private := range []string{"10.9.8.7", "app.internal", "10.0.0.2", "shop.example", "CN=", "OpenSSH", "quoted", "/run/app.sock"} {
				if d == DisclosureSafe && strings.Contains(string(member), private) {
					t.Errorf("%s gives %s away: %s", f.Cause, private, member)
				}
			}
		}
	}
}

// checkParams: only the field's own parameters and those of the type.
func checkParams(t *testing.T, kind Type, item httpsfv.Item) {
	t.Helper()
	if item.Params == nil {
		return
	}
	allowed := append([]string{"error", "next-hop", "received-status", "details"}, kind.Params()...)
	for _, name := range item.Params.Names() {
		if !strings.Contains(" "+strings.Join(allowed, " ")+" ", " "+name+" ") {
			t.Errorf("%s has no parameter %s", kind, name)
		}
	}
}

func TestProxyStatusParams(t *testing.T) {
	for _, tt := range []struct {
		e    Evidence
		d    Disclosure
		want string
	}{
		{
			Evidence{Stage: Resolve, End: NoAddress, Endpoint: "http://app.internal:8080", DNS: &DNS{Name: "app.internal", Server: "10.0.0.2:53", Answered: true, RCode: 3, EDE: 22}},
			DisclosureFull,
			`gw; error=dns_error; rcode="NXDOMAIN"; info-code=22; next-hop="app.internal:8080"; details="app.internal does not exist: name server 10.0.0.2:53 answered NXDOMAIN (EDE 22 No Reachable Authority)"`,
		},
		{
			Evidence{Stage: TLS, End: Alert, Alert: 40, Endpoint: "https://app:443"},
			DisclosureSafe,
			`gw; error=tls_alert_received; alert-id=40; alert-message=handshake_failure; details="the upstream server found nothing acceptable in the gateway's TLS offer (alert 40 handshake_failure)"`,
		},
		{
			Evidence{Stage: Head, End: TooLarge, Rule: RuleFieldSize, Field: "Set-Cookie", Size: 70000, Limit: 65536},
			DisclosureSafe,
			`gw; error=http_response_header_size; header-name="Set-Cookie"; header-size=70000; details="one header makes the response head of the upstream server larger than the gateway allows: Set-Cookie, of which 70000 bytes had come (the limit for the whole head is 65536)"`,
		},
		{
			Evidence{Stage: Receive, End: TooLarge, Rule: RuleBodySize, Size: 2000, Limit: 1000},
			DisclosureSafe,
			`gw; error=http_request_error; status-code=413; details="the client's request body of 2000 bytes is larger than the gateway allows (1000)"`,
		},
		{
			Evidence{Stage: Body, End: Malformed, Rule: RuleChunkSize, Status: 200},
			DisclosureSafe,
			`gw; error=http_response_transfer_coding; coding=chunked; received-status=200; details="the upstream server broke the chunked coding of its response: a chunk's size is not a hexadecimal number (RFC 9112 section 7.1)"`,
		},
	} {
		f := Classify(&tt.e)
		got := string(AppendProxyStatus(nil, "gw", f, &tt.e, tt.d))
		checkMember(t, []byte(got))
		if got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

func TestReceivedStatus(t *testing.T) {
	e := Evidence{Endpoint: "http://app:80", Addr: "10.0.0.7:80"}
	for _, tt := range []struct {
		name string
		d    Disclosure
		want string
	}{
		{"gw", DisclosureFull, `gw; received-status=502; next-hop="app:80"`},
		{"gw", DisclosureSafe, `gw; received-status=502`},
		{"gw", DisclosureOff, ``},
		{"10.0.0.1", DisclosureSafe, `"10.0.0.1"; received-status=502`},
		{"my gateway \"é\"", DisclosureSafe, `"my gateway \"??\""; received-status=502`},
		{"", DisclosureSafe, `""; received-status=502`},
	} {
		got := string(AppendReceivedStatus(nil, tt.name, 502, &e, tt.d))
		checkMember(t, []byte(got))
		if got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.name, got, tt.want)
		}
	}
}
