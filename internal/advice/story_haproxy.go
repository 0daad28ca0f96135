package advice

import "github.com/whygate/whygate/internal/fault"

// refusedAnswer are the causes to which the state PH is judged.
var refusedAnswer = []fault.Cause{
	fault.CauseNotHTTP, fault.CauseBadField, fault.CauseHeadTooLarge, fault.CauseConflictingLengths, fault.CauseLengthAndEncoding, fault.CauseResponseBlocked, fault.CauseBadStatusLine,
	fault.CauseWrongService, fault.CauseUnknown,
}

// states of HAProxy that begin with PH, with what may stand behind the cookies' place.
const statePH = " ph--| phvn| phnn| phni| phdi| phvi| phvr| phnr| phdr"

var haproxyShow = directive{
	set: `echo "show errors" | socat stdio /run/haproxy/admin.sock`,
	why: "the last answer that was refused, with the octet that it stopped at; needs stats socket /run/haproxy/admin.sock level operator in global. Empty: an http-response rule, or option checkcache, refused it",
}

var storiesOfHAProxy = []story{
	{
		products: "haproxy", causes: starting, words: "could not resolve address",
		title:    "HAProxy did not start",
		sentence: "HAProxy did not start: it looks up its servers' names when it starts, and one did not resolve",
		do: []directive{
			{where: "backend", set: "server app NAME:8080 resolvers docker init-addr last,libc,none", why: "starts without the address, and looks it up while running; nameserver dns 127.0.0.11:53 in a section resolvers docker, in Kubernetes kube-dns's address"},
			{set: "getent hosts NAME", why: "in HAProxy's own container or machine: the service must be up, and in one network with it"},
		},
		alone: true, unlogged: true, check: "getent hosts NAME where HAProxy runs",
	},
	{
		products: "haproxy", causes: own, words: "parsing [|atal errors found|config : ", and: "[alert]",
		title:    "HAProxy did not start",
		sentence: "HAProxy did not start, or did not take its new configuration: the message names the file and the line",
		do: []directive{
			{set: "haproxy -c -f /etc/haproxy/haproxy.cfg", why: "names all mistakes; a reload that fails leaves the old process at work"},
			{set: "haproxy -v", why: "whether the keyword is older or newer than this version"},
		},
		alone: true, unlogged: true, certain: true, check: "haproxy -c -f /etc/haproxy/haproxy.cfg",
	},
	{
		products: "haproxy", causes: own, words: statePH,
		title:    "HAProxy could not change the answer",
		sentence: "HAProxy failed while it changed the answer's head: the fields that its rules add do not fit into what tune.maxrewrite keeps free",
		do: []directive{
			{where: "global", set: "tune.maxrewrite 4096", why: "room for what http-response rules add; 1024 is the default, and tune.bufsize must be larger by what the application sends"},
			{where: "backend", set: "http-response strict-mode off", why: "leaves a rule out that does not fit, instead of failing with 500"},
			{where: "global", set: "tune.bufsize 32768", why: "the whole head must fit, less tune.maxrewrite; it is the size of every buffer"},
		},
		alone: true, check: `echo "show info" | socat stdio /run/haproxy/admin.sock | grep -i bufsize; with strict-mode off the same request passes`,
	},
	{
		products: "haproxy", causes: refusedAnswer, words: statePH,
		title:    "HAProxy refused the answer",
		sentence: "HAProxy took the answer of {peer:the server} and refused it: it is no valid HTTP, too large, or a rule forbids it",
		do:       []directive{haproxyShow, {set: "curl -sv --http1.1 http://SERVER:PORT/PATH -o /dev/null", why: "shows the same head: two Content-Length, a blank in a field's name, or more than 16 KiB"}},
		alone:    true, check: `echo "show errors" | socat stdio /run/haproxy/admin.sock`,
	},
}
