package certs

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ocsp"
)

// signing is an authority with its key.
type signing struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func newSigning(t *testing.T, name string) signing {
	t.Helper()
	key := ecKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	return signing{signedBy(t, template, template, key, key), key}
}

func signedBy(t *testing.T, template, parent *x509.Certificate, key, by crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// leaf is a template of a certificate that names a responder.
func leafTemplate(responder string, edit func(*x509.Certificate)) *x509.Certificate {
	c := &x509.Certificate{
		SerialNumber: big.NewInt(4711), Subject: pkix.Name{CommonName: "a.example.com"}, DNSNames: []string{"a.example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if responder != "" {
		c.OCSPServer = []string{responder}
	}
	if edit != nil {
		edit(c)
	}
	return c
}

// issue writes a certificate with its issuer after it.
func (s signing) issue(t *testing.T, template *x509.Certificate) Files {
	t.Helper()
	key := ecKey(t)
	leaf := signedBy(t, template, s.cert, key, s.key)
	kder, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	f := Files{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	put(t, f.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: kder}))
	put(t, f.Cert, append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.cert.Raw})...))
	return f
}

// says is a response about the test's leaf.
func (s signing) says(edit func(*ocsp.Response)) []byte {
	r := ocsp.Response{Status: ocsp.Good, SerialNumber: big.NewInt(4711), ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour)}
	if edit != nil {
		edit(&r)
	}
	with := s.cert
	if r.Certificate != nil {
		with = r.Certificate
	}
	b, err := ocsp.CreateResponse(s.cert, with, r, s.key)
	if err != nil {
		panic(err)
	}
	return b
}

// responder is an OCSP responder of the test's own.
type responder struct {
	*httptest.Server
	asked atomic.Int64
	says  atomic.Pointer[http.HandlerFunc]
}

func newResponder(t *testing.T) *responder {
	t.Helper()
	r := &responder{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.asked.Add(1)
		b, _ := io.ReadAll(io.LimitReader(q.Body, 1<<16))
		if _, err := ocsp.ParseRequest(b); err != nil || q.Method != http.MethodPost || q.Header.Get("Content-Type") != "application/ocsp-request" {
			t.Errorf("%s %v is no question: %v", q.Method, q.Header, err)
		}
		(*r.says.Load())(w, q)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *responder) answer(b []byte) {
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(b) })
	r.says.Store(&h)
}

// stapler is a Stapler that tells to a channel.
func stapler(t *testing.T, dir string) (*Stapler, chan *Stapled) {
	t.Helper()
	told := make(chan *Stapled, 16)
	s := NewStapler(dir, func(n *Stapled) { told <- n }, slog.New(slog.NewTextHandler(t.Output(), nil)))
	t.Cleanup(s.Close)
	return s, told
}

// stapledAt waits until a client of the server is shown a response, and gives it.
func stapledAt(t *testing.T, s *Server, version uint16) []byte {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		state, err := shake(t, s, &tls.Config{ServerName: "a.example.com", MinVersion: version, MaxVersion: version})
		if err != nil {
			t.Fatal(err)
		}
		if len(state.OCSPResponse) > 0 {
			return state.OCSPResponse
		}
		if time.Now().After(end) {
			t.Fatal("no response is shown")
		}
	}
}

// Clients are shown what the responder says, whether the issuer signed it or somebody whom it named for that.
func TestServerStaples(t *testing.T) {
	root := newSigning(t, "root")
	key := ecKey(t)
	named := signedBy(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "responder"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning},
	}, root.cert, key, root.key)
	for what, raw := range map[string][]byte{
		"by the issuer":     root.says(nil),
		"by one it named":   signing{root.cert, key}.says(func(r *ocsp.Response) { r.Certificate = named }),
		"without an end":    root.says(func(r *ocsp.Response) { r.NextUpdate = time.Time{} }),
		"among other times": root.says(func(r *ocsp.Response) { r.ThisUpdate = time.Now().Add(2 * time.Minute) }),
	} {
		at := newResponder(t)
		at.answer(raw)
		st, _ := stapler(t, "")
		s, _ := server(t, Options{Pairs: []Files{root.issue(t, leafTemplate(at.URL, nil))}, Stapler: st})
		for name, version := range bothVersions {
			if got := stapledAt(t, s, version); !bytes.Equal(got, raw) {
				t.Errorf("%s, %s: %x", what, name, got)
			}
		}
		leaf := s.pairs[0].current.Load().Leaf
		if status, wanted := st.Status(leaf); !wanted || status.Err != nil || !status.Holds(time.Now()) || status.Responder != at.URL {
			t.Errorf("%s: %+v", what, status)
		}
	}
}

// What does not say that the certificate is good, now and by somebody who may, is not shown. It is told of, and handshakes go on without.
func TestServerDoesNotStaple(t *testing.T) {
	root, stranger := newSigning(t, "root"), newSigning(t, "root")
	key := ecKey(t)
	other := signedBy(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "mail"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, root.cert, key, root.key)
	alias := root.cert // the issuer's key under another name: the number is the leaf's, the name is not
	renamed := *alias
	renamed.RawSubject, _ = asn1.Marshal(pkix.Name{CommonName: "another"}.ToRDNSequence())
	write := func(b []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(b) }
	}
	odd := httptest.NewServer(write(root.says(nil)))
	defer odd.Close()
	for what, tt := range map[string]struct {
		says http.HandlerFunc
		want string
	}{
		"revoked": {write(root.says(func(r *ocsp.Response) {
			r.Status, r.RevokedAt, r.RevocationReason = ocsp.Revoked, time.Now(), ocsp.KeyCompromise
		})), "keyCompromise"},
		"unknown": {write(root.says(func(r *ocsp.Response) { r.Status = ocsp.Unknown })), "does not know"},
		"expired": {write(root.says(func(r *ocsp.Response) {
			r.ThisUpdate, r.NextUpdate = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
		})), "held until"},
		"of tomorrow":      {write(root.says(func(r *ocsp.Response) { r.ThisUpdate = time.Now().Add(time.Hour) })), "yet to come"},
		"wrong number":     {write(root.says(func(r *ocsp.Response) { r.SerialNumber = big.NewInt(4712) })), "cannot be used"},
		"wrong issuer":     {write(signing{&renamed, root.key}.says(nil)), "another issuer"},
		"wrong hash":       {write(root.says(func(r *ocsp.Response) { r.IssuerHash = crypto.SHA256 })), "another issuer"},
		"a stranger":       {write(signing{root.cert, stranger.key}.says(nil)), "nobody who may"},
		"a stranger shown": {write(signing{root.cert, stranger.key}.says(func(r *ocsp.Response) { r.Certificate = stranger.cert })), "nobody who may"},
		"not named":        {write(signing{root.cert, key}.says(func(r *ocsp.Response) { r.Certificate = other })), "nobody who may"},
		"garbage":          {write([]byte("<html>")), "cannot be used"},
		"nothing":          {write(nil), "cannot be used"},
		"try later":        {write(ocsp.TryLaterErrorResponse), "try later"},
		"huge":             {write(make([]byte, responsesMax+1)), "larger than"},
		"500":              {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "it answers 500"},
		"led elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, odd.URL, http.StatusTemporaryRedirect)
		}, "it answers 307"},
		"slow": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "deadline"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			at := newResponder(t)
			at.says.Store(&tt.says)
			st, told := stapler(t, "")
			if what == "slow" {
				st.client.Timeout = 100 * time.Millisecond
			}
			s, _ := server(t, Options{Pairs: []Files{root.issue(t, leafTemplate(at.URL, nil))}, Stapler: st})
			state, err := shake(t, s, &tls.Config{ServerName: "a.example.com"}) // whatever the responder does
			if err != nil || len(state.OCSPResponse) > 0 {
				t.Errorf("%v, %d bytes", err, len(state.OCSPResponse))
			}
			n := <-told
			if n.Err == nil || !strings.Contains(strings.ToLower(n.Err.Error()), strings.ToLower(tt.want)) || n.Holds(time.Now()) || n.Next.IsZero() {
				t.Errorf("told %+v, want %q", n.StapleStatus, tt.want)
			}
			var revoked *RevokedError
			if errors.As(n.Err, &revoked) != (what == "revoked") {
				t.Errorf("revoked: %v", n.Err)
			}
			if state, err := shake(t, s, &tls.Config{ServerName: "a.example.com"}); err != nil || len(state.OCSPResponse) > 0 {
				t.Errorf("%v, %d bytes", err, len(state.OCSPResponse))
			}
		})
	}
}

// Of what a certificate names nobody is asked who cannot be a responder.
func TestResponders(t *testing.T) {
	root := newSigning(t, "root")
	for _, tt := range []struct {
		urls []string
		want string
	}{
		{[]string{"ldap://127.0.0.1/"}, "no OCSP responder"},
		{[]string{"file:///etc/passwd"}, "no OCSP responder"},
		{[]string{"http://user:secret@127.0.0.1/"}, "no OCSP responder"},
		{[]string{"http:///"}, "no OCSP responder"},
		{[]string{"http://127.0.0.1/" + strings.Repeat("a", responderURLMax)}, "no OCSP responder"},
		{[]string{"http://169.254.169.254/latest/meta-data"}, "no OCSP responder is asked at 169.254.169.254"},
		{[]string{"http://0.0.0.0/"}, "no OCSP responder is asked at 0.0.0.0"},
		{[]string{"http://[fe80::1]/"}, "no OCSP responder is asked at fe80::1"},
	} {
		st, told := stapler(t, "")
		server(t, Options{Pairs: []Files{root.issue(t, leafTemplate("", func(c *x509.Certificate) { c.OCSPServer = tt.urls }))}, Stapler: st})
		if n := <-told; n.Err == nil || !strings.Contains(n.Err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.urls, n.Err)
		}
	}
	if got := respondersOf(&x509.Certificate{OCSPServer: []string{"http://a", "https://b", "http://c"}}); len(got) != respondersMax {
		t.Errorf("%d are asked", len(got))
	}
	st, told := stapler(t, "")
	alone := root.issue(t, leafTemplate("http://127.0.0.1:1", nil))
	b, err := os.ReadFile(alone.Cert)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(b)
	put(t, alone.Cert, pem.EncodeToMemory(block))
	server(t, Options{Pairs: []Files{alone}, Stapler: st})
	if n := <-told; !errors.Is(n.Err, errNoIssuer) {
		t.Errorf("without its issuer: %v", n.Err)
	}
}

// A certificate that wants a response is known, with a responder or without; one that names none and wants none concerns nobody.
func TestMustStaple(t *testing.T) {
	root := newSigning(t, "root")
	feature := func(features ...int) func(*x509.Certificate) {
		b, err := asn1.Marshal(features)
		if err != nil {
			t.Fatal(err)
		}
		return func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{{Id: tlsFeature, Value: b}} }
	}
	st, told := stapler(t, "")
	server(t, Options{Pairs: []Files{root.issue(t, leafTemplate("", feature(statusRequest)))}, Stapler: st})
	if n := <-told; !n.MustStaple || !errors.Is(n.Err, errNoResponder) {
		t.Errorf("%+v", n.StapleStatus)
	}
	for what, edit := range map[string]func(*x509.Certificate){"another feature": feature(17), "none": nil} {
		s, _ := server(t, Options{Pairs: []Files{root.issue(t, leafTemplate("", edit))}, Stapler: st})
		if status, wanted := st.Status(s.pairs[0].current.Load().Leaf); wanted {
			t.Errorf("%s: %+v", what, status)
		}
	}
}

// A response is kept: one that starts again shows it without asking. That of a certificate whose place another took is removed.
func TestStaplesAreStored(t *testing.T) {
	root, at, dir := newSigning(t, "root"), newResponder(t), filepath.Join(t.TempDir(), "responses")
	raw := root.says(func(r *ocsp.Response) { r.ThisUpdate, r.NextUpdate = time.Now(), time.Now().Add(24*time.Hour) })
	at.answer(raw)
	files := root.issue(t, leafTemplate(at.URL, nil))
	stored := func() []string {
		found, err := filepath.Glob(filepath.Join(dir, "ocsp", "*"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	await := func(what string, is func([]string) bool) {
		t.Helper()
		for end := time.Now().Add(patience); !is(stored()); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: %v is stored", what, stored())
			}
		}
	}
	for range 2 {
		st, _ := stapler(t, dir)
		s, err := NewServer(Options{Pairs: []Files{files}, Stapler: st})
		if err != nil {
			t.Fatal(err)
		}
		if got := stapledAt(t, s, tls.VersionTLS13); !bytes.Equal(got, raw) {
			t.Errorf("%x", got)
		}
		await("a response", func(all []string) bool { return len(all) == 1 })
		s.Close()
		st.Close()
		if n := at.asked.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
	}
	kept := stored()
	// What was changed in the storage is not shown.
	b, err := os.ReadFile(kept[0])
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	put(t, kept[0], b)
	st, _ := stapler(t, dir)
	s, changed := server(t, Options{Pairs: []Files{files}, Stapler: st})
	if got := stapledAt(t, s, tls.VersionTLS13); !bytes.Equal(got, raw) || at.asked.Load() != 2 {
		t.Errorf("asked %d times", at.asked.Load())
	}
	next := root.issue(t, leafTemplate(at.URL, nil))
	copyFile(t, next.Key, files.Key)
	copyFile(t, next.Cert, files.Cert)
	if err := <-changed; err != nil {
		t.Fatal(err)
	}
	await("after another came", func(all []string) bool { return len(all) == 1 && all[0] != kept[0] })
}

// inMemory is a responder without a socket, for a test with a clock of its own.
type inMemory struct {
	mu    sync.Mutex // guards the fields below
	asked []time.Time
	says  func() []byte // nil: it cannot be reached
}

func (m *inMemory) RoundTrip(*http.Request) (*http.Response, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = append(m.asked, time.Now())
	if m.says == nil {
		return nil, errors.New("refused")
	}
	return &http.Response{StatusCode: 200, Body: io.NopCloser(bytes.NewReader(m.says()))}, nil
}

func (m *inMemory) times() []time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.asked)
}

// A response is asked for anew at the half of its life. While the responder is down the old one is shown until it ends, and no longer, and
// the responder is asked ever more seldom; when it is back a new one is shown. Both are told of once.
func TestStapleOverADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root, m := newSigning(t, "root"), &inMemory{}
		good := func() []byte {
			return root.says(func(r *ocsp.Response) { r.ThisUpdate, r.NextUpdate = time.Now(), time.Now().Add(8*time.Hour) })
		}
		m.says = good
		news := make(chan *Stapled, 16)
		var told []*Stapled // so far
		st := NewStapler("", func(n *Stapled) { news <- n }, slog.New(slog.DiscardHandler))
		defer st.Close()
		st.client = &http.Client{Transport: m}
		files := root.issue(t, leafTemplate("http://ocsp.test", nil))
		pair, err := LoadPair(files.Cert, files.Key)
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		st.use(t, nil, []*tls.Certificate{pair})
		shown := func() bool {
			synctest.Wait()
			for len(news) > 0 {
				told = append(told, <-news)
			}
			return st.With(pair).OCSPStaple != nil
		}
		until := func(d time.Duration) { time.Sleep(d - time.Since(begin)); synctest.Wait() }
		if !shown() || len(m.times()) != 1 {
			t.Fatalf("asked %d times", len(m.times()))
		}
		until(4*time.Hour - time.Second)
		if len(m.times()) != 1 {
			t.Errorf("asked %d times in the first half", len(m.times()))
		}
		until(4*time.Hour + time.Minute)
		if len(m.times()) != 2 || !shown() {
			t.Fatalf("asked %d times by the half", len(m.times()))
		}
		m.mu.Lock()
		m.says = nil
		m.mu.Unlock()
		ends := m.times()[1].Add(8 * time.Hour)
		time.Sleep(time.Until(ends) - time.Second)
		if !shown() {
			t.Error("the old response is not shown to its end")
		}
		time.Sleep(time.Second)
		if shown() {
			t.Error("a response is shown after its end")
		}
		if n := len(m.times()); n < 6 || n > 10 { // at the half, after 1, 5 and 15 minutes, and each hour
			t.Errorf("asked %d times", n)
		}
		if len(told) != 1 || told[0].Err == nil {
			t.Errorf("told %d times", len(told))
		}
		m.mu.Lock()
		m.says = good
		m.mu.Unlock()
		time.Sleep(time.Hour + time.Minute)
		if is := shown(); !is || len(told) != 2 || told[1].Err != nil {
			t.Errorf("after it is back: shown %t, told %d times", is, len(told))
		}
		// Revoked: what said that it is good is shown no more, whatever is left of its time.
		m.mu.Lock()
		m.says = func() []byte { return root.says(func(r *ocsp.Response) { r.Status = ocsp.Revoked }) }
		m.mu.Unlock()
		time.Sleep(4*time.Hour + 2*time.Minute)
		var revoked *RevokedError
		if is := shown(); is || len(told) != 3 || !errors.As(told[2].Err, &revoked) {
			t.Errorf("revoked: shown %t, told %d times", is, len(told))
		}
		st.use(t, nil, nil)
		n := len(m.times())
		time.Sleep(24 * time.Hour)
		if len(m.times()) != n {
			t.Error("the responder is asked about a certificate that is not used")
		}
	})
}
