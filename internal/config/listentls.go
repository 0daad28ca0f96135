package config

import "fmt"

// ListenTLS is how a listener speaks TLS; the zero value means that it does not.
type ListenTLS struct {
	Cert         string     `key:"cert"` // path of a PEM file, the leaf first; empty: none of its own
	Key          string     `key:"key"`  // path of a PEM file
	Certificates []CertPair `key:"certificates"`
	Issue        string     `key:"issue"`       // IssueAuto, IssueInternal, or empty: certificates are from files alone
	ClientCA     string     `key:"client_ca"`   // path of a PEM file; empty: clients are asked for no certificate
	ClientAuth   string     `key:"client_auth"` // ClientRequired or ClientOptional
	TicketKeys   string     `key:"ticket_keys"` // path of a file; empty: tickets are of use at this process alone
	MinVersion   string     `key:"min_version"` // TLS12 or TLS13
	H2           bool       `key:"h2"`          // HTTP/2 is offered
}

// CertPair is a certificate with its key.
type CertPair struct {
	Cert string `key:"cert"` // path of a PEM file, the leaf first
	Key  string `key:"key"`  // path of a PEM file
}

// The values of listen[].tls.client_auth.
const (
	ClientRequired = "required"
	ClientOptional = "optional"
)

// The values of listen[].tls.min_version.
const (
	TLS12 = "1.2"
	TLS13 = "1.3"
)

// On reports whether the listener speaks TLS.
func (t *ListenTLS) On() bool { return t.Cert != "" || len(t.Certificates) > 0 || t.Issue != "" }

// Pairs are all certificates from files, that of cert and key first.
func (t *ListenTLS) Pairs() []CertPair {
	var out []CertPair
	if t.Cert != "" {
		out = append(out, CertPair{t.Cert, t.Key})
	}
	return append(out, t.Certificates...)
}

// PairPath is the path of the i-th of Pairs in the configuration.
func (t *ListenTLS) PairPath(i int) string {
	if t.Cert != "" {
		if i == 0 {
			return "tls"
		}
		i--
	}
	return fmt.Sprintf("tls.certificates[%d]", i)
}

// checkListenTLS wants a certificate where TLS is spoken, with its key, and what belongs to client certificates together.
func (d *decoder) checkListenTLS(t *ListenTLS, path string) {
	at, given := d.positions[path]
	if !given {
		return
	}
	_, several := d.positions[path+".certificates"]
	d.checkPair(path, !several && t.Issue == "")
	if at, given := d.positions[path+".client_auth"]; given && t.ClientCA == "" {
		d.fail(at, path+".client_auth", "client_auth without client_ca has nobody to trust", "add client_ca: the PEM file of the authority that issues your clients' certificates")
	}
	if several && len(t.Certificates) == 0 && t.Cert == "" && !d.problems.Failed() {
		d.fail(at, path, "tls has no certificate", "add cert and key, or an item to certificates")
	}
}
