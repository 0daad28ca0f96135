package lab

import (
	"fmt"
	"strings"
)

// URLScheme is the scheme that the upstream is addressed with.
func (a *At) URLScheme() string { return a.scheme() }

var socketWords = [...]string{
	Refuses: "nobody listens on its port", QueueFull: "its accept queue is full", SmallWindow: "its receive buffer is small", Absent: "nothing of the lab listens there",
	NoFile: "the socket's file is missing", NoAccess: "nobody may write to the socket's file", FileStale: "nobody listens on the socket any more",
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
		text += fmt.Sprintf(" with %d octets", a.Body)
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
	line("right is", s.Want.String())
	if s.Want.Saved {
		line("", "(saved by another attempt)")
	}
	var causes []string
	for _, c := range s.Want.Cause {
		causes = append(causes, c.String())
	}
	line("cause", strings.Join(causes, " or "))
	line("taxonomy", s.Row)
	line("why", s.Why)
	line("not scored", s.Unscored)
	if len(s.Plays) > 0 {
		b.WriteString("\non each connection the upstream does this:\n" + indent(s.Plays.Text()) + "\n")
	}
	return b.String()
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
