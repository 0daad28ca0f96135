package lab

import (
	"time"

	"github.com/whygate/whygate/internal/fault"
)

var blockedPage = Plays{Answer("403 Forbidden", "Request blocked. Reference: 18.2f3a1c\n", "Server: some-waf"), Close()}

var securityScenarios = []Scenario{
	{
		Name: "filter-resets", Group: Security, Row: "R3", Does: "A content filter resets the connection when a request has \"union select\".", Why: whyTerminated, Ask: Ask{Target: "?q=1+union+select+2"},
		Plays: Serve(Where("union+select", Plays{Reset()}, Plays{Answer("200 OK", okBody)})), Want: want502(fault.TypeConnectionTerminated, fault.CauseResetBeforeAnswer),
	},
	{
		Name: "filter-resets-body", Group: Security, Row: "R3", Does: "A content filter resets the connection when a form has \"<script>\".", Why: whyTerminated, Ask: Ask{Method: "POST", Content: "comment=<script>alert(1)</script>"},
		Plays: Serve(Where("<script>", Plays{Reset()}, Plays{Answer("200 OK", okBody)})), Want: want502(fault.TypeConnectionTerminated, fault.CauseResetBeforeAnswer),
	},
	{
		Name: "filter-403", Group: Security, Row: "", Does: "A content filter answers 403 when a request has \"/etc/passwd\".", Why: "RFC 9110, section 15.5.4: it is the upstream's own answer.", Ask: Ask{Target: "?file=/etc/passwd"},
		Plays: Serve(Where("/etc/passwd", blockedPage, Plays{Answer("200 OK", okBody)})), Want: Want{Status: []int{403}, Body: "Request blocked."},
	},
	{
		Name: "filter-user-agent", Group: Security, Row: "", Does: "A content filter answers 403 to user agents that are no browsers.", Why: "RFC 9110, section 15.5.4: it is the upstream's own answer.", Ask: Ask{Fields: []string{"User-Agent: curl/8.5.0"}},
		Plays: Serve(Where("mozilla", Plays{Answer("200 OK", okBody)}, blockedPage)), Want: Want{Status: []int{403}},
	},
	{
		Name: "filter-user-agent-browser", Group: Security, Row: "", Does: "A content filter that answers 403 to what is no browser lets a browser pass.", Why: "A control: nothing is wrong.", Ask: Ask{Fields: []string{"User-Agent: Mozilla/5.0 (X11; Linux x86_64)"}},
		Plays: Serve(Where("mozilla", Plays{Answer("200 OK", okBody)}, blockedPage)), Want: good,
	},
	{
		Name: "filter-drops", Group: Security, Row: "R12", Does: "A firewall lets the connection open and swallows a request that it does not like.", Why: whyReadTime, Ask: Ask{Target: "?cmd=cat+/etc/shadow"},
		Plays: Serve(Where("/etc/shadow", Plays{Hold()}, Plays{Answer("200 OK", okBody)})),
		Want:  Want{Status: []int{504}, Types: []fault.Type{fault.TypeConnectionReadTimeout}, Cause: []fault.Cause{fault.CauseHeadTimeout}},
	},
	{
		Name: "tarpit", Group: Security, Row: "R14", Does: "The answer comes, then its body at one byte each 400 ms: alive, but without an end in sight.", Why: "A body that goes on is no fault; what came until then is passed on at once.",
		Plays: Once(Send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n"), Drip("tarpit!\n", 400*time.Millisecond), Hold()), Want: Want{Status: []int{200}, Body: "tarpit!\n", Size: 8, Within: 1500 * time.Millisecond},
	},
	{
		Name: "response-splitting", Group: Security, Row: "R29", Does: "A header's value carries a whole second answer behind its line's end, as an unescaped redirect makes it.", Why: "RFC 9112, section 11.1: what follows the first answer's end is no answer to anybody.", Ask: Ask{Times: 2},
		Plays: Serve(Send("HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n" + poison)), Want: Want{Status: []int{302}, Never: "POISON", Cause: []fault.Cause{fault.CauseExtraOctets}},
	},
	{
		Name: "private-address-in-answer", Group: Security, Row: "R1", Does: "The upstream fails; the page that the gateway makes of it must not show where it is.", Why: "RFC 9209, section 4: the header and the page can disclose what is behind a gateway. That they do not is asked here of what the public sees.",
		Plays: Once(Close()), Want: Want{Status: []int{502}, Types: []fault.Type{fault.TypeConnectionTerminated}, Cause: []fault.Cause{fault.CauseClosedBeforeAnswer}, Never: "127.0.0.1"},
	},
}
