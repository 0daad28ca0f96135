package lab

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Files of the authority, in its directory.
const (
	caFile        = "ca.pem"
	caKeyFile     = "ca-key.pem"
	clientFile    = "client.pem"
	clientKeyFile = "client-key.pem"
	clientBoth    = "client-and-key.pem" // for proxies that want one file
	crlFile       = "revoked.crl"
)

// UpstreamName is the name that every good certificate of the lab is for, and that a proxy should ask for (SNI) and verify.
const UpstreamName = "upstream.lab.test"

// names are what the good certificates are valid for.
var names = []string{UpstreamName, "*.lab.test", "localhost"}

// Authority is a small certificate authority that all upstreams of the lab have their certificates from, and the flaws of
// those certificates. Its own certificate and key are kept in its directory, so that a proxy's configuration stays valid.
type Authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// validity of the authority itself: a lab may stay configured for long.
const validity = 5 * 365 * 24 * time.Hour

// OpenAuthority reads the authority from the directory, and makes what is not there. Keys are readable by their owner only,
// but for the client's, which a proxy that runs as another user must read.
func OpenAuthority(dir string) (*Authority, error) {
	if dir == "" {
		return nil, errors.New("the lab has no directory for its certificates")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	a := &Authority{dir: dir}
	err := a.load()
	if err == nil {
		return a, nil
	}
	if path := (*fs.PathError)(nil); errors.As(err, &path) && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the lab's authority is there, and cannot be read: %w", err) // proxies may be configured with it
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	root := template("Whygate lab root", time.Now().Add(-time.Hour), time.Now().Add(validity))
	root.IsCA, root.BasicConstraintsValid, root.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	root.DNSNames, root.IPAddresses, root.ExtKeyUsage = nil, nil, nil
	der, err := x509.CreateCertificate(rand.Reader, root, root, key.Public(), key)
	if err != nil {
		return nil, err
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	a.key = key
	return a, a.save()
}

// load reads the authority's own certificate and key; an error if one of its files is not there or cannot be
// read, or it ends soon.
func (a *Authority) load() error {
	pair, err := tls.LoadX509KeyPair(filepath.Join(a.dir, caFile), filepath.Join(a.dir, caKeyFile))
	if err != nil {
		return err
	}
	if a.cert, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
		return err
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || time.Until(a.cert.NotAfter) < 24*time.Hour {
		return errors.New("not of use")
	}
	a.key = key
	for _, name := range []string{clientFile, clientKeyFile, clientBoth, crlFile} {
		if _, err := os.Stat(filepath.Join(a.dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// save writes the authority, the client's certificate and the list of revoked ones.
func (a *Authority) save() error {
	if err := a.write(caFile, "CERTIFICATE", a.cert.Raw, 0o644); err != nil {
		return err
	}
	if err := a.writeKey(caKeyFile, a.key, 0o600); err != nil {
		return err
	}
	client := template("client of the lab", time.Now().Add(-time.Hour), a.cert.NotAfter)
	client.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	pair, err := a.issue(client, a.cert, a.key)
	if err != nil {
		return err
	}
	if err := a.write(clientFile, "CERTIFICATE", pair.Certificate[0], 0o644); err != nil {
		return err
	}
	if err := a.writeKey(clientKeyFile, pair.PrivateKey, 0o644); err != nil {
		return err
	}
	if err := a.join(clientBoth, clientFile, clientKeyFile); err != nil {
		return err
	}
	list, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: a.cert.NotAfter,
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: revokedSerial, RevocationTime: time.Now().Add(-time.Hour), ReasonCode: 1}},
	}, a.cert, a.key)
	if err != nil {
		return err
	}
	return a.write(crlFile, "X509 CRL", list, 0o644)
}

func (a *Authority) write(name, kind string, der []byte, mode os.FileMode) error {
	return os.WriteFile(filepath.Join(a.dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}

// join writes a file of others.
func (a *Authority) join(name string, parts ...string) error {
	var whole []byte
	for _, p := range parts {
		b, err := os.ReadFile(filepath.Join(a.dir, p))
		if err != nil {
			return err
		}
		whole = append(whole, b...)
	}
	return os.WriteFile(filepath.Join(a.dir, name), whole, 0o644)
}

func (a *Authority) writeKey(name string, key crypto.PrivateKey, mode os.FileMode) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return a.write(name, "PRIVATE KEY", der, mode)
}

// revokedSerial is the number of the certificate that the list of revoked ones names.
var revokedSerial = big.NewInt(0x7e7e)

// template is a leaf certificate for the lab's names.
func template(subject string, from, to time.Time) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: subject, Organization: []string{"Whygate lab"}},
		NotBefore: from, NotAfter: to, DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
}

// issue signs a certificate; parent nil makes it sign itself.
func (a *Authority) issue(leaf, parent *x509.Certificate, signer *ecdsa.PrivateKey) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	if parent == nil {
		parent, signer = leaf, key
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, parent, key.Public(), signer)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// Names of the certificates that an upstream can show.
const (
	certGood                = "good"
	certExpired             = "expired"
	certNotYetValid         = "not-yet-valid"
	certWrongName           = "wrong-name"
	certSelfSigned          = "self-signed"
	certUnknownAuthority    = "unknown-authority"
	certWithIntermediate    = "with-intermediate"
	certMissingIntermediate = "missing-intermediate"
	certRevoked             = "revoked"
	certWrongUse            = "for clients"
)

// certificate makes the certificate of that name.
func (a *Authority) certificate(name string) (tls.Certificate, error) {
	now := time.Now()
	leaf := template(UpstreamName, now.Add(-time.Hour), now.Add(30*24*time.Hour))
	switch name {
	case "", certGood:
	case certExpired:
		leaf.NotBefore, leaf.NotAfter = now.Add(-40*24*time.Hour), now.Add(-10*24*time.Hour)
	case certNotYetValid:
		leaf.NotBefore = now.Add(10 * 24 * time.Hour)
	case certWrongName:
		leaf.Subject.CommonName, leaf.DNSNames, leaf.IPAddresses = "other.example", []string{"other.example", "www.other.example"}, nil
	case certWrongUse:
		leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	case certSelfSigned:
		return a.issue(leaf, nil, nil)
	case certRevoked:
		leaf.SerialNumber = revokedSerial
	case certUnknownAuthority:
		parent, key, _, err := a.intermediate(nil, nil, "Some other root")
		if err != nil {
			return tls.Certificate{}, err
		}
		return a.issue(leaf, parent, key)
	case certWithIntermediate, certMissingIntermediate:
		parent, key, der, err := a.intermediate(a.cert, a.key, "Whygate lab intermediate")
		if err != nil {
			return tls.Certificate{}, err
		}
		pair, err := a.issue(leaf, parent, key)
		if err == nil && name == certWithIntermediate {
			pair.Certificate = append(pair.Certificate, der)
		}
		return pair, err
	default:
		return tls.Certificate{}, fmt.Errorf("no certificate is called %q", name)
	}
	return a.issue(leaf, a.cert, a.key)
}

// intermediate makes an authority signed by another one, or by itself.
func (a *Authority) intermediate(parent *x509.Certificate, signer *ecdsa.PrivateKey, subject string) (*x509.Certificate, *ecdsa.PrivateKey, []byte, error) {
	ca := template(subject, time.Now().Add(-time.Hour), time.Now().Add(30*24*time.Hour))
	ca.IsCA, ca.BasicConstraintsValid, ca.DNSNames, ca.IPAddresses, ca.ExtKeyUsage = true, true, nil, nil, nil
	ca.KeyUsage = x509.KeyUsageCertSign
	pair, err := a.issue(ca, parent, signer)
	if err != nil {
		return nil, nil, nil, err
	}
	cert, err := x509.ParseCertificate(pair.Certificate[0])
	return cert, pair.PrivateKey.(*ecdsa.PrivateKey), pair.Certificate[0], err
}

// server is the configuration of an upstream's end of TLS.
func (a *Authority) server(t *Terms) (*tls.Config, error) {
	pair, err := a.certificate(t.Certificate)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{
		Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS10, MaxVersion: t.Max, CipherSuites: t.Suites,
		SessionTicketsDisabled: true, // each connection shows the whole handshake
	}
	if t.Min != 0 {
		config.MinVersion = t.Min
	}
	if t.ClientCert {
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		config.ClientCAs.AddCert(a.cert)
	}
	if t.NeedName {
		nameless := &tls.Config{MinVersion: tls.VersionTLS10} // without a certificate, crypto/tls answers with alert 112
		config.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			if slices.Contains(names, h.ServerName) {
				return nil, nil
			}
			return nameless, nil
		}
	}
	return config, nil
}
