package adoption

import (
	"net/netip"
	"slices"
	"strings"
)

// Whom nginx keeps out, and how often it may be asked.

// access sets who may ask.
func (n *nginx) access(v *nginxServer, l *location, r *route) {
	var rules []*node
	for i := len(l.scope) - 1; i >= 0 && len(rules) == 0; i-- {
		for _, b := range l.scope[i] {
			if b.Name == "allow" || b.Name == "deny" {
				rules = append(rules, b)
			}
		}
	}
	r.refused = r.refused || n.accessLost(l.scope, len(rules) > 0)
	n.addresses(rules, r)
	realm, users := l.scope.get("auth_basic"), l.scope.get("auth_basic_user_file")
	if realm == nil || realm.Text() == "off" {
		return
	}
	if users == nil || strings.Contains(users.Text()+realm.Text(), "$") {
		n.d.note(&r.notes, realm, "without a file of users whose name is known; it is answered 501")
		r.refused = true
		return
	}
	r.set("auth", mapping([]pair{{"users", quote(n.absolute(users, users.Text()))}, {"realm", quote(realm.Text())}}))
}

// guards are directives that say who may ask, and have no counterpart. What they guard is answered 501, so that nobody gets in who did not.
var guards = words(`auth_request auth_jwt auth_oidc auth_ldap auth_pam auth_digest auth_gss access_by_lua access_by_lua_block access_by_lua_file js_access secure_link secure_link_secret
	secure_link_md5 limit_except satisfy auth_delay modsecurity SecRulesEnabled testcookie app_protect_enable js_access`)

// isGuard reports whether a directive is one of them, or of a module whose names say so.
func isGuard(name string) bool {
	switch {
	case guards[name], strings.HasPrefix(name, "access_by_"), strings.HasPrefix(name, "rewrite_by_lua"), strings.HasPrefix(name, "server_rewrite_by_lua"):
		return true
	case !strings.HasPrefix(name, "auth_"), name == "auth_basic", name == "auth_basic_user_file", strings.HasPrefix(name, "auth_http"): // the latter are of mail
		return false
	}
	for g := range guards {
		if strings.HasPrefix(name, g+"_") { // it says how that one works
			return false
		}
	}
	return true
}

// unguarded are those of them that ask for nothing.
func unguarded(b *node) bool {
	return b.Text() == "off" || b.Name == "satisfy" && b.Text() != "any" || b.Name == "auth_delay"
}

// accessLost reports whether a location is guarded by what has no counterpart.
func (n *nginx) accessLost(s scope, addresses bool) bool {
	names := map[string]bool{}
	for _, level := range s {
		for _, b := range level {
			if isGuard(b.Name) {
				names[b.Name] = true
			}
		}
	}
	for name := range names {
		b := s.get(name)
		if name == "limit_except" { // it stands in a location, and is not inherited
			b = nil
			if own := s.own(name); len(own) > 0 {
				b = own[0]
			}
		}
		if b == nil || unguarded(b) {
			continue
		}
		if realm := s.get("auth_basic"); b.Name == "satisfy" && (!addresses || realm == nil || realm.Text() == "off") {
			continue // there is one way in alone
		}
		return true
	}
	return false
}

// addresses sets allow and deny. nginx takes the first line that has an address; here the smallest network decides, so a line that
// stands behind a larger network has no effect, there and here.
func (n *nginx) addresses(rules []*node, r *route) {
	lists := map[string][]string{}
	var before []netip.Prefix
	all := ""
	for _, b := range rules {
		if b.Text() == "all" {
			all = b.Name
			break
		}
		p, ok := network(b.Text())
		if !ok {
			n.d.note(&r.notes, b, "")
			continue
		}
		if slices.ContainsFunc(before, func(q netip.Prefix) bool { return q.Bits() <= p.Bits() && q.Contains(p.Addr()) }) {
			continue
		}
		before = append(before, p)
		lists[b.Name] = append(lists[b.Name], p.String())
	}
	everybody := []string{"0.0.0.0/0", "::/0"}
	switch {
	case all == "deny" && len(lists["allow"]) == 0:
		lists["deny"] = everybody
	case all != "deny" && len(lists["allow"]) > 0 && len(lists["deny"]) > 0:
		lists["allow"] = append(lists["allow"], everybody...)
	case all != "deny":
		delete(lists, "allow")
	}
	for _, name := range []string{"allow", "deny"} {
		if len(lists[name]) > 0 {
			r.set(name, list(lists[name]))
		}
	}
}

// limit sets how often the location may be asked.
func (n *nginx) limit(l *location, r *route) {
	for i, b := range l.scope.all("limit_req") {
		var zone *node
		for _, a := range b.Args {
			if name, ok := strings.CutPrefix(a, "zone="); ok {
				zone = n.zones[name]
			}
			if strings.HasPrefix(a, "burst=") {
				n.d.note(&r.notes, b, "as many as in a whole second or minute may come at once here, and none is delayed")
			}
		}
		per := map[string]string{"$binary_remote_addr": "client", "$remote_addr": "client", "$server_name": "route"}[zone.Text()]
		rate := ""
		if zone != nil {
			for _, a := range zone.Args {
				if text, ok := strings.CutPrefix(a, "rate="); ok {
					rate = strings.TrimPrefix(strings.Replace(text, "r/", "/", 1), "=")
				}
			}
		}
		if per == "" || rate == "" || i > 0 {
			n.d.note(&r.notes, b, "a second limit, or a key without a counterpart")
			continue
		}
		r.set("rate", mapping([]pair{{"per", per}, {"limit", quote(rate)}}))
	}
}
