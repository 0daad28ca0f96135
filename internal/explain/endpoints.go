package explain

import (
	"bytes"

	"github.com/whygate/whygate/internal/fault"
)

// endpoint reads a line of kubectl get endpoints or get endpointslices: the names of the columns, and behind them the services. One that
// has no endpoint is a fault.
//
// hot: once per line of an unknown format.
func (p *parser) endpoint(line []byte) (*Format, []byte) {
	if starts(line, "NAME") && has(line, " ENDPOINTS ") && has(line, " AGE") {
		p.endpoints = 1
		if starts(line, "NAMESPACE ") {
			p.endpoints = 2
		}
		return nil, nil
	}
	if p.endpoints == 0 {
		return nil, nil
	}
	fields := bytes.Fields(line)
	if len(fields) < p.endpoints+2 || len(fields) > 6 {
		p.endpoints = 0
		return nil, nil
	}
	if last := string(fields[len(fields)-2]); last != "<none>" && last != "<unset>" {
		return nil, nil
	}
	p.entry.reset()
	p.entry.told(ByUnknown, fault.CauseNoEndpoints)
	p.entry.Upstream, p.entry.Said = fields[p.endpoints-1], line
	return wordsFormats["kubernetes"], line
}
