package certs

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// orderly is as much of an authority as an order needs to begin: each waits until release is closed, and is refused then.
type orderly struct {
	*httptest.Server
	under, most, all atomic.Int64 // orders under way, the most at a time, and in all
	began, release   chan struct{}
}

func newOrderly(t *testing.T) *orderly {
	t.Helper()
	o := &orderly{began: make(chan struct{}, 100), release: make(chan struct{})}
	mux := http.NewServeMux()
	nonce := func(w http.ResponseWriter) { w.Header().Set("Replay-Nonce", fmt.Sprint("nonce", o.all.Load())) }
	mux.HandleFunc("/dir", func(w http.ResponseWriter, r *http.Request) {
		at := "http://" + r.Host
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"newNonce":"%s/nonce","newAccount":"%s/account","newOrder":"%s/order"}`, at, at, at)
	})
	mux.HandleFunc("/nonce", func(w http.ResponseWriter, _ *http.Request) { nonce(w) })
	mux.HandleFunc("/account", func(w http.ResponseWriter, r *http.Request) {
		nonce(w)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Location", "http://"+r.Host+"/account/1")
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `{"status":"valid"}`)
	})
	mux.HandleFunc("/order", func(w http.ResponseWriter, r *http.Request) {
		n := o.under.Add(1)
		defer o.under.Add(-1)
		for most := o.most.Load(); n > most && !o.most.CompareAndSwap(most, n); most = o.most.Load() {
		}
		o.all.Add(1)
		o.began <- struct{}{}
		select {
		case <-o.release:
		case <-r.Context().Done():
		}
		nonce(w)
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"type":"urn:ietf:params:acme:error:rejectedIdentifier","detail":"not this one"}`)
	})
	o.Server = httptest.NewServer(mux)
	t.Cleanup(o.Close)
	return o
}

// await waits for an order.
func (o *orderly) await(t *testing.T, told chan *Happening) {
	t.Helper()
	select {
	case <-o.began:
	case h := <-told:
		t.Fatalf("there is no order: %v", h.Failure)
	}
}

// However many handshakes wait for a name, there is one order for it, and all of them learn how it ended.
func TestOneOrderForManyHandshakes(t *testing.T) {
	t.Parallel()
	for _, demand := range []bool{false, true} {
		authority := newOrderly(t)
		told := make(chan *Happening, 10)
		a, err := NewACME(ACMEOptions{
			Directory: authority.URL + "/dir", Challenge: ChallengeTLS, Storage: filepath.Join(t.TempDir(), "acme"),
			OnDemand: demand, Suffixes: []string{"example.com"}, Routed: func(string) bool { return true }, Told: func(h *Happening) { told <- h },
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(a.Close)
		if !demand {
			a.Manage([]string{"shop.example.com"})
			authority.await(t, told)
		}
		const handshakes = 100
		config := &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) { return a.get(hello), nil }}
		var waiting sync.WaitGroup
		var ended atomic.Int64
		for range handshakes {
			waiting.Go(func() {
				defer ended.Add(1)
				client, server := net.Pipe()
				defer client.Close()
				waiting.Go(func() {
					defer server.Close()
					_ = tls.Server(server, config).HandshakeContext(t.Context())
				})
				if err := tls.Client(client, &tls.Config{ServerName: "shop.example.com", InsecureSkipVerify: true}).HandshakeContext(t.Context()); err == nil {
					t.Error("a handshake got a certificate that there is not")
				}
			})
		}
		if demand {
			authority.await(t, told)
		}
		if n := ended.Load(); n > 0 {
			t.Errorf("on demand %t: %d handshakes did not wait for the order", demand, n)
		}
		close(authority.release)
		waiting.Wait()
		if h := <-told; h.Failure == nil || h.Failure.Problem != "rejectedIdentifier" {
			t.Errorf("on demand %t: %+v", demand, h.Failure)
		}
		if most := authority.most.Load(); most != 1 {
			t.Errorf("on demand %t: %d orders for one name at a time, %d in all", demand, most, authority.all.Load())
		}
	}
}
