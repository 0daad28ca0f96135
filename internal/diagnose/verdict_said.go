package diagnose

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/fingerprint"
	"github.com/whygate/whygate/internal/mono"
)

// What short pages say in anybody's words: that the host is not known, that the site is suspended, that a filter refuses the request.
// Only what a page says first counts, its title, its heading or the whole of a line; an object of a program's says it of its own things.

// saidTextMax bounds a page that says one thing, and saidLineMax a line that is one sentence, in characters.
const (
	saidTextMax = 1500
	saidLineMax = 160
)

// saids are what such pages say, in the order in which they are tried.
var saids = []struct {
	words    *regexp.Regexp
	statuses string // in which it counts, joined by blanks; empty for every one of 400 and above
	cause    fault.Cause
	says     string
}{
	{
		regexp.MustCompile(`(?i)\b(blocked hosts?:|invalid host(name| ?header)\b|(unknown|untrusted|unrecogni[sz]ed|unregistered) (host ?name|host|domain|site)\b|` +
			`(host ?name|host|domain|site) (name )?(is )?not (configured|allowed|recogni[sz]ed|registered|linked|mapped)\b|this host (\([^)]{0,80}\) )?is not allowed|no (site|virtual host|domain) (is )?(configured|set up|registered)\b)`),
		"400 403 404 410 421 500 503", fault.CauseWrongHost, "says that it does not serve this host name",
	},
	{
		regexp.MustCompile(`(?i)\b((web ?page|web ?site|url|request|page|traffic)( (has been|is|was|were))? (blocked|rejected)\b|you have been blocked|access (to (this|the) [a-z ]{1,20} )?(has been|is|was) (blocked|rejected)\b|limited by the site owner|web application firewall)`),
		"400 403 405 406 418 429 500 501 503", fault.CauseContentFilter, "says that a filter refuses the request",
	},
	{
		regexp.MustCompile(`(?i)\b((account|web ?site|site|service|domain|hosting|application|app|deployment|project|shop|store|web app)( (has been|is|was|has))?( temporarily| currently)? (suspended|paused|disabled|stopped|deactivated|expired)\b)`),
		"", fault.CauseServiceStopped, "says that what should answer here is suspended, stopped or expired",
	},
	{
		regexp.MustCompile(`(?i)\b(resource limits? (is |was |has been )?(reached|exceeded)|exceed(s|ed) (the |its )?resource limit)`),
		"500 503 508", fault.CauseWorkersBusy, "says that the site has used up what its host allows at one time: processes, processor or memory",
	},
	{
		regexp.MustCompile(`(?i)\b(bandwidth|traffic|usage|data transfer|quota) (limits? )?(is |was |has been )?(exceeded|reached|used up)`),
		"402 403 429 503 509", fault.CauseRateLimited, "says that the site has used up the traffic that its host allows",
	},
	{
		regexp.MustCompile(`(?i)\b(tunnel\b.{0,40}\b(unavailable|not found|offline|does not exist|not connected|is down)|no active tunnel)`),
		"404 502 503 504", fault.CauseNobodyAvailable, "says that the tunnel has nobody at its other end",
	},
}

// ofSaid reads a short page.
func ofSaid(w *Walk, x *Exchange) *finding {
	if !x.isPage() || len(x.answer.Body) == 0 || x.answer.Body[0] == '{' {
		return nil
	}
	text := plainText(x.answer.Body)
	if len(text) > saidTextMax {
		return nil
	}
	lines := firstLines(x)
	if len(lines) == 0 {
		lines = []string{text}
	}
	who := decider(w, x)
	if who == w.Target.label() {
		who = someone(w, x)
	}
	for _, s := range saids {
		if s.statuses != "" && !strings.Contains(s.statuses, strconv.Itoa(x.Status)) {
			continue
		}
		for _, line := range lines {
			if len(line) > saidLineMax || !s.words.MatchString(line) {
				continue
			}
			return &finding{
				cause: s.cause, confidence: Likely, sentence: who + " " + s.says,
				proof: []string{"the page says: " + escape([]byte(strings.ToValidUTF8(line, "")))}, missing: []string{straightHint},
			}
		}
	}
	return nil
}

// headings finds the headings of a page.
var headings = regexp.MustCompile(`(?is)<h([1-3])[^>]*>(.*?)</h[1-3]>`)

// firstLines are what a page says first: its title, and its first heading of each size.
func firstLines(x *Exchange) (lines []string) {
	if t := pageTitle(x); t != "" {
		lines = append(lines, t)
	}
	seen := map[string]bool{}
	for _, m := range headings.FindAllSubmatch(x.answer.Body, 8) {
		if text := plainText(m[2]); text != "" && !seen[string(m[1])] {
			seen[string(m[1])] = true
			lines = append(lines, text)
		}
	}
	return lines
}

// suspended are titles of hosters' pages that stand in place of a site, with whatever status, and hoster what such a page speaks of: a site
// of many accounts has pages of suspended ones too.
var suspended = regexp.MustCompile(`(?i)^(this )?(account|web ?site|site|service|domain|hosting)( (has been|is|was|has))?( temporarily)? (suspended|deactivated|expired)\b.{0,20}$`)

var hoster = regexp.MustCompile(`(?i)\b(host|hosting|provider|webmaster|site owner|owner of this|billing)\b`)

// selfName is what whoever answered calls itself where no product is known: its name in Server, or the name that its page was made by.
func selfName(x *Exchange) string {
	if name := strings.TrimSpace(x.field("Server")); name != "" {
		return firstLine([]byte(name))
	}
	if len(x.answer.Body) < refusalIs*8 {
		if m := madeByName.FindStringSubmatch(plainText(x.answer.Body)); m != nil {
			return m[1]
		}
	}
	return ""
}

// madeByName finds the name that a page says it was made by.
var madeByName = regexp.MustCompile(`(?:[Gg]enerated|[Pp]owered|[Pp]rotected|[Ss]ecured) by ([A-Z][A-Za-z0-9._-]{1,24}(?: [A-Z][A-Za-z0-9._-]{1,24})?)`)

// someone names who answered where no product is known.
func someone(w *Walk, x *Exchange) string {
	if name := selfName(x); name != "" {
		return fmt.Sprintf("the gateway at %s, which calls itself %s,", w.Target.label(), name)
	}
	return "the gateway at " + w.Target.label()
}

// application names the application that an answer came from, with the gateways before it that show.
func application(w *Walk, x *Exchange) string {
	var before []string
	for _, m := range fingerprint.Chain(&x.answer) {
		if !m.Own && isGateway(m.Product) {
			before = append(before, m.Title)
		}
	}
	if len(before) == 0 {
		return "the application at " + w.Target.label()
	}
	return "the application behind " + join(before) + " (" + w.Target.label() + ")"
}

// pageSays is what a page that nobody known made says first, and by whom it says it was made, as the end of a sentence. It is empty where
// the page says no more than its status, and where it is none.
func pageSays(x *Exchange) string {
	if !x.isPage() || len(x.answer.Body) == 0 || x.answer.Body[0] == '{' || fingerprint.Bare(&x.answer) {
		return ""
	}
	lines, text := firstLines(x), plainText(x.answer.Body)
	if len(lines) == 0 {
		lines = []string{text}
	}
	says := ""
	if m := errorTitle.FindStringSubmatch(lines[0]); len(lines[0]) <= saidLineMax && (m == nil || !isStatusWords(m[1], m[2])) {
		says = ", and says " + strconv.Quote(strings.ToValidUTF8(lines[0], ""))
	}
	if m := madeByName.FindStringSubmatch(text); m != nil && len(text) <= saidTextMax {
		says += ", on a page of " + m[1] + "'s"
	}
	return says
}

// ofOther: a gateway's status, and no gateway that is known made it.
func ofOther(w *Walk, x *Exchange) *finding {
	f := &finding{
		cause: fault.CauseUpstreamStatus, confidence: Likely, sentence: fmt.Sprintf("%s%s: it is a gateway too, or passes another's answer on", whoAnswers(w, x), pageSays(x)),
		proof: []string{fmt.Sprintf("the answer is %d in %s, whole and in order", x.Status, mono.Words(time.Duration(x.FirstByte)))}, missing: []string{"the same walk from behind it: --upstream HOST:PORT for each of its upstreams"},
	}
	if x.Status == 503 {
		f.sentence += ", or an application says so of itself"
	}
	if text := bodyLine(x); text != "" {
		f.proof = append(f.proof, "the body says: "+text)
	}
	return f
}

// ofOrigin: an application's server made the answer itself. It is no gateway, and its 503 is its application's.
func ofOrigin(w *Walk, x *Exchange, maker fingerprint.Match) *finding {
	f := &finding{
		cause: fault.CauseApplicationError, confidence: Possible, sentence: fmt.Sprintf("%s answers %d itself: it is the application's own server, and no gateway", subject(w, x), x.Status),
		proof: []string{fmt.Sprintf("the %d was made by %s itself: %s", x.Status, maker.Title, maker.Why)}, missing: []string{"what " + maker.Title + "'s own log says of the request"},
	}
	if x.Status == 503 && maker.Part == fingerprint.PartPage {
		f.cause = fault.CauseServiceFailed
		f.sentence += "; its application is not started, failed to start, or is stopped"
	}
	return f
}

// healthWords are what applications call their own state when it is bad.
var healthWords = regexp.MustCompile(`(?i)^\s*\{\s*"status"\s*:\s*"(down|out_of_service|unhealthy|not_ready|critical)"`)

// downPart finds a part of an application that its own check finds bad.
var downPart = regexp.MustCompile(`(?i)"([a-z][a-z0-9_.:-]{0,40})"\s*:\s*\{\s*"status"\s*:\s*"(?:down|out_of_service|unhealthy|fail|failed|critical)"`)

// ofHealthCheck: an application's own check says that it is not well.
func ofHealthCheck(w *Walk, x *Exchange) *finding {
	body := x.answer.Body
	if len(body) > textMax || !healthWords.Match(body) {
		return nil
	}
	f := &finding{
		cause: fault.CauseApplicationError, confidence: Likely, sentence: fmt.Sprintf("the application at %s says by its own check that it is not well, and answers %d", w.Target.label(), x.Status),
		proof: []string{"the body says: " + bodyLine(x)}, missing: []string{"the application's log has why"},
	}
	if m := downPart.FindSubmatch(body); m != nil {
		f.sentence += ": " + escape(m[1]) + " is down"
	}
	return f
}
