package console

import (
	"fmt"
	"strings"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/store"
	"github.com/whygate/whygate/internal/visible"
)

// fence is longer than any run of backquotes that a text may have: it is cut to that.
const fence = "````"

// inline is a text within a line of Markdown, as code.
func inline(s string) string {
	s = strings.Join(strings.Fields(strings.ReplaceAll(s, "`", "'")), " ")
	if s == "" {
		return "–"
	}
	return "`" + s + "`"
}

// prose is a text of ours within a line.
func prose(s string) string {
	return strings.NewReplacer("\n", " ", "\r", " ", "`", "'", "<", "&lt;", "[", "\\[").Replace(s)
}

// quoted is a word for a shell.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// curl is a request like the one that failed, straight to the endpoint; empty where that makes no sense. Queries are masked, and bodies unknown.
func (v *view) curl() string {
	if len(v.Attempts) == 0 {
		return ""
	}
	e := v.Attempts[len(v.Attempts)-1].Endpoint
	for _, part := range []string{e, v.Host, v.Target, v.Method} {
		if strings.ContainsFunc(part, func(r rune) bool { return r < ' ' || visible.Hidden(r) }) {
			return "" // nobody could type it
		}
	}
	if path, ok := strings.CutPrefix(e, "unix:"); ok {
		return "curl -i --unix-socket " + quoted(path) + " -H " + quoted("Host: "+v.Host) + method(v.Method) + " " + quoted("http://localhost"+v.Target)
	}
	if !strings.HasPrefix(e, "http") || !strings.HasPrefix(v.Target, "/") {
		return ""
	}
	return "curl -i -H " + quoted("Host: "+v.Host) + method(v.Method) + " " + quoted(e+v.Target)
}

func method(m string) string {
	switch m {
	case "", "GET":
		return ""
	case "HEAD":
		return " --head"
	}
	return " -X " + quoted(m)
}

// markdown is the incident for whoever runs the upstream: what was seen, without secrets, in a form that tickets and chats show.
func (v *view) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n%s\n\n", prose(v.Title), prose(v.Sentence))
	if v.Meaning != "" {
		fmt.Fprintf(&b, "%s\n\n", prose(v.Meaning))
	}
	row := func(name, value string) { fmt.Fprintf(&b, "- %s: %s\n", name, value) }
	row("when", inline(clock(v.At)+" UTC"))
	row("request", inline(strings.TrimSpace(v.Method+" "+v.Host+v.Target)))
	if v.Status != 0 {
		row("answered", inline(fmt.Sprint(v.Status))+v.outcome())
	}
	row("cause", inline(v.Cause)+", Proxy-Status error "+inline(v.Type)+" (RFC 9209, section 2.3)")
	if v.Request != "" {
		row("request id", inline(v.Request))
	}
	if v.Trace != "" {
		row("trace id", inline(v.Trace))
	}
	row("incident", inline(v.ID)+" of "+inline(v.Instance))
	for _, a := range v.Attempts {
		connection := "no connection"
		if a.HasConnection {
			connection = a.connection()
		}
		fmt.Fprintf(&b, "\n**Attempt %d** at %s (%s): %s in stage %s by %s, %s; %d bytes sent, %d received\n", a.Number, inline(a.Endpoint), inline(a.Address),
			inline(a.End), inline(a.Stage), prose(a.By), connection, a.Sent, a.Got)
		for _, f := range a.Facts {
			fmt.Fprintf(&b, "- %s: %s\n", f.Name, inline(f.Value))
		}
	}
	if v.Broken != nil {
		fmt.Fprintf(&b, "\nFirst bytes (secrets masked). %s\n\n%stext\n", prose(v.Broken.Rule), fence)
		for _, l := range v.Broken.Lines {
			b.WriteString(strings.ReplaceAll(l.Text, fence, "'''") + "\n")
			if l.Caret != "" {
				b.WriteString(l.Caret + "\n")
			}
		}
		b.WriteString(fence + "\n")
	}
	if c := v.curl(); c != "" {
		fmt.Fprintf(&b, "\nTo try it (from the gateway's machine):\n\n%ssh\n%s\n%s\n", fence, strings.ReplaceAll(c, fence, "'''"), fence)
	}
	return visible.Lines(b.String())
}

// outcome is what the client saw, where the status does not tell.
func (v *view) outcome() string {
	switch {
	case v.Saved:
		return ", saved by a retry: the client saw nothing of it"
	case v.Late:
		return ", and the answer broke off in the middle"
	}
	return ""
}

// connection says what the attempt's connection was.
func (a *attempt) connection() string {
	if a.Reused {
		return fmt.Sprintf("connection reused (exchange %d, idle for %s)", a.Nth, short(a.Idle))
	}
	return "fresh connection"
}

// Markdown is an incident in words: for a ticket, a chat or a terminal.
func Markdown(row *store.Row) (string, error) {
	v, err := viewOf(row)
	if err != nil {
		return "", err
	}
	if known, ok := fault.ParseCause(v.Cause); ok {
		v.Meaning = known.Entry().Meaning
	}
	text := v.markdown()
	if len(v.Advice) > 0 {
		text += "\nWhat to do:\n\n"
		for i, line := range v.Advice {
			text += fmt.Sprintf("%d. %s\n", i+1, line)
		}
	}
	return text, nil
}
