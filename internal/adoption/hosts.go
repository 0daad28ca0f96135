package adoption

import (
	"slices"
	"strings"
)

// addFor adds a route for each of the names, where it fits what an address's routes must match. Of the routes the first has the remarks.
func (d *draft) addFor(r *route, names []serverName, match []pair, at *node, rankOf func(serverName) int) {
	for _, name := range names {
		one := r.clone()
		one.notes, r.notes = r.notes, nil
		one.rank = rankOf(name)
		fits := true
		if name.regex {
			if one.keys, fits = addHost(one.keys, name.text); !fits {
				d.note(&one.notes, at, "a condition on the Host header beside a pattern of names; without it")
			}
		}
		if one.keys, fits = withWay(one.keys, match); !fits {
			d.notes = append(d.notes, one.notes...)
			continue
		}
		if name.text != "" && !name.regex {
			one.keys = append([]pair{{"host", quote(name.text)}}, one.keys...)
		}
		d.add(one)
	}
}

// withWay adds what a route must match for some addresses. False means that the route is for another scheme alone.
func withWay(keys, match []pair) ([]pair, bool) {
	for _, m := range match {
		i := slices.IndexFunc(keys, func(k pair) bool { return k.key == m.key })
		switch {
		case i < 0:
			keys = append([]pair{m}, keys...)
		case keys[i].value != m.value:
			return keys, false
		}
	}
	return keys, true
}

// rank is the place of a server's name in the order in which nginx chooses: exact names, wildcards, the longest first, expressions, and
// what is for no name.
func rank(name serverName) int {
	switch {
	case name.regex:
		return 1001
	case strings.HasPrefix(name.text, "*."):
		return 1000 - len(name.text)
	case name.text != "":
		return 0
	}
	return 1002
}
