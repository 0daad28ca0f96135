package adoption

import (
	"slices"
	"strings"
)

// Where the address of a client comes from: routes with allow and deny keep out whom the original did only if both take the same one.

// unseen tells of a line by which the original learns clients' addresses in a way without a counterpart. Routes that look at them are answered
// 501: all clients of a proxy in front would have its address.
func (d *draft) unseen(notes *[]Note, at *node, why string) {
	d.note(notes, at, "%s; what looks at the addresses of clients is answered 501", why)
	d.blind = true
}

// refuseBlind refuses the routes that look at addresses, where these are not known.
func (d *draft) refuseBlind() {
	if !d.blind {
		return
	}
	for _, r := range d.routes {
		if r.looksAtAddress() {
			r.refuse()
		}
	}
}

// looksAtAddress reports whether a route lets in some addresses and not others.
func (r *route) looksAtAddress() bool {
	return slices.ContainsFunc(r.keys, func(k pair) bool {
		return k.key == "allow" || k.key == "deny" && !(strings.Contains(k.value, "'0.0.0.0/0'") && strings.Contains(k.value, "'::/0'"))
	})
}

// trust takes a proxy in front, or tells that it has no address.
func (d *draft) trust(at *node, text string) {
	if _, ok := network(text); !ok {
		d.unseen(&d.notes, at, text+" is no address")
		return
	}
	if !slices.Contains(d.trusted, text) {
		d.trusted = append(d.trusted, text)
	}
}
