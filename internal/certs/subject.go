package certs

import (
	"crypto/x509"
	"fmt"
	"strings"
)

// subjectMax bounds a subject, in bytes: it goes into each request's head.
const subjectMax = 2 << 10

// Subject is whom a certificate is for, as one value of a header: its subject in the form of RFC 4514, or where that is empty its first
// other name with its kind (URI, email, DNS or IP). What is not visible ASCII is written as RFC 4514, section 2.4, escapes it: \0A. It is
// empty for a certificate that names nobody, and for one whose name is longer than subjectMax.
func Subject(c *x509.Certificate) string {
	s := c.Subject.String()
	switch {
	case s != "":
	case len(c.URIs) > 0:
		s = "URI:" + c.URIs[0].String()
	case len(c.EmailAddresses) > 0:
		s = "email:" + c.EmailAddresses[0]
	case len(c.DNSNames) > 0:
		s = "DNS:" + c.DNSNames[0]
	case len(c.IPAddresses) > 0:
		s = "IP:" + c.IPAddresses[0].String()
	}
	var b strings.Builder
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f {
			fmt.Fprintf(&b, `\%02X`, s[i])
		} else {
			b.WriteByte(s[i])
		}
	}
	if b.Len() > subjectMax {
		return ""
	}
	return b.String()
}
