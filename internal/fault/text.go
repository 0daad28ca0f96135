package fault

import "fmt"

// The texts that MarshalText and String give can be read again: explain reads Whygate's own log. What is unknown, for
// instance since a newer version wrote it, is an error and leaves the value as it was.

// UnmarshalText finds the stage by its name.
func (s *Stage) UnmarshalText(text []byte) error { return find(s, stageNames[:], "stage", text) }

// UnmarshalText finds the end by its name.
func (e *End) UnmarshalText(text []byte) error { return find(e, endNames[:], "end", text) }

// MarshalText makes JSON show the party's name.
func (p Party) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText finds the party by its name.
func (p *Party) UnmarshalText(text []byte) error { return find(p, partyNames[:], "party", text) }

// UnmarshalText finds the cause by its slug.
func (c *Cause) UnmarshalText(text []byte) error { return find(c, causeSlugs[:], "cause", text) }

// UnmarshalText finds the family by its name.
func (f *Family) UnmarshalText(text []byte) error { return find(f, familyNames[:], "family", text) }

// UnmarshalText finds the timer by its configuration key.
func (t *Timer) UnmarshalText(text []byte) error { return find(t, timerNames[:], "timer", text) }

// UnmarshalText finds the problem by its name.
func (p *CertProblem) UnmarshalText(text []byte) error {
	return find(p, certProblemNames[:], "certificate problem", text)
}

// UnmarshalText finds what became of a client certificate by its name.
func (c *ClientCert) UnmarshalText(text []byte) error {
	return find(c, clientCertNames[:], "client certificate", text)
}

// MarshalText makes JSON show the name.
func (c ClientCert) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText finds the type by its token.
func (t *Type) UnmarshalText(text []byte) error {
	found, ok := ParseType(string(text))
	if !ok {
		return fmt.Errorf("unknown proxy error type %q", text)
	}
	*t = found
	return nil
}

// UnmarshalText finds the rule by its name.
func (r *Rule) UnmarshalText(text []byte) error {
	for i := range Rules {
		if Rule(i).String() == string(text) {
			*r = Rule(i)
			return nil
		}
	}
	return fmt.Errorf("unknown rule %q", text)
}

// find sets value to the index at which the text stands in names.
func find[T ~uint8](value *T, names []string, what string, text []byte) error {
	for i := range names {
		if names[i] == string(text) {
			*value = T(i)
			return nil
		}
	}
	return fmt.Errorf("unknown %s %q", what, text)
}
