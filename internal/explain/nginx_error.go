package explain

import (
	"bytes"
	"syscall"

	"github.com/whygate/whygate/internal/fault"
)

// nginxLogFormat is what to paste so that an access log tells what an error log cannot: how long each stage took, and
// what each attempt was answered.
const nginxLogFormat = `log_format why '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
               '"$http_referer" "$http_user_agent" rt=$request_time ua="$upstream_addr" us="$upstream_status" '
               'uc="$upstream_connect_time" uh="$upstream_header_time" ur="$upstream_response_time" conn=$connection pid=$pid';
access_log /var/log/nginx/why.log why;`

var nginxError = &Format{
	begins: "n", dated: datedSlashes, marks: []string{"[notice] ", "[emerg] ", "[alert] "},
	Name:    "nginx-error",
	Title:   "nginx error log",
	Product: "nginx",
	Gives:   "The stage of each failed attempt, errno, the peer, the client and the request; not what the client was answered.",
	Lacks:   "It does not say whether the connection was reused, nor how long anything took, so a keep-alive race looks like a crash.",
	Better:  nginxLogFormat,
	Parse: func(e *Entry, line []byte) bool {
		l, ok := cutNginx(line)
		if !ok || l.flavour() != flavourNginx {
			return false
		}
		l.judge(e)
		return true
	},
}

var openrestyError = &Format{
	begins: "n", dated: datedSlashes,
	Name:    "openresty-error",
	Title:   "OpenResty error log",
	Product: "openresty",
	Gives:   "What the Lua code or its sockets met, with the client and the request.",
	Lacks:   "A Lua socket's failure names the peer but not the request's upstream; a traceback's later lines are not of this shape.",
	Better:  nginxLogFormat,
	Parse: func(e *Entry, line []byte) bool {
		l, ok := cutNginx(line)
		if !ok || l.flavour() != flavourLua {
			return false
		}
		l.judgeLua(e)
		return true
	},
}

var kongError = &Format{
	begins: "n", dated: datedSlashes,
	Name:    "kong-error",
	Title:   "Kong error log",
	Product: "kong",
	Gives:   "What nginx's own error log gives, what Kong's balancer and DNS client met, and since 3.5 the request id.",
	Lacks:   "It does not say whether the connection was reused, nor how long anything took.",
	Better:  "# kong.conf: the file-log plugin writes latencies.proxy, latencies.kong and tries[] for every request\ncurl -X POST localhost:8001/plugins -d name=file-log -d config.path=/var/log/kong/requests.log",
	Parse: func(e *Entry, line []byte) bool {
		l, ok := cutNginx(line)
		if !ok || l.flavour() != flavourKong {
			return false
		}
		l.judgeLua(e)
		return true
	},
}

// nginxLine is a line of an nginx error log taken apart: ngx_log_error_core and ngx_http_log_error in nginx's source.
type nginxLine struct {
	at       []byte // the time, 2006/01/02 15:04:05
	level    []byte
	pid      int64
	conn     int64
	message  []byte // with the errno and the action, without the fields below
	client   []byte
	server   []byte
	request  []byte
	upstream []byte
	host     []byte
	id       []byte
	tail     bool // there is a client: the line is about a connection
}

// flavour is which member of the family wrote the line.
type flavour uint8

const (
	flavourNginx flavour = iota
	flavourLua
	flavourKong
)

// flavour tells by the words that only one of them uses.
func (l *nginxLine) flavour() flavour {
	switch {
	case len(l.id) > 0 || string(l.server) == "kong" || starts(l.message, "[kong]") || has(l.message, "kong/"):
		return flavourKong
	case starts(l.message, "[lua]"):
		if has(l.message, "balancer_execute()") || has(l.message, "dns/balancer") || has(l.message, "[healthchecks]") {
			return flavourKong
		}
		return flavourLua
	case starts(l.message, "lua ") || has(l.message, "_by_lua") || starts(l.message, "attempt to send data on a closed socket"):
		return flavourLua
	}
	return flavourNginx
}

// cutNginx takes the line apart, and is false where it is not an nginx error log's.
func cutNginx(line []byte) (l nginxLine, ok bool) {
	if starts(line, "nginx: [") { // on standard error, before the log is open: ngx_log_stderr
		level, message, found := bytes.Cut(line[len("nginx: ["):], []byte("] "))
		l.level, l.message = level, message
		return l, found && (string(level) == "emerg" || string(level) == "alert" || string(level) == "warn" || string(level) == "error")
	}
	if len(line) < 30 || !isDigit(line[0]) || line[4] != '/' || line[7] != '/' || line[19] != ' ' || line[20] != '[' {
		return l, false
	}
	l.at = line[:19]
	end := bytes.IndexByte(line[21:min(len(line), 32)], ']')
	if end < 0 || len(line) < 21+end+2 || line[21+end+1] != ' ' {
		return l, false
	}
	l.level = line[21 : 21+end]
	rest := line[21+end+2:]
	if l.pid, rest, ok = readUint(rest); !ok || len(rest) == 0 || rest[0] != '#' {
		return l, false
	}
	if _, rest, ok = readUint(rest[1:]); !ok || !starts(rest, ": ") {
		return l, false
	}
	rest = rest[2:]
	if len(rest) > 1 && rest[0] == '*' {
		if l.conn, rest, ok = readUint(rest[1:]); !ok {
			return l, false
		}
		rest = bytes.TrimPrefix(rest, []byte(" "))
	}
	l.cutFields(rest)
	return l, true
}

// cutFields cuts the message from the fields that ngx_http_log_error adds behind it. Nothing in them is escaped, so each
// is found by the words before it.
func (l *nginxLine) cutFields(b []byte) {
	i := indexText(b, ", client: ")
	if i < 0 {
		if i = indexText(b, ", context: "); i < 0 {
			l.message = b
			return
		}
		l.message = b[:i]
		return
	}
	l.message, l.tail = b[:i], true
	b = b[i+len(", client: "):]
	l.client = b
	if i := indexText(b, ", "); i >= 0 {
		l.client = b[:i]
	}
	if rest, found := after(b, ", server: "); found {
		l.server = rest
		if i := indexText(rest, ", "); i >= 0 {
			l.server = rest[:i]
		}
	}
	l.request = nginxQuoted(b, `, request: "`)
	l.upstream = nginxQuoted(b, `, upstream: "`)
	l.host = nginxQuoted(b, `, host: "`)
	l.id = nginxQuoted(b, `, request_id: "`)
}

// nginxQuoted finds a field's value by its name: up to the quote that ends the line or stands before the next field.
func nginxQuoted(b []byte, name string) []byte {
	rest, found := after(b, name)
	if !found {
		return nil
	}
	if i := indexText(rest, `", `); i >= 0 {
		return rest[:i]
	}
	return bytes.TrimSuffix(bytes.TrimRight(rest, " "), []byte(`"`))
}

// fill writes what every line has.
func (l *nginxLine) fill(e *Entry) {
	e.Time, _, _ = nginxClock(l.at)
	e.Process, e.Conn = uint64(l.pid), uint64(l.conn)
	e.Client, e.Host, e.ID = l.client, l.host, l.id
	e.Upstream = nginxPeer(l.upstream)
	e.module = nginxModule(l.upstream)
	splitRequest(e, l.request)
	e.Said = l.message
	e.Kind = KindNoise
}

// nginxModule gives the module that asked, empty for proxy: the scheme of the upstream says it.
func nginxModule(upstream []byte) string {
	for _, m := range [...]string{"fastcgi", "uwsgi", "scgi", "grpc"} {
		if starts(upstream, m) {
			return m
		}
	}
	return ""
}

// nginxPeer takes the peer out of SCHEME://PEER/URI.
func nginxPeer(b []byte) []byte {
	if i := indexText(b, "://"); i >= 0 {
		b = b[i+3:]
	}
	if path, ok := bytes.CutPrefix(b, []byte("passenger:")); ok { // Phusion's module: the path of its socket
		return bytes.TrimRight(path, ":")
	}
	if starts(b, "unix:") {
		if i := bytes.IndexByte(b[5:], ':'); i >= 0 {
			b = b[:5+i]
		}
		return b
	}
	return upTo(b, '/')
}

// judge reads the message.
func (l *nginxLine) judge(e *Entry) {
	l.fill(e)
	e.Evidence.Stage = l.stage()
	if l.judgeConnect(e) || l.judgeUpstream(e) || l.judgeSSL(e) || l.judgeNames(e) || l.judgeClient(e) || l.judgeOwn(e) {
		if e.module == "grpc" && e.Kind == KindFault {
			e.overHTTP2()
		}
		return
	}
	serious := string(l.level) == "error" || string(l.level) == "crit" || string(l.level) == "alert" || string(l.level) == "emerg"
	switch {
	case string(l.level) == "emerg":
		e.fail(ByGateway, fault.Select, fault.Misconfigured)
	case serious && len(l.upstream) > 0:
		e.fail(ByGateway, e.Evidence.Stage, fault.Failed)
		e.Evidence.Told = fault.CauseUnknown
	case serious:
		e.unruled = true
	}
}

// overHTTP2 adds what an end or a silence may be where HTTP/2 was spoken, behind what it is with any protocol: nginx says the same of both.
func (e *Entry) overHTTP2() {
	v := &e.Evidence
	also := fault.CauseUnknown
	switch {
	case v.Stage == fault.FirstByte && v.End == fault.Closed:
		also = fault.CauseHTTP2GoAway
	case v.Stage == fault.FirstByte && v.End == fault.Timeout:
		also = fault.CauseHTTP2NoSettings
	case v.Stage == fault.Body && v.End == fault.Closed:
		also = fault.CauseHTTP2StreamCut
	}
	if also == fault.CauseUnknown {
		return
	}
	if len(e.Candidates) == 0 {
		e.Candidates = append(e.Candidates, fault.Classify(v).Cause)
	}
	e.Candidates = append(e.Candidates, also)
}

// told makes the entry a fault whose cause the line says outright.
func told(e *Entry, by By, stage fault.Stage, end fault.End, c fault.Cause) {
	e.fail(by, stage, end)
	e.Evidence.Told = c
}

// client makes the entry the client's doing.
func client(e *Entry, by By, stage fault.Stage, end fault.End) {
	e.Kind, e.By = KindClient, by
	e.Evidence.Stage, e.Evidence.End = stage, end
}

// may says what the line may stand for as well, the likeliest first.
func (e *Entry) may(causes ...fault.Cause) { e.Candidates = append(e.Candidates[:0], causes...) }

// stage reads the action, "while ... upstream": log->action in ngx_http_upstream.c.
func (l *nginxLine) stage() fault.Stage {
	i := bytes.LastIndex(l.message, []byte(" while "))
	if i < 0 {
		return fault.Select
	}
	action := l.message[i+len(" while "):]
	switch {
	case starts(action, "connecting to upstream"):
		return fault.Dial
	case starts(action, "SSL handshaking to upstream"):
		return fault.TLS
	case starts(action, "sending request to upstream"), starts(action, "sending to upstream"):
		return fault.Write
	case starts(action, "reading response header from upstream"):
		return fault.FirstByte
	case starts(action, "reading upstream"), starts(action, "proxying"), starts(action, "reading response from upstream"):
		return fault.Body
	case starts(action, "resolving"):
		return fault.Resolve
	case has(action, "client") || starts(action, "SSL handshaking") || starts(action, "waiting for request") || starts(action, "keepalive"):
		return fault.Receive
	}
	return fault.Select
}

// errno reads "failed (111: Connection refused)". The numbers are Linux's, those of the BSDs and of Windows are told
// apart where they mean something else.
func (l *nginxLine) errno() syscall.Errno {
	rest, found := after(l.message, "failed (")
	if !found {
		return 0
	}
	n, rest, ok := readUint(rest)
	if !ok {
		return 0
	}
	return errnoOf(n, rest)
}

// errnoOf gives the errno of a number and the text behind it, which decides where platforms differ.
func errnoOf(n int64, text []byte) syscall.Errno {
	for i := range nginxErrnos {
		if has(text, nginxErrnos[i].text) {
			return nginxErrnos[i].errno
		}
	}
	switch n {
	case 10061:
		return syscall.ECONNREFUSED
	case 10060:
		return syscall.ETIMEDOUT
	case 10054:
		return syscall.ECONNRESET
	case 10053:
		return syscall.ECONNABORTED
	case 10065:
		return syscall.EHOSTUNREACH
	case 10051:
		return syscall.ENETUNREACH
	}
	if n > 0 && n < 200 {
		return syscall.Errno(n)
	}
	return 0
}

// nginxErrnos are the texts of glibc and of musl.
var nginxErrnos = [...]struct {
	text  string
	errno syscall.Errno
}{
	{"Connection refused", syscall.ECONNREFUSED},
	{"Connection reset by peer", syscall.ECONNRESET},
	{"Broken pipe", syscall.EPIPE},
	{"timed out", syscall.ETIMEDOUT},
	{"No route to host", syscall.EHOSTUNREACH},
	{"Host is unreachable", syscall.EHOSTUNREACH},
	{"Network is unreachable", syscall.ENETUNREACH},
	{"Network unreachable", syscall.ENETUNREACH},
	{"annot assign requested address", syscall.EADDRNOTAVAIL},
	{"Address not available", syscall.EADDRNOTAVAIL},
	{"Too many open files in system", syscall.ENFILE},
	{"Too many open files", syscall.EMFILE},
	{"No file descriptors available", syscall.EMFILE},
	{"No such file or directory", syscall.ENOENT},
	{"Permission denied", syscall.EACCES},
	{"Operation not permitted", syscall.EPERM},
	{"Resource temporarily unavailable", syscall.EAGAIN},
	{"Cannot allocate memory", syscall.ENOMEM},
	{"Out of memory", syscall.ENOMEM},
	{"No buffer space available", syscall.ENOBUFS},
	{"Network is down", syscall.ENETDOWN},
	{"Software caused connection abort", syscall.ECONNABORTED},
}
