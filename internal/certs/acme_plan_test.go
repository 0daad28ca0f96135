package certs

import (
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"testing"
	"time"
)

// What the authority says of a certificate puts off nobody who has asked for another one.
func TestPlanKeepsWhoAsks(t *testing.T) {
	t.Parallel()
	now := time.Now()
	cert := &tls.Certificate{Leaf: &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now, NotAfter: now.Add(90 * 24 * time.Hour)}}
	m := &managed{cert: cert, due: now, asked: &renewal{done: make(chan struct{})}}
	if m.plan(); !m.due.Equal(now) {
		t.Errorf("it is due in %v", m.due.Sub(now))
	}
	m.asked = nil
	if m.plan(); !m.due.After(now) {
		t.Error("it is due at once")
	}
}
