package statuscode

import (
	"strings"

	"github.com/whygate/whygate/internal/fault"
)

// Kind is how official a code is.
type Kind uint8

const (
	Registered Kind = iota // in IANA's HTTP Status Code Registry
	Unofficial             // sent by some products, registered by nobody
	LogOnly                // written to logs, and never sent
	Substatus              // a detail of IIS behind a code, as 502.3, in its logs and on its error pages
)

var kindNames = [...]string{"registered", "unofficial", "log-only", "substatus"}

// String gives the kind's name.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return kindNames[Unofficial]
}

// MarshalText makes JSON show the name.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Entry is what there is to say about a code. Nobody changes it.
type Entry struct {
	Code      string        `json:"code"` // three digits as a rule; 502.3 for a substatus, -1 in HAProxy's log
	Title     string        `json:"title"`
	Kind      Kind          `json:"kind"`
	Owner     string        `json:"owner,omitempty"`   // whose it is, for all but registered codes
	Source    string        `json:"source"`            // where it is defined
	Earlier   string        `json:"earlier,omitempty"` // where it was defined before
	Meaning   string        `json:"meaning"`
	Cacheable bool          `json:"cacheable"` // whether a cache may store it without being told
	Caching   string        `json:"caching"`
	Retry     string        `json:"retry"`   // whether, and when, the request may be repeated
	Gateway   string        `json:"gateway"` // what a gateway does with it
	Reasons   []Reason      `json:"reasons,omitempty"`
	Causes    []fault.Cause `json:"causes,omitempty"` // all causes that it may have, for those that gateways make
	Steps     []Step        `json:"steps"`
	Related   []string      `json:"related"`
	Request   string        `json:"request,omitempty"`  // an example, lines ended by \n
	Response  string        `json:"response,omitempty"` // the answer to it; empty if there is none
}

// Reason is a common cause in words, by its family.
type Reason struct {
	Family fault.Family `json:"family"`
	Text   string       `json:"text"`
}

// Step is one thing to do when the code was met, with the command that does it.
type Step struct {
	Title   string `json:"title"`
	Do      string `json:"do"`
	Command string `json:"command"`
}

// Constant is a code's name in a language or a library.
type Constant struct {
	Place string `json:"place"`
	Name  string `json:"name"`
}

// places are those that name codes, each with what stands before and behind the bare name.
var places = [...]struct{ title, before string }{
	{"Rails and Rack symbol", ":"},
	{"Go net/http", "http."},
	{"Symfony", "Response::"},
	{"Python 2 httplib", "httplib."},
	{"Python 3 http.client", "http.client."},
	{"Python 3.5 and later", "http.HTTPStatus."},
	{".NET System.Net", "HttpStatusCode."},
	{"Rust http::StatusCode", "http::StatusCode::"},
	{"Java", "java.net.HttpURLConnection."},
	{"Apache HttpCore 5", "org.apache.hc.core5.http.HttpStatus."},
	{"@angular/common/http", "HttpStatusCode."},
}

// olderRack are the symbols of Rack before 3.1, where they are others: it does not know the newer ones.
var olderRack = map[string]string{"413": ":payload_too_large", "422": ":unprocessable_entity"}

// Constants gives the code's names, in a fixed order; a place that has none for it is left out.
func (e *Entry) Constants() []Constant {
	var all []Constant
	for i, name := range nameTable[e.Code] {
		if name == "" {
			continue
		}
		all = append(all, Constant{places[i].title, places[i].before + name})
		if older := olderRack[e.Code]; i == 0 && older != "" {
			all = append(all, Constant{"Rack before 3.1", older})
		}
	}
	return all
}

// Class gives the heading of the code's class.
func (e *Entry) Class() string {
	switch {
	case e.outside():
		return "Only in logs"
	case strings.HasPrefix(e.Code, "1"):
		return "Informational"
	case strings.HasPrefix(e.Code, "2"):
		return "Successful"
	case strings.HasPrefix(e.Code, "3"):
		return "Redirection"
	case strings.HasPrefix(e.Code, "4"):
		return "Client error"
	case strings.HasPrefix(e.Code, "5"):
		return "Server error"
	}
	return "Outside of all classes"
}

// FamilyCauses are a code's causes of one family.
type FamilyCauses struct {
	Family fault.Family
	Reason string // in words, empty if there is nothing to say
	Causes []fault.Cause
}

// ByFamily gives reasons and causes family by family, in the order of families; those without either are left out.
func (e *Entry) ByFamily() []FamilyCauses {
	var all []FamilyCauses
	for f := fault.FamilyOverload; int(f) < fault.Families; f++ {
		group := FamilyCauses{Family: f}
		for _, r := range e.Reasons {
			if r.Family == f {
				group.Reason = r.Text
			}
		}
		for _, c := range e.Causes {
			if c.Entry().Family == f {
				group.Causes = append(group.Causes, c)
			}
		}
		if group.Reason != "" || len(group.Causes) > 0 {
			all = append(all, group)
		}
	}
	return all
}

// Substatuses gives the entries of a code's substatuses.
func (e *Entry) Substatuses() []*Entry {
	var all []*Entry
	for _, other := range table {
		if strings.HasPrefix(other.Code, e.Code+".") {
			all = append(all, other)
		}
	}
	return all
}

// table has every entry, in the order of All.
var table = buildTable()

func buildTable() []*Entry {
	var all []*Entry
	for _, group := range [][]Entry{entriesInformational, entriesSuccessful, entriesRedirection, entriesClient, entriesServer, entriesVendor, entriesSubstatus(), entriesLog} {
		for i := range group {
			all = append(all, complete(&group[i]))
		}
	}
	sortEntries(all)
	return all
}

// All gives every entry by class and number, the numbers that only logs have last. The slice is the caller's.
func All() []*Entry { return append([]*Entry(nil), table...) }
