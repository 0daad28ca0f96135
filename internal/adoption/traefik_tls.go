package adoption

import (
	"slices"
	"strings"

	"github.com/whygate/whygate/internal/config"
)

// What Traefik shows to clients over TLS, and what it asks of them.

// secure says of each entry point whether it speaks TLS, and gives those that do their certificates.
func (t *traefik) secure() {
	for i := range t.entries {
		e := &t.entries[i]
		secured, clear, named, clearly := e.tls, false, e.tls, false
		for _, f := range t.https {
			for r := range f.At("routers").Keys() {
				own, any := t.named(r, e)
				tls := r.Get("tls") != nil
				secured, clear = secured || tls && (own || any), clear || !tls && !e.tls && (own || any)
				named, clearly = named || tls && own, clearly || !tls && !e.tls && own
			}
		}
		if secured && clear && !named && e.port != "443" {
			continue // routers for every entry point, some over TLS and some not: this one is for the others
		}
		if secured && clearly {
			t.d.note(&e.listen.notes, e.node, "routers with TLS and without on one entry point: it speaks TLS alone")
		}
		e.secure = secured
		switch {
		case secured:
			t.certificates(e)
		case e.port == "443":
			t.d.note(&e.listen.notes, e.node, "its certificate; add one: tls: {cert: ..., key: ...}")
		}
	}
}

// named reports whether a router names an entry point, or names none and so has those that are for all.
func (t *traefik) named(r *node, e *traefikEntry) (own, any bool) {
	names := slices.Collect(r.Get("entryPoints").Items())
	if len(names) == 0 {
		return false, e.standard
	}
	return slices.ContainsFunc(names, func(n *node) bool { return n.Text() == e.node.Name }), false
}

// certificates gives a listener the certificates of the files, and those that its routers and itself ask resolvers for.
func (t *traefik) certificates(e *traefikEntry) {
	for _, f := range t.tls {
		if c := f.At("stores", "default", "defaultCertificate"); c != nil {
			t.pem(e, f.file, c)
		}
	}
	for _, f := range t.tls {
		for c := range f.Get("certificates").Items() {
			t.pem(e, f.file, c)
		}
	}
	resolve := func(tls *node) {
		name := tls.Get("certResolver")
		if name == nil || name.Text() == "" {
			return
		}
		t.resolver(e, name)
		if domains := tls.Get("domains"); domains != nil {
			t.d.note(&e.listen.notes, domains, "certificates are for the hosts of the routes; write others to acme: {names: [...]}")
		}
	}
	resolve(e.node.At("http", "tls"))
	for _, f := range t.https {
		for r := range f.At("routers").Keys() {
			if own, any := t.named(r, e); own || any {
				resolve(r.Get("tls"))
			}
		}
	}
	if len(e.listen.certs) == 0 && e.listen.issue == "" {
		t.d.note(&e.listen.notes, e.node, "its certificate; add one: tls: {cert: ..., key: ...}")
	}
}

// pem adds a certificate of a file.
func (t *traefik) pem(e *traefikEntry, file string, c *node) {
	cert, key := c.Get("certFile").Text(), c.Get("keyFile").Text()
	if cert == "" || key == "" || strings.Contains(cert+key, "-----BEGIN") {
		t.d.note(&e.listen.notes, c, "a certificate that is in no file of its own")
		return
	}
	e.listen.cert(beside(file, cert), beside(file, key))
}

// resolver has an entry point's certificates obtained as a resolver says.
func (t *traefik) resolver(e *traefikEntry, name *node) {
	for _, all := range t.resolvers {
		acme := all.At(name.Text(), "acme")
		if acme == nil {
			continue
		}
		for k := range acme.Keys() {
			switch strings.ToLower(k.Name) {
			case "email":
				t.d.authority(k, "email", k.Text())
			case "caserver":
				t.d.authority(k, "directory", k.Text())
			case "httpchallenge":
				t.d.authority(k, "challenge", config.ChallengeHTTP)
			case "tlschallenge", "storage", "keytype", "certificatesduration", "preferredchain":
				t.d.needless["certificatesResolvers: "+k.Name] = true
			default:
				t.d.note(&t.d.notes, k, "")
			}
		}
		t.d.issues(e.listen, name, config.IssueAuto)
		return
	}
	t.d.note(&e.listen.notes, name, "no resolver %s by ACME in the files; add tls: auto, or cert and key", name.Text())
}

// clientAuth is what the options of TLS ask of clients. ok is false where that cannot be said.
func (t *traefik) clientAuth(tls, entry *node) (asks clientDemand, at *node, ok bool) {
	at = tls.Get("options")
	if at == nil {
		at = entry.Get("options")
	}
	name := "default"
	if at != nil {
		name = strings.TrimSuffix(at.Text(), "@file")
	}
	var options *node
	file := ""
	for _, f := range t.tls {
		if found := f.At("options", name); found != nil && options == nil {
			options, file = found, f.file
		}
	}
	if options == nil {
		return clientDemand{}, at, name == "default" && !t.d.unread
	}
	clients := options.Get("clientAuth")
	if clients == nil {
		return clientDemand{}, clients, true
	}
	files := slices.Collect(clients.Get("caFiles").Items())
	kind := clients.Get("clientAuthType").Text()
	switch {
	case kind == "NoClientCert", kind == "" && len(files) == 0:
		return clientDemand{}, clients, true
	case kind == "RequestClientCert":
		t.d.note(&t.d.notes, clients, "clients are asked for no certificate that nobody verifies")
		return clientDemand{}, clients, true
	case len(files) != 1 || strings.Contains(files[0].Text(), "-----BEGIN"):
		return clientDemand{}, clients, false
	case kind == "" || kind == "RequireAndVerifyClientCert":
		return clientDemand{beside(file, files[0].Text()), config.ClientRequired}, clients, true
	case kind == "VerifyClientCertIfGiven":
		return clientDemand{beside(file, files[0].Text()), config.ClientOptional}, clients, true
	}
	return clientDemand{}, clients, false
}

// clients tells listeners what the routers ask of clients: each listener can ask for one thing. It is to be known of all before one is translated.
func (t *traefik) clients() {
	for _, f := range t.https {
		for r := range f.At("routers").Keys() {
			for i := range t.entries {
				e := &t.entries[i]
				if own, any := t.named(r, e); (own || any) && e.secure && (e.tls || r.Get("tls") != nil) {
					asks, _, _ := t.clientAuth(r.Get("tls"), e.node.At("http", "tls"))
					e.listen.demand(asks)
				}
			}
		}
	}
	for _, f := range t.tls {
		for o := range f.Get("options").Keys() {
			for k := range o.Keys() {
				switch strings.ToLower(k.Name) {
				case "clientauth":
				case "minversion":
					if k.Text() == "VersionTLS13" {
						t.d.note(&t.d.notes, k, "TLS 1.2 is spoken too; write min_version: 1.3")
						continue
					}
					t.d.needless["tls.options: "+k.Name] = true
				case "ciphersuites", "curvepreferences", "maxversion", "prefer-servercipersuites", "preferservercipersuites", "preferserverciphersuites":
					t.d.needless["tls.options: "+k.Name] = true
				default:
					t.d.note(&t.d.notes, k, "")
				}
			}
		}
		for k := range f.Keys() {
			switch strings.ToLower(k.Name) {
			case "options", "certificates":
			case "stores":
				for s := range k.Keys() {
					if s.Name != "default" || s.Get("defaultGeneratedCert") != nil {
						t.d.note(&t.d.notes, s, "")
					}
				}
			default:
				t.d.note(&t.d.notes, k, "")
			}
		}
	}
}

// guard has a router answered 501 if what its TLS asks of clients cannot be asked for on one of its entry points.
func (t *traefik) guard(r *node, made *route, e *traefikEntry) {
	tls, entry := r.Get("tls"), (*node)(nil)
	if e != nil {
		entry = e.node.At("http", "tls")
	}
	if tls == nil && entry == nil {
		return
	}
	asks, at, ok := t.clientAuth(tls, entry)
	if at == nil {
		at = r
	}
	switch {
	case !ok:
		t.lose(at, made, "its options of TLS may ask clients for certificates")
	case asks.ca != "" && (e == nil || e.secure && !e.listen.agreed()):
		t.lose(at, made, "certificates of clients: another router of the entry point asks for something else, or it has no certificate")
	}
}
