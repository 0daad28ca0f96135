package adoption

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/topology"
)

// pool makes the pool of a backend, empty where no server is in it.
func (h *haproxy) pool(s *node, notes *[]Note) string {
	var own []Note
	var defaults []string
	for _, level := range [][]*node{h.defaults[s], s.Kids} {
		for _, k := range level {
			if k.Name == "default-server" {
				defaults = append(defaults, k.Args...)
			}
		}
	}
	var endpoints []string
	var tls []pair
	secure := false // some server speaks TLS: tls is how
	checked, conns := "", ""
	times := &haproxyChecks{}
	for _, k := range s.Kids {
		switch k.Name {
		case "server":
			var its []pair
			e := h.server(k, defaults, &own, &its, &checked, &conns, times)
			if e != "" {
				endpoints = append(endpoints, e)
			}
			slices.SortFunc(its, func(a, b pair) int { return strings.Compare(a.key, b.key) })
			switch speaks := e != "" && (k.Has("ssl") || slices.Contains(defaults, "ssl")); {
			case speaks && !secure:
				tls, secure = its, true
			case speaks && !slices.Equal(tls, its):
				h.d.note(&own, k, "servers that speak TLS in different ways: the first one's holds for all, with verification if one of them is verified")
				if unverified := (pair{"verify", "false"}); !slices.Contains(its, unverified) {
					tls = slices.DeleteFunc(tls, func(p pair) bool { return p == unverified })
				}
			}
		case "server-template", "use-server", "dispatch":
			h.d.note(&own, k, "")
		}
	}
	if len(endpoints) == 0 {
		*notes = append(*notes, own...)
		return ""
	}
	keys := []pair{{"endpoints", "[" + strings.Join(endpoints, ", ") + "]"}}
	keys = append(keys, h.balance(s, &own)...)
	if len(tls) > 0 {
		keys = append(keys, pair{"tls", mapping(tls)})
	}
	if checked != "" {
		keys = append(keys, pair{"check", mapping(append(h.check(s, &own), h.checkTimes(s, times, &own)...))})
	}
	if conns != "" {
		keys = append(keys, pair{"limits", mapping([]pair{{"requests", conns}})})
	}
	if t := h.timeouts(s, &own); t != "" {
		keys = append(keys, pair{"timeouts", t})
	}
	if r := h.retry(s, &own); r != "" {
		keys = append(keys, pair{"retry", r})
	}
	return h.d.pool(s.Text(), keys, own)
}

// server is a server line as an endpoint.
func (h *haproxy) server(k *node, defaults []string, notes *[]Note, tls *[]pair, checked, conns *string, times *haproxyChecks) string {
	if len(k.Args) < 2 || k.Has("disabled") {
		return ""
	}
	words := append(slices.Clone(k.Args[2:]), defaults...)
	url := h.serverURL(k, words, notes)
	if url == "" {
		return ""
	}
	parts := []pair{{"url", quote(url)}}
	for i := 0; i < len(words); i++ {
		switch w := words[i]; w {
		case "weight":
			if n, err := strconv.Atoi(topology.Option(words[i:], w)); err == nil && n > 0 && n <= mostWeight {
				setOnce(&parts, pair{"weight", strconv.Itoa(n)})
			} else {
				h.d.note(notes, k, "a weight that is not from 1 to %d", mostWeight)
			}
			i++
		case "backup":
			setOnce(&parts, pair{"backup", "true"})
		case "check":
			*checked = "yes"
		case "maxconn":
			h.once(conns, topology.Option(words, w), k, notes)
			i++
		case "verify":
			if topology.Option(words[i:], w) == "none" {
				setOnce(tls, pair{"verify", "false"})
			}
			i++
		case "ca-file":
			setOnce(tls, pair{"ca", quote(h.pem(h.cas, topology.Option(words[i:], w)))})
			i++
		case "sni":
			if sni := topology.Option(words[i:], w); strings.HasPrefix(sni, "str(") {
				setOnce(tls, pair{"server_name", quote(strings.TrimSuffix(sni[4:], ")"))})
			} else {
				h.d.note(notes, k, "sni by a fetch")
			}
			i++
		case "crt":
			crt := quote(h.pem(h.crts, topology.Option(words[i:], w)))
			setOnce(tls, pair{"cert", crt})
			setOnce(tls, pair{"key", crt})
			i++
		case "ssl":
		case "inter", "fall", "rise":
			h.once(map[string]*string{"inter": &times.every, "fall": &times.fall, "rise": &times.rise}[w], topology.Option(words[i:], w), k, notes)
			i++
		case "fastinter", "downinter", "slowstart", "cookie", "proto", "alpn", "maxqueue", "observe", "on-error", "on-marked-down", "error-limit", "init-addr", "resolvers", "resolve-prefer", "port", "id", "pool-max-conn", "pool-purge-delay", "minconn", "agent-port", "verifyhost", "addr":
			if slices.Contains([]string{"port", "addr", "agent-port", "verifyhost"}, w) {
				h.d.note(notes, k, "%s", w)
			} else {
				h.d.needless["server "+w] = true
			}
			i++
		case "check-ssl", "no-check-ssl", "no-sslv3", "no-tlsv10", "no-tlsv11", "no-tls-tickets":
			h.d.needless["server "+w] = true
		default:
			h.d.note(notes, k, "%s", w)
		}
	}
	if len(parts) == 1 {
		return quote(url)
	}
	return mapping(parts)
}

// once keeps what servers say that a pool has once: the first holds for all.
func (h *haproxy) once(kept *string, said string, at *node, notes *[]Note) {
	if *kept != "" && *kept != said {
		h.d.note(notes, at, "servers with different limits: the first holds for all")
		return
	}
	*kept = said
}

// serverURL is a server's address with its protocol; empty where it has no counterpart, which is told.
func (h *haproxy) serverURL(k *node, words []string, notes *[]Note) string {
	address := strings.TrimPrefix(strings.TrimPrefix(k.Arg(1), "ipv4@"), "ipv6@")
	scheme := "http"
	if slices.Contains(words, "ssl") {
		scheme = "https"
	}
	if topology.Option(words, "proto") == "h2" && scheme == "http" {
		scheme = "h2c"
	}
	url := scheme + "://" + address
	switch path := strings.TrimPrefix(address, "unix@"); {
	case strings.HasPrefix(path, "/"):
		url = "unix:" + path
	case topology.Option(words, "proto") == "fcgi", strings.ContainsAny(address, "$@"):
		h.d.note(notes, k, "an address, or a protocol, without a counterpart")
		return ""
	case !strings.Contains(address, ":"):
		url += ":80"
	}
	return url
}

func setOnce(list *[]pair, p pair) {
	if !slices.ContainsFunc(*list, func(o pair) bool { return o.key == p.key }) {
		*list = append(*list, p)
	}
}

// balance says how a backend's servers are chosen.
func (h *haproxy) balance(s *node, notes *[]Note) (keys []pair) {
	if b := h.setting(s, "balance", ""); b != nil {
		name, argument, _ := strings.Cut(strings.TrimSuffix(b.Text(), ")"), "(")
		switch name {
		case "roundrobin", "static-rr":
		case "leastconn", "first", "random":
			keys = append(keys, pair{"balance", "least-requests"})
			if name == "first" {
				h.d.note(notes, b, "")
			}
		case "source":
			keys = append(keys, pair{"balance", "hash"}, pair{"hash", "ip"})
		case "uri":
			keys = append(keys, pair{"balance", "hash"}, pair{"hash", "path"})
		case "hdr":
			keys = append(keys, pair{"balance", "hash"}, pair{"hash", quote("header:" + argument)})
		default:
			h.d.note(notes, b, "")
		}
	}
	if c := h.setting(s, "cookie", ""); c != nil {
		keys = append(keys, pair{"sticky", mapping([]pair{{"cookie", quote(c.Text())}})})
		if !c.Has("insert") {
			h.d.note(notes, c, "a cookie that the application sets")
		}
		for _, w := range []string{"domain", "maxidle", "maxlife", "preserve", "postonly", "dynamic", "attr"} {
			if c.Has(w) {
				h.d.note(notes, c, "%s", w)
			}
		}
	}
	return keys
}

// check is how a backend's servers are asked whether they are well.
func (h *haproxy) check(s *node, notes *[]Note) []pair {
	c := h.setting(s, "option", "httpchk")
	if c == nil {
		return []pair{{"type", "tcp"}}
	}
	var out []pair
	if words := c.Args[1:]; len(words) == 1 {
		out = append(out, pair{"path", quote(words[0])})
	} else if len(words) > 1 {
		out = append(out, pair{"path", quote(words[1])})
		if len(words) > 3 || len(words) == 3 && len(words[2]) > len("HTTP/1.1") {
			h.d.note(notes, c, "headers of the check")
		}
		if words[0] != "GET" {
			h.d.note(notes, c, "the method %s", words[0])
		}
	}
	for _, k := range append(slices.Clone(h.defaults[s]), s.Kids...) {
		if k.Name != "http-check" {
			continue
		}
		switch {
		case k.Text() == "disable-on-404" || k.Text() == "send-state" || k.Text() == "connect" && len(k.Args) == 1:
			h.d.needless["http-check "+k.Text()] = true
		case k.Text() == "expect" && k.Arg(1) == "status" && len(k.Args) == 3:
			out = append(out, pair{"status", list(strings.Split(k.Arg(2), ","))})
		case k.Text() == "send":
			for i, w := range k.Args {
				switch {
				case w == "uri":
					out = slices.DeleteFunc(out, func(p pair) bool { return p.key == "path" })
					out = append(out, pair{"path", quote(k.Arg(i + 1))})
				case w == "hdr" && strings.EqualFold(k.Arg(i+1), "host"):
					out = append(out, pair{"host", quote(k.Arg(i + 2))})
				case w == "hdr" || w == "body" || w == "meth" && k.Arg(i+1) != "GET":
					h.d.note(notes, k, "%s", w)
				}
			}
		default:
			h.d.note(notes, k, "")
		}
	}
	return out
}

// haproxyChecks is what the servers of a backend say about their checks: the first of each holds for all.
type haproxyChecks struct{ every, fall, rise string }

// checkTimes is how often servers are checked, and how many checks decide.
func (h *haproxy) checkTimes(s *node, c *haproxyChecks, notes *[]Note) (out []pair) {
	if d, ok := topology.Duration(c.every, time.Millisecond); ok && d >= 100*time.Millisecond && d <= 24*time.Hour {
		out = append(out, pair{"every", d.String()})
	}
	if k := h.setting(s, "timeout", "check"); k != nil {
		if d, ok := haproxyTime(k, 1); ok && d >= 10*time.Millisecond && d <= 5*time.Minute {
			out = append(out, pair{"timeout", d.String()})
		} else {
			h.d.note(notes, k, "")
		}
	}
	for _, o := range []pair{{"fall", c.fall}, {"rise", c.rise}} {
		if n, err := strconv.Atoi(o.value); err == nil && n >= 1 && n <= 100 {
			out = append(out, o)
		}
	}
	return out
}

// timeouts are a backend's.
func (h *haproxy) timeouts(s *node, notes *[]Note) string {
	var out []pair
	for _, t := range []struct {
		name string
		keys []string
	}{{"connect", []string{"connect"}}, {"server", []string{"write", "head", "read"}}} {
		k := h.setting(s, "timeout", t.name)
		if k == nil {
			continue
		}
		d, ok := haproxyTime(k, 1)
		if !ok {
			h.d.note(notes, k, "")
			continue
		}
		for _, key := range t.keys {
			if key == "connect" && d > maxConnect {
				h.d.note(notes, k, "it is five minutes")
				d = maxConnect
			}
			out = append(out, pair{key, d.String()})
		}
	}
	if len(out) == 0 {
		return ""
	}
	return mapping(out)
}

// mostWeight is the largest weight that the configuration takes.
const mostWeight = 1000

// mostAttempts is how often a request is sent at most.
const mostAttempts = 5

// maxConnect is the longest time to connect that the configuration takes.
const maxConnect = 5 * 60 * 1e9

// retry says how often a request is sent again.
func (h *haproxy) retry(s *node, notes *[]Note) string {
	var out []pair
	if k := h.setting(s, "retries", ""); k != nil {
		if n, err := strconv.Atoi(k.Text()); err == nil && n >= 0 {
			if n >= mostAttempts {
				h.d.note(notes, k, "%d attempts are made", mostAttempts)
				n = mostAttempts - 1
			}
			out = append(out, pair{"attempts", strconv.Itoa(n + 1)})
		} else {
			h.d.note(notes, k, "")
		}
	}
	if k := h.setting(s, "retry-on", ""); k != nil {
		var on []string
		for _, a := range k.Args {
			switch _, err := strconv.Atoi(a); {
			case err == nil:
				on = append(on, a)
			case a != "conn-failure":
				h.d.note(notes, k, "%s: what a request may have done decides", a)
			}
		}
		if len(on) > 0 {
			out = append(out, pair{"on", "[" + strings.Join(on, ", ") + "]"})
		}
	}
	if len(out) == 0 {
		return ""
	}
	return mapping(out)
}
