package adoption

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/conftree"
)

// Note is something that was not translated.
type Note struct {
	conftree.Place
	Text string // the line, and why
}

// String is what is printed on standard error.
func (n Note) String() string { return fmt.Sprintf("%v: not translated: %s", n.Place, n.Text) }

// draft is the configuration that is being made.
type draft struct {
	listens  []*listen
	acme     []pair
	routes   []*route
	pools    []*pool
	trusted  []string
	body     string // limits.request_body
	limits   map[string]int64
	notes    []Note // of nothing below
	all      []Note
	told     map[Note]bool   // what all holds
	needless map[string]bool // settings that need no counterpart
	unread   bool            // some file could not be read
	blind    bool            // addresses of clients are not known as in the original
	at       conftree.Place  // what is being translated, as far as it is known
}

func newDraft() *draft {
	return &draft{needless: map[string]bool{}, limits: map[string]int64{}, told: map[Note]bool{}}
}

// pair is a key and its value, in YAML.
type pair struct{ key, value string }

// route is one route. What it matches comes first.
type route struct {
	keys    []pair
	notes   []Note
	rank    int  // of its server among all
	refused bool // who may ask cannot be said: it is answered 501
	at      conftree.Place
	gone    bool // Whygate refuses it
}

// add adds a route.
func (d *draft) add(r *route) {
	if r.at.Line == 0 {
		r.at = d.at
	}
	d.routes = append(d.routes, r)
}

// refuse makes the route answer 501, where who may ask cannot be said: nobody gets in who did not before.
func (r *route) refuse() {
	r.keys = slices.DeleteFunc(r.keys, func(k pair) bool { return !matching[k.key] })
	r.set("respond", "{status: 501}")
}

func (r *route) set(key, value string) { r.keys = append(r.keys, pair{key, value}) }

// text sets a key to a text, unless that is empty.
func (r *route) text(key, value string) {
	if value != "" {
		r.set(key, quote(value))
	}
}

// clone is another route with the same keys. Its comments stay with the first.
func (r *route) clone() *route {
	return &route{keys: slices.Clone(r.keys), rank: r.rank, refused: r.refused, at: r.at}
}

// pool is one pool.
type pool struct {
	name  string
	keys  []pair
	notes []Note
	at    conftree.Place
}

// note keeps what was not translated, for its place.
func (d *draft) note(at *[]Note, n *conftree.Node, why string, args ...any) {
	text := n.Words()
	if len(n.Kids) > 0 {
		text += " {...}"
	}
	if why = fmt.Sprintf(why, args...); why != "" {
		text += ": " + why
	}
	one := Note{n.Place, text}
	if d.told[one] { // a level that several routes inherit
		return
	}
	d.told[one] = true
	*at, d.all = append(*at, one), append(d.all, one)
}

// pool gives the name of a pool with these keys, made when it is first asked for.
func (d *draft) pool(name string, keys []pair, notes []Note) string {
	name = poolName(name)
	for n := 1; ; n++ {
		try := name
		if n > 1 {
			try = fmt.Sprintf("%s-%d", name[:min(len(name), 58)], n)
		}
		i := slices.IndexFunc(d.pools, func(p *pool) bool { return p.name == try })
		if i < 0 {
			d.pools = append(d.pools, &pool{try, keys, notes, d.at})
			return try
		}
		if slices.Equal(d.pools[i].keys, keys) {
			d.pools[i].notes = append(d.pools[i].notes, notes...)
			return try
		}
	}
}

var notPoolName = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// poolName makes a pool's name of another one.
func poolName(text string) string {
	text = strings.Trim(notPoolName.ReplaceAllString(text, "-"), "-")
	return cmp.Or(text[:min(len(text), 63)], "pool")
}

// matching are the keys that say what a route matches.
var matching = words(`host scheme port path method header query`)

// prune leaves out what is never reached: routes that match what one before them answers. Their comments stay.
func (d *draft) prune() {
	taken := map[string]bool{}
	kept := d.routes[:0]
	var notes []Note
	for _, r := range d.routes {
		var match []string
		goesOn := false
		for _, k := range r.keys {
			if matching[k.key] {
				match = append(match, k.key+": "+k.value)
			}
			goesOn = goesOn || k.key == "files" && strings.Contains(k.value, "missing: next")
		}
		slices.Sort(match)
		key := strings.Join(match, "\n")
		if taken[key] {
			notes = append(notes, r.notes...)
			continue
		}
		taken[key] = !goesOn
		r.notes, notes = append(notes, r.notes...), nil
		kept = append(kept, r)
	}
	d.routes = kept
	d.notes = append(d.notes, notes...)
}

// drop leaves out pools that no route leads to. Their comments stay.
func (d *draft) drop() {
	used := map[string]bool{}
	for _, r := range d.routes {
		for _, k := range r.keys {
			if k.key == "pool" {
				used[k.value] = true
			}
		}
	}
	d.pools = slices.DeleteFunc(d.pools, func(p *pool) bool {
		if !used[quote(p.name)] {
			d.notes = append(d.notes, p.notes...)
		}
		return !used[quote(p.name)]
	})
}

// strays gives the notes whose place is in no part of the result any more one at its top.
func (d *draft) strays() {
	placed := map[Note]bool{}
	keep := func(notes []Note) {
		for _, n := range notes {
			placed[n] = true
		}
	}
	keep(d.notes)
	for _, l := range d.listens {
		keep(l.notes)
	}
	for _, r := range d.routes {
		keep(r.notes)
	}
	for _, p := range d.pools {
		keep(p.notes)
	}
	for _, n := range d.all {
		if !placed[n] {
			d.notes = append(d.notes, n)
		}
	}
}

// write makes the file.
func (d *draft) write(from []string) []byte {
	d.prune()
	d.drop()
	d.certificates()
	d.strays()
	var b strings.Builder
	fmt.Fprintf(&b, "# Made by whygate import %s\n", comment(strings.Join(from, " ")))
	if len(d.needless) > 0 {
		fmt.Fprintf(&b, "# Needs no counterpart, and is left out: %s\n", comment(strings.Join(slices.Sorted(maps.Keys(d.needless)), ", ")))
	}
	writeNotes(&b, "", d.notes)
	d.writeListens(&b)
	if limits := d.limitsWritten(); limits != "" {
		fmt.Fprintf(&b, "limits: %s\n", limits)
	}
	if len(d.trusted) > 0 {
		fmt.Fprintf(&b, "trusted_proxies: %s\n", list(d.trusted))
	}
	b.WriteString("routes:\n")
	if len(d.routes) == 0 {
		b.WriteString("  - respond: {status: 404}\n")
	}
	for _, r := range d.routes {
		writeNotes(&b, "  ", r.notes)
		writeKeys(&b, "  - ", "    ", r.keys)
	}
	if len(d.pools) > 0 {
		b.WriteString("pools:\n")
	}
	for _, p := range d.pools {
		writeNotes(&b, "  ", p.notes)
		fmt.Fprintf(&b, "  %s:\n", quote(p.name))
		writeKeys(&b, "    ", "    ", p.keys)
	}
	return []byte(b.String())
}

func writeNotes(b *strings.Builder, indent string, notes []Note) {
	for _, n := range notes {
		fmt.Fprintf(b, "%s# %s\n", indent, comment(n.String()))
	}
}

func writeKeys(b *strings.Builder, first, indent string, keys []pair) {
	for i, k := range keys {
		if i == 0 {
			b.WriteString(first)
		} else {
			b.WriteString(indent)
		}
		fmt.Fprintf(b, "%s: %s\n", k.key, k.value)
	}
}

// comment is a text in one line.
func comment(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfeff {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd"))
}

// quote writes a text as YAML reads it.
func quote(s string) string { return config.Text(s) }

// list writes texts.
func list(texts []string) string {
	quoted := make([]string, len(texts))
	for i, t := range texts {
		quoted[i] = quote(t)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// mapping writes pairs whose values are YAML already.
func mapping(pairs []pair) string {
	parts := make([]string, len(pairs))
	for i, p := range pairs {
		parts[i] = p.key + ": " + p.value
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// headers writes pairs of a header's name and a text. The last of a name holds.
func headers(pairs []pair) string {
	var out []pair
	for _, p := range pairs {
		out = slices.DeleteFunc(out, func(o pair) bool { return strings.EqualFold(strings.Trim(o.key, "'"), p.key) })
		out = append(out, pair{quote(p.key), quote(p.value)})
	}
	return mapping(out)
}

// beside makes a path absolute as seen from a file.
func beside(file, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	if absolute, err := filepath.Abs(filepath.Join(filepath.Dir(file), path)); err == nil {
		return absolute
	}
	return path
}
