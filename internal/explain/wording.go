package explain

import (
	"bytes"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/phrase"
)

// This file reads lines by their words: where no format takes a line, the phrases of package phrase say what it is about,
// and what stands near them with whom. It is less sure than a format, and says so.

// wordsLacks is what every line that was read by its words cannot tell.
const wordsLacks = "It was read by its words alone: they do not say how long anything took, nor always with whom."

// wordsFormats are the formats of lines that were read by their words, by the product whose words they are.
var wordsFormats = makeWordsFormats()

// wordsProducts are the products whose words are told apart, with their names as people write them and their role.
var wordsProducts = [...]struct {
	product, title string
	role           Role
}{
	{"", "error text", RoleProxy},
	{"apache", "Apache's words", RoleProxy},
	{"nginx", "nginx's words", RoleProxy},
	{"nginx-auth", "nginx's auth_request", RoleProxy},
	{"haproxy", "HAProxy's words", RoleProxy},
	{"envoy", "Envoy's words", RoleProxy},
	{"traefik", "Traefik's words", RoleProxy},
	{"caddy", "Caddy's words", RoleProxy},
	{"kong", "Kong's words", RoleProxy},
	{"varnish", "Varnish's words", RoleProxy},
	{"squid", "Squid's words", RoleProxy},
	{"iis", "IIS's words", RoleProxy},
	{"gcp", "Google's load balancer's words", RoleProxy},
	{"cloudflare", "Cloudflare's words", RoleProxy},
	{"ingress-nginx", "the ingress controller's words", RoleProxy},
	{"apisix", "APISIX's words", RoleProxy},
	{"lighttpd", "lighttpd error log", RoleProxy},
	{"h2o", "h2o error log", RoleProxy},
	{"trafficserver", "Traffic Server log", RoleProxy},
	{"tinyproxy", "tinyproxy log", RoleProxy},
	{"nghttpx", "nghttpx log", RoleProxy},
	{"stunnel", "stunnel log", RoleProxy},
	{"hitch", "hitch log", RoleProxy},
	{"sniproxy", "sniproxy log", RoleProxy},
	{"privoxy", "privoxy log", RoleProxy},
	{"dante", "danted log", RoleProxy},
	{"litespeed", "LiteSpeed's error log", RoleProxy},
	{"fly", "Fly's proxy", RoleProxy},
	{"linkerd", "Linkerd's proxy", RoleProxy},
	{"spring", "Spring Cloud Gateway", RoleProxy},
	{"reactor-netty", "Reactor Netty", RoleProxy},
	{"azure", "Azure's gateways", RoleProxy},
	{"aws-api-gateway", "Amazon API Gateway", RoleProxy},
	{"bun", "Bun", RoleProxy},
	{"workerd", "workerd", RoleProxy},
	{"yarp", "YARP", RoleProxy},
	{"vite", "Vite's proxy", RoleProxy},
	{"http-proxy-middleware", "http-proxy-middleware", RoleProxy},
	{"next", "Next.js", RoleProxy},
	{"cloudflared", "cloudflared", RoleProxy},
	{"oauth2-proxy", "oauth2-proxy", RoleProxy},
	{"workhorse", "GitLab Workhorse", RoleProxy},
	{"verdaccio", "verdaccio", RoleProxy},
	{"disk", "a full disk", RoleProxy},
	{"selinux", "SELinux", RoleSystem},
	{"kubernetes", "Kubernetes", RoleProxy},
	{"node", "Node's words", RoleApplication},
	{"gunicorn", "gunicorn's words", RoleApplication},
	{"unicorn", "unicorn log", RoleApplication},
	{"uwsgi", "uWSGI's words", RoleApplication},
	{"php-fpm", "php-fpm's words", RoleApplication},
	{"php", "PHP's words", RoleApplication},
	{"passenger", "Passenger log", RoleApplication},
	{"tomcat", "Java's words", RoleApplication},
	{"waitress", "waitress log", RoleApplication},
	{"mod_wsgi", "mod_wsgi's words", RoleApplication},
	{"lambda", "AWS Lambda", RoleApplication},
	{"linux", "the kernel's words", RoleSystem},
	{"application", "an application's words", RoleApplication},
	{"platform", "the platform's words", RoleApplication},
}

// looseFormats are the formats of all lines that no format takes as they stand.
var looseFormats = makeLooseFormats()

func makeLooseFormats() []*Format {
	all := []*Format{jsonWords, accessWords, statusFormat}
	for _, p := range wordsProducts {
		all = append(all, wordsFormats[p.product])
	}
	return all
}

func makeWordsFormats() map[string]*Format {
	all := map[string]*Format{}
	for _, p := range wordsProducts {
		name := "words"
		if p.product != "" {
			name = p.product + "-words"
		}
		all[p.product] = &Format{
			Name: name, Title: p.title, Product: p.product, Role: p.role, Gives: "What the words of an error say, with the address, the request and the time near them.", Lacks: wordsLacks, wordy: true,
		}
	}
	return all
}

// programs are marks of programs that proxy, in lower case, for words that many write.
var programs = [...]struct{ mark, product string }{
	{"[vite]", "vite"},
	{"[hpm]", "http-proxy-middleware"},
	{"http-proxy-middleware", "http-proxy-middleware"},
	{"could not proxy request", "http-proxy-middleware"},
	{"failed to proxy http", "next"},
	{"originservice=", "cloudflared"},
	{"reach the origin service", "cloudflared"},
	{"badgateway: ", "workhorse"},
	{"proxyroundtripper", "workhorse"},
	{"error proxying to upstream server", "oauth2-proxy"},
	{"linkerd_", "linkerd"},
	{"--- err, req:", "verdaccio"},
	{"[proxy_", "apache"},
	{"[proxy:", "apache"},
	{"gw_backend.c", "lighttpd"},
	{"lib/core/proxy.c", "h2o"},
	{"shrpx_", "nghttpx"},
	{"s_connect: ", "stunnel"},
	{"reactor.netty", "spring"},
	{"haproxy[", "haproxy"},
	{" while connecting to upstream", "nginx"},
	{" while ssl handshaking to upstream", "nginx"},
	{"yarp.reverseproxy", "yarp"},
	{" from upstream", "nginx"},
}

// others are programs whose errors are about no request of HTTP, by the tags of their lines in lower case.
var others = [...]string{
	"sshd[", "sshd-session[", "postfix/", "dovecot", "exim", "sendmail", "named[", "unbound[", "unbound:", "dnsmasq", "ntpd[", "chronyd", "cron[", "crond[", "sudo[", "sudo:", "su[",
	"systemd-resolved", "systemd-timesyncd", "systemd-networkd", "networkmanager", "dhclient", "dhcpcd", "smartd", "fail2ban", "rsyslogd", "snmpd", "smbd", "nmbd", "winbindd", "slapd",
	"cupsd", "bluetoothd", "avahi-daemon", "openvpn", "strongswan", "charon", "wpa_supplicant", "postgres[", "mysqld[", "mariadbd[", "mongod[", "redis[", "smtp", "]:25", " port 22",
	"checkpoint", "socket for sync", "master <-> replica", "master <-> slave", "clamd", "freshclam", "apt-get", "rsync", "ntp server", "ldap_", "imap", "pop3", "sasl",
}

// about are words of an exchange with an upstream, in lower case: beside them, words that mean many things mean one.
const about = "upstream|proxy|proxies|backend|origin|gateway|fetch|http://|https://|request to|rpc error|grpc|connect to|connecting to|dial |balancer|endpoint|requests.exceptions|httpx|aiohttp|urllib|request failed|clientrequest|node:_http|undici|http.client|open-uri|net::http|faraday|guzzle|lwp::|curl:|curl error|webclient|resttemplate|feign|okhttp|net/http|reqwest|axios|tcp connect|round trip|roundtrip|httpclient|http client|connection error|service unavailable|bad gateway|502|503|504|server:|sock|error #0"

// answered are words between an answer and what it was for, in lower case: some proxies say at the level of what is of no importance why a
// request failed, as in '502 Bad Gateway' caused by: ….
const answered = "' caused by: |gateway error=|timeout error=|unavailable error=|server error error=|request failed error=|failed\" err"

// raised are ends of the names of errors, as languages show one that nobody caught: RequestError: …, SocketException: ….
const raised = "error: |exception: |error("

// wordMax is the longest message that is read by its words, in octets.
const wordMax = 8 << 10

// wording judges a message by its words, of a line or of several. It gives nil where they say nothing of a failed exchange.
func wording(e *Entry, text []byte, level severity) *Format {
	text = plainEscapes(text[:min(len(text), wordMax)])
	r := phrase.Read(text)
	p := r.Phrase
	if p == nil || len(p.Causes) == 0 || isTestResult(text) || !means(&r, text, level) {
		return nil
	}
	product := p.Product
	if product == "" || product == "nginx" {
		product = programOf(text, product)
	}
	if product == "" && p.By == phrase.Application {
		product = "application"
	}
	f := wordsFormats[product]
	if f == nil {
		f = wordsFormats[""]
	}
	e.Said = lineAt(text, r.From)
	e.read = p
	facts(e, text, &r)
	e.verbal(p.Causes)
	if starts(e.Upstream, "unix:") || starts(e.Upstream, "/") {
		e.Evidence.Endpoint = "unix:"
	}
	if p.By == phrase.Gateway && onListener(text) {
		e.clientGone()
		e.Upstream, e.Candidates, e.Evidence.Told = nil, e.Candidates[:0], fault.CauseClientLeft
		return f
	}
	switch p.By {
	case phrase.Application:
		e.By = ByOrigin
	case phrase.Client:
		e.Kind, e.By = KindClient, ByClient
	default:
		if e.By = ByGateway; product == "" && !phrase.OneOf(text, "prox|upstream|gateway|backend|origin") {
			e.By = ByUnknown
		}
	}
	return f
}

// plainEscapes undoes the escapes of ASCII in text that has them, such as the arrow in \u003e that Go's encoder makes of an address's: JSON
// that no format took is read as it stands, and so is what somebody copied out of it.
func plainEscapes(text []byte) []byte {
	const escape = `\u00`
	at := indexText(text, escape)
	if at < 0 {
		return text
	}
	var out []byte
	for ; at >= 0; at = indexText(text, escape) {
		out = append(out, text[:at]...)
		text = text[at:]
		r, n := unicodeEscape(text)
		if n == 0 || r < ' ' || r > '~' || r == '"' || r == '\\' {
			n = len(escape)
			out = append(out, text[:n]...)
		} else {
			out = append(out, byte(r))
		}
		text = text[n:]
	}
	return append(out, text...)
}

// over is what a program that only tells says of a failure that it got over.
const over = "succeeded after|succeeded on attempt|recovered after|recovered from|reconnected after|retry succeeded|successfully retried"

// means weighs a phrase by what stands around it.
func means(r *phrase.Reading, text []byte, level severity) bool {
	p := r.Phrase
	if level == severityInfo && phrase.OneOf(text, over) {
		return false
	}
	if p.Is == phrase.Strong {
		return true
	}
	if level == severityInfo && !phrase.OneOf(text, answered) || oneOfList(text, others[:]) {
		return false // what a program only tells, such as a title that it stored, is no failure of it
	}
	talk := phrase.OneOf(text, about)
	if p.Is == phrase.Errno {
		return talk || level >= severityError || level == severityWarn && atDial(p) && peerNear(text, r.From, r.To) != nil || level == severityUnsaid && phrase.OneOf(text, raised) || level == severityUnsaid && (bytes.IndexByte(text, ' ') < 0 || len(text) < 60 || hasPeer(text[r.To:]))
	}
	return talk
}

// onListener reports whether an error of Go's is about a connection that a client made: this side's port is one that servers listen at,
// the other side's is not, as in read tcp 10.0.0.1:443->192.0.2.7:41234: read: connection reset by peer.
func onListener(text []byte) bool {
	for _, call := range [...]string{"read tcp ", "write tcp "} {
		i := indexText(text, call)
		if i < 0 {
			continue
		}
		ours, theirs, ok := bytes.Cut(upTo(text[i+len(call):], ' '), []byte("->"))
		if ok && portOf(ours) > 0 && portOf(ours) < 1024 && portOf(bytes.TrimRight(theirs, ":")) >= 1024 {
			return true
		}
	}
	return false
}

func portOf(peer []byte) int64 { return wholeUint(peer[bytes.LastIndexByte(peer, ':')+1:]) }

// atDial reports whether a phrase is of what happens before there is a connection: it is never a client's doing, so that a warning with an
// address says enough.
func atDial(p *phrase.Phrase) bool {
	stage, _ := stageOf(p.Causes[0])
	return stage == fault.Dial || stage == fault.Resolve
}

// isTestResult reports whether a line is what a program that runs tests says of one: ok 12 - …, --- PASS: …, ✓ …. What a test is about did
// not happen to anybody.
func isTestResult(text []byte) bool {
	text = bytes.TrimLeft(text, " \t")
	text = bytes.TrimPrefix(text, []byte("not "))
	for _, mark := range [...]string{"✓", "✔", "✗", "✕", "√", "--- PASS", "--- FAIL", "=== RUN", "PASS ", "PASSED ", "ok "} {
		if starts(text, mark) && (mark != "ok " || len(text) > 3 && isDigit(text[3])) {
			return true
		}
	}
	return ends(text, " ... ok") || ends(text, " PASSED")
}

func oneOfList(text []byte, words []string) bool {
	head := text[:min(len(text), 200)]
	for _, w := range words {
		if phrase.Index(head, w) >= 0 {
			return true
		}
	}
	return portOfOthers(head)
}

// portOfOthers reports whether an address has the port of mail or of a remote shell, as in 10.0.0.7:25: and in no time of day.
func portOfOthers(head []byte) bool {
	for _, port := range [...]string{":25:", ":22:"} {
		i := indexText(head, port)
		if i <= 0 {
			continue
		}
		host := head[bytes.LastIndexAny(head[:i], " \t\"'=[(,")+1 : i]
		if bytes.IndexByte(host, '.') > 0 && bytes.IndexByte(host, ':') < 0 {
			return true
		}
	}
	return false
}

// programOf finds the program that proxies by its marks.
func programOf(text []byte, otherwise string) string {
	for _, m := range programs {
		if phrase.Index(text, m.mark) >= 0 {
			return m.product
		}
	}
	return otherwise
}

// lineAt gives the line of the text that the octet stands in, without blanks around it.
func lineAt(text []byte, at int) []byte {
	from := bytes.LastIndexByte(text[:at], '\n') + 1
	to := len(text)
	if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
		to = at + i
	}
	return bytes.TrimSpace(text[from:to])
}

// verbal makes the entry a fault of the causes that words name: the stage and the end are those that such a cause has.
func (e *Entry) verbal(causes []fault.Cause) {
	stage, end := stageOf(causes[0])
	e.fail(ByGateway, stage, end)
	e.waited()
	e.Candidates = e.Candidates[:0]
	e.Evidence.Told = causes[0]
	if len(causes) > 1 {
		e.Candidates = append(e.Candidates, causes...)
	}
}

// stageOf gives the stage and the end by which an exchange with the cause stops, for what words alone tell.
func stageOf(c fault.Cause) (fault.Stage, fault.End) {
	switch c.Entry().Type {
	case fault.TypeDNSError:
		return fault.Resolve, fault.NoAddress
	case fault.TypeDNSTimeout:
		return fault.Resolve, fault.Timeout
	case fault.TypeConnectionRefused:
		return fault.Dial, fault.Refused
	case fault.TypeConnectionTimeout:
		return fault.Dial, fault.Timeout
	case fault.TypeDestinationIPUnroutable:
		return fault.Dial, fault.Unreachable
	case fault.TypeTLSProtocolError, fault.TypeTLSCertificateError, fault.TypeTLSAlertReceived:
		return fault.TLS, fault.Malformed
	case fault.TypeConnectionTerminated:
		return fault.FirstByte, fault.Closed
	case fault.TypeConnectionReadTimeout, fault.TypeHTTPResponseTimeout:
		return fault.FirstByte, fault.Timeout
	case fault.TypeConnectionWriteTimeout:
		return fault.Write, fault.Timeout
	case fault.TypeHTTPResponseIncomplete:
		return fault.Body, fault.Closed
	case fault.TypeHTTPProtocolError, fault.TypeHTTPResponseHeaderSection, fault.TypeHTTPResponseHeader:
		return fault.Head, fault.Malformed
	case fault.TypeDestinationUnavailable:
		return fault.Select, fault.Unavailable
	}
	return fault.Select, fault.Failed
}

// peerOf finds whom a phrase is about: the service that a supervisor names, or the peer that stands near.
func peerOf(text []byte, r *phrase.Reading) []byte {
	if p := r.Phrase; p != nil {
		if name := serviceOf(text, r); name != nil {
			return name
		}
		switch p.Product {
		case "platform": // the addresses in such a text are those that the service listens at
			return nil
		case "litespeed": // its lines begin with the client's address
			i := indexText(text, "uds:/")
			if i < 0 {
				return nil
			}
			return bytes.TrimRight(upTo(text[i+len("uds:/"):], ' '), ",")
		}
	}
	return peerNear(text, r.From, r.To)
}

// facts finds with whom, for what and when, near the phrase.
func facts(e *Entry, text []byte, r *phrase.Reading) {
	if peer := peerOf(text, r); peer != nil {
		e.Upstream = withoutUser(peer)
	}
	if method, target, ok := requestIn(text); ok {
		e.Method = method
		e.setTarget(target)
	} else if path := pathIn(text); path != nil {
		e.Path = path
	}
	if e.Time.IsZero() {
		if t, zoned := anyClock(text, time.Time{}); t.Year() > 1 { // one without a year is read where the year is known
			e.Time, e.Zoned = t, zoned
		}
	}
}
