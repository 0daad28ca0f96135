package upstream

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// gathered is a connection whose octets are kept back while together is set, and leave in one write then.
type gathered struct {
	net.Conn
	together bool
	kept     bytes.Buffer
}

func (g *gathered) Write(p []byte) (int, error) {
	if g.together {
		return g.kept.Write(p)
	}
	return g.Conn.Write(p)
}

func (g *gathered) leave() { _, _ = g.Conn.Write(g.kept.Bytes()) }

// An answer that nobody asked for, in a TLS record of its own that came along with the first answer's: the socket is empty
// then, and the session is not.
func TestSecondRecord(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	conf := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	for _, extra := range []string{"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled", ""} {
		url := serving(t, "tcp", func(c net.Conn) {
			g := &gathered{Conn: c}
			s := tls.Server(g, conf)
			b := make([]byte, len(question))
			for _, err := io.ReadFull(s, b); err == nil; _, err = io.ReadFull(s, b) {
				g.together = true
				_, _ = io.WriteString(s, helloAnswer)
				if extra != "" {
					_, _ = io.WriteString(s, extra)
				}
				g.together = false
				g.leave()
				g.kept.Reset()
			}
		})
		target := targetOf(t, strings.Replace(url, "http:", "https:", 1), func(o *Options) { o.TLSConf = &tls.Config{InsecureSkipVerify: true} })
		for i := range 3 {
			var a Attempt
			body, good := exchange(&a, target, AnyConnection)
			if !good || body != "hello" || a.Evidence.Reused != (extra == "" && i > 0) {
				t.Errorf("exchange %d with %q behind: %q, %t, reused %t", i, extra, body, good, a.Evidence.Reused)
			}
		}
	}
}
