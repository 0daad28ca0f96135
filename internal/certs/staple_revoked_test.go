package certs

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ocsp"
)

// That a certificate was revoked is told of, whatever was told before, and it stays revoked while its responder cannot be asked.
func TestRevokedAfterResponderFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root, m := newSigning(t, "root"), &inMemory{}
		says := func(f func() []byte) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.says = f
		}
		news := make(chan *Stapled, 16)
		st := NewStapler("", func(n *Stapled) { news <- n }, slog.New(slog.DiscardHandler))
		defer st.Close()
		st.client = &http.Client{Transport: m}
		files := root.issue(t, leafTemplate("http://ocsp.test", nil))
		pair, err := LoadPair(files.Cert, files.Key)
		if err != nil {
			t.Fatal(err)
		}
		st.use(t, nil, []*tls.Certificate{pair})
		var revoked *RevokedError
		if n := <-news; n.Err == nil || errors.As(n.Err, &revoked) {
			t.Fatal(n.Err)
		}
		says(func() []byte { return root.says(func(r *ocsp.Response) { r.Status = ocsp.Revoked }) })
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(news) != 1 {
			t.Fatalf("told %d times of a revoked certificate", len(news))
		}
		if n := <-news; !errors.As(n.Err, &revoked) {
			t.Fatal(n.Err)
		}
		says(nil)
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if s, _ := st.Status(pair.Leaf); !errors.As(s.Err, &revoked) || len(news) != 0 {
			t.Errorf("while it cannot be asked: %v, told %d times more", s.Err, len(news))
		}
	})
}
