package store

import (
	"encoding/json"
	"net"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/incident"
	"github.com/whygate/whygate/internal/redact"
)

// Masked is the incident without what may be a secret in the texts that clients and upstreams wrote: as it is kept, and shown. First bytes and
// queries were masked when the incident was made.
func Masked(i *incident.Incident) *incident.Incident {
	kept := *i
	kept.Request.Target = redact.Line(i.Request.Target)
	kept.Request.Host = redact.Line(i.Request.Host)
	kept.Request.Agent = redact.Line(i.Request.Agent)
	kept.Sentence = redact.Line(i.Sentence)
	if i.Evidence != nil {
		e := maskedEvidence(*i.Evidence)
		kept.Evidence = &e
	}
	kept.Attempts = make([]fault.Evidence, len(i.Attempts))
	for k := range i.Attempts {
		kept.Attempts[k] = maskedEvidence(i.Attempts[k])
	}
	return &kept
}

// document is the incident as it is kept.
func document(i *incident.Incident) ([]byte, error) { return json.Marshal(Masked(i)) }

func maskedEvidence(e fault.Evidence) fault.Evidence {
	e.Detail = redact.Line(e.Detail)
	return e
}

// host is an address without its port.
func host(address string) string {
	if h, _, err := net.SplitHostPort(address); err == nil {
		return h
	}
	return address
}
