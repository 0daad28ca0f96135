package adoption

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/topology"
)

// add adds a route for each host of the site.
func (s *caddySite) add(r *route) {
	if r.refused {
		r.refuse()
	}
	r.notes, s.mark = append(s.mark, r.notes...), nil
	hosts := s.hosts
	if len(hosts) == 0 {
		hosts = []string{""}
	}
	for i, h := range hosts {
		one := r.clone()
		one.rank = rank(serverName{text: h})
		if i == 0 {
			one.notes = r.notes
		}
		fits := true
		if j := slices.IndexFunc(one.keys, func(k pair) bool { return k.key == "host" }); h != "" && j < 0 {
			one.keys = append([]pair{{"host", quote(h)}}, one.keys...)
		} else if h != "" {
			one.keys[j].value, fits = hostOfBoth(one.keys[j].value, quote(h))
		}
		if !fits { // the site's hosts are not those of the matcher
			s.mark = append(s.mark, one.notes...)
			continue
		}
		for _, m := range s.match {
			if !slices.ContainsFunc(one.keys, func(k pair) bool { return k.key == m.key }) {
				one.keys = append([]pair{m}, one.keys...)
			}
		}
		s.d.add(one)
	}
}

// hostOfBoth is the host, as a value of a route, that two of them have in common. A star stands for one label.
func hostOfBoth(a, b string) (string, bool) {
	bare := func(h string) string { return strings.Trim(h, "'") }
	under := func(h, pattern string) bool {
		end, wild := strings.CutPrefix(bare(pattern), "*")
		label, found := strings.CutSuffix(bare(h), end)
		return wild && found && label != "" && label != "*" && !strings.Contains(label, ".")
	}
	switch {
	case bare(a) == bare(b) || under(a, b):
		return a, true
	case under(b, a):
		return b, true
	}
	return "", false
}

// answer translates a directive that answers.
func (s *caddySite) answer(k *node, args []string, match []pair, c *around) {
	r := &route{keys: slices.Clone(match), refused: c.refused}
	if len(c.out) > 0 {
		r.set("set_response", headers(c.out))
	}
	switch k.Name {
	case "redir":
		s.redir(k, args, r)
	case "respond", "error":
		s.respond(k, args, r)
	case "reverse_proxy":
		s.proxy(k, args, r, c)
	case "file_server":
		if c.root == "" || len(args) > 0 || len(k.Kids) > 0 || strings.ContainsAny(c.root, "{}") {
			s.d.note(&r.notes, k, "without a root, or with options; it is answered 501")
			r.set("respond", "{status: 501}")
			s.add(r)
			return
		}
		s.files(r, c)
	default:
		s.d.note(&r.notes, k, "it is answered 501")
		r.set("respond", "{status: 501}")
		s.add(r)
	}
}

// files serves the site's root.
func (s *caddySite) files(r *route, c *around) {
	if c.strip != "" {
		r.text("strip", c.strip)
	}
	if c.rewrite != "" {
		s.d.note(&r.notes, c.rewritten, "before file_server; it is answered 501")
		r.set("respond", "{status: 501}")
		s.add(r)
		return
	}
	keys := []pair{{"root", quote(beside(s.file, c.root))}, {"links", "follow"}, {"hidden", "true"}}
	if c.try != nil {
		last := c.try.Args[max(len(c.try.Args)-1, 0):]
		others := c.try.Args[:max(len(c.try.Args)-1, 0)]
		if slices.ContainsFunc(others, func(a string) bool { return a != "{path}" && a != "{http.request.uri.path}" }) {
			s.d.note(&r.notes, c.try, "only {path}, and a last word")
		}
		if len(last) == 1 && strings.HasPrefix(last[0], "/") && !strings.ContainsAny(last[0], "{}?") {
			keys = append(keys, pair{"missing", quote(last[0])})
		} else {
			s.d.note(&r.notes, c.try, "")
		}
	}
	if c.encode != nil {
		s.d.note(&r.notes, &node{Name: c.encode.Name, Args: c.encode.Args, Place: c.encode.Place}, "only what a pool answers is compressed")
	}
	r.set("files", mapping(keys))
	s.add(r)
}

// redir is "redir TO [CODE]".
func (s *caddySite) redir(k *node, args []string, r *route) {
	to, ok := "", false
	if len(args) > 0 {
		to, ok = caddyText(args[0])
	}
	status := "302"
	if len(args) > 1 {
		status = map[string]string{"permanent": "301", "temporary": "302"}[args[1]]
		if status == "" {
			status = args[1]
		}
	}
	if n, err := strconv.Atoi(status); !ok || err != nil || n < 301 || n > 308 {
		s.d.note(&s.mark, k, "")
		return
	}
	r.set("redirect", mapping([]pair{{"to", quote(to)}, {"status", status}}))
	s.add(r)
}

// respond is "respond [BODY] [CODE]".
func (s *caddySite) respond(k *node, args []string, r *route) {
	status, body := "200", ""
	for _, a := range args {
		if n, err := strconv.Atoi(a); err == nil && n >= 200 && n < 600 {
			status = a
		} else {
			body = a
		}
	}
	if strings.ContainsAny(body, "{}") || len(k.Kids) > 0 {
		s.d.note(&r.notes, k, "placeholders, or a block; it is answered without")
		body = ""
	}
	keys := []pair{{"status", status}}
	if body != "" {
		keys = append(keys, pair{"body", quote(body)})
	}
	r.set("respond", mapping(keys))
	s.add(r)
}

// proxy is "reverse_proxy UPSTREAM... { ... }".
func (s *caddySite) proxy(k *node, args []string, r *route, c *around) {
	p := &caddyPool{s: s}
	in := slices.Clone(c.in)
	for _, a := range args {
		p.upstream(k, a)
	}
	var made []pair
	for _, o := range k.Kids {
		switch o.Name {
		case "to":
			for _, a := range o.Args {
				p.upstream(o, a)
			}
		case "header_up":
			s.headerUp(o, p, &in, &made)
		case "header_down":
			c.out = s.edit(o, o.Args, c.out)
			r.keys = slices.DeleteFunc(r.keys, func(k pair) bool { return k.key == "set_response" })
			r.set("set_response", headers(c.out))
		default:
			p.option(o)
		}
	}
	if len(p.endpoints) == 0 {
		s.d.note(&r.notes, k, "no upstream whose address is known; it is answered 501")
		r.set("respond", "{status: 501}")
		s.add(r)
		return
	}
	if len(in) > 0 {
		r.set("set_request", headers(in))
	}
	if len(made) > 0 {
		r.set("make_request", headers(made))
	}
	if c.strip != "" {
		if c.rewrite != "" {
			s.d.note(&r.notes, c.rewritten, "beside a prefix that is taken off")
		}
		stripped(r, c.strip)
	} else if c.rewrite != "" {
		r.text("rewrite", c.rewrite)
	}
	if c.try != nil {
		s.d.note(&r.notes, c.try, "")
	}
	if c.encode != nil {
		r.set("compress", "on")
	}
	r.set("pool", quote(p.name()))
	s.add(r)
}

// stripped takes a prefix off the path, in whatever case it comes, as Caddy does.
func stripped(r *route, prefix string) {
	expression := "~(?i)^" + regexp.QuoteMeta(prefix) + "/"
	for i, k := range r.keys {
		if k.key == "path" && k.value == quote(expression) {
			r.keys[i].value = quote(strings.TrimSuffix(expression, "/") + "(/.*)$")
			r.text("rewrite", "$1")
			return
		}
	}
	r.text("strip", prefix)
}

// headerUp is a header of the request.
func (s *caddySite) headerUp(o *node, p *caddyPool, in, made *[]pair) {
	name := strings.ToLower(o.Text())
	text, ok := caddyText(o.Arg(1))
	switch {
	case name == "host" && strings.Contains(o.Arg(1), "upstream"):
		p.host = "endpoint"
	case name == "host" && (text == "$host" || text == "$authority"):
	case name == "host" && poolHost.MatchString(o.Arg(1)):
		p.host = o.Arg(1)
	case name == "x-forwarded-for" || name == "x-forwarded-proto" && text == "$scheme" || name == "x-forwarded-host" && (text == "$host" || text == "$authority"):
		s.d.needless["header_up "+o.Text()] = true // Whygate writes it
	case ok && strings.Contains(text, "$") && len(o.Args) == 2 && name != "host":
		*made = append(*made, pair{o.Text(), text})
	case ok && name != "host":
		*in = s.edit(o, o.Args, *in)
	case !ok && takenAway(name) && len(o.Args) == 2 && !strings.ContainsAny(name[:1], "+-?>"):
		*in = append(*in, pair{o.Text(), ""})
		s.d.note(&s.mark, o, "a value without a counterpart"+clientsOwn)
	default:
		s.d.note(&s.mark, o, "")
	}
}

// caddyPool is the pool of a reverse_proxy on its way.
type caddyPool struct {
	s         *caddySite
	endpoints []string
	first     string
	host      string
	keys      []pair
	tls       []pair
	check     []pair
	times     []pair
	secure    bool
	notes     []Note
}

func (p *caddyPool) upstream(at *node, text string) {
	url := text
	switch {
	case strings.HasPrefix(text, "unix/"):
		url = "unix:" + strings.TrimPrefix(text, "unix/")
	case strings.ContainsAny(text, "{}"), strings.HasPrefix(text, "srv+"), strings.HasPrefix(text, "fastcgi"):
		p.s.d.note(&p.notes, at, "the upstream %s", text)
		return
	case strings.Contains(text, "://"):
		p.secure = p.secure || strings.HasPrefix(text, "https://")
	case strings.HasPrefix(text, ":"):
		url = "http://127.0.0.1" + text
	default:
		url = "http://" + text
	}
	if p.first == "" {
		p.first = strings.TrimPrefix(strings.TrimPrefix(text, "http://"), "https://")
	}
	p.endpoints = append(p.endpoints, url)
}

// option is a line in a reverse_proxy.
func (p *caddyPool) option(o *node) {
	d, isTime := topology.Duration(o.Text(), time.Second)
	switch o.Name {
	case "lb_policy":
		p.policy(o)
	case "lb_retries":
		n, err := strconv.Atoi(o.Text())
		if err != nil || n < 0 || n >= mostAttempts {
			p.s.d.note(&p.notes, o, "%d attempts are made at most", mostAttempts)
			n = mostAttempts - 1
		}
		p.keys = append(p.keys, pair{"retry", "{attempts: " + strconv.Itoa(n+1) + "}"})
	case "health_uri":
		p.check = append(p.check, pair{"path", quote(o.Text())})
	case "health_interval", "health_timeout":
		if isTime && d >= 100*time.Millisecond && d <= 5*time.Minute {
			p.check = append(p.check, pair{map[string]string{"health_interval": "every", "health_timeout": "timeout"}[o.Name], d.String()})
		} else {
			p.s.d.note(&p.notes, o, "")
		}
	case "health_fails", "health_passes":
		if n, err := strconv.Atoi(o.Text()); err == nil && n >= 1 && n <= 100 {
			p.check = append(p.check, pair{map[string]string{"health_fails": "fall", "health_passes": "rise"}[o.Name], strconv.Itoa(n)})
		} else {
			p.s.d.note(&p.notes, o, "")
		}
	case "health_status":
		p.check = append(p.check, pair{"status", list(o.Args)})
	case "transport":
		p.transport(o)
	case "lb_try_duration", "lb_try_interval", "fail_duration", "max_fails", "unhealthy_status", "unhealthy_latency", "flush_interval", "stream_close_delay":
		p.s.d.needless[o.Name] = true
	default:
		p.s.d.note(&p.notes, o, "")
	}
}

func (p *caddyPool) policy(o *node) {
	switch o.Text() {
	case "round_robin", "random", "first":
		if o.Text() == "first" {
			p.s.d.note(&p.notes, o, "")
		}
	case "least_conn", "random_choose":
		p.keys = append(p.keys, pair{"balance", "least-requests"})
	case "ip_hash", "client_ip_hash":
		p.keys = append(p.keys, pair{"balance", "hash"}, pair{"hash", "ip"})
	case "uri_hash":
		p.keys = append(p.keys, pair{"balance", "hash"}, pair{"hash", "path"})
	case "header":
		p.keys = append(p.keys, pair{"balance", "hash"}, pair{"hash", quote("header:" + o.Arg(1))})
	case "cookie":
		p.keys = append(p.keys, pair{"sticky", mapping([]pair{{"cookie", quote(cmp.Or(o.Arg(1), "lb"))}})})
	default:
		p.s.d.note(&p.notes, o, "")
	}
}

// transport is how upstreams are spoken to.
func (p *caddyPool) transport(o *node) {
	if o.Text() != "http" {
		p.s.d.note(&p.notes, o, "it is spoken to by HTTP")
		return
	}
	for _, t := range o.Kids {
		d, isTime := topology.Duration(t.Text(), time.Second)
		switch t.Name {
		case "tls":
			p.secure = true
		case "tls_insecure_skip_verify":
			p.secure, p.tls = true, append(p.tls, pair{"verify", "false"})
		case "tls_server_name":
			p.secure, p.tls = true, append(p.tls, pair{"server_name", quote(t.Text())})
		case "tls_trusted_ca_certs", "tls_trust_pool":
			if len(t.Args) > 1 && !(len(t.Args) == 2 && t.Text() == "file") || len(t.Kids) > 0 {
				p.s.d.note(&p.notes, t, "only one file")
			}
			p.tls = append(p.tls, pair{"ca", quote(beside(p.s.file, last(t.Args)))})
		case "tls_client_auth":
			if len(t.Args) == 2 {
				p.tls = append(p.tls, pair{"cert", quote(beside(p.s.file, t.Arg(0)))}, pair{"key", quote(beside(p.s.file, t.Arg(1)))})
			} else {
				p.s.d.note(&p.notes, t, "only a file, and its key")
			}
		case "dial_timeout", "response_header_timeout", "read_timeout", "write_timeout":
			if isTime && d > 0 && d <= maxConnect {
				p.times = append(p.times, pair{map[string]string{"dial_timeout": "connect", "response_header_timeout": "head", "read_timeout": "read", "write_timeout": "write"}[t.Name], d.String()})
			} else {
				p.s.d.note(&p.notes, t, "")
			}
		case "tls_timeout":
			if isTime && d > 0 && d <= maxConnect {
				p.times = append(p.times, pair{"tls", d.String()})
			} else {
				p.s.d.note(&p.notes, t, "")
			}
		case "versions":
			p.versions(t)
		case "proxy_protocol":
			if t.Text() == "v1" || t.Text() == "v2" {
				p.keys = append(p.keys, pair{"proxy_protocol", t.Text()})
			} else {
				p.s.d.note(&p.notes, t, "")
			}
		case "max_conns_per_host":
			if n, err := strconv.Atoi(t.Text()); err == nil && n > 0 && n <= 1_000_000 {
				p.keys = append(p.keys, pair{"limits", "{connections: " + strconv.Itoa(n) + "}"})
			} else if t.Text() != "0" {
				p.s.d.note(&p.notes, t, "")
			}
		case "keepalive", "keepalive_interval", "keepalive_idle_conns", "keepalive_idle_conns_per_host", "read_buffer", "write_buffer", "compression":
			p.s.d.needless[t.Name] = true
		default:
			p.s.d.note(&p.notes, t, "")
		}
	}
}

// versions are those of HTTP that upstreams are spoken to in.
func (p *caddyPool) versions(t *node) {
	switch said := strings.Join(t.Args, " "); said {
	case "1.1":
		p.keys = append(p.keys, pair{"protocol", "h1"})
	case "2", "h2c", "h2c 2", "2 h2c":
		p.keys = append(p.keys, pair{"protocol", "h2"})
	case "1.1 2", "2 1.1":
		p.s.d.needless["versions "+said] = true
	default:
		p.s.d.note(&p.notes, t, "")
	}
}

// name makes the pool.
func (p *caddyPool) name() string {
	urls := slices.Clone(p.endpoints)
	for i, u := range urls {
		if p.secure {
			urls[i] = strings.Replace(u, "http://", "https://", 1)
		}
	}
	keys := []pair{{"endpoints", list(urls)}}
	keys = append(keys, p.keys...)
	if p.host != "" {
		keys = append(keys, pair{"host", quote(p.host)})
	}
	for _, o := range []struct {
		key  string
		list []pair
	}{{"tls", p.tls}, {"check", p.check}, {"timeouts", p.times}} {
		if len(o.list) > 0 {
			keys = append(keys, pair{o.key, mapping(o.list)})
		}
	}
	return p.s.d.pool(p.first, keys, p.notes)
}
