package console

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/store"
)

// functions are what templates call.
var functions = template.FuncMap{
	"ago": ago, "number": number, "plural": plural, "percent": percent, "short": short, "clock": clock, "stage": stageTitle,
	"size": size, "rate": rate, "class": class, "spans": func() []string {
		var out []string
		for _, s := range spans {
			out = append(out, s.Name)
		}
		return out
	},
	"order": orderOf, "poolAction": poolAction, "endpointAction": endpointAction,
	"stateClass": func(s store.State) string { return "state-" + string(s) },
	"iso":        func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
	"add":        func(a, b int) int { return a + b },
	"retry":      retryWords,
	"plural64":   func(n any, word string) string { return plural(whole(n), word) },
	"hundredth":  func(share float64) string { return fmt.Sprintf("%.1f", share*100) },
	"states":     func() []string { return []string{"open", "acknowledged", "resolved", "muted"} },
	"decision": func(s store.State) string {
		switch s {
		case store.StateOpen:
			return "Open"
		case store.StateAcknowledged:
			return "Acknowledge"
		case store.StateResolved:
			return "Resolve"
		}
		return "Mute for 24 h"
	},
}

// whole is a number of any of the kinds that pages have.
func whole(n any) int64 {
	switch n := n.(type) {
	case int:
		return int64(n)
	case int64:
		return n
	case uint64:
		return int64(n)
	}
	return 0
}

// retries are the reasons for and against another attempt, by their names in logs.
var retries = map[string]string{
	"no-fault":          "Nothing failed, or the upstream's own status was passed on.",
	"client-left":       "The client had left, so nobody waited for an answer.",
	"response-begun":    "The client had a part of the answer already.",
	"not-the-upstream":  "The request itself, or the gateway's configuration, was at fault: another attempt would have ended alike.",
	"out-of-resources":  "The gateway had no descriptor or memory for another attempt.",
	"attempts-used":     "As many attempts were made as retry.attempts allows.",
	"body-gone":         "A part of the request's body had been sent on and was no longer held.",
	"not-idempotent":    "The upstream may have acted on the request, and its method may not be repeated (RFC 9110, section 9.2.2).",
	"slow-not-broken":   "It timed out after the request was sent: the upstream may still be at work.",
	"already-resent":    "The request had been sent twice already.",
	"no-other-endpoint": "There is no other endpoint, and the same one would have done the same.",
	"budget-exhausted":  "retry.budget was used up: more retries would have added to the load.",
	"unknown-situation": "No rule allows another attempt here.",
	"nothing-written":   "Nothing of the request had been written, so the upstream cannot have seen it.",
	"stale-reuse":       "The connection had been used before and ended before an answer: that is the keep-alive race, and the request may be sent again.",
	"broken-off":        "The connection ended before an answer, and the request may be repeated.",
	"bad-answer":        "The answer was not HTTP, and another endpoint may do better.",
	"local-limit":       "A limit of the gateway's own was reached, towards this endpoint only.",
}

// retryWords says why there was another attempt, or why there was none.
func retryWords(reason string) string {
	if words := retries[reason]; words != "" {
		return words
	}
	if reason == "" {
		return "No attempt was made that could have been repeated."
	}
	return reason
}

// ago is a time in words, as seen from now.
func ago(now, t time.Time) string {
	switch d := now.Sub(t); {
	case t.IsZero():
		return "never"
	case d < 2*time.Second:
		return "just now"
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	default:
		return fmt.Sprintf("%d days ago", int(d.Hours()/24))
	}
}

// clock is a moment, in UTC.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000") }

// number groups digits by thin spaces.
func number(n int64) string {
	s := strconv.FormatInt(n, 10)
	var b strings.Builder
	for i, c := range s {
		if i > 0 && (len(s)-i)%3 == 0 && c != '-' && s[i-1] != '-' {
			b.WriteRune('\u202f')
		}
		b.WriteRune(c)
	}
	return b.String()
}

func plural(n int64, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return number(n) + " " + word + "s"
}

func percent(share float64) string {
	switch p := share * 100; {
	case share >= 0.999:
		return "all"
	case p > 0 && p < 1:
		return "less than 1 %"
	default:
		return fmt.Sprintf("%.0f %%", p)
	}
}

// short is a duration with as many digits as tell something.
func short(d time.Duration) string {
	switch {
	case d <= 0:
		return "0"
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	return fmt.Sprintf("%.0f h", d.Hours())
}

func size(n int64) string {
	switch {
	case n < 10_000:
		return number(n) + " B"
	case n < 10<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

func rate(perSecond float64) string {
	switch {
	case perSecond == 0:
		return "0"
	case perSecond < 1:
		return fmt.Sprintf("%.2f", perSecond)
	case perSecond < 100:
		return fmt.Sprintf("%.1f", perSecond)
	}
	return number(int64(perSecond))
}

// class is the colour of an incident: what the client saw of it.
func class(status int, saved, late bool) string {
	switch {
	case saved:
		return "saved"
	case late:
		return "late"
	case status == 499:
		return "left"
	case status >= 500:
		return "bad"
	}
	return "refused"
}

// orderForm is what a row's form needs.
type orderForm struct{ Token, Pool, Endpoint, Action, Label string }

func orderOf(token, pool, endpoint, action string) orderForm {
	label := action
	if action == "ready" {
		label = "back into service"
	}
	return orderForm{token, pool, endpoint, action, label}
}

// poolAction and endpointAction are what there is to do with one that stands like this.
func poolAction(maintenance string) string {
	if maintenance != "" {
		return "ready"
	}
	return "maintenance"
}

func endpointAction(state string) string {
	if state == "drained" {
		return "ready"
	}
	return "drain"
}
