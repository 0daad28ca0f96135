package adoption

import (
	"slices"
	"strings"
)

// apacheAccess is who may ask.
type apacheAccess struct {
	allow, deny []string
	users       *node // of basic authentication; nil: nobody is asked
	denied      bool
	lost        *node // it cannot be said
}

// apacheSays are directives, and blocks, that say who may ask.
var apacheSays = []string{"Require", "RequireAll", "RequireAny", "RequireNone", "Order", "Allow", "Deny", "Limit", "LimitExcept", "SSLRequireSSL", "SSLVerifyClient"}

// guards reports whether somebody is kept out, or may be.
func (a *apacheAccess) guards() bool {
	return a.lost != nil || a.denied || len(a.allow)+len(a.deny) > 0 || a.users != nil
}

// apacheKind is what a line's innermost block decides over: Order, Allow and Deny do not replace Require, nor it them.
func apacheKind(k *node) string {
	switch name := strings.ToLower(k.Name); name {
	case "allow", "deny":
		return "order"
	case "requireall", "requireany", "requirenone":
		return "require"
	default:
		return name
	}
}

// access says who may ask where some blocks hold, the outermost first. Of the lines of one kind those of the innermost block decide. Lines of
// another kind in a block around it hold beside them, and what guards something, or depends on a condition, holds wherever it stands.
func (h *apacheHost) access(levels [][]*node) (out apacheAccess) {
	decided, guarded := map[string]bool{}, map[string]bool{}
	for _, level := range slices.Backward(levels) {
		for _, k := range level {
			if name := strings.ToLower(k.Name); apacheGuards[name] && !guarded[name] {
				if guarded[name] = true; !strings.EqualFold(k.Text(), "off") && !strings.EqualFold(k.Text(), "reset") {
					out.lost = k
				}
			}
			if !slices.Contains(h.kids, k) && !slices.Contains(h.tree, k) && redirectCloses(k) { // the host's own are routes
				out.lost = k
			}
			if name := strings.ToLower(k.Name); (name == "if" || name == "elseif" || name == "else") && apacheMayGuard(k.Kids) || unreadApache(k) {
				out.lost = k
			}
		}
		said := a2all(level, apacheSays...)
		said = slices.DeleteFunc(said, func(k *node) bool { // of the host, it is the listener's
			return strings.EqualFold(k.Name, "SSLVerifyClient") && (slices.Contains(h.kids, k) || slices.Contains(h.tree, k))
		})
		said = slices.DeleteFunc(said, func(k *node) bool { return strings.EqualFold(k.Name, "SSLRequireSSL") && h.secure() })
		first := len(decided) == 0
		said = slices.DeleteFunc(said, func(k *node) bool { return decided[apacheKind(k)] })
		for _, k := range said {
			decided[apacheKind(k)] = true
		}
		switch {
		case len(said) == 0:
		case first:
			h.rules(said, levels, &out)
		default:
			var beside apacheAccess
			if h.rules(said, levels, &beside); beside.guards() {
				out.lost = said[0]
			}
		}
	}
	return out
}

// redirectCloses reports whether a line of mod_alias answers that there is nothing, or that it is forbidden.
func redirectCloses(k *node) bool {
	switch strings.ToLower(k.Name) {
	case "redirect", "redirectmatch":
		return strings.HasPrefix(k.Text(), "4") || strings.HasPrefix(k.Text(), "5") || strings.EqualFold(k.Text(), "gone")
	}
	return false
}

// secure reports whether everything comes to the host over TLS.
func (h *apacheHost) secure() bool {
	for _, l := range h.listens {
		if !l.TLS {
			return false
		}
	}
	return true
}

// rules reads the lines of one block. One that lets in is enough, unless they stand in a RequireAll.
func (h *apacheHost) rules(said []*node, levels [][]*node, out *apacheAccess) {
	var ways int // that let some in
	granted := false
	for _, k := range said {
		switch strings.ToLower(k.Name) {
		case "sslverifyclient":
			if !strings.EqualFold(k.Text(), "none") {
				out.lost = k
			}
		case "requireall":
			if len(said) > 1 {
				out.lost = k
				continue
			}
			h.whole(k, levels, out)
			return
		case "requireany":
			if len(said) > 1 {
				out.lost = k
				continue
			}
			h.rules(k.Kids, levels, out)
			return
		case "order", "allow", "deny":
			h.old(said, out)
			return
		case "require":
			before := *out
			if open := h.require(k, levels, out); open {
				granted = true
			}
			if len(out.allow) > len(before.allow) && len(before.allow) == 0 || out.users != nil && before.users == nil {
				ways++
			}
			if len(out.deny) > len(before.deny) { // "not" lets nobody in by itself
				out.lost = k
			}
		default:
			out.lost = k
		}
	}
	switch {
	case granted:
		*out = apacheAccess{lost: out.lost}
	case out.denied && ways > 0: // another line lets some in
		out.denied = false
	case ways > 1:
		out.lost = said[0]
	}
	if out.denied && len(out.allow) > 0 {
		out.denied = false
	}
}

// whole is a RequireAll: each line must hold.
func (h *apacheHost) whole(k *node, levels [][]*node, out *apacheAccess) {
	for _, one := range k.Kids {
		before := len(out.allow)
		if !strings.EqualFold(one.Name, "Require") {
			out.lost = one
			continue
		}
		h.require(one, levels, out)
		if before > 0 && len(out.allow) > before { // two lists of which both must hold
			out.lost = one
		}
	}
	if some := len(out.allow) > 0; some {
		out.allow = slices.DeleteFunc(out.allow, func(a string) bool { // the smallest network decides here: none within one that is refused may be let in
			return slices.ContainsFunc(out.deny, func(d string) bool { return holdsNetwork(d, a) })
		})
		out.denied = out.denied || len(out.allow) == 0
	}
}

// require reads one line, and reports whether it lets everybody in.
func (h *apacheHost) require(k *node, levels [][]*node, out *apacheAccess) (open bool) {
	words := k.Args
	list := &out.allow
	if k.Text() == "not" {
		words, list = words[1:], &out.deny
	}
	what := ""
	if len(words) > 0 {
		what = strings.ToLower(words[0])
	}
	switch {
	case what == "all" && len(words) == 2 && strings.EqualFold(words[1], "granted") && list == &out.allow:
		return true
	case what == "all" && len(words) == 2 && strings.EqualFold(words[1], "denied"):
		out.denied = true
	case what == "ip":
		for _, text := range words[1:] {
			p, ok := apacheNetwork(text)
			if !ok {
				out.lost = k
				continue
			}
			*list = append(*list, p)
		}
	case what == "local" && list == &out.allow:
		*list = append(*list, "127.0.0.0/8", "::1/128")
	case what == "valid-user" && list == &out.allow:
		if out.users = h.users(levels); out.users == nil {
			out.lost = k
		}
	default:
		out.lost = k
	}
	return false
}

// apacheNetwork reads an address, a network, or the beginning of an address.
func apacheNetwork(text string) (string, bool) {
	if parts := strings.Split(strings.TrimSuffix(text, "."), "."); len(parts) < 4 && !strings.Contains(text, ":") && !strings.Contains(text, "/") {
		bits := map[int]string{1: "/8", 2: "/16", 3: "/24"}[len(parts)]
		text = strings.Join(append(parts, "0", "0", "0")[:4], ".") + bits
	}
	p, ok := network(text)
	return p.String(), ok
}

// users is the line with the file of users, nil where that is not all that is asked.
func (h *apacheHost) users(levels [][]*node) *node {
	var kind, file *node
	for _, level := range levels {
		for _, k := range level {
			switch strings.ToLower(k.Name) {
			case "authtype":
				kind = k
			case "authuserfile":
				file = k
			case "authbasicprovider":
				if len(k.Args) != 1 || !strings.EqualFold(k.Text(), "file") {
					return nil
				}
			case "authldapurl", "authdbduserpwquery", "authdbmuserfile", "authformprovider":
				return nil
			}
		}
	}
	if kind == nil || !strings.EqualFold(kind.Text(), "basic") || file == nil || strings.ContainsAny(file.Text(), "${|") {
		return nil
	}
	return file
}

// old reads Order, Allow and Deny of Apache 2.2, as far as all are let in, none, or some networks.
func (h *apacheHost) old(said []*node, out *apacheAccess) {
	everybody := map[string]bool{}
	order := "deny,allow"
	var allow []string
	for _, k := range said {
		name := strings.ToLower(k.Name)
		switch {
		case name == "order":
			if order = strings.ToLower(strings.Join(k.Args, "")); order == "mutual-failure" { // the same by an older name
				order = "allow,deny"
			}
		case (name == "allow" || name == "deny") && len(k.Args) == 2 && strings.EqualFold(k.Arg(1), "all"):
			everybody[name] = true
		case name == "allow" && strings.EqualFold(k.Text(), "from"):
			for _, text := range k.Args[1:] {
				p, ok := apacheNetwork(text)
				if !ok {
					out.lost = k
				}
				allow = append(allow, p)
			}
		default:
			out.lost = k
		}
	}
	switch {
	case everybody["allow"] && everybody["deny"]:
		out.denied = order == "allow,deny"
	case everybody["deny"] && (order == "allow,deny" || len(allow) == 0):
		out.denied = true
	case everybody["deny"], order == "allow,deny" && !everybody["allow"]:
		out.allow, out.denied = allow, len(allow) == 0
	}
}

// keep sets who may ask on a route.
func (h *apacheHost) keep(a *apacheAccess, levels [][]*node, r *route) {
	switch {
	case a.lost != nil:
		h.d.note(&r.notes, a.lost, "what it guards is answered 501")
		r.refused = true
		return
	case a.denied:
		r.keys = slices.DeleteFunc(r.keys, func(k pair) bool { return !matching[k.key] })
		r.set("respond", "{status: 403}")
		return
	}
	if len(a.allow) > 0 {
		r.set("allow", list(a.allow))
	}
	if len(a.deny) > 0 {
		r.set("deny", list(a.deny))
	}
	if a.users == nil {
		return
	}
	keys := []pair{{"users", quote(h.path(a.users.Text()))}}
	for _, level := range slices.Backward(levels) {
		if name := a2all(level, "AuthName"); len(name) > 0 {
			keys = append(keys, pair{"realm", quote(name[0].Text())})
			break
		}
	}
	r.set("auth", mapping(keys))
}
