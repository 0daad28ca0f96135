package certs

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
	"time"

	"golang.org/x/crypto/ocsp"
)

// Bounds of what a responder may say, and of where it may be.
const (
	responsesMax    = 16 << 10 // bytes of a response: it goes into each handshake
	respondersMax   = 2        // of a certificate, asked one after the other
	responderURLMax = 1024     // bytes
	clockSkew       = 5 * time.Minute
)

// response is an OCSP response that says that a certificate is good.
type response struct {
	raw         []byte
	from, until time.Time
}

// refresh is when another is asked for: in the middle of its life.
func (r *response) refresh() time.Time { return r.from.Add(r.until.Sub(r.from) / 2) }

// tlsFeature is the extension of RFC 7633, and statusRequest the feature that asks for a stapled response.
var tlsFeature = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}

const statusRequest = 5

// mustStaple reports whether clients shall refuse a certificate that is shown without a response.
func mustStaple(leaf *x509.Certificate) bool {
	for _, e := range leaf.Extensions {
		if e.Id.Equal(tlsFeature) {
			var features []int
			rest, err := asn1.Unmarshal(e.Value, &features)
			return err == nil && len(rest) == 0 && slices.Contains(features, statusRequest)
		}
	}
	return false
}

// staplable reports whether there is something to do for a certificate.
func staplable(leaf *x509.Certificate) bool {
	return leaf != nil && (len(leaf.OCSPServer) > 0 || mustStaple(leaf))
}

// Why there is no response, where nobody was asked.
var (
	errNoResponder = errors.New("the certificate names no OCSP responder that can be asked by http:// or https://")
	errNoIssuer    = errors.New("the file has no certificate of its issuer, so no OCSP response can be asked for: add the intermediate certificates after the first")
)

// respondersOf are the responders that a certificate names, as far as they can be asked.
func respondersOf(leaf *x509.Certificate) []string {
	var out []string
	for _, text := range leaf.OCSPServer {
		u, err := url.Parse(text)
		if err == nil && len(text) <= responderURLMax && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil && len(out) < respondersMax {
			out = append(out, text)
		}
	}
	return out
}

// issuerOf is the certificate that a leaf was signed with, from the chain beside it; nil if it is not there.
func issuerOf(cert *tls.Certificate) *x509.Certificate {
	for _, der := range cert.Certificate[1:] {
		c, err := x509.ParseCertificate(der)
		if err == nil && bytes.Equal(c.RawSubject, cert.Leaf.RawIssuer) && c.CheckSignature(cert.Leaf.SignatureAlgorithm, cert.Leaf.RawTBSCertificate, cert.Leaf.Signature) == nil {
			return c
		}
	}
	return nil
}

// responderClient asks responders. Where it is sent on to it does not follow, and it goes to no address that only means something on
// this link, such as that of a cloud's metadata: the URL is from a certificate.
func responderClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost, transport.MaxResponseHeaderBytes, transport.IdleConnTimeout = 1, 16<<10, time.Second
	dialer := &net.Dialer{Timeout: stapleAskTime, Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		if a := to.Addr().Unmap(); a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() {
			return fmt.Errorf("no OCSP responder is asked at %s", a)
		}
		return nil
	}}
	transport.DialContext = dialer.DialContext
	return &http.Client{Transport: transport, Timeout: stapleAskTime, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// fetch asks the responders of a certificate, until one says that it is good, or that it is revoked.
func (s *Stapler) fetch(ctx context.Context, e *staple, issuer *x509.Certificate) (*response, error) {
	switch {
	case len(e.responders) == 0:
		return nil, errNoResponder
	case issuer == nil:
		return nil, errNoIssuer
	}
	question, err := ocsp.CreateRequest(e.leaf, issuer, nil)
	if err != nil {
		return nil, err
	}
	for _, to := range e.responders {
		var raw []byte
		var answer *response
		if raw, err = s.ask(ctx, to, question); err == nil {
			answer, err = checkResponse(raw, e.leaf, issuer, time.Now())
		}
		var revoked *RevokedError
		if err == nil || errors.As(err, &revoked) {
			return answer, err
		}
		err = fmt.Errorf("OCSP responder %s: %w", to, err)
	}
	return nil, err
}

// ask asks one responder: RFC 6960, appendix A.1.
func (s *Stapler) ask(ctx context.Context, to string, question []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(question))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/ocsp-request")
	req.Header.Set("Accept", "application/ocsp-response")
	res, err := s.client.Do(req)
	if err != nil {
		var where *url.Error
		if errors.As(err, &where) {
			err = where.Err // the URL is said already
		}
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers %d", res.StatusCode)
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, responsesMax+1))
	if err == nil && len(b) > responsesMax {
		err = fmt.Errorf("its answer is larger than %d bytes", responsesMax)
	}
	return b, err
}

// checkResponse reads a response, and wants it to say of this very certificate, now and by somebody who may, that it is good. The error is a
// *RevokedError where it was withdrawn.
func checkResponse(raw []byte, leaf, issuer *x509.Certificate, now time.Time) (*response, error) {
	// Of whoever signed it that would want a certificate by the issuer, and an intermediate's own certificate, which may come along, is not.
	answer, err := ocsp.ParseResponseForCert(raw, leaf, nil)
	if err != nil {
		return nil, fmt.Errorf("its answer cannot be used: %w", err)
	}
	if !namesCertificate(answer, leaf, issuer) {
		return nil, errors.New("its answer is for a certificate of another issuer")
	}
	if signer := signerOf(answer, issuer, now); signer == nil || answer.CheckSignatureFrom(signer) != nil {
		return nil, errors.New("its answer is signed by nobody who may")
	}
	until := answer.NextUpdate
	if until.IsZero() {
		until = answer.ThisUpdate.Add(stapleUnbounded)
	}
	switch {
	case answer.ThisUpdate.After(now.Add(clockSkew)):
		return nil, fmt.Errorf("its answer is of %s, which is yet to come: look at the clock", answer.ThisUpdate.UTC().Format(time.RFC3339))
	case !until.After(now):
		return nil, fmt.Errorf("its answer held until %s", until.UTC().Format(time.RFC3339))
	case answer.Status == ocsp.Revoked:
		return nil, &RevokedError{Serial: leaf.SerialNumber, At: answer.RevokedAt, Reason: answer.RevocationReason, Source: "its authority's OCSP responder"}
	case answer.Status != ocsp.Good:
		return nil, errors.New("it does not know the certificate")
	}
	return &response{raw, answer.ThisUpdate, until}, nil
}

// namesCertificate reports whether an answer has the very name that a certificate was asked for by, which is its issuer's name and key
// as well as its number: a client looks for that.
func namesCertificate(answer *ocsp.Response, leaf, issuer *x509.Certificate) bool {
	if answer.IssuerHash != crypto.SHA1 { // what we asked by
		return false
	}
	b, err := ocsp.CreateRequest(leaf, issuer, nil)
	if err != nil {
		return false
	}
	q, err := ocsp.ParseRequest(b)
	if err != nil {
		return false
	}
	id, err := asn1.Marshal(struct {
		Name, Key []byte
		Serial    any
	}{q.IssuerNameHash, q.IssuerKeyHash, leaf.SerialNumber})
	if err != nil {
		return false
	}
	var parts asn1.RawValue
	if _, err := asn1.Unmarshal(id, &parts); err != nil {
		return false
	}
	return bytes.Contains(answer.TBSResponseData, parts.Bytes)
}

// signerOf is who signed an answer: the issuer, or a responder that it has named (RFC 6960, section 4.2.2.2). It is nil for anybody else.
func signerOf(answer *ocsp.Response, issuer *x509.Certificate, now time.Time) *x509.Certificate {
	d := answer.Certificate
	if d == nil || d.Equal(issuer) {
		return issuer
	}
	if issuer.CheckSignature(d.SignatureAlgorithm, d.RawTBSCertificate, d.Signature) != nil ||
		!slices.Contains(d.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning) || now.Before(d.NotBefore) || now.After(d.NotAfter) {
		return nil
	}
	return d
}
