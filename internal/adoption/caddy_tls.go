package adoption

import (
	"net"
	"slices"
	"strings"

	"github.com/whygate/whygate/internal/config"
)

// What Caddy shows to clients over TLS, what it asks of them, and the redirects that it makes by itself.

// caddyAddress is one address of a site.
type caddyAddress struct {
	scheme, host, port string
	tls                bool
}

// internalName reports whether Caddy signs a certificate for a name itself: no authority would (certmagic.SubjectIsInternal).
func internalName(name string) bool {
	return name == "localhost" || isAddress(name) || slices.ContainsFunc([]string{".localhost", ".local", ".internal", ".home.arpa"}, func(end string) bool { return strings.HasSuffix(name, end) })
}

// open opens the listeners of one address of a site.
func (s *caddySite) open(b *node, a caddyAddress) {
	for _, at := range s.binds(&s.mark) {
		l := s.d.listenOn(net.JoinHostPort(at, a.port))
		if !a.tls {
			continue
		}
		l.demand(s.asks)
		s.listens = append(s.listens, l)
		s.certificate(l, b, a.host)
		if a.host != "" && !s.plain {
			s.from = append(s.from, a.port)
			s.d.listenOn(net.JoinHostPort(at, s.httpPort))
		}
	}
}

// certificate says which certificate a listener shows for a name of the site.
func (s *caddySite) certificate(l *listen, b *node, name string) {
	site := &node{Name: b.Name, Args: b.Args, Place: b.Place}
	if s.tls != nil && len(s.tls.Args) == 2 {
		l.cert(beside(s.file, s.tls.Arg(0)), beside(s.file, s.tls.Arg(1)))
		return
	}
	at := site
	if s.tls != nil {
		at = &node{Name: s.tls.Name, Args: s.tls.Args, Place: s.tls.Place}
	}
	switch issue := s.issuer(); {
	case s.uncertified:
		s.d.note(&l.notes, site, "no certificate, as auto_https is off; add one: tls: {cert: ..., key: ...}")
	case issue == config.IssueInternal || s.local || name != "" && internalName(name):
		s.d.issues(l, at, config.IssueInternal)
	case name == "" || strings.Contains(name, "*") || !strings.Contains(name, "."):
		s.d.note(&l.notes, site, "its certificate: no authority gives one for such a name without dns-01; add one: tls: {cert: ..., key: ...}")
	default:
		s.d.issues(l, at, config.IssueAuto)
	}
}

// issuer reads the site's tls: who issues its certificates, empty where that is left to Caddy. What has no counterpart is told once.
func (s *caddySite) issuer() (issue string) {
	if s.tls == nil {
		return ""
	}
	if len(s.tls.Args) == 1 {
		switch who := s.tls.Text(); {
		case who == "internal":
			issue = config.IssueInternal
		case strings.Contains(who, "@"):
			s.d.authority(s.tls, "email", who)
		default:
			s.d.note(&s.mark, s.tls, "")
		}
	}
	for _, k := range s.tls.Kids {
		switch k.Name {
		case "client_auth", "ciphers", "curves", "key_type", "insecure_secrets_log", "reuse_private_keys", "force_automate":
			s.d.needless["tls "+k.Name] = true
		case "ca":
			s.d.authority(k, "directory", k.Text())
		case "ca_root":
			s.d.authority(k, "ca", beside(s.file, k.Text()))
		case "issuer":
			if k.Text() == "internal" && len(k.Kids) == 0 {
				issue = config.IssueInternal
				continue
			}
			s.acmeIssuer(k)
		default:
			s.d.note(&s.mark, k, "")
		}
	}
	return issue
}

// acmeIssuer reads "issuer acme [URL] { ... }".
func (s *caddySite) acmeIssuer(k *node) {
	if k.Text() != "acme" {
		s.d.note(&s.mark, k, "")
		return
	}
	if k.Arg(1) != "" {
		s.d.authority(k, "directory", k.Arg(1))
	}
	for _, o := range k.Kids {
		switch o.Name {
		case "dir":
			s.d.authority(o, "directory", o.Text())
		case "email":
			s.d.authority(o, "email", o.Text())
		default:
			s.d.note(&s.mark, o, "")
		}
	}
}

// clientAuth reads what a site asks of clients. refused: that cannot be said, and the site is answered 501.
func (s *caddySite) clientAuth() (asks clientDemand, refused bool) {
	k := s.tls.Get("client_auth")
	if k == nil {
		return clientDemand{}, false
	}
	mode, ca := "", ""
	for _, o := range k.Kids {
		switch {
		case o.Name == "mode":
			mode = o.Text()
		case ca == "" && o.Name == "trusted_ca_cert_file" && len(o.Args) == 1:
			ca = o.Text()
		case ca == "" && o.Name == "trust_pool" && len(o.Args) == 2 && o.Text() == "file" && len(o.Kids) == 0:
			ca = o.Arg(1)
		case ca == "" && o.Name == "trust_pool" && len(o.Args) == 1 && o.Text() == "file" && len(o.Kids) == 1 && len(o.Kids[0].Args) == 1 && o.Kids[0].Name == "pem_file":
			ca = o.Kids[0].Text()
		default:
			refused = true
		}
	}
	switch auth := map[string]string{"": config.ClientRequired, "require_and_verify": config.ClientRequired, "verify_if_given": config.ClientOptional}[mode]; {
	case refused, ca == "", auth == "", strings.ContainsAny(ca, "{}"):
		s.d.note(&s.mark, k, "certificates of clients in a way without a counterpart; the site is answered 501")
		return clientDemand{}, true
	default:
		return clientDemand{beside(s.file, ca), auth}, false
	}
}

// agree looks, when all sites are known, whether the listeners can ask for what the site asks of clients.
func (s *caddySite) agree() {
	if s.asks.ca != "" && slices.ContainsFunc(s.listens, func(l *listen) bool { return !l.agreed() }) {
		s.d.note(&s.mark, s.tls.Get("client_auth"), "other sites of the listener ask clients for something else, or it has no certificate; the site is answered 501")
		s.refused = true
	}
}

// redirects sends clients from HTTP to where the site is, as Caddy does by itself.
func (s *caddySite) redirects() {
	match := s.match
	s.match = []pair{{"scheme", "http"}}
	if s.httpPort != "80" {
		s.match = []pair{{"port", "[" + s.httpPort + "]"}}
	}
	behind := ""
	if port := s.from[0]; port != s.httpsPort {
		behind = ":" + port
	}
	s.add(&route{keys: []pair{{"redirect", mapping([]pair{{"to", quote("https://$host" + behind + "$uri")}, {"status", "308"}})}}})
	s.match = match
}
