package adoption

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/conftree"
)

// listen is something to listen on.
type listen struct {
	address string
	certs   []config.CertPair // the first is for clients that ask for no name
	issue   string            // config.IssueAuto or config.IssueInternal; empty: certificates are from files alone
	issueAt *node
	clients []clientDemand // what the servers that share the listener ask of clients, those that ask nothing among them
	h3      bool           // it speaks HTTP/3 too, if it speaks TLS
	notes   []Note
	at      conftree.Place
	gone    bool // Whygate refuses it
}

// clientDemand is what a server asks of clients in the handshake. The zero value: nothing.
type clientDemand struct {
	ca   string // path of a PEM file
	auth string // config.ClientRequired or config.ClientOptional
}

// cert adds a certificate, once.
func (l *listen) cert(cert, key string) {
	if p := (config.CertPair{Cert: cert, Key: cmp.Or(key, cert)}); !slices.Contains(l.certs, p) {
		l.certs = append(l.certs, p)
	}
}

// issues has the listener's certificates made. A listener has one way: another is told of.
func (d *draft) issues(l *listen, at *node, issue string) {
	if l.issue != "" && l.issue != issue {
		d.note(&l.notes, at, "certificates by ACME and certificates of one's own on one listener: they are %s here", map[string]string{config.IssueAuto: "by ACME", config.IssueInternal: "one's own"}[l.issue])
		return
	}
	l.issue, l.issueAt = issue, at
}

// demand says what one more server asks of the listener's clients.
func (l *listen) demand(c clientDemand) { l.clients = append(l.clients, c) }

// agreed reports whether the listener can ask clients for what its servers do: all ask the same, and it has a certificate of its own.
func (l *listen) agreed() bool {
	return (len(l.certs) > 0 || l.issue != "") && !slices.ContainsFunc(l.clients, func(c clientDemand) bool { return c != l.clients[0] })
}

// asked is what the listener asks of clients.
func (l *listen) asked() clientDemand {
	if len(l.clients) == 0 || !l.agreed() {
		return clientDemand{}
	}
	return l.clients[0]
}

// tls is the listener's section, empty where it speaks none.
func (l *listen) tls() string {
	var keys []pair
	for i, p := range l.certs {
		if i == 0 {
			keys = append(keys, pair{"cert", quote(p.Cert)}, pair{"key", quote(p.Key)})
		}
	}
	if len(l.certs) > 1 {
		var more []string
		for _, p := range l.certs[1:] {
			more = append(more, mapping([]pair{{"cert", quote(p.Cert)}, {"key", quote(p.Key)}}))
		}
		keys = append(keys, pair{"certificates", "[" + strings.Join(more, ", ") + "]"})
	}
	asked := l.asked()
	if len(keys) == 0 && asked.ca == "" {
		return l.issue
	}
	if l.issue != "" {
		keys = append(keys, pair{"issue", l.issue})
	}
	if asked.ca != "" {
		keys = append(keys, pair{"client_ca", quote(asked.ca)})
		if asked.auth == config.ClientOptional {
			keys = append(keys, pair{"client_auth", asked.auth})
		}
	}
	return mapping(keys)
}

// authority sets a key of acme. A second value for it is told of.
func (d *draft) authority(at *node, key, value string) {
	for _, k := range d.acme {
		if k.key == key {
			if k.value != quote(value) {
				d.note(&d.notes, at, "there is one %s for all certificates, that of the first line", key)
			}
			return
		}
	}
	d.acme = append(d.acme, pair{key, quote(value)})
}

// certificates leaves out what Whygate would not take: certificates by ACME without a name that an authority gives one for.
func (d *draft) certificates() {
	for _, l := range d.listens {
		if l.issue == config.IssueAuto && !slices.ContainsFunc(d.routes, (*route).certifiable) {
			guarded := len(l.certs) == 0 && l.asked().ca != ""
			if l.issue = ""; guarded { // whom it kept out stays out
				l.issue = config.IssueInternal
			}
			d.note(&l.notes, l.issueAt, "certificates by ACME, and no route has a host with a dot in it; add tls: {cert: ..., key: ...}")
		}
	}
	if !slices.ContainsFunc(d.listens, func(l *listen) bool { return l.issue == config.IssueAuto }) {
		d.acme = nil
	}
}

// certifiable reports whether an authority may give a certificate for the route's host.
func (r *route) certifiable() bool {
	return slices.ContainsFunc(r.keys, func(k pair) bool {
		host := strings.Trim(k.value, "'")
		return k.key == "host" && !strings.HasPrefix(host, "*") && strings.Contains(host, ".") && !isAddress(host)
	})
}

func isAddress(name string) bool {
	_, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return err == nil
}

// listenOn gives the listener of an address, made when it is first asked for.
func (d *draft) listenOn(address string) *listen {
	for _, l := range d.listens {
		if l.address == address {
			return l
		}
	}
	l := &listen{address: address, at: d.at}
	d.listens = append(d.listens, l)
	return l
}

// writeListens writes the listeners, and how certificates for them are obtained.
func (d *draft) writeListens(b *strings.Builder) {
	b.WriteString("version: 1\nlisten:\n")
	if len(d.listens) == 0 {
		d.listenOn(":8080")
	}
	for _, l := range d.listens {
		writeNotes(b, "  ", l.notes)
		fmt.Fprintf(b, "  - address: %s\n", quote(l.address))
		if tls := l.tls(); tls != "" {
			fmt.Fprintf(b, "    tls: %s\n", tls)
			if l.h3 {
				b.WriteString("    h3: on\n")
			}
		}
	}
	if len(d.acme) > 0 {
		fmt.Fprintf(b, "acme: %s\n", mapping(d.acme))
	}
}
