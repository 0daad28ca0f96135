package adoption

import (
	"path/filepath"
	"strings"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/topology"
)

// What HAProxy shows to clients over TLS, and what it asks of them.

// pem is the path of a file as HAProxy finds it: beneath crt-base or ca-base where there is one.
func (h *haproxy) pem(base, name string) string {
	if base != "" && !filepath.IsAbs(name) {
		name = filepath.Join(base, name)
	}
	return beside(h.file, name)
}

// bindWords are words of a bind line that need no counterpart, and whether another word belongs to each.
var bindWords = map[string]bool{
	"alpn": true, "npn": true, "ciphers": true, "ciphersuites": true, "curves": true, "ecdhe": true, "ssl-min-ver": true, "ssl-max-ver": true, "no-sslv3": false,
	"no-tlsv10": false, "no-tlsv11": false, "no-tls-tickets": false, "tls-tickets": false, "prefer-client-ciphers": false, "v4v6": false, "v6only": false, "maxconn": true,
	"backlog": true, "name": true, "id": true, "mode": true, "user": true, "group": true, "uid": true, "gid": true, "level": true, "nice": true, "process": true, "thread": true, "shards": true,
	"tfo": false, "mss": true, "tcp-ut": true, "defer-accept": false, "generate-certificates": false, "guid-prefix": true, "transparent": false, "interface": true, "proto": true,
	"force-tlsv12": false, "force-tlsv13": false, "no-tlsv12": false, "no-tlsv13": false, "no-alpn": false, "sigalgs": true, "client-sigalgs": true, "ca-sign-file": true, "ca-sign-pass": true,
}

// bindTold are those of them that change what clients get, and are told of.
var bindTold = words(`force-tlsv12 force-tlsv13 no-tlsv12 no-tlsv13 generate-certificates transparent interface ca-sign-file ca-sign-pass`)

// certificates takes the rest of a bind line: the certificates, and what is asked of clients.
func (f *haproxyFront) certificates(l *listen, b *node) {
	clients, ca := "", ""
	given, unknown := false, false // unknown: whom it lets in, or keeps out, cannot be said
	for i := 1; i < len(b.Args); i++ {
		word := b.Args[i]
		switch another, known := bindWords[word]; {
		case word == "ssl":
		case word == "crt":
			i++
			if crt := b.Arg(i); crt == "" || strings.HasSuffix(crt, "/") {
				f.d.note(&l.notes, b, "a directory of certificates; name its files in tls: {certificates: ...}")
			} else {
				l.cert(f.pem(f.crts, crt), "")
			}
			given = true
		case word == "verify":
			i++
			clients = b.Arg(i)
		case word == "ca-file":
			i++
			ca = f.pem(f.cas, b.Arg(i))
		case word == "ca-verify-file", word == "crl-file", word == "ca-ignore-err", word == "crt-ignore-err":
			i++
			f.d.note(&l.notes, b, "%s", word)
			unknown = true
		case word == "accept-proxy":
			f.d.unseen(&l.notes, b, "the PROXY protocol; write proxy_protocol: on, and trusted_proxies")
		case known:
			if another {
				i++
			}
			switch {
			case bindTold[word]:
				f.d.note(&l.notes, b, "%s", word)
			case word == "ssl-min-ver" && strings.EqualFold(b.Arg(i), "TLSv1.3"):
				f.d.note(&l.notes, b, "TLS 1.2 is spoken too; write min_version: 1.3")
			default:
				f.d.needless["bind "+word] = true
			}
		default:
			f.d.note(&l.notes, b, "%s", word)
			if word == "crt-list" {
				given = true
				i++ // its file
			}
		}
	}
	if b.Has("ssl") && !given {
		f.d.note(&l.notes, b, "TLS without a certificate")
	}
	f.asks = append(f.asks, haproxyAsks{l, b})
	switch {
	case clients != "required" && clients != "optional":
		l.demand(clientDemand{})
	case ca == "" || unknown:
		l.demand(clientDemand{})
		f.refuseClients(l, b)
	case clients == "required":
		l.demand(clientDemand{ca, config.ClientRequired})
	default:
		l.demand(clientDemand{ca, config.ClientOptional})
	}
}

// haproxyAsks is a bind line over TLS and its listener.
type haproxyAsks struct {
	listen *listen
	bind   *node
}

// refuseClients has what comes to the frontend answered 501: whom it asks for certificates, its listener cannot.
func (f *haproxyFront) refuseClients(l *listen, b *node) {
	f.lost = true
	f.d.note(&l.notes, b, "certificates of clients; what comes to the frontend is answered 501")
}

// clients looks, when all bind lines are known, whether listeners can ask for what the frontend's lines ask for.
func (f *haproxyFront) clients() {
	for _, a := range f.asks {
		if verify := topology.Option(a.bind.Args, "verify"); (verify == "required" || verify == "optional") && !a.listen.agreed() {
			f.refuseClients(a.listen, a.bind)
		}
	}
}
