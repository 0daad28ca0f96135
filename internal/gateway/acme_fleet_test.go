//go:build linux

package gateway_test

import (
	"path/filepath"
	"sync"
	"testing"

	"github.com/whygate/whygate/internal/pgtest"
)

// Two gateways that keep their certificates in one place make one order for a name, and one renewal. The authority comes to the first of
// them, whoever has made the order.
func TestACMEFleet(t *testing.T) {
	t.Parallel()
	for kind, place := range map[string]func(*testing.T) string{
		"directory":  func(t *testing.T) string { return filepath.Join(t.TempDir(), "acme") },
		"PostgreSQL": func(t *testing.T) string { return pgtest.The(t).Database(t) },
	} {
		for _, challenge := range []string{"tls-alpn-01", "http-01"} {
			t.Run(kind+" "+challenge, func(t *testing.T) {
				t.Parallel()
				storage := place(t)
				p := newPebble(t).run(t)
				before := p.orders()
				first := p.certify(t, p.tls, p.http, storage, "challenge: "+challenge, shopRoute)
				defer first.end(t)
				second := p.certify(t, freeAddress(t), freeAddress(t), storage, "challenge: "+challenge, shopRoute)
				defer second.end(t)
				const name = "shop.example.com"
				one, other := first.awaitCertificate(t, name), second.awaitCertificate(t, name)
				if n := p.orders() - before; !one.Equal(other) || n != 1 {
					t.Errorf("%s and %s, %d orders", one.SerialNumber, other.SerialNumber, n)
				}
				var both sync.WaitGroup
				for _, g := range []*certified{first, second} {
					both.Go(func() {
						if err := g.RenewCertificate(t.Context(), name); err != nil {
							t.Error(err)
						}
					})
				}
				both.Wait()
				one, other = first.awaitCertificate(t, name), second.awaitCertificate(t, name)
				if n := p.orders() - before; !one.Equal(other) || n != 2 {
					t.Errorf("renewed: %s and %s, %d orders", one.SerialNumber, other.SerialNumber, n)
				}
				if err := second.RenewCertificate(t.Context(), name); err != nil { // to which no authority comes
					t.Error(err)
				}
				if again := second.awaitCertificate(t, name); again.Equal(other) {
					t.Error("the second gateway has not renewed it")
				}
			})
		}
	}
}
