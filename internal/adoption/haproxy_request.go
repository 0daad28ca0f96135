package adoption

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/topology"
)

// What HAProxy does to requests and answers, and whom it turns away.

// request translates an "http-request" line.
func (f *haproxyFront) request(k *node) {
	args := slices.Clone(k.Args)
	i := slices.IndexFunc(args, func(a string) bool { return a == "if" || a == "unless" })
	var when []string
	if i >= 0 {
		args, when = args[:i], args[i:]
	}
	if len(args) == 0 {
		return
	}
	switch args[0] {
	case "redirect":
		f.redirect(k, k.Args[1:])
		return
	case "set-src":
		f.d.unseen(&f.mark, k, "addresses of clients in another way")
		return
	case "auth":
		f.close(k, when, "users")
		return
	case "deny", "reject", "silent-drop", "tarpit", "return":
		f.turnAway(k, args, when)
		return
	}
	f.touch(args)
	if strings.EqualFold(topology.Option(args, "set-header"), "X-Forwarded-Proto") || strings.EqualFold(topology.Option(args, "add-header"), "X-Forwarded-Proto") {
		f.d.needless["http-request set-header X-Forwarded-Proto"] = true // Whygate writes it
		return
	}
	if strings.HasPrefix(args[0], "lua.") || args[0] == "use-service" {
		f.close(k, when, "programs")
		return
	}
	if len(when) > 0 {
		f.d.note(&f.mark, k, "under a condition")
		return
	}
	text, ok := haproxyFormat(topology.Option(args, topology.Option(args, args[0])))
	name := topology.Option(args, args[0])
	switch {
	case args[0] == "del-header" && len(args) == 2:
		f.set = append(f.set, pair{name, ""})
	case (args[0] == "set-header" || args[0] == "add-header") && ok && len(args) == 3 && strings.EqualFold(name, "host"):
		f.d.note(&f.mark, k, "the Host header is the pool's host")
	case (args[0] == "set-header" || args[0] == "add-header") && ok && len(args) == 3 && strings.Contains(text, "$"):
		f.made = append(f.made, pair{name, text})
	case (args[0] == "set-header" || args[0] == "add-header") && ok && len(args) == 3:
		f.set = append(f.set, pair{name, text})
	case (args[0] == "set-header" || args[0] == "add-header") && !ok && len(args) == 3 && takenAway(name):
		f.set = append(f.set, pair{name, ""})
		f.d.note(&f.mark, k, "a value without a counterpart"+clientsOwn)
	case args[0] == "capture":
		f.d.needless["http-request capture"] = true
	default:
		f.d.note(&f.mark, k, "")
	}
}

// touch keeps what a line changes of requests, so that no condition after it is taken for one on what the client sent.
func (f *haproxyFront) touch(args []string) {
	switch args[0] {
	case "set-path", "set-pathq", "set-query", "set-uri", "replace-path", "replace-pathq", "replace-uri", "normalize-uri":
		f.touched["path"] = true
	case "set-method":
		f.touched["method"] = true
	case "set-header", "add-header", "replace-header", "replace-value":
		f.touched["header "+strings.ToLower(topology.Option(args, args[0]))] = true
	case "del-header":
		if len(args) > 2 { // by an expression
			f.touched["header "] = true
		}
		f.touched["header "+strings.ToLower(topology.Option(args, args[0]))] = true
	case "del-headers-bin", "set-headers-bin", "add-headers-bin":
		f.touched["header "] = true
	}
}

// guardsHAProxy are what turns clients away.
var guardsHAProxy = words(`deny reject tarpit auth silent-drop return redirect use-service`)

// turnAway translates what is answered by HAProxy itself. Where it cannot be said who is turned away, all that may be is answered 501.
func (f *haproxyFront) turnAway(k *node, args, when []string) {
	status := map[string]string{"return": "200", "tarpit": "500"}[args[0]]
	status = cmp.Or(status, "403")
	var answer []pair
	for j := 1; j < len(args); j++ {
		switch args[j] {
		case "deny_status", "status":
			status, j = topology.Option(args[j:], args[j]), j+1
		case "content-type":
			answer, j = append(answer, pair{"type", quote(topology.Option(args[j:], args[j]))}), j+1
		case "string":
			answer, j = append(answer, pair{"body", quote(topology.Option(args[j:], args[j]))}), j+1
		case "file", "lf-file", "lf-string", "errorfile", "errorfiles":
			f.d.note(&f.mark, k, "it is answered without a text")
			j++
		default:
			f.d.note(&f.mark, k, "a form without a counterpart; it is answered %s", status)
			j = len(args)
		}
	}
	if args[0] == "reject" || args[0] == "silent-drop" || args[0] == "tarpit" {
		f.d.note(&f.mark, k, "it is answered %s at once", status)
	}
	alternatives, ok := f.when(when)
	if ok && status == "403" && len(answer) == 0 && f.refuse(alternatives) {
		return
	}
	if !ok {
		f.close(k, when, "a condition without a counterpart")
		return
	}
	for _, keys := range alternatives {
		respond := mapping(append([]pair{{"status", status}}, answer...))
		if hasSource(keys) {
			f.d.note(&f.mark, k, "a choice by the client's address beside others; all of it is answered 501")
			keys, respond = slices.DeleteFunc(slices.Clone(keys), func(k pair) bool { return !matching[k.key] }), "{status: 501}"
		}
		f.add(&route{keys: append(slices.Clone(keys), pair{"respond", respond})})
	}
}

// refuse keeps addresses that are refused, for the routes that come after. False means that the condition is not of one test of addresses.
func (f *haproxyFront) refuse(alternatives [][]pair) bool {
	var allow, deny []string
	for _, keys := range alternatives {
		for _, k := range keys {
			switch {
			case k.key == "src" && len(keys) == 1:
				deny = append(deny, k.value)
			case k.key == "not src":
				allow = append(allow, k.value)
			default:
				return false
			}
		}
		if len(keys) == 0 {
			return false
		}
	}
	if len(allow) > 0 && (len(f.allow) > 0 || len(alternatives) > 1) {
		return false
	}
	f.allow, f.deny = append(f.allow, allow...), append(f.deny, deny...)
	if len(f.allow) == 0 {
		return true
	}
	f.allow = slices.DeleteFunc(f.allow, func(a string) bool { // the smallest network decides here: none within one that is refused may be let in
		return slices.ContainsFunc(f.deny, func(d string) bool { return holdsNetwork(d, a) })
	})
	if len(f.allow) == 0 {
		f.deny = []string{"0.0.0.0/0", "::/0"}
	}
	return true
}

// holdsNetwork reports whether a network holds all of another one.
func holdsNetwork(large, small string) bool {
	l, known := network(large)
	s, ok := network(small)
	return known && ok && l.Bits() <= s.Bits() && l.Contains(s.Addr())
}

// response translates an "http-response" line.
func (f *haproxyFront) response(k *node) {
	name, text := k.Arg(1), k.Arg(2)
	switch {
	case k.Text() == "del-header" && len(k.Args) == 2:
		f.out = append(f.out, pair{name, ""})
	case (k.Text() == "set-header" || k.Text() == "add-header") && len(k.Args) == 3 && !strings.Contains(text, "%["):
		f.out = append(f.out, pair{name, strings.ReplaceAll(text, "%%", "%")})
	case k.Text() == "deny" || k.Text() == "return":
		f.lost = true
		f.d.note(&f.mark, k, "answers that are kept back; what comes after it is answered 501")
	default:
		f.d.note(&f.mark, k, "")
	}
}

// haproxyTime reads a time of HAProxy's.
func haproxyTime(k *node, word int) (time.Duration, bool) {
	d, ok := topology.Duration(k.Arg(word), time.Millisecond)
	return d, ok && d > 0 && d <= 24*time.Hour
}
