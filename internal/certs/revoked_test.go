package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

// signer is a certificate with its key.
type signer struct {
	*x509.Certificate
	key *ecdsa.PrivateKey
}

// issue makes a certificate; by nil makes a root.
func issue(t *testing.T, name string, serial int64, by *signer, authority bool) *signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, DNSNames: []string{name},
	}
	if authority {
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	}
	parent, signing := template, key
	if by != nil {
		parent, signing = by.Certificate, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signing)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &signer{cert, key}
}

// crl makes a list, PEM.
func (s *signer) crl(t *testing.T, next time.Time, extra []pkix.Extension, serials ...int64) []byte {
	t.Helper()
	l := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-2 * time.Hour), NextUpdate: next, ExtraExtensions: extra}
	for _, n := range serials {
		l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{
			SerialNumber: big.NewInt(n), RevocationTime: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), ReasonCode: 1,
		})
	}
	der, err := x509.CreateRevocationList(rand.Reader, l, s.Certificate, s.key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
}

func lists(t *testing.T, b ...[]byte) *Revocations {
	t.Helper()
	file := filepath.Join(t.TempDir(), "list.crl")
	put(t, file, slices.Concat(b...))
	r, err := LoadRevocations(file)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRevoked(t *testing.T) {
	soon := time.Now().Add(time.Hour)
	root := issue(t, "root", 1, nil, true)
	twin := issue(t, "root", 1, nil, true) // of the same name, with another key
	plain := *root                         // the same key, in a certificate that does not mention lists
	plainCert := *root.Certificate
	plainCert.KeyUsage = x509.KeyUsageCertSign
	plain.Certificate = &plainCert
	middle := issue(t, "middle", 2, root, true)
	leaf := issue(t, "leaf", 3, middle, false)
	chain := []*x509.Certificate{leaf.Certificate, middle.Certificate, root.Certificate}
	short := []*x509.Certificate{leaf.Certificate, middle.Certificate}
	der := func(b []byte) []byte { block, _ := pem.Decode(b); return block.Bytes }
	for name, tt := range map[string]struct {
		revoked *Revocations
		chains  [][]*x509.Certificate
		want    string
	}{
		"leaf":                 {lists(t, middle.crl(t, soon, nil, 7, 3)), [][]*x509.Certificate{chain}, "certificate 3 was revoked on 2026-01-02 (keyCompromise), says "},
		"in DER":               {lists(t, der(middle.crl(t, soon, nil, 3))), [][]*x509.Certificate{chain}, "certificate 3 "},
		"intermediate":         {lists(t, middle.crl(t, soon, nil), root.crl(t, soon, nil, 2)), [][]*x509.Certificate{chain}, "certificate 2 "},
		"another is":           {lists(t, middle.crl(t, soon, nil, 4)), [][]*x509.Certificate{chain}, ""},
		"same number of root":  {lists(t, root.crl(t, soon, nil, 3)), [][]*x509.Certificate{chain}, ""},
		"other key, same name": {lists(t, twin.crl(t, soon, nil, 2)), [][]*x509.Certificate{chain}, ""},
		"root itself":          {lists(t, root.crl(t, soon, nil, 1)), [][]*x509.Certificate{chain}, ""},
		"may not sign lists":   {lists(t, root.crl(t, soon, nil, 2)), [][]*x509.Certificate{{leaf.Certificate, middle.Certificate, plain.Certificate}}, "certificate 2 "},
		"out of date":          {lists(t, middle.crl(t, time.Now().Add(-time.Hour), nil, 3)), [][]*x509.Certificate{chain}, "certificate 3 "},
		"a chain without":      {lists(t, root.crl(t, soon, nil, 2)), [][]*x509.Certificate{chain, short}, ""},
		"every chain with":     {lists(t, middle.crl(t, soon, nil, 3)), [][]*x509.Certificate{chain, short}, "certificate 3 "},
		"not verified":         {lists(t, middle.crl(t, soon, nil, 3)), nil, ""},
		"no lists":             {nil, [][]*x509.Certificate{chain}, ""},
	} {
		err := tt.revoked.Verify(tls.ConnectionState{VerifiedChains: tt.chains, PeerCertificates: chain[:2]})
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		var verification *tls.CertificateVerificationError
		var revoked *RevokedError
		if !errors.As(err, &verification) || len(verification.UnverifiedCertificates) != 2 || !errors.As(err, &revoked) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
	if _, outdated := lists(t, middle.crl(t, soon, nil)).Outdated(time.Now()); outdated {
		t.Error("a list of today is out of date")
	}
	ago := time.Now().Add(-time.Hour).UTC().Truncate(time.Second)
	if since, outdated := lists(t, middle.crl(t, soon, nil), root.crl(t, ago, nil)).Outdated(time.Now()); !outdated || !since.Equal(ago) {
		t.Errorf("out of date %t since %v", outdated, since)
	}
}

func TestRevocationsThatAreNone(t *testing.T) {
	root := issue(t, "root", 1, nil, true)
	soon := time.Now().Add(time.Hour)
	number, _ := asn1.Marshal(1)
	user, _ := asn1.Marshal(issuingDistributionPoint{UserOnly: true})
	indirect, _ := asn1.Marshal(issuingDistributionPoint{Indirect: true})
	dir := t.TempDir()
	for name, tt := range map[string]struct {
		b    []byte
		want string
	}{
		"empty":          {nil, "list.crl: "},
		"certificate":    {pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw}), "no revocation list"},
		"no DER":         {[]byte("hello"), "list.crl: "},
		"cut":            {pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: []byte{0x30, 0x82}}), "list.crl: "},
		"delta":          {root.crl(t, soon, []pkix.Extension{{Id: deltaIndicator, Critical: true, Value: number}}, 1), "delta"},
		"indirect":       {root.crl(t, soon, []pkix.Extension{{Id: distributionPoint, Critical: true, Value: indirect}}, 1), "indirect"},
		"no point":       {root.crl(t, soon, []pkix.Extension{{Id: distributionPoint, Critical: true, Value: []byte{1}}}, 1), "distribution point"},
		"unknown":        {root.crl(t, soon, []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: number}}, 1), "critical extension"},
		"one of two cut": {append(root.crl(t, soon, nil, 1), root.crl(t, soon, nil, 2)[:200]...), "1 of its 2 revocation lists are damaged"},
		"one damaged":    {append(root.crl(t, soon, nil, 1), bytes.Replace(root.crl(t, soon, nil, 2), []byte("\nMI"), []byte("\nM*"), 1)...), "damaged"},
		"for leaves":     {root.crl(t, soon, []pkix.Extension{{Id: distributionPoint, Critical: true, Value: user}}, 1), ""},
	} {
		file := filepath.Join(dir, "list.crl")
		put(t, file, tt.b)
		_, err := LoadRevocations(file)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	if _, err := LoadRevocations(filepath.Join(dir, "none.crl")); err == nil {
		t.Error("a file that is not there was read")
	}
}

func TestRevocationsTakeNewLists(t *testing.T) {
	root := issue(t, "root", 1, nil, true)
	leaf := issue(t, "leaf", 3, root, false)
	state := tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{leaf.Certificate, root.Certificate}}}
	soon := time.Now().Add(time.Hour)
	r := lists(t, root.crl(t, soon, nil))
	changed := make(chan error, 16)
	replace := func(b []byte) { // as a whole: a reader sees the old file or the new one
		put(t, r.file+".new", b)
		if err := os.Rename(r.file+".new", r.file); err != nil {
			t.Fatal(err)
		}
	}
	r.Watch(func(err error) { changed <- err })
	defer r.Close()
	if err := r.Verify(state); err != nil {
		t.Error(err)
	}
	replace(root.crl(t, soon, nil, 3))
	if err := <-changed; err != nil || r.Verify(state) == nil {
		t.Errorf("after a new list: %v, verified %v", err, r.Verify(state))
	}
	replace([]byte("no list"))
	if err := <-changed; err == nil || r.Verify(state) == nil {
		t.Errorf("after a bad list: %v, verified %v", err, r.Verify(state))
	}
}

// shaken is what two handshakes with a server came to, the second of them one that resumes the first's session.
func shaken(t *testing.T, server, client *tls.Config, between func()) (errs [2]error, resumed bool) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() { // ends with l
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("x")) // behind the session ticket
			c.Close()
		}
	}()
	client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for i := range errs {
		c, err := tls.Dial("tcp", l.Addr().String(), client)
		if errs[i] = err; err == nil {
			_, _ = io.ReadAll(c)
			resumed = c.ConnectionState().DidResume
			c.Close()
		}
		if i == 0 && between != nil {
			between()
		}
	}
	return errs, resumed
}

// A server that staples what its authority says of it.
func TestStapled(t *testing.T) {
	root := issue(t, "root", 1, nil, true)
	other := issue(t, "other", 1, nil, true)
	middle := issue(t, "middle", 2, root, true)
	leaf := issue(t, "leaf", 3, middle, false)
	sibling := issue(t, "sibling", 4, middle, false) // not for OCSP
	soon, ago := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	for name, tt := range map[string]struct {
		status int
		by     *signer
		next   time.Time
		own    bool // the signer's certificate is in the response
		want   bool // it counts as revoked
	}{
		"good":               {ocsp.Good, middle, soon, false, false},
		"unknown":            {ocsp.Unknown, middle, soon, false, false},
		"revoked":            {ocsp.Revoked, middle, soon, false, true},
		"with its own":       {ocsp.Revoked, middle, soon, true, true},
		"of yesterday":       {ocsp.Revoked, middle, ago, false, false},
		"signed by others":   {ocsp.Revoked, other, soon, false, false},
		"others, with it":    {ocsp.Revoked, other, soon, true, false},
		"signed by a server": {ocsp.Revoked, sibling, soon, true, false},
	} {
		response := ocsp.Response{
			Status: tt.status, SerialNumber: leaf.SerialNumber, ThisUpdate: time.Now().Add(-2 * time.Hour), NextUpdate: tt.next,
			RevokedAt: ago, RevocationReason: ocsp.Superseded,
		}
		if tt.own {
			response.Certificate = tt.by.Certificate
		}
		answer, err := ocsp.CreateResponse(middle.Certificate, tt.by.Certificate, response, tt.by.key)
		if err != nil {
			t.Fatal(err)
		}
		server := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw, middle.Raw}, PrivateKey: leaf.key, OCSPStaple: answer}}}
		var none *Revocations
		errs, resumed := shaken(t, server, &tls.Config{ServerName: "leaf", RootCAs: poolOf(root), VerifyConnection: none.Verify}, nil)
		for _, err := range errs {
			var revoked *RevokedError
			if tt.want != (err != nil) || tt.want && (!errors.As(err, &revoked) || revoked.Reason != ocsp.Superseded) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if !tt.want && !resumed {
			t.Errorf("%s: the second handshake resumed nothing", name)
		}
	}
}

// A certificate that is revoked between two handshakes of one session.
func TestRevokedBeforeResumption(t *testing.T) {
	root := issue(t, "root", 1, nil, true)
	leaf := issue(t, "leaf", 3, root, false)
	soon := time.Now().Add(time.Hour)
	r := lists(t, root.crl(t, soon, nil))
	server := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw}, PrivateKey: leaf.key}}}
	errs, _ := shaken(t, server, &tls.Config{ServerName: "leaf", RootCAs: poolOf(root), VerifyConnection: r.Verify}, func() {
		put(t, r.file, root.crl(t, soon, nil, 3))
		if err := r.load(); err != nil {
			t.Fatal(err)
		}
	})
	var revoked *RevokedError
	if errs[0] != nil || !errors.As(errs[1], &revoked) {
		t.Errorf("%v, then %v", errs[0], errs[1])
	}
}

func poolOf(s *signer) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate)
	return pool
}
