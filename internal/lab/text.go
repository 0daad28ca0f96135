package lab

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// URLScheme is the scheme that the upstream is addressed with.
func (a *At) URLScheme() string { return a.scheme() }

var socketWords = [...]string{
	Refuses: "nobody listens on its port", QueueFull: "its accept queue is full", SmallWindow: "its receive buffer is small", Absent: "nothing of the lab listens there",
	NoFile: "the socket's file is missing", FileStale: "nobody listens on the socket any more",
}

// words says how the upstream is addressed.
func (a *At) words() string {
	text := a.scheme() + "://127.0.0.1:PORT"
	switch {
	case a.Unix != "":
		text = "a unix socket"
	case a.Host != "":
		text = a.scheme() + "://" + a.Host + ":PORT, in the lab's network"
	}
	if t := a.TLS; t != nil {
		text += "; TLS with the certificate \"" + t.name() + "\" for the name " + UpstreamName
	}
	if int(a.Socket) < len(socketWords) && socketWords[a.Socket] != "" {
		text += "; " + socketWords[a.Socket]
	}
	if len(a.Beside) > 0 {
		text += "; in one pool with " + strings.Join(a.Beside, ", ")
	}
	return text
}

func (t *Terms) name() string {
	if t.Certificate == "" {
		return certGood
	}
	return t.Certificate
}

// Text says what the client asks, for the scenario of that name.
func (a *Ask) Text(name string) string {
	text := fmt.Sprintf("%s /%s/%s", a.method(), name, a.Target)
	if a.Body > 0 {
		text += fmt.Sprintf(" with %d bytes", a.Body)
	}
	if a.Content != "" {
		text += fmt.Sprintf(" with %q", a.Content)
	}
	if a.Chunked {
		text += ", chunked"
	}
	for _, f := range a.Fields {
		text += ", " + f
	}
	if a.Times > 1 {
		text += fmt.Sprintf(", %d times", a.Times)
	}
	if a.Together {
		text += " at once"
	}
	if a.Warm > 0 {
		text += fmt.Sprintf(", after %d on the same connection", a.Warm)
	}
	if a.Pause > 0 {
		text += fmt.Sprintf(" and %v", a.Pause)
	}
	return text
}

// Text is the whole scenario as lab show prints it.
func (s *Scenario) Text() string {
	var b strings.Builder
	line := func(label, text string) {
		if text != "" {
			fmt.Fprintf(&b, "%-10s %s\n", label, text)
		}
	}
	line(s.Name, "("+s.Group.String()+")")
	b.WriteString("\n" + s.Does + "\n\n")
	line("upstream", s.At.words())
	line("asked", s.Ask.Text(s.Name))
	for i, text := range s.Want.text() {
		line([]string{"right is", ""}[min(i, 1)], text)
	}
	var causes []string
	for _, c := range s.Want.Cause {
		causes = append(causes, c.String())
	}
	line("cause", strings.Join(causes, " or "))
	line("taxonomy", s.Row)
	line("why", s.Why)
	if len(s.Plays) > 0 {
		b.WriteString("\non each connection the upstream does this:\n" + indent(s.Plays.Text()) + "\n")
	}
	return b.String()
}

// String says which answer is right: the statuses, and with those that are errors the types of the error.
func (w *Want) String() string {
	var plain, errors []string
	for _, s := range w.Status {
		if s < 500 {
			plain = append(plain, strconv.Itoa(s))
		} else {
			errors = append(errors, strconv.Itoa(s))
		}
	}
	parts := []string{strings.Join(plain, " or "), strings.Join(errors, " or ")}
	if at := min(1, len(errors)); len(w.Types) > 0 { // without an error's status, they are for a trailer or the log
		parts[at] += " (" + w.types() + ")"
	}
	if w.Status[0] >= 500 {
		slices.Reverse(parts)
	}
	text := strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), " or ")
	if w.Cut {
		text += ", visibly cut"
	}
	if w.Never != "" {
		text += fmt.Sprintf(", never %q", w.Never)
	}
	return text
}

// text says all that is wanted, a line each.
func (w *Want) text() []string {
	lines := []string{w.String()}
	add := func(is bool, format string, args ...any) {
		if is {
			lines = append(lines, fmt.Sprintf(format, args...))
		}
	}
	add(w.Saved, "(saved by another attempt)")
	for _, field := range w.Fields {
		add(true, "with the header %s", field)
	}
	add(w.Interim > 0, "after %d interim answers", w.Interim)
	add(w.Body != "", "with a body that begins %q", strings.TrimSuffix(head(w.Body, 60), "\n"))
	add(w.Size > 0, "with a body of %d bytes", w.Size)
	add(w.Within > 0, "the body's first byte within %v", w.Within)
	add(w.MayCut, "or with a body that is visibly cut")
	for _, status := range slices.Sorted(maps.Keys(w.AtLeast)) {
		add(true, "%d or more answers of %d", w.AtLeast[status], status)
	}
	add(w.Requests > 0, "and no more than %d requests at the upstream", w.Requests)
	return lines
}

// ConfigFor makes the proxy's configuration for scenarios that lab serve serves, without serving them.
func ConfigFor(p *Proxy, scenarios []*Scenario, o Options, listen, dir string) (string, error) {
	if o.Base == 0 {
		o.Base = DefaultBase
	}
	a, err := OpenAuthority(o.Dir)
	if err != nil {
		return "", err
	}
	l := &Lab{Skipped: map[string]string{}, authority: a, stages: map[string]*stage{}, dir: o.Dir}
	scenarios = withControl(scenarios)
	add := func(s *Scenario) {
		if l.stages[s.Name] == nil && !s.At.Network() {
			l.stages[s.Name] = &stage{Scenario: s, lab: l, address: l.addressAt(s, o.Base)}
		}
	}
	for _, s := range scenarios {
		add(s)
		for _, name := range s.At.Beside {
			if other := Get(name); other != nil {
				add(other)
			}
		}
	}
	return p.Config(&Setup{Lab: l, Scenarios: scenarios, Listen: listen, Dir: dir}), nil
}
