package gateway

import (
	"strconv"
	"testing"
	"time"
)

// A name has one incident in an hour, and all names together have twenty.
func TestCertificateIncidentsAreBounded(t *testing.T) {
	var c certificateIncidents
	now := time.Now()
	if !c.take("a", now) || c.take("a", now.Add(certificateEvery-1)) || !c.take("a", now.Add(certificateEvery)) {
		t.Error("a name has not one incident in an hour")
	}
	now = now.Add(2 * certificateEvery)
	n := 0
	for i := range 1000 {
		if c.take(strconv.Itoa(i), now) {
			n++
		}
	}
	if n != certificateMost || len(c.last) > certificateMost {
		t.Errorf("a thousand names have %d incidents, and %d are remembered", n, len(c.last))
	}
}
