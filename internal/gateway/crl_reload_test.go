package gateway

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/store"
)

// A list that is read anew while another configuration takes its place keeps neither from ending.
func TestRevocationListsDuringAReload(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	issuer := &x509.Certificate{Subject: pkix.Name{CommonName: "revoking"}, KeyUsage: x509.KeyUsageCRLSign, SubjectKeyId: []byte{1}}
	file := filepath.Join(t.TempDir(), "list.crl")
	write := func(until time.Time) {
		b, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: until.Add(-time.Hour), NextUpdate: until}, issuer, key)
		if err == nil {
			err = os.WriteFile(file, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write(time.Now().Add(time.Hour))
	text := "version: 1\nlisten: [{address: '127.0.0.1:0'}]\nroutes: [{path: /, pool: web}]\npools: {web: {endpoints: ['https://127.0.0.1:1'], tls: {crl: " + file + "}}}\n"
	cfg, problems := config.Parse("test.yaml", []byte(text), config.Options{})
	if cfg == nil {
		t.Fatal(problems.Err())
	}
	g, err := New(cfg, Options{Store: store.Nowhere, Stdout: io.Discard, Stderr: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	g.Start()
	g.mu.Lock() // as a reload has it
	list := g.current.lists[file]
	applied := make(chan error, 1)
	go func() { applied <- g.apply(cfg, nil) }() // first in the queue: the list is looked at in a second
	write(time.Now().Add(-time.Minute))
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, read := list.Outdated(time.Now()); read {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the list was not read anew")
		}
	}
	time.Sleep(50 * time.Millisecond) // what is told of it is behind
	g.mu.Unlock()
	select {
	case err := <-applied:
		if err != nil {
			t.Error(err)
		}
		g.Stop(0, time.Second)
	case <-time.After(5 * time.Second):
		t.Fatal("the reload waits for the list, and the list for the reload")
	}
}
