package config

import "strings"

// unknownHint says what to write for a key that the section does not have: a near spelling, the word of another proxy, or
// the section where the key belongs.
func unknownHint(k *key, name string) string {
	if before, after, ok := strings.Cut(name, ":"); ok && k.child(before) != nil && k.child(before).kind != fields {
		return "a space must follow the colon: " + before + ": " + after
	}
	names := k.names()
	dashed := strings.ToLower(strings.ReplaceAll(name, "-", "_"))
	if near := nearest(dashed, names); near != "" {
		return "did you mean " + quote(near) + "?"
	}
	for _, c := range k.children {
		if known(c, dashed) {
			return "did you mean " + quote(c.name) + "?"
		}
	}
	if c := elsewhere(dashed); c != nil {
		return "did you mean " + quote(c.path) + "?"
	}
	return "the keys here are " + strings.Join(names, ", ")
}

// names are the keys of a section.
func (k *key) names() []string {
	names := make([]string, len(k.children))
	for i, c := range k.children {
		names[i] = c.name
	}
	return names
}

// known reports whether other proxies call the key so.
func known(k *key, name string) bool {
	for _, a := range k.aka {
		if a == name {
			return true
		}
	}
	return false
}

// elsewhere finds a key of another section by its name or another proxy's word for it. A key's own name goes first.
func elsewhere(name string) *key {
	byOther := (*key)(nil)
	for i := range keys {
		if keys[i].name == name {
			return &keys[i]
		}
		if byOther == nil && known(&keys[i], name) {
			byOther = &keys[i]
		}
	}
	return byOther
}
