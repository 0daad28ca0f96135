package diagnose

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// chainFault finds in a chain that does not verify which certificate is at fault, and how. It is empty where the verification's own
// words say it all; the cause is none where the verification's own holds.
func chainFault(chain []*x509.Certificate, name string, now time.Time) (words string, cause fault.Cause) {
	leaf := chain[0]
	for i, x := range chain[1:] {
		if !bytes.Equal(x.RawSubject, chain[i].RawIssuer) || bytes.Equal(x.RawSubject, x.RawIssuer) {
			continue
		}
		switch {
		case now.After(x.NotAfter):
			return fmt.Sprintf("the intermediate certificate of %s expired on %s; the server's own is good until %s", commonName(x), x.NotAfter.UTC().Format("2006-01-02"), leaf.NotAfter.UTC().Format("2006-01-02")), fault.CauseTLSCertificateExpired
		case now.Before(x.NotBefore):
			return fmt.Sprintf("the intermediate certificate of %s is not valid before %s", commonName(x), x.NotBefore.UTC().Format("2006-01-02")), fault.CauseTLSCertificateNotYetValid
		}
	}
	for _, x := range chain[1:] {
		if leaf.IsCA && !x.IsCA && x.VerifyHostname(name) == nil {
			return fmt.Sprintf("the chain is in the wrong order: first comes the authority %s, and the server's own certificate must", commonName(leaf)), fault.CauseNone
		}
	}
	switch {
	case len(leaf.DNSNames)+len(leaf.IPAddresses) == 0 && strings.EqualFold(leaf.Subject.CommonName, name):
		return fmt.Sprintf("the certificate has the name %s as its common name (CN) only, and no subject alternative name (SAN), which is what counts", name), fault.CauseTLSCertificateWrongName
	case len(leaf.ExtKeyUsage) > 0 && !forServers(leaf):
		return "the certificate is not for servers: its extended key usage is " + usages(leaf), fault.CauseNone
	}
	return "", fault.CauseNone
}

// chainDisorder says how a chain that verifies is sent in another order than TLS 1.2 wants, and strict clients need (RFC 5246, section
// 7.4.2); empty where it is in order.
func chainDisorder(chain []*x509.Certificate) string {
	for i, x := range chain[1:] {
		if bytes.Equal(x.RawSubject, chain[i].RawIssuer) {
			continue
		}
		for j, y := range chain {
			if j != i && j != i+1 && bytes.Equal(y.RawSubject, chain[i].RawIssuer) {
				return fmt.Sprintf("the chain is sent in the wrong order: behind %s comes %s, and not %s, which signed it; some clients refuse that", commonName(chain[i]), commonName(x), commonName(y))
			}
		}
	}
	return ""
}

func commonName(x *x509.Certificate) string {
	if x.Subject.CommonName != "" {
		return x.Subject.CommonName
	}
	return x.Subject.String()
}

func forServers(x *x509.Certificate) bool {
	for _, u := range x.ExtKeyUsage {
		if u == x509.ExtKeyUsageServerAuth || u == x509.ExtKeyUsageAny {
			return true
		}
	}
	return false
}

// usages names a certificate's extended key usages, as RFC 5280 does.
func usages(x *x509.Certificate) string {
	var names []string
	for _, u := range x.ExtKeyUsage {
		name, known := map[x509.ExtKeyUsage]string{x509.ExtKeyUsageClientAuth: "clientAuth", x509.ExtKeyUsageCodeSigning: "codeSigning", x509.ExtKeyUsageEmailProtection: "emailProtection", x509.ExtKeyUsageTimeStamping: "timeStamping", x509.ExtKeyUsageOCSPSigning: "OCSPSigning"}[u]
		if !known {
			name = "another"
		}
		names = append(names, name)
	}
	return join(names)
}

// refineChain names the certificate that is at fault.
func refineChain(w *Walk, f *finding) {
	t := w.TLS
	switch {
	case t.fault != "":
		f.sentence = w.Target.label() + ": " + t.fault
		if t.faultCause != fault.CauseNone {
			f.cause, f.kind = t.faultCause, fault.TypeNone
		}
	case t.Missing != "" && t.IssuerURL != "":
		f.sentence = fmt.Sprintf("%s does not send the certificate of %s, which signed its own: browsers fetch it (%s), and gateways do not", w.Target.label(), shortName(t.Missing), t.IssuerURL)
		f.advice = append(f.advice, "Let the server send the whole chain (fullchain.pem): its own certificate, then that of "+shortName(t.Missing)+".")
	}
}

// shortName is the common name in a distinguished name, or all of it.
func shortName(dn string) string {
	for part := range strings.SplitSeq(dn, ",") {
		if name, found := strings.CutPrefix(part, "CN="); found {
			return name
		}
	}
	return dn
}
