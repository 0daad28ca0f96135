package adoption

import (
	"net"
	"slices"
	"strings"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/topology"
)

// What nginx shows to clients over TLS, and what it asks of them.

// listen opens a listener for an address.
func (n *nginx) listen(l topology.Listen) *listen {
	address := "unix:" + l.Unix
	if l.Unix == "" {
		host := l.Host
		if host == "*" || host == "0.0.0.0" || host == "::" {
			host = ""
		}
		if address = net.JoinHostPort(host, l.Port); host == "" {
			address = ":" + l.Port
		}
	}
	return n.d.listenOn(address)
}

// secure gives listeners the certificates of their servers, those of the one for no name first, and what they ask of clients. What a
// listener cannot ask of all has the servers that ask for it answered 501.
func (n *nginx) secure(first map[string]*nginxServer) {
	for _, main := range []bool{true, false} {
		for _, v := range n.servers {
			for _, l := range v.listens {
				if l.TLS && (first[addressOf(l)] == v) == main {
					n.certificates(v, l)
				}
			}
		}
	}
	for _, v := range n.servers {
		verify := v.scope.get("ssl_verify_client")
		for _, l := range v.listens {
			if at := n.listen(l); l.TLS && !v.clients && !at.agreed() && v.asks(n).auth != "" {
				n.d.note(&v.mark, verify, "other servers on %s ask clients for something else, or it has no certificate; what it guards is answered 501", at.address)
				v.clients = true
			}
		}
	}
}

// certificates gives a listener the certificates of one of its servers: the lines for certificates and for keys pair by their order.
func (n *nginx) certificates(v *nginxServer, l topology.Listen) {
	at := n.listen(l)
	at.demand(v.asks(n))
	certs, keys := v.scope.all("ssl_certificate"), v.scope.all("ssl_certificate_key")
	if len(certs) == 0 || len(keys) != len(certs) {
		n.d.note(&at.notes, l.Node, "TLS without an ssl_certificate, or without its ssl_certificate_key")
		return
	}
	for i, c := range certs {
		if strings.Contains(c.Text()+keys[i].Text(), "$") || strings.HasPrefix(keys[i].Text(), "engine:") || strings.HasPrefix(keys[i].Text(), "store:") {
			n.d.note(&at.notes, c, "a certificate by variables, or a key that is in no file")
			continue
		}
		at.cert(n.absolute(c, c.Text()), n.absolute(keys[i], keys[i].Text()))
	}
}

// asks is what a server asks of clients. Where that cannot be said, what it guards is answered 501.
func (v *nginxServer) asks(n *nginx) clientDemand {
	verify := v.scope.get("ssl_verify_client")
	if verify == nil || verify.Text() == "off" || v.clients {
		return clientDemand{}
	}
	ca, more := v.scope.get("ssl_client_certificate"), v.scope.get("ssl_trusted_certificate")
	if ca == nil {
		ca, more = more, nil
	}
	refuse := func(why string) clientDemand {
		n.d.note(&v.mark, verify, "%s; what it guards is answered 501", why)
		v.clients = true
		return clientDemand{}
	}
	ocsp := v.scope.get("ssl_ocsp")
	switch {
	case verify.Text() != "on" && verify.Text() != "optional":
		return refuse("certificates that nobody verifies")
	case ca == nil || strings.Contains(ca.Text(), "$"):
		return refuse("without an ssl_client_certificate")
	case v.scope.get("ssl_crl") != nil, ocsp != nil && ocsp.Text() != "off":
		return refuse("certificates that may be revoked (ssl_crl, ssl_ocsp)")
	}
	if more != nil && more.Text() != ca.Text() {
		n.d.note(&v.mark, more, "certificates of clients by these authorities; only those of ssl_client_certificate are accepted")
	}
	if depth := v.scope.get("ssl_verify_depth"); depth != nil {
		n.d.note(&v.mark, depth, "chains of any length are accepted")
	}
	auth := config.ClientRequired
	if verify.Text() == "optional" {
		auth = config.ClientOptional
	}
	return clientDemand{n.absolute(ca, ca.Text()), auth}
}

// overQUIC reports whether a "listen" is for HTTP/3.
func overQUIC(l *node) bool { return l.Has("quic") || l.Has("http3") }

// overTCP reports whether an address is one of TCP, in nginx.
func overTCP(l topology.Listen) bool { return !overQUIC(l.Node) || l.Node.Has("ssl") }

// overQUICAlone has a server that is for HTTP/3 at some address, and for nothing else there, come over TLS as well: Whygate has no other way.
func (n *nginx) overQUICAlone(v *nginxServer) {
	for _, l := range v.quic {
		if !slices.ContainsFunc(v.listens, func(o topology.Listen) bool { return o.Port == l.Port && o.TLS }) {
			n.d.note(&v.mark, l.Node, "HTTP/3 alone; it is reached over TCP, too")
			v.listens = append(v.listens, l)
		}
	}
}

// speakQUIC has listeners speak HTTP/3, where a server says so that does not turn it off.
func (n *nginx) speakQUIC() {
	for _, v := range n.servers {
		if on := v.scope.get("http3"); on != nil && on.Text() == "off" {
			continue
		}
		for _, l := range v.quic {
			there := slices.ContainsFunc(v.listens, func(o topology.Listen) bool { return o.TLS && addressOf(o) == addressOf(l) })
			for _, o := range v.listens { // of another address of the port, where it has none of its own
				if at := n.listen(o); o.TLS && (addressOf(o) == addressOf(l) || !there && o.Port == l.Port) {
					at.h3 = true
				}
			}
		}
	}
}
