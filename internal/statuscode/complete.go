package statuscode

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/whygate/whygate/internal/fault"
)

// heuristic are the codes that RFC 9110 section 15.1 names as heuristically cacheable.
var heuristic = []string{"200", "203", "204", "206", "300", "301", "308", "404", "405", "410", "414", "501"}

// unstored are the codes whose responses must not be stored: RFC 6585 sections 3 to 6.
var unstored = []string{"428", "429", "431", "511"}

// What Entry.Retry says, by class, where an entry says nothing else.
const (
	retryNothing  = "Nothing to repeat: it is no error."
	retryFollow   = "Nothing to repeat: follow Location instead."
	retryChanged  = "Useless as it stands: change the request first, or it gets the same answer."
	retryAtOnce   = "Idempotent requests may be repeated at once (RFC 9110 section 9.2.2); a POST only if it is known not to have been acted on."
	retryServer   = "Idempotent requests may be repeated after a pause, which grows each time; the answer may well be the same."
	retryBySource = "As for the code that it stands for."
)

// complete fills in what follows from the code alone: caching, and where the entry says nothing of its own the retry, the
// causes, the steps and the example.
func complete(e *Entry) *Entry {
	e.Cacheable = slices.Contains(heuristic, e.Code) || e.Code == "451"
	e.Caching = caching(e)
	class := e.Code[0]
	if e.Retry == "" {
		e.Retry = defaultRetry(e, class)
	}
	if e.Gateway == "" {
		e.Gateway = "It passes it on unchanged."
	}
	if e.Causes == nil {
		e.Causes = causesOf(e.Code)
	}
	if e.Steps == nil {
		e.Steps = defaultSteps(class)
	}
	if e.Kind != LogOnly && e.Request == "" {
		e.Request = "GET /page HTTP/1.1\nHost: www.example.com\n"
	}
	if e.Kind != LogOnly && e.Response == "" {
		number, _, _ := strings.Cut(e.Code, ".")
		e.Response = "HTTP/1.1 " + number + " " + reasonPhrase(e, number) + "\nContent-Type: text/html\nContent-Length: 0\n"
	}
	return e
}

// reasonPhrase is that of the code before the point.
func reasonPhrase(e *Entry, number string) string {
	for _, group := range [][]Entry{entriesClient, entriesServer} {
		for i := range group {
			if e.Kind == Substatus && group[i].Code == number {
				return group[i].Title
			}
		}
	}
	return e.Title
}

func caching(e *Entry) string {
	switch {
	case e.Kind == LogOnly:
		return "It is never sent, so nothing is stored."
	case e.Code == "451":
		return "Yes, unless its headers say otherwise (RFC 7725 section 3)."
	case e.Code == "206":
		return "Yes, by heuristics, unless its headers say otherwise (RFC 9110 section 15.1), by caches that know ranges."
	case e.Cacheable:
		return "Yes, by heuristics, unless its headers say otherwise (RFC 9110 section 15.1)."
	case e.Code == "304":
		return "Not by itself: it renews the response that is stored already (RFC 9111 section 4.3.4)."
	case e.Code[0] == '1':
		return "No: it is not the final response."
	case slices.Contains(unstored, e.Code):
		return "No: it must not be stored (RFC 6585)."
	}
	return "Only if Cache-Control or Expires says so (RFC 9110 section 15.1)."
}

func defaultRetry(e *Entry, class byte) string {
	switch {
	case e.Kind == Substatus:
		return retryBySource
	case class == '1' || class == '2':
		return retryNothing
	case class == '3':
		return retryFollow
	case class == '4':
		return retryChanged
	}
	return retryServer
}

// causesOf gives the causes whose own answer has the code.
func causesOf(code string) []fault.Cause {
	var all []fault.Cause
	for _, c := range fault.Catalogue() {
		status := fault.Fault{Type: c.Type, Cause: c.Cause}.Status()
		if strconv.Itoa(status) == code && c.Cause != fault.CauseClientLeft {
			all = append(all, c.Cause)
		}
	}
	return all
}

// sortEntries puts what is no code between 100 and 999 last.
func sortEntries(all []*Entry) {
	slices.SortStableFunc(all, func(a, b *Entry) int {
		switch {
		case a.outside() == b.outside():
			return compareCodes(a.Code, b.Code)
		case a.outside():
			return 1
		}
		return -1
	})
}

// compareCodes puts 404.2 before 404.10.
func compareCodes(a, b string) int {
	a, moreA, _ := strings.Cut(a, ".")
	b, moreB, _ := strings.Cut(b, ".")
	return cmp.Or(strings.Compare(a, b), cmp.Compare(len(moreA), len(moreB)), strings.Compare(moreA, moreB))
}

// outside reports whether a log's number is no status code by its form: 0, 000, 009, -1.
func (e *Entry) outside() bool { return e.Code[0] < '1' || e.Code[0] > '9' }
