package diagnose

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/fingerprint"
	"github.com/whygate/whygate/internal/phrase"
)

// stock is an answer that a product makes by itself: what it means, where its own words do not name a cause that package phrase
// knows from logs as well.
type stock struct {
	product string
	status  int           // 0 for any
	says    string        // stands in the reason phrase or the text, in lower case; several joined by a bar; empty for any
	causes  []fault.Cause // the likeliest first
	means   string        // the rest of the sentence; empty where the cause says it
}

// ofStock is the finding that a product's own answer makes, nil where it is none that is known.
func ofStock(w *Walk, x *Exchange) *finding {
	maker, made := fingerprint.Maker(&x.answer)
	if !made {
		return nil
	}
	text := strings.ToLower(x.answer.Reason + " " + plainText(x.answer.Body) + " " + maker.Why)
	if maker.Product == "heroku" {
		text += strings.ToLower(string(x.answer.Body)) // the page's words are in a frame, whose name tells
	}
	for i := range stocks {
		s := &stocks[i]
		if s.product != maker.Product || x.Status < 400 || s.status != 0 && s.status != x.Status || s.says != "" && !phrase.OneOf([]byte(text), s.says) {
			continue
		}
		return s.finding(w, x, maker)
	}
	return nil
}

func (s *stock) finding(w *Walk, x *Exchange, maker fingerprint.Match) *finding {
	causes := ofStatus(x.Status, s.causes)
	cause, alone := oneLink(causes)
	f := &finding{
		cause: cause, confidence: Likely, proof: []string{fmt.Sprintf("the %d was made by %s itself: %s", x.Status, maker.Title, maker.Why)},
		missing: []string{straightHint, "on the gateway's machine: whygate diagnose --here, or its error log: whygate explain"},
	}
	if line := stockAdvice[s.product][cause]; line != "" {
		f.advice, f.adviceAlone = []string{line}, true
	}
	if maker.Hosted() {
		f.missing[1] = "what " + maker.Title + "'s own log or dashboard says of the request"
	}
	who := subject(w, x)
	switch {
	case s.means != "":
		f.sentence = who + " " + s.means
	case cause == fault.CauseUnknown:
		f.sentence = fmt.Sprintf("%s got no answer from its upstream, and answers %d; from here it does not show why", who, x.Status)
	default:
		f.sentence = who + " " + clauseOf(cause, "")
	}
	f.decided = alone && x.Status < 500
	if !alone {
		f.confidence = Possible
		f.missing = append([]string{"which it was: " + titlesOf(causes)}, f.missing...)
	}
	if text := bodyLine(x); text != "" {
		f.proof = append(f.proof, "the page says: "+text)
	} else if x.answer.Reason != "" {
		f.proof = append(f.proof, "the reason phrase is: "+firstLine([]byte(x.answer.Reason)))
	}
	return f
}

// named are products' own names for errors in a field of theirs.
type named map[string][]struct {
	value  string // the beginning of the field's value
	causes []fault.Cause
}

// of gives the causes that a field's value stands for, nil where it is not known.
func (n named) of(field, value string) []fault.Cause {
	for _, e := range n[field] {
		if strings.HasPrefix(value, e.value) {
			if _, errno, found := strings.Cut(value, " "); found && field == "X-Squid-Error" {
				if number, err := strconv.Atoi(strings.TrimSpace(errno)); err == nil && squidErrno[number] != fault.CauseNone {
					return only(squidErrno[number])
				}
			}
			return e.causes
		}
	}
	return nil
}

// causesNamed gives the causes that a field's value stands for, nil where it is not known.
func causesNamed(field, value string) []fault.Cause {
	if causes := namedErrors.of(field, value); causes != nil {
		return causes
	}
	name, _, _ := strings.Cut(value, " ")
	if c := phrase.ByCode(name); c != nil && len(name) >= namedMin {
		return c.Causes
	}
	return nil
}

// namedMin is how long a name is at least that stands for one thing: a flag or a number stands for several.
const namedMin = 10

// squidErrno is what the number behind Squid's name of an error, an errno of Linux, stands for.
var squidErrno = map[int]fault.Cause{
	111: fault.CauseConnectionRefused, 110: fault.CauseConnectTimeout, 113: fault.CauseHostUnreachable, 101: fault.CauseNetworkUnreachable, 104: fault.CauseResetBeforeAnswer, 99: fault.CausePortsExhausted,
	24: fault.CauseDescriptorsExhausted, 13: fault.CauseFirewallRejected,
}

// namedErrors: Squid's err_type.h. The names of other products are in package phrase.
var namedErrors = named{
	"X-Squid-Error": {
		{"ERR_ZERO_SIZE_OBJECT", only(fault.CauseClosedBeforeAnswer)},
		{"ERR_READ_ERROR", []fault.Cause{fault.CauseNobodyAvailable}},
		{"ERR_WRITE_ERROR", endedFirst},
		{"ERR_CONNECT_FAIL", refusedFirst},
		{"ERR_CANNOT_FORWARD", nobodyThere},
		{"ERR_SECURE_CONNECT_FAIL", only(fault.CauseTLSProtocolError)},
		{"ERR_DNS_FAIL", only(fault.CauseDNSError)},
		{"ERR_READ_TIMEOUT", only(fault.CauseHeadTimeout)},
		{"ERR_LIFETIME_EXP", only(fault.CauseResponseTooSlow)},
		{"ERR_TOO_BIG", only(fault.CauseHeadTooLarge)},
		{"ERR_INVALID_RESP", []fault.Cause{fault.CauseBadField, fault.CauseHeadCut, fault.CauseNotHTTP}},
		{"ERR_GATEWAY_FAILURE", anyFailure},
		{"ERR_SHUTTING_DOWN", only(fault.CauseShuttingDown)},
		{"ERR_CACHE_ACCESS_DENIED", only(fault.CauseRequestDenied)},
		{"ERR_ACCESS_DENIED", only(fault.CauseRequestDenied)},
		{"ERR_FORWARDING_DENIED", only(fault.CauseRequestDenied)},
		{"ERR_INVALID_URL", only(fault.CauseRequestMalformed)},
		{"ERR_INVALID_REQ", only(fault.CauseRequestMalformed)},
	},
}
