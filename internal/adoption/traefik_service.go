package adoption

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/conftree"
	"github.com/whygate/whygate/internal/topology"
)

// What Traefik makes of services, and how often a router may be asked.

// second is what a time without a unit is of.
const second = time.Second

// traefikURL is the part of a server's URL that Traefik looks at.
var traefikURL = regexp.MustCompile(`^[^:]+://[^/?#]*`)

// composed tells of what stands in compose files: labels, and the command line of Traefik itself.
func (d *draft) composed(services []*topology.Service) {
	for _, s := range services {
		for k := range s.Node.Get("labels").Keys() {
			name := k.Name
			if name == conftree.Item {
				name = k.Text()
			}
			if strings.HasPrefix(strings.ToLower(name), "traefik.") {
				d.note(&d.notes, k, "a label; write it to a file of Traefik's, whose routers are translated")
			}
		}
		if command := s.Node.Get("command"); command != nil && strings.Contains(s.Image, "traefik") {
			d.note(&d.notes, command, "Traefik's command line; write it to its static file")
		}
	}
}

// only tells of what a middleware says beside what is translated.
func (t *traefik) only(k *node, r *route, known ...string) {
	for one := range k.Keys() {
		if !slices.ContainsFunc(known, func(name string) bool { return strings.EqualFold(name, one.Name) }) {
			t.d.note(&r.notes, one, "")
		}
	}
}

// service makes the pool of a service.
func (t *traefik) service(name *node, r *route) string {
	s, _ := t.find("services", name.Text())
	balancer := s.Get("loadBalancer")
	endpoints := t.servers(balancer, r)
	if len(endpoints) == 0 {
		return ""
	}
	p := &traefikPool{t: t, r: r, keys: []pair{{"endpoints", "[" + strings.Join(endpoints, ", ") + "]"}}}
	transport := t.standardTransport
	for k := range balancer.Keys() {
		switch strings.ToLower(k.Name) {
		case "servers":
		case "passhostheader":
			if k.Text() == "false" {
				p.keys = append(p.keys, pair{"host", "endpoint"})
			}
		case "sticky":
			cookie := k.Get("cookie")
			t.only(cookie, r, "name", "secure", "httpOnly", "sameSite")
			p.keys = append(p.keys, pair{"sticky", mapping([]pair{{"cookie", quote(cmp.Or(cookie.Get("name").Text(), "lb"))}})})
		case "strategy":
			p.strategy(k)
		case "healthcheck":
			p.keys = append(p.keys, pair{"check", mapping(p.check(k))})
		case "responseforwarding":
			t.d.needless["responseForwarding"] = true
		case "serverstransport":
			found, file := t.find("serversTransports", k.Text())
			if transport = (traefikPart{file, found}); found == nil {
				t.d.note(&r.notes, k, "there is no such transport in the files")
			}
		default:
			t.d.note(&r.notes, k, "")
		}
	}
	p.transport(transport)
	return t.d.pool(s.Name, p.keys, nil)
}

// servers are the endpoints of a service.
func (t *traefik) servers(balancer *node, r *route) (endpoints []string) {
	for server := range balancer.Get("servers").Items() {
		url := traefikURL.FindString(server.Get("url").Text()) // Traefik leaves out its path, too
		if url == "" {
			if server.Get("url") != nil {
				t.d.note(&r.notes, server, "an address of that kind")
			}
			continue
		}
		t.only(server, r, "url", "weight")
		w := server.Get("weight")
		switch n, err := strconv.Atoi(w.Text()); {
		case w == nil:
			endpoints = append(endpoints, quote(url))
		case err != nil || n < 1 || n > mostWeight:
			t.d.note(&r.notes, w, "a weight that is not from 1 to %d", mostWeight)
			endpoints = append(endpoints, quote(url))
		default:
			endpoints = append(endpoints, mapping([]pair{{"url", quote(url)}, {"weight", strconv.Itoa(n)}}))
		}
	}
	return endpoints
}

// traefikPool is the pool of a service on its way.
type traefikPool struct {
	t    *traefik
	r    *route
	keys []pair
}

// strategy is how servers are chosen.
func (p *traefikPool) strategy(k *node) {
	switch strings.ToLower(k.Text()) {
	case "wrr":
	case "p2c":
		p.keys = append(p.keys, pair{"balance", "least-requests"})
	case "hrw":
		p.keys = append(p.keys, pair{"balance", "hash"}, pair{"hash", "ip"})
	case "leasttime":
		p.keys = append(p.keys, pair{"balance", "latency"})
	default:
		p.t.d.note(&p.r.notes, k, "")
	}
}

// check is how servers are asked whether they are well.
func (p *traefikPool) check(k *node) (out []pair) {
	out = []pair{{"path", quote(cmp.Or(k.Get("path").Text(), "/"))}}
	for one := range k.Keys() {
		switch strings.ToLower(one.Name) {
		case "path":
		case "interval":
			out = p.time(out, one, "every", 100*time.Millisecond, 24*time.Hour)
		case "timeout":
			out = p.time(out, one, "timeout", 10*time.Millisecond, 5*time.Minute)
		case "hostname":
			out = append(out, pair{"host", quote(one.Text())})
		case "status":
			out = append(out, pair{"status", list([]string{one.Text()})})
		case "followredirects":
			if one.Text() == "false" {
				p.t.d.needless["healthCheck: followRedirects"] = true
				continue
			}
			fallthrough
		default:
			p.t.d.note(&p.r.notes, one, "")
		}
	}
	return out
}

// time adds a time, if it is within what the configuration takes.
func (p *traefikPool) time(out []pair, k *node, key string, least, most time.Duration) []pair {
	d, ok := topology.Duration(k.Text(), time.Second)
	if !ok || d < least || d > most {
		p.t.d.note(&p.r.notes, k, "")
		return out
	}
	return append(out, pair{key, d.String()})
}

// transport is how servers are spoken to.
func (p *traefikPool) transport(part traefikPart) {
	var tls, times []pair
	file := func(k *node, key string) {
		if strings.Contains(k.Text(), "-----BEGIN") || k.Text() == "" {
			p.t.d.note(&p.r.notes, k, "what is in no file of its own")
			return
		}
		tls = append(tls, pair{key, quote(beside(part.file, k.Text()))})
	}
	for k := range part.Keys() {
		switch strings.ToLower(k.Name) {
		case "insecureskipverify":
			if k.Text() == "true" {
				tls = append(tls, pair{"verify", "false"})
			}
		case "servername":
			tls = append(tls, pair{"server_name", quote(k.Text())})
		case "rootcas":
			all := slices.Collect(k.Items())
			if len(all) == 1 {
				file(all[0], "ca")
			} else {
				p.t.d.note(&p.r.notes, k, "several files of authorities; put them into one, and write it to tls.ca")
			}
		case "certificates":
			all := slices.Collect(k.Items())
			if len(all) != 1 || all[0].Get("certFile") == nil || all[0].Get("keyFile") == nil {
				p.t.d.note(&p.r.notes, k, "several certificates")
				continue
			}
			file(all[0].Get("certFile"), "cert")
			file(all[0].Get("keyFile"), "key")
		case "forwardingtimeouts":
			for one := range k.Keys() {
				switch strings.ToLower(one.Name) {
				case "dialtimeout":
					times = p.time(times, one, "connect", time.Millisecond, maxConnect)
				case "responseheadertimeout":
					times = p.time(times, one, "head", time.Millisecond, 24*time.Hour)
				case "idleconntimeout":
					times = p.time(times, one, "idle", time.Millisecond, 24*time.Hour)
				default:
					p.t.d.note(&p.r.notes, one, "")
				}
			}
		case "disablehttp2":
			if k.Text() == "true" {
				p.keys = append(p.keys, pair{"protocol", "h1"})
			}
		case "maxidleconnsperhost":
			p.t.d.needless["serversTransport: "+k.Name] = true
		default:
			p.t.d.note(&p.r.notes, k, "")
		}
	}
	if len(tls) > 0 {
		p.keys = append(p.keys, pair{"tls", mapping(tls)})
	}
	if len(times) > 0 {
		p.keys = append(p.keys, pair{"timeouts", mapping(times)})
	}
}

// rate sets how often the router may be asked.
func (t *traefik) rate(k *node, r *route) {
	average, period := k.Get("average").Text(), "s"
	if p := k.Get("period"); p != nil {
		d, ok := topology.Duration(p.Text(), time.Second)
		if period = map[time.Duration]string{time.Second: "s", time.Minute: "m", time.Hour: "h"}[d]; !ok || period == "" {
			t.d.note(&r.notes, k, "a period that is no second, minute or hour")
			return
		}
	}
	n, err := strconv.Atoi(average)
	if err != nil || n < 0 {
		t.d.note(&r.notes, k, "")
		return
	}
	keys := []pair{}
	for one := range k.Keys() {
		switch strings.ToLower(one.Name) {
		case "average", "period":
		case "burst":
			if one.Text() != average {
				t.d.note(&r.notes, one, "as many as in a whole period may come at once here")
			}
		case "sourcecriterion":
			name := one.Get("requestHeaderName")
			if name == nil || len(one.Kids) > 1 {
				t.d.note(&r.notes, one, "each client by its address")
				continue
			}
			keys = append(keys, pair{"per", quote("header:" + name.Text())})
		default:
			t.d.note(&r.notes, one, "")
		}
	}
	if n > 0 { // 0 is no limit
		t.put(k, r, "rate", mapping(append(keys, pair{"limit", quote(strconv.Itoa(n) + "/" + period)})))
	}
}
