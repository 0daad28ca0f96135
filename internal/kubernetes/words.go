package kubernetes

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/redact"
	"github.com/whygate/whygate/internal/words"
)

// saidMax bounds what is shown of a message, in runes.
const saidMax = 220

// said makes a message of somebody else's fit to be shown: one line, of bounded length, with what may be a secret masked.
func said(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > 4*saidMax {
		text = string(r[:4*saidMax])
	}
	text = redact.Line(text)
	if r := []rune(text); len(r) > saidMax {
		text = string(r[:saidMax]) + "…"
	}
	return strings.TrimRight(text, ".:, ")
}

// because is a reason with its message, behind a text.
func because(reason, message string) string {
	text := said(message)
	switch {
	case reason == "" && text == "":
		return ""
	case text == "":
		return " (" + said(reason) + ")"
	case reason == "":
		return ": " + text
	}
	return " (" + said(reason) + "): " + text
}

// behind is a reason with its message, behind a time.
func behind(reason, message string) string {
	switch text := said(message); {
	case reason == "" && text == "":
		return ""
	case text == "":
		return ": " + said(reason)
	case reason == "":
		return ": " + text
	default:
		return ": " + said(reason) + ", " + text
	}
}

// afterColon is what stands behind the first colon, all where there is none.
func afterColon(text string) string {
	if _, rest, ok := strings.Cut(text, ": "); ok {
		return rest
	}
	return text
}

func orWord(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return said(text)
}

// eventWords say an event with its count and its time.
func eventWords(e *event) string {
	text := "event " + said(e.Reason) + " of " + strings.ToLower(said(e.Object.Kind)) + "/" + said(e.Object.Name)
	if n := e.times(); n > 1 {
		text += fmt.Sprintf(", %d times", n)
	}
	if at := e.at(); !at.IsZero() {
		text += ", last at " + at.Local().Format("15:04:05")
	}
	return text + ": " + said(e.Message)
}

// latest is the last event of the reason whose message begins so, nil if there is none.
func latest(all []event, reason, begins string) *event {
	var last *event
	for i := range all {
		e := &all[i]
		if e.Reason == reason && strings.HasPrefix(e.Message, begins) && (last == nil || !e.at().Before(last.at())) {
			last = e
		}
	}
	return last
}

// warning is the last event of the type Warning, nil if there is none.
func warning(all []event) *event {
	var last *event
	for i := range all {
		if e := &all[i]; e.Type == "Warning" && (last == nil || !e.at().Before(last.at())) {
			last = e
		}
	}
	return last
}

// since says from when on, and how long that is.
func since(at, now time.Time) string {
	if at.IsZero() || at.After(now.Add(time.Minute)) {
		return ""
	}
	format := "15:04:05"
	if now.Sub(at) > 20*time.Hour {
		format = "2006-01-02 15:04"
	}
	return " since " + at.In(now.Location()).Format(format) + " (" + ago(now.Sub(at)) + ")"
}

// ago is a duration as people say it.
func ago(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < 2*time.Minute:
		return words.Count(int(d.Seconds()), "second")
	case d < 2*time.Hour:
		return words.Count(int(d.Minutes()), "minute")
	case d < 48*time.Hour:
		return words.Count(int(d.Hours()), "hour")
	}
	return words.Count(int(d.Hours()/24), "day")
}

// ofAll counts some of all: "all 3 pods", "2 of 3 pods", "its only pod".
func ofAll(n, all int, what string) string {
	switch {
	case n == all && n == 1:
		return "its only " + what
	case n == all:
		return fmt.Sprintf("%d of %d %ss", n, all, what)
	}
	return fmt.Sprintf("%d of %s", n, words.Count(all, what))
}

// isOrAre is the verb for so many.
func isOrAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// hasOrHave is the verb for so many.
func hasOrHave(n int) string {
	if n == 1 {
		return "has"
	}
	return "have"
}

// listed names the first few, and says how many more there are.
func listed(names []string, most int) string {
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// harmless is a word of a command that no shell takes for more than it is: names, labels, numbers.
var harmless = regexp.MustCompile(`^[A-Za-z0-9._/=,:@-]+$`)

// word is a name as it may stand in a command; NAME where it is none that is harmless there.
func word(name string) string {
	if !harmless.MatchString(name) {
		return "NAME"
	}
	return name
}

// kubectl is a command for the same cluster and namespace.
func (f *facts) kubectl(namespace, rest string) string {
	text := "kubectl"
	if f.where.Kubeconfig != "" {
		text += " --kubeconfig " + word(f.where.Kubeconfig)
	}
	if f.where.Context != "" {
		text += " --context " + word(f.where.Context)
	}
	if namespace != "" {
		text += " -n " + word(namespace)
	}
	return text + " " + rest
}

// selectorWords write a selector as kubectl takes it.
func selectorWords(selector map[string]string) string {
	var all []string
	for k, v := range selector {
		all = append(all, k+"="+v)
	}
	slices.Sort(all)
	return strings.Join(all, ",")
}
