package diagnose

import (
	"fmt"
	"strings"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/words"
)

// refineTLS adds what the other handshakes showed.
func refineTLS(w *Walk, f *finding) {
	t := w.TLS
	e := f.evidence
	if t == nil || e.Stage != fault.TLS && e.End != fault.Alert {
		return
	}
	if e.End == fault.Untrusted && t.Problem != "" {
		f.proof = certificateProof(t)
		refineChain(w, f)
	}
	accepted := t.accepted()
	strong := func() bool {
		for _, v := range accepted {
			if v == "TLS 1.2" || v == "TLS 1.3" {
				return true
			}
		}
		return false
	}
	plain := t.Plain != nil && t.Plain.Status != 0
	switch {
	case plain && !t.Completed && len(accepted) == 0 && t.Plain.Status != 400 && (e.End == fault.Closed || e.End == fault.Reset || e.End == fault.Timeout):
		f.cause, f.kind = fault.CauseTLSToPlainPort, fault.TypeTLSProtocolError
		f.sentence = "TLS was spoken to " + w.Target.label() + ", which speaks plain HTTP"
		f.proof = append(f.proof, fmt.Sprintf("the same port answers plain HTTP with %d", t.Plain.Status))
	case e.End == fault.Untrusted:
	case len(accepted) > 0 && !strong() && (f.cause == fault.CauseTLSVersionMismatch || f.cause == fault.CauseTLSNoSharedCipher || f.cause == fault.CauseTLSProtocolError):
		f.cause = fault.CauseTLSVersionMismatch
		f.sentence = fmt.Sprintf("%s speaks %s only, which gateways of today refuse", w.Target.label(), join(accepted))
		f.proof = append(f.proof, "the server takes "+strings.Join(accepted, ", ")+" only")
	case t.AnySuite != nil && t.AnySuite.OK && f.cause == fault.CauseTLSNoSharedCipher:
		f.proof = append(f.proof, "with weak ciphers allowed it agrees on "+t.AnySuite.Detail)
	}
	if t.NoSNI != nil && t.NoSNI.OK && !t.Completed {
		f.proof = append(f.proof, "the same handshake without SNI succeeds: it is about the name "+t.ServerName)
		if f.cause == fault.CauseTLSAlert || f.cause == fault.CauseTLSHandshakeClosed {
			f.cause, f.confidence = fault.CauseTLSNameUnknown, Likely
		}
	}
	if t.ClientCert {
		text := "the server asks for a client certificate"
		if len(t.ClientCAs) > 0 {
			text += " from " + words.List(t.ClientCAs, 2)
		}
		f.proof = append(f.proof, text)
	}
}

// certificateProof says what is wrong with a chain.
func certificateProof(t *TLS) []string {
	proof := []string{strings.TrimPrefix(t.Problem, "x509: ")}
	if len(t.Chain) > 0 {
		leaf := t.Chain[0]
		names := words.List(leaf.Names, 3)
		if len(leaf.Names) == 0 {
			names = "no name (it has no subjectAltName)"
		}
		proof = append(proof, fmt.Sprintf("%s sent, the first for %s, from %s, valid %s to %s", words.Count(len(t.Chain), "certificate"),
			names, leaf.Issuer, leaf.NotBefore.UTC().Format("2006-01-02"), leaf.NotAfter.UTC().Format("2006-01-02")))
	}
	if t.Missing != "" {
		text := "the chain ends there: if " + t.Missing + " is an intermediate authority, its certificate is missing"
		if t.IssuerURL != "" {
			text += " (" + t.IssuerURL + ")"
		}
		proof = append(proof, text)
	}
	return proof
}

// refinePlain tells a TLS port that was asked in clear.
func refinePlain(w *Walk, f *finding) {
	if w.HTTP.TLSWorks == nil || !w.HTTP.TLSWorks.OK || f.cause == fault.CausePlainToTLSPort {
		return
	}
	f.cause, f.kind = fault.CausePlainToTLSPort, fault.TypeHTTPProtocolError
	f.sentence = "plain HTTP was sent to " + w.Target.label() + ", which speaks TLS"
	f.proof = append(f.proof, "a TLS handshake with the same port succeeds: "+w.HTTP.TLSWorks.Detail)
}
