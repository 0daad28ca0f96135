package adoption

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/conftree"
)

// What other proxies take and Whygate does not, a weight of 10,000 or a host of underscores, is found by having Whygate read the result. It
// is left out then, and told of.

// mostRepairs is how often the result is read. Each time something of it goes, so that only a large file that is wrong all over needs many.
const mostRepairs = 50

// settle leaves out what Whygate refuses, until it takes the result, and gives that. What is refused keeps nobody out any more: where that
// matters, it is answered 501.
func (d *draft) settle(names []string) []byte {
	d.unreadable()
	d.refuseBlind()
	for range mostRepairs {
		file := d.write(names)
		_, problems := config.Parse("", file, config.Options{})
		if !problems.Failed() {
			return file
		}
		repaired := map[any]bool{} // several problems of one route
		for _, p := range slices.Backward(problems) {
			if p.Severity == config.Error {
				d.repair(p, repaired)
			}
		}
		d.sweep()
	}
	d.tell(&d.notes, d.at, "the whole: Whygate takes too little of it; all is answered 501")
	for _, l := range d.listens {
		d.notes = append(d.notes, l.notes...)
	}
	for _, r := range d.routes {
		d.notes = append(d.notes, r.notes...)
	}
	d.listens, d.acme, d.limits, d.trusted, d.body = nil, nil, nil, nil, ""
	d.routes = []*route{{keys: []pair{{"respond", "{status: 501}"}}}}
	return d.write(names)
}

// sweep drops what repairs have left out.
func (d *draft) sweep() {
	d.routes = slices.DeleteFunc(d.routes, func(r *route) bool { return r.gone })
	d.listens = slices.DeleteFunc(d.listens, func(l *listen) bool { return l.gone })
}

// unreadable leaves out what has text that is not UTF-8: a file of YAML cannot hold it.
func (d *draft) unreadable() {
	const why = "text that is not UTF-8"
	odd := func(k pair) bool { return !utf8.ValidString(k.key + k.value) }
	for _, r := range d.routes {
		if i := slices.IndexFunc(r.keys, odd); i >= 0 {
			d.repairRoute(r, r.keys[i].key, why)
		}
		if slices.ContainsFunc(r.keys, odd) { // another one
			r.gone = true
		}
	}
	for _, p := range d.pools {
		if slices.ContainsFunc(p.keys, odd) {
			d.repairPool(p.name, why)
		}
	}
	for _, l := range d.listens {
		if !utf8.ValidString(l.address + l.tls()) {
			l.gone = true
			d.tell(&d.notes, l.at, why)
			d.notes = append(d.notes, l.notes...)
		}
	}
	if slices.ContainsFunc(d.acme, odd) || !utf8.ValidString(list(d.trusted)) {
		d.acme, d.trusted, d.blind = nil, nil, d.blind || len(d.trusted) > 0
		d.tell(&d.notes, d.at, why)
	}
	d.sweep()
}

// problemPath takes a problem's path apart: listen[1].tls.cert, routes[3].path, pools.app.check.path, limits.idle.
var problemPath = regexp.MustCompile(`^([a-z_]+)(?:\[([0-9]+)\])?(?:\.([^.\[]+))?`)

// repair leaves out, or refuses, what a problem is about.
func (d *draft) repair(p config.Problem, repaired map[any]bool) {
	parts := problemPath.FindStringSubmatch(p.Path)
	if parts == nil {
		return // of the syntax, which quote does not let happen; or of too many problems
	}
	i, err := strconv.Atoi(parts[2])
	if err != nil {
		i = -1
	}
	message := p.Path + ": " + p.Message
	switch parts[1] {
	case "routes":
		if i >= 0 && i < len(d.routes) && !repaired[d.routes[i]] {
			repaired[d.routes[i]] = true
			d.repairRoute(d.routes[i], parts[3], message)
		}
	case "pools":
		d.repairPool(parts[3], message)
	case "listen":
		if i >= 0 && i < len(d.listens) && !repaired[d.listens[i]] {
			l := d.listens[i]
			repaired[l], l.gone = true, true
			d.tell(&d.notes, l.at, message)
			d.notes = append(d.notes, l.notes...)
		}
	case "trusted_proxies":
		if i >= 0 && i < len(d.trusted) && !repaired[d.trusted[i]] {
			repaired[d.trusted[i]] = true
			d.trusted = slices.Delete(d.trusted, i, i+1)
		}
		d.blind = true
		d.refuseBlind()
		d.tell(&d.notes, d.at, message+"; what looks at the addresses of clients is answered 501")
	case "acme":
		d.acme = nil
		d.tell(&d.notes, d.at, message)
	case "limits":
		delete(d.limits, parts[3])
		if parts[3] == "request_body" {
			d.body = ""
		}
		d.tell(&d.notes, d.at, message)
	}
}

// harmless are keys that say nothing of who may ask, nor where: a route is the same to clients without them, except for what they say.
var harmless = words(`set_response make_response errors compress timeouts`)

// repairRoute leaves out a route whose requests cannot come, or would have got in or been sent elsewhere, and refuses the others.
func (d *draft) repairRoute(r *route, key, message string) {
	answers := slices.ContainsFunc(r.keys, func(k pair) bool { return k.key == "respond" })
	switch {
	case harmless[key]:
		r.keys = slices.DeleteFunc(r.keys, func(k pair) bool { return k.key == key })
		d.tell(&r.notes, r.at, message+"; it is left out")
		return
	case key == "host", matching[key] && !answers, key == "":
		r.gone = true
		d.tell(&d.notes, r.at, message+"; its route is left out")
		d.notes = append(d.notes, r.notes...)
		return
	case matching[key]: // who was turned away by it is turned away, and others with them
		r.keys = slices.DeleteFunc(r.keys, func(k pair) bool { return k.key == key })
	}
	r.refuse()
	d.tell(&r.notes, r.at, message+"; it is answered 501")
}

// repairPool refuses what leads to a pool.
func (d *draft) repairPool(name, message string) {
	for _, p := range d.pools {
		if p.name == name {
			d.tell(&p.notes, p.at, message+"; what leads to it is answered 501")
		}
	}
	for _, r := range d.routes {
		if slices.Contains(r.keys, pair{"pool", quote(name)}) {
			r.refuse()
		}
	}
}

// tell keeps a note that is of no one line.
func (d *draft) tell(at *[]Note, place conftree.Place, text string) {
	if place.Line == 0 {
		place = d.at
	}
	one := Note{place, strings.TrimSpace(text)}
	if d.told[one] {
		return
	}
	d.told[one] = true
	*at, d.all = append(*at, one), append(d.all, one)
}
