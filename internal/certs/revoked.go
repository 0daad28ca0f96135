package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ocsp"
)

// listMax bounds a file of revocation lists, in octets: some four hundred thousand certificates. It takes three times as much
// memory.
const listMax = 16 << 20

// RevokedError says that a certificate was withdrawn by its authority.
type RevokedError struct {
	Serial *big.Int
	At     time.Time // when it was withdrawn
	Reason int       // RFC 5280, section 5.3.1; 0 is unspecified
	Source string    // what says so: a list's file, or the response that the server stapled
}

func (e *RevokedError) Error() string {
	return fmt.Sprintf("certificate %x was revoked on %s (%s), says %s", e.Serial, e.At.UTC().Format(time.DateOnly), reasonName(e.Reason), e.Source)
}

// Revoked tells the kind of error to who must not know its type.
func (e *RevokedError) Revoked() bool { return true }

// reasons are the names of RFC 5280, section 5.3.1. Number 7 is not used.
var reasons = [...]string{
	"unspecified", "keyCompromise", "cACompromise", "affiliationChanged", "superseded", "cessationOfOperation",
	"certificateHold", "", "removeFromCRL", "privilegeWithdrawn", "aACompromise",
}

func reasonName(n int) string {
	if n < 0 || n >= len(reasons) || reasons[n] == "" {
		return fmt.Sprintf("reason %d", n)
	}
	return reasons[n]
}

// list is one certificate revocation list: what its signature is checked with, and what it names.
type list struct {
	*x509.RevocationList
	serials map[string]revocation // by the serial number's octets
}

type revocation struct {
	at     time.Time
	reason uint8
}

// Revocations are the certificate revocation lists (RFC 5280, section 5) of one file. A list that is out of date counts
// still: what it names stays revoked, and a list that was not replaced in time must not take a service down. A list counts
// for certificates that were signed with the same key as the list.
type Revocations struct {
	file    string
	read    stamp // of the file as it was when it was read first
	current atomic.Pointer[[]list]
	watch   *watch
}

// LoadRevocations reads a file of lists: PEM, of any number of authorities, or one list in DER.
func LoadRevocations(file string) (*Revocations, error) {
	r := &Revocations{file: file, read: stampOf([]string{file})}
	return r, r.load()
}

// Watch takes new lists whenever the file changes, until Close. onChange is told of each later load: nil, or why the old
// lists are still used.
func (r *Revocations) Watch(onChange func(error)) {
	r.watch = watchFiles([]string{r.file}, r.read, func() { onChange(r.load()) })
}

// Close ends the watch, if there is one.
func (r *Revocations) Close() {
	if r.watch != nil {
		r.watch.close()
	}
}

// Outdated says since when the oldest list is out of date; false if none is.
func (r *Revocations) Outdated(now time.Time) (since time.Time, outdated bool) {
	for _, l := range *r.current.Load() {
		if next := l.NextUpdate; !next.IsZero() && next.Before(now) && (!outdated || next.Before(since)) {
			since, outdated = next, true
		}
	}
	return since, outdated
}

func (r *Revocations) load() error {
	b, err := readUpTo(r.file, listMax)
	if err != nil {
		return err
	}
	var lists []list
	add := func(der []byte) error {
		l, err := parseList(der)
		if err != nil {
			return fmt.Errorf("%s: %w", r.file, err)
		}
		lists = append(lists, l)
		return nil
	}
	if !bytes.Contains(b, []byte("-----BEGIN")) {
		if err := add(b); err != nil {
			return err
		}
	}
	begun := bytes.Count(b, []byte("-----BEGIN X509 CRL-----"))
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "X509 CRL" {
			continue
		}
		if err := add(block.Bytes); err != nil {
			return err
		}
	}
	switch {
	case len(lists) == 0:
		return fmt.Errorf("%s: no revocation list (PEM X509 CRL) in it", r.file)
	case len(lists) < begun: // what is damaged is passed over by package pem
		return fmt.Errorf("%s: %d of its %d revocation lists are damaged", r.file, begun-len(lists), begun)
	}
	r.current.Store(&lists)
	return nil
}

// Extensions of a list (RFC 5280, section 5.2), and why a list is not taken.
var (
	deltaIndicator      = asn1.ObjectIdentifier{2, 5, 29, 27}
	distributionPoint   = asn1.ObjectIdentifier{2, 5, 29, 28}
	errDelta            = errors.New("it is a delta list, which only counts together with its base; take the base list")
	errIndirect         = errors.New("it is an indirect list, with certificates of other authorities; take the authority's own list")
	errUnknownExtension = errors.New("the list has a critical extension that is not known here")
)

// issuingDistributionPoint is RFC 5280, section 5.2.5.
type issuingDistributionPoint struct {
	Point      asn1.RawValue  `asn1:"optional,tag:0"`
	UserOnly   bool           `asn1:"optional,tag:1"`
	CAOnly     bool           `asn1:"optional,tag:2"`
	Reasons    asn1.BitString `asn1:"optional,tag:3"`
	Indirect   bool           `asn1:"optional,tag:4"`
	Attributes bool           `asn1:"optional,tag:5"`
}

// parseList reads a list, and refuses one that does not mean what it seems to: RFC 5280, section 5.2, forbids to use a list
// with a critical extension that is not understood.
func parseList(der []byte) (list, error) {
	l, err := x509.ParseRevocationList(der)
	if err != nil {
		return list{}, err
	}
	for _, e := range l.Extensions {
		switch {
		case e.Id.Equal(deltaIndicator):
			return list{}, errDelta
		case e.Id.Equal(distributionPoint):
			var point issuingDistributionPoint
			if _, err := asn1.Unmarshal(e.Value, &point); err != nil {
				return list{}, fmt.Errorf("issuing distribution point: %w", err)
			}
			if point.Indirect {
				return list{}, errIndirect
			}
		case e.Critical:
			return list{}, errUnknownExtension
		}
	}
	out := list{
		&x509.RevocationList{
			RawTBSRevocationList: l.RawTBSRevocationList, RawIssuer: l.RawIssuer, Signature: l.Signature,
			SignatureAlgorithm: l.SignatureAlgorithm, NextUpdate: l.NextUpdate,
		},
		make(map[string]revocation, len(l.RevokedCertificateEntries)),
	}
	for _, e := range l.RevokedCertificateEntries {
		out.serials[string(e.SerialNumber.Bytes())] = revocation{e.RevocationTime, uint8(e.ReasonCode)}
	}
	return out, nil
}

// Verify is a tls.Config's VerifyConnection: it fails, with a *tls.CertificateVerificationError around a RevokedError, if
// every chain that verified has a certificate that was revoked, by one of the lists or by the response that the server
// stapled (RFC 6066, section 8). A nil *Revocations looks at the stapled response only.
func (r *Revocations) Verify(state tls.ConnectionState) error {
	var first error
	for _, chain := range state.VerifiedChains {
		err := stapled(chain, state.OCSPResponse)
		if err == nil && r != nil {
			err = r.listed(chain)
		}
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	if first == nil { // nothing was verified
		return nil
	}
	return &tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: first}
}

// listed looks for the certificates of a chain, the leaf first, in the lists of those that issued them.
func (r *Revocations) listed(chain []*x509.Certificate) error {
	lists := *r.current.Load()
	for i, cert := range chain[:max(len(chain)-1, 0)] { // the last one is trusted by itself
		for _, l := range lists {
			e, named := l.serials[string(cert.SerialNumber.Bytes())]
			if !named || !bytes.Equal(l.RawIssuer, cert.RawIssuer) {
				continue
			}
			// The signature is checked where it matters: an authority of the same name may have another key. Whether its
			// certificate allows it to sign lists is not asked: the operator trusts the file.
			if chain[i+1].CheckSignature(l.SignatureAlgorithm, l.RawTBSRevocationList, l.Signature) != nil {
				continue
			}
			return &RevokedError{Serial: cert.SerialNumber, At: e.at, Reason: int(e.reason), Source: r.file}
		}
	}
	return nil
}

// stapled reads the OCSP response (RFC 6960) that a server sent with its certificate. One that cannot be read, is not of
// today, or is signed by nobody who may says nothing: it came from the server itself, which could as well have sent none.
func stapled(chain []*x509.Certificate, response []byte) error {
	if len(response) == 0 || len(chain) < 2 {
		return nil
	}
	answer, err := ocsp.ParseResponseForCert(response, chain[0], nil)
	now := time.Now()
	if err != nil || answer.Status != ocsp.Revoked || !answer.NextUpdate.IsZero() && now.After(answer.NextUpdate) {
		return nil
	}
	signer := signerOf(answer, chain[1], now)
	if signer == nil || answer.CheckSignatureFrom(signer) != nil {
		return nil
	}
	return &RevokedError{Serial: chain[0].SerialNumber, At: answer.RevokedAt, Reason: answer.RevocationReason, Source: "the OCSP response that the server sent along"}
}
