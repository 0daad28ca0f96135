package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ocsp"
)

// A certificate that its authority has revoked is replaced by itself, by one with another key, once; the revoked one is shown until then. One
// that is revoked at once again is replaced a day later.
func TestRevokedIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newInProcess(t)
		p.edit = func(c *x509.Certificate) { c.OCSPServer = []string{"http://ocsp.test"} }
		var mu sync.Mutex
		var revoked []string // serial numbers
		all := false
		responder := &answering{func(serial string) []byte {
			mu.Lock()
			defer mu.Unlock()
			r := ocsp.Response{Status: ocsp.Good, ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(2 * time.Hour)}
			if all || slices.Contains(revoked, serial) {
				r.Status, r.RevokedAt = ocsp.Revoked, time.Now()
			}
			return p.ca.says(func(o *ocsp.Response) {
				o.SerialNumber.SetString(serial, 10)
				o.Status, o.ThisUpdate, o.NextUpdate, o.RevokedAt = r.Status, r.ThisUpdate, r.NextUpdate, r.RevokedAt
			})
		}}
		st := NewStapler("", func(*Stapled) {}, slog.New(slog.DiscardHandler))
		defer st.Close()
		st.client = &http.Client{Transport: responder}
		a := p.acme(t, ACMEOptions{Told: func(*Happening) {}, Stapler: st})
		defer a.Close()
		a.Manage([]string{"a.example.com", "b.example.com"})
		shown := func(name string) *x509.Certificate {
			t.Helper()
			c := a.get(&tls.ClientHelloInfo{ServerName: name})
			if c == nil {
				t.Fatalf("%s is not served", name)
			}
			return c.Leaf
		}
		orders := func() (n int) {
			synctest.Wait()
			p.set(func() { n = len(p.orders) })
			return n
		}
		time.Sleep(3 * time.Hour)
		if n := orders(); n != 2 {
			t.Fatalf("%d orders", n)
		}
		old, other := shown("a.example.com"), shown("b.example.com")
		p.set(func() { p.down = true })
		mu.Lock()
		revoked = []string{old.SerialNumber.String()}
		mu.Unlock()
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if shown("a.example.com") != old {
			t.Error("the revoked one is not shown, and there is no other")
		}
		p.set(func() { p.down = false })
		time.Sleep(10 * time.Minute)
		if n := orders(); n != 3 {
			t.Fatalf("%d orders, want 3", n)
		}
		next := shown("a.example.com")
		if next.SerialNumber.Cmp(old.SerialNumber) == 0 || bytes.Equal(next.RawSubjectPublicKeyInfo, old.RawSubjectPublicKeyInfo) || shown("b.example.com") != other {
			t.Error("what is shown is not another certificate with another key, or another name has one")
		}
		time.Sleep(3 * time.Hour)
		if n := orders(); n != 3 {
			t.Errorf("%d orders of one that is good", n)
		}
		mu.Lock()
		all = true
		mu.Unlock()
		time.Sleep(12 * time.Hour)
		if n := orders(); n != 4 { // b; a was replaced today
			t.Errorf("%d orders where the responder says of all that they are revoked, want 4", n)
		}
		time.Sleep(24 * time.Hour)
		if n := orders(); n != 6 {
			t.Errorf("%d orders a day later, want 6", n)
		}
	})
}

// answering is a responder in the process.
type answering struct{ says func(serial string) []byte }

func (r *answering) RoundTrip(q *http.Request) (*http.Response, error) {
	var b bytes.Buffer
	_, _ = b.ReadFrom(q.Body)
	asked, err := ocsp.ParseRequest(b.Bytes())
	if err != nil {
		return nil, errors.New("no question")
	}
	return &http.Response{StatusCode: 200, Body: io.NopCloser(bytes.NewReader(r.says(asked.SerialNumber.String())))}, nil
}
