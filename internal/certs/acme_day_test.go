package certs

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// inProcess is an authority without a network, for tests on a clock of their own. It wants no proof of anything, and its certificates hold for
// six days.
type inProcess struct {
	t  *testing.T
	ca signing

	mu     sync.Mutex // guards the fields below
	down   bool
	edit   func(*x509.Certificate)
	asked  []time.Time                  // its requests, also while it is down
	orders []time.Time                  // its orders
	under  map[string]bool              // those that are under way
	most   int                          // at a time
	given  map[string]*x509.Certificate // by the number of the order
	names  map[string]string
}

func newInProcess(t *testing.T) *inProcess {
	return &inProcess{t: t, ca: newSigning(t, "ca"), under: map[string]bool{}, given: map[string]*x509.Certificate{}, names: map[string]string{}}
}

func (p *inProcess) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

// RoundTrip answers as an authority over HTTP does.
func (p *inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, time.Now())
	if p.down {
		return nil, errors.New("connection refused")
	}
	var payload []byte
	if r.Body != nil {
		var jws struct{ Payload string }
		b, _ := io.ReadAll(r.Body)
		if json.Unmarshal(b, &jws) == nil {
			payload, _ = base64.RawURLEncoding.DecodeString(jws.Payload)
		}
	}
	w := &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}, "Replay-Nonce": {fmt.Sprint("n", len(p.asked))}}, Request: r}
	const at = "http://ca.test"
	body := ""
	kind, n, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	order := func(status string) string {
		w.Header.Set("Location", at+"/order/"+n)
		return fmt.Sprintf(`{"status":%q,"identifiers":[{"type":"dns","value":%q}],"authorizations":["%s/authz/%s"],"finalize":"%s/finalize/%s","certificate":"%s/cert/%s"}`, status, p.names[n], at, n, at, n, at, n)
	}
	switch kind {
	case "dir":
		body = fmt.Sprintf(`{"newNonce":"%[1]s/nonce","newAccount":"%[1]s/account","newOrder":"%[1]s/new"}`, at)
	case "nonce":
	case "account":
		w.StatusCode = http.StatusCreated
		w.Header.Set("Location", at+"/account/1")
		body = `{"status":"valid"}`
	case "new":
		var o struct{ Identifiers []struct{ Value string } }
		if err := json.Unmarshal(payload, &o); err != nil || len(o.Identifiers) != 1 {
			p.t.Errorf("an order %s: %v", payload, err)
			w.StatusCode = http.StatusBadRequest
			break
		}
		p.orders = append(p.orders, time.Now())
		n = fmt.Sprint(len(p.orders))
		p.names[n], p.under[n] = o.Identifiers[0].Value, true
		p.most = max(p.most, len(p.under))
		w.StatusCode = http.StatusCreated
		body = order("ready")
	case "authz":
		body = fmt.Sprintf(`{"status":"valid","identifier":{"type":"dns","value":%q},"challenges":[]}`, p.names[n])
	case "finalize":
		var f struct{ CSR string }
		_ = json.Unmarshal(payload, &f)
		der, _ := base64.RawURLEncoding.DecodeString(f.CSR)
		csr, err := x509.ParseCertificateRequest(der)
		if err != nil {
			p.t.Error(err)
			break
		}
		c := &x509.Certificate{
			SerialNumber: big.NewInt(int64(1000 + len(p.orders))), DNSNames: csr.DNSNames, NotBefore: time.Now(), NotAfter: time.Now().Add(6 * 24 * time.Hour),
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		}
		if p.edit != nil {
			p.edit(c)
		}
		p.given[n] = p.signed(c, csr.PublicKey)
		delete(p.under, n)
		body = order("valid")
	case "cert":
		w.Header.Set("Content-Type", "application/pem-certificate-chain")
		for _, c := range []*x509.Certificate{p.given[n], p.ca.cert} {
			body += string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
		}
	default:
		w.StatusCode = http.StatusNotFound
	}
	w.Body = io.NopCloser(bytes.NewReader([]byte(body)))
	return w, nil
}

func (p *inProcess) signed(template *x509.Certificate, key any) *x509.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, template, p.ca.cert, key, p.ca.key)
	if err != nil {
		p.t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

// acme is an ACME of this authority.
func (p *inProcess) acme(t *testing.T, o ACMEOptions) *ACME {
	o.Directory, o.Storage, o.Challenge, o.Routed = "http://ca.test/dir", filepath.Join(t.TempDir(), "acme"), ChallengeTLS, func(string) bool { return true }
	a, err := NewACME(o)
	if err != nil {
		t.Fatal(err)
	}
	a.client.HTTPClient.Transport = p
	return a
}

// An authority that is down for a day when all certificates are due makes renewals later, and no storm: neither of questions while it is down,
// nor of orders when it is back. The old certificates are shown all that time.
func TestAuthorityDownForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const names = 30
		p := newInProcess(t)
		var mu sync.Mutex
		var failures []time.Time
		a := p.acme(t, ACMEOptions{Told: func(h *Happening) {
			mu.Lock()
			defer mu.Unlock()
			if h.Failure != nil {
				failures = append(failures, time.Now())
			}
		}})
		defer a.Close()
		var all []string
		for i := range names {
			all = append(all, fmt.Sprintf("n%d.example.com", i))
		}
		a.Manage(all)
		time.Sleep(time.Hour)
		synctest.Wait()
		serials := func() (out []string) {
			for _, name := range all {
				c := a.get(&tls.ClientHelloInfo{ServerName: name})
				if c == nil || time.Now().After(c.Leaf.NotAfter) {
					t.Fatalf("%s is not served", name)
				}
				out = append(out, c.Leaf.SerialNumber.String())
			}
			return out
		}
		first := serials()
		if len(p.orders) != names || p.most > triesAtOnce {
			t.Fatalf("%d orders at first, %d at a time", len(p.orders), p.most)
		}
		var due time.Time // when the last is
		for _, s := range a.Status() {
			due = laterOf(due, s.Renewal)
		}
		p.set(func() { p.down = true })
		time.Sleep(time.Until(due) + 24*time.Hour)
		synctest.Wait()
		if !slices.Equal(serials(), first) {
			t.Error("something else is shown")
		}
		a.Manage(append(slices.Clone(all), "new.example.com"))
		time.Sleep(time.Minute)
		for _, s := range a.Status() {
			if s.Failure == nil || s.Failure.Name != s.Name || s.Failure.Do == "" || strings.Contains(s.Failure.Detail, ".example.com") || time.Until(s.Failure.Next) < -time.Minute {
				t.Errorf("%s: it is not said why it is not renewed: %v", s.Name, s.Failure)
			}
		}
		if a.awaited(t.Context(), "new.example.com") != nil {
			t.Error("handshakes wait for an authority that is down")
		}
		a.Manage(all)
		p.set(func() {
			n := 0
			for _, at := range p.asked {
				if at.After(due) {
					n++
				}
			}
			mu.Lock()
			told := len(failures)
			mu.Unlock()
			if limit := 1500; n > limit || told > limit {
				t.Errorf("in the last day %d requests, and it was told %d times that it is down, want %d at most", n, told, limit)
			}
			p.down = false
		})
		time.Sleep(15 * time.Minute)
		synctest.Wait()
		if now := serials(); len(p.orders) != 2*names || p.most > triesAtOnce || slices.ContainsFunc(now, func(s string) bool { return slices.Contains(first, s) }) {
			t.Errorf("%d orders within a quarter of an hour, %d at a time", len(p.orders), p.most)
		}
		for _, s := range a.Status() {
			if s.Failure != nil {
				t.Errorf("%s: %v", s.Name, s.Failure)
			}
		}
	})
}

// An authority that is down when a gateway starts is not asked about one stored certificate after the other when to renew it.
func TestInquiriesOfAnAuthorityThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const names, directory = 100, "http://never-up.test/dir" // acmez keeps directories that it has seen
		p := newInProcess(t)
		p.down = true
		dir := filepath.Join(t.TempDir(), "acme")
		var all []string
		for i := range names {
			all = append(all, fmt.Sprintf("n%d.example.com", i))
		}
		keepIn(t, dir, directory, all...)
		a, err := NewACME(ACMEOptions{Directory: directory, Storage: dir, Challenge: ChallengeTLS, Routed: func(string) bool { return true }, Told: func(*Happening) {}})
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		a.client.HTTPClient.Transport = p
		a.Manage(all)
		time.Sleep(10*time.Minute + time.Second)
		synctest.Wait()
		const tries = 3 // of acmez, for each question
		p.set(func() {
			if n := len(p.asked); n == 0 || n > 12*tries {
				t.Errorf("%d requests in ten minutes", n)
			}
		})
	})
}

// broken is a storage that cannot be read for a while.
type broken struct {
	storage
	is atomic.Bool
}

func (b *broken) Load(ctx context.Context, key string) ([]byte, error) {
	if b.is.Load() {
		return nil, errors.New("the database is away")
	}
	return b.storage.Load(ctx, key)
}

// A storage that cannot be read is tried for one name, not for all, and what it has is shown soon after it is back.
func TestStorageThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const names = 50
		p := newInProcess(t)
		told := atomic.Int32{}
		a := p.acme(t, ACMEOptions{Told: func(*Happening) { told.Add(1) }})
		defer a.Close()
		var all []string
		for i := range names {
			all = append(all, fmt.Sprintf("n%d.example.com", i))
		}
		a.Manage(all)
		time.Sleep(time.Hour)
		away := &broken{storage: a.storage}
		a.Manage(nil)
		a.storage = away
		away.is.Store(true)
		a.Manage(all) // as at a start
		told.Store(0)
		time.Sleep(6 * time.Hour)
		synctest.Wait()
		if n := told.Load(); n == 0 || n > 100 {
			t.Errorf("told %d times in six hours", n)
		}
		away.is.Store(false)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		for _, name := range all {
			if a.get(&tls.ClientHelloInfo{ServerName: name}) == nil {
				t.Fatalf("%s is not shown", name)
			}
		}
		if p.set(func() {}); len(p.orders) != names {
			t.Errorf("%d orders", len(p.orders))
		}
		if a.mu.Lock(); a.silence.failed != 0 {
			t.Error("the silence goes on")
		}
		a.mu.Unlock()
	})
}
