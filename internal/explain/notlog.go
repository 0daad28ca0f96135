package explain

import (
	"bytes"
	"fmt"
)

// This file knows what people give to explain that is no log: it says what it is, and what to do with it.

// NotLog is what a source is that is no log.
type NotLog struct {
	Is string   `json:"is"` // in words, with what it tells
	Do []string `json:"do"` // what to type instead, or where to look
}

// lookMax is how much of a source's beginning is looked at, in octets.
const lookMax = 64 << 10

// packers are archives and compressions that are not read here, by their first octets, with the command that unpacks them.
var packers = [...]struct{ magic, is, with string }{
	{"\xfd7zXZ\x00", "compressed with xz", "xzcat"},
	{"PK\x03\x04", "a ZIP archive", "unzip -p"},
	{"\x04\x22\x4d\x18", "compressed with lz4", "lz4cat"},
	{"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "7z x -so"},
	{"Rar!", "a RAR archive", "unrar p -inul"},
	{"\x5d\x00\x00", "compressed with lzma", "xzcat --format=lzma"},
}

// lookAt tells what a source is by its beginning, nil where it may be a log.
func lookAt(name string, head []byte) *NotLog {
	for _, p := range packers {
		if starts(head, p.magic) {
			return &NotLog{name + " is " + p.is + ".", []string{fmt.Sprintf("%s %s | whygate explain", p.with, name)}}
		}
	}
	if len(head) > 262 && string(head[257:262]) == "ustar" {
		return &NotLog{name + " is a tar archive.", []string{fmt.Sprintf("tar xOf %s | whygate explain", name)}}
	}
	text := bytes.TrimLeft(head, " \t\r\n\xef\xbb\xbf")
	for _, look := range [...]func(name string, text []byte) *NotLog{lookAtPage, lookAtTranscript, lookAtArchive, lookAtConfiguration, lookAtAnswer, lookAtBrowser} {
		if n := look(name, text); n != nil {
			return n
		}
	}
	return nil
}

// makers are marks of error pages and of Server fields, in lower case, with whose they are and which log has the reason.
var pageMakers = [...]struct{ mark, who, log string }{
	{"openresty", "OpenResty", "its error log (/usr/local/openresty/nginx/logs/error.log)"},
	{"cloudflare", "Cloudflare", "the origin's own logs: Cloudflare shows only that the origin failed"},
	{"nginx", "nginx", "nginx's error log (/var/log/nginx/error.log)"},
	{"apache/", "Apache", "Apache's error log (/var/log/apache2/error.log)"},
	{"apache server at", "Apache", "Apache's error log (/var/log/apache2/error.log)"},
	{"proxy error</h1>", "Apache", "Apache's error log (/var/log/apache2/error.log)"},
	{"no server is available to handle this request", "HAProxy", "HAProxy's log, by its termination state"},
	{"the server didn't respond in time", "HAProxy", "HAProxy's log, by its termination state"},
	{"returned an invalid or incomplete response", "HAProxy", "HAProxy's log, by its termination state"},
	{"guru meditation", "Varnish", "varnishlog -g request -q 'BerespStatus >= 500 or FetchError'"},
	{"cloudfront", "CloudFront", "the origin's own logs, and x-edge-detailed-result-type in CloudFront's"},
	{"awselb", "the AWS load balancer", "its access log in S3: the error log has nothing"},
	{"microsoft-azure-application-gateway", "Azure Application Gateway", "its ApplicationGatewayAccessLog"},
	{"squid", "Squid", "Squid's access.log and cache.log"},
	{"traefik", "Traefik", "Traefik's log at level DEBUG"},
	{"caddy", "Caddy", "Caddy's own log"},
	{"lighttpd", "lighttpd", "lighttpd's error log"},
	{"envoy", "Envoy", "Envoy's access log, by its response flags"},
	{"iis", "IIS", "IIS's log and C:\\Windows\\System32\\LogFiles\\HTTPERR"},
}

func makerIn(text []byte) (who, log string) {
	for _, m := range pageMakers {
		if indexFold(text, m.mark) >= 0 {
			return m.who, m.log
		}
	}
	return "", ""
}

// lookAtPage knows an error page.
func lookAtPage(name string, text []byte) *NotLog {
	if indexFold(text[:min(len(text), 200)], "<html") < 0 && indexFold(text[:min(len(text), 200)], "<!doctype html") < 0 {
		return nil
	}
	title := bytes.TrimSpace(betweenFold(text, "<title>", "</title>"))
	if len(title) == 0 || len(title) > 120 {
		title = []byte("no title")
	}
	return madeBy(fmt.Sprintf("%s is an HTML page (%s)", name, title), text, "URL")
}

// madeBy says who made an answer, and where its reason is logged.
func madeBy(what string, text []byte, url string) *NotLog {
	who, log := makerIn(text)
	n := &NotLog{Is: what + ", not a log.", Do: []string{"whygate diagnose " + url}}
	if who != "" {
		n.Is = fmt.Sprintf("%s, made by %s. A page does not say why; the reason stands in %s.", what, who, log)
		if who == "nginx" {
			n.Do = append(n.Do, "whygate explain /var/log/nginx/error.log")
		}
	}
	return n
}

func betweenFold(b []byte, first, last string) []byte {
	i := indexFold(b, first)
	if i < 0 {
		return nil
	}
	b = b[i+len(first):]
	if j := indexFold(b, last); j >= 0 {
		return b[:j]
	}
	return nil
}

// lookAtTranscript knows what curl -v prints, and an answer's head as curl -i shows it.
func lookAtTranscript(name string, text []byte) *NotLog {
	sent, got := indexText(text, "\n> "), indexText(text, "\n< HTTP/")
	if starts(text, "> ") {
		sent = 0
	}
	head := got >= 0 && (sent >= 0 || starts(text, "* "))
	if !head && !(starts(text, "HTTP/1.") || starts(text, "HTTP/2 ") || starts(text, "HTTP/3 ")) {
		return nil
	}
	if !head {
		return madeBy(fmt.Sprintf("%s is an HTTP answer (%s)", name, bytes.TrimSpace(upTo(text, '\n'))), text, "URL")
	}
	status := bytes.TrimSpace(upTo(text[got+3:], '\n'))
	url := "URL"
	if host := bytes.TrimSpace(betweenFold(text, "\n> host: ", "\n")); len(host) > 0 && len(host) < 200 {
		scheme := "http"
		if has(text, "SSL connection using") || has(text, "port 443") || has(text, "TLS handshake") {
			scheme = "https"
		}
		path := "/"
		if _, target, ok := requestIn(text[max(sent, 0):]); ok && target[0] == '/' {
			path = string(target)
		}
		url = scheme + "://" + string(host) + path
	}
	if i := indexFold(text, "\n< server: "); i >= 0 { // the client's own fields say nothing of who answered
		text = append([]byte(nil), text[i+3:]...)
	}
	return madeBy(fmt.Sprintf("%s is what curl -v prints (%s)", name, status), text, url)
}

// lookAtArchive knows a HAR file, which browsers save.
func lookAtArchive(name string, text []byte) *NotLog {
	head := text[:min(len(text), 4096)]
	if !starts(head, "{") || indexText(head, `"log"`) < 0 || indexText(head, `"creator"`) < 0 && indexText(head, `"entries"`) < 0 {
		return nil
	}
	return &NotLog{name + " is a HAR file: what a browser saw, not what the proxy met.", []string{"whygate diagnose URL   # of the request that failed, as the HAR has it", "whygate explain the log of the proxy that answered"}}
}

// lookAtConfiguration knows the configuration of a proxy.
func lookAtConfiguration(name string, text []byte) *NotLog {
	whose := ""
	head := text[:min(len(text), 16<<10)]
	switch {
	case lineBegins(head, "server {", "http {", "upstream ", "location ", "events {", "proxy_pass ", "worker_processes "):
		if bytes.IndexByte(head, ';') >= 0 && bytes.IndexByte(head, '{') >= 0 && !has(head, "[error]") {
			whose = "nginx"
		}
	case lineBegins(head, "frontend ", "backend ", "listen ", "defaults") && lineBegins(head, "bind ", "server ", "mode http", "option ", "timeout ", "balance "):
		whose = "HAProxy"
	case lineBegins(head, "<VirtualHost", "ProxyPass ", "<Proxy ", "LoadModule "):
		whose = "Apache"
	case has(head, "reverse_proxy ") && lineBegins(head, "reverse_proxy "):
		whose = "Caddy"
	case lineBegins(head, "static_resources:") || lineBegins(head, "http:", "entryPoints:") && lineBegins(head, "routers:", "services:", "address:"):
		whose = "a proxy"
	case lineBegins(head, "apiVersion:") && lineBegins(head, "kind:"):
		whose = "Kubernetes"
	}
	if whose == "" {
		return nil
	}
	return &NotLog{fmt.Sprintf("%s is a configuration of %s, not a log.", name, whose), []string{"whygate lint the file   # which 502s it will make, and which line makes them", "whygate diagnose http://127.0.0.1/   # on the machine where it runs: it reads the configuration and asks the upstream", "whygate explain the error log that the configuration names"}}
}

// lineBegins reports whether a line of the text begins with one of the words, behind blanks.
func lineBegins(text []byte, words ...string) bool {
	for line := range bytes.Lines(text) {
		line = bytes.TrimLeft(line, " \t")
		for _, w := range words {
			if starts(line, w) {
				return true
			}
		}
	}
	return false
}

// lookAtAnswer knows an error's JSON as gateways answer it.
func lookAtAnswer(name string, text []byte) *NotLog {
	if !starts(text, "{") || len(text) > 2048 || indexText(text, `"message"`) < 0 {
		return nil
	}
	for _, body := range [...]struct{ text, who string }{
		{"An invalid response was received from the upstream server", "Kong"},
		{"The upstream server is currently unavailable", "Kong"},
		{"The upstream server is timing out", "Kong"},
		{"Internal server error", "Amazon API Gateway"},
		{"Endpoint request timed out", "Amazon API Gateway"},
		{"no Route matched with those values", "Kong"},
	} {
		if has(text, body.text) {
			return &NotLog{fmt.Sprintf("%s is an answer of %s (%q), not a log: the reason stands in its error log.", name, body.who, body.text), []string{"whygate diagnose URL"}}
		}
	}
	return nil
}

// lookAtBrowser knows what browsers show in place of a page.
func lookAtBrowser(name string, text []byte) *NotLog {
	if len(text) > 4096 {
		return nil
	}
	for _, words := range [...]string{"This site can\u2019t be reached", "This site can't be reached", "This page isn\u2019t working", "This page isn't working", "is currently unable to handle this request", "Secure Connection Failed", "Unable to connect\n"} {
		if has(text, words) && !has(text, "ERR_") {
			return &NotLog{name + " is what a browser shows, not a log.", []string{"whygate diagnose URL"}}
		}
	}
	return nil
}
