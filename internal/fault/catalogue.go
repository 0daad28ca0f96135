package fault

// Entry is what there is to say about a cause. The docs, the pages and the command line render it; nobody changes it.
type Entry struct {
	Cause   Cause    `json:"-"`
	Slug    string   `json:"slug"`  // Cause.String()
	Title   string   `json:"title"` // a few words, as a heading
	Family  Family   `json:"family"`
	Type    Type     `json:"type"`             // the type that Classify gives it as a rule
	Status  int      `json:"status,omitempty"` // the status to answer with, 0 for the type's own
	Meaning string   `json:"meaning"`          // what happened, in one to three sentences
	Proof   []string `json:"proof"`            // what proves it, as observations to check
	Advice  []string `json:"advice"`           // what to do; the first is the one-line advice
	Covers  []string `json:"covers"`           // the failure modes it covers: rows of the fault taxonomy, e.g. "C1"
	Related []Cause  `json:"related"`          // what it is taken for, or what it comes with
	Retry   string   `json:"retry"`            // whether the request may be repeated

	sentence string // the template of Fault.AppendSentence
}

// What Entry.Retry says, by RFC 9110 section 9.2.2 and RFC 9112 section 9.3.1.
const (
	retryAny        = "Safe for every method: no byte of the request was sent."
	retryIdempotent = "Safe for idempotent methods only: the upstream may have acted on the request."
	retryRace       = "Safe for idempotent methods, once, on a fresh connection; Whygate does so by itself. A POST only if it carries an Idempotency-Key."
	retryElsewhere  = "Useless at the same endpoint, which would answer the same; another endpoint may do better, for idempotent methods."
	retrySlow       = "Safe for idempotent methods, but it adds load to an upstream that is slow already."
	retryLate       = "Not by the gateway: part of the response has gone to the client. The client may repeat an idempotent request."
	retryLater      = "Safe for every method, after the seconds that Retry-After names: no upstream was asked."
	retryNever      = "Useless as it stands: the same request gets the same answer."
	retryNone       = "Nothing to repeat."
)

// catalogue has each cause's entry at its index.
var catalogue = buildCatalogue(entriesDNS, entriesConnect, entriesCertificate, entriesTLS, entriesConnection, entriesBody,
	entriesProtocol, entriesMessage, entriesSelect, entriesClient, entriesGateway, entriesHTTP2, entriesService, entriesPolicy)

func buildCatalogue(groups ...[]Entry) (table [Causes]*Entry) {
	for _, group := range groups {
		for i := range group {
			e := &group[i]
			e.Slug = e.Cause.String()
			table[e.Cause] = e
		}
	}
	return table
}

// Entry gives the cause's entry; CauseUnknown's for CauseNone and for a number that is no cause. It is never nil.
func (c Cause) Entry() *Entry {
	if int(c) < Causes && catalogue[c] != nil {
		return catalogue[c]
	}
	return catalogue[CauseUnknown]
}

// Catalogue gives every entry in the order of the causes, which is that of an exchange. The slice is the caller's.
func Catalogue() []*Entry {
	return append([]*Entry(nil), catalogue[CauseNone+1:]...)
}
