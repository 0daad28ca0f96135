package diagnose

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/whygate/whygate/internal/fault"
)

// Recorded is a case that other tests play: what a server answers, and the verdict that it must have.
type Recorded struct {
	Name    string
	Octets  []byte           // the whole answer, where Handler is nil
	Handler http.HandlerFunc // what serves the answers
	Host    string
	Want    fault.Cause // none is healthy
}

// RecordedCases are the answers that say what failed, and the pages of success that are none.
func RecordedCases() (all []Recorded) {
	for _, name := range slices.Sorted(maps.Keys(wordCases)) {
		c := wordCases[name]
		var b bytes.Buffer
		fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", c.x.Status, c.x.answer.Reason)
		for _, f := range c.x.answer.Fields {
			fmt.Fprintf(&b, "%s: %s\r\n", f.Name, f.Value)
		}
		fmt.Fprintf(&b, "Content-Length: %d\r\nConnection: close\r\n\r\n%s", len(c.x.answer.Body), c.x.answer.Body)
		all = append(all, Recorded{Name: name, Octets: b.Bytes(), Want: c.cause})
	}
	for _, name := range slices.Sorted(maps.Keys(contentCases)) {
		c := contentCases[name]
		all = append(all, Recorded{Name: name, Handler: c.handler, Host: c.host, Want: c.cause})
	}
	return all
}
