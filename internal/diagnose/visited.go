package diagnose

import (
	"strings"

	"github.com/whygate/whygate/internal/advice"
	"github.com/whygate/whygate/internal/fault"
)

// Advice on the URL itself. Whoever typed it has no pool and no endpoint: there is the URL, the server that it leads to, and this
// command. What stands in braces is
// filled in: the URL, its host, the URL with another scheme, the certificate's names, the server's setting of its certificate.
var visitedTable = map[fault.Cause][]string{
	fault.CauseDNSNXDomain: {
		"Check how {host} is spelt in the URL.",
		"If it is spelt right, it has no record: create one in its zone, or try the server by its address: whygate diagnose {url} --address ADDRESS",
	},
	fault.CauseDNSNoData: {"Add an A or AAAA record for {host}, or ask for a name that has one.", "Follow the CNAME chain with dig +trace {host} and repair its last link."},
	fault.CauseDNSRefused: {
		"Name a server that resolves for this machine in /etc/resolv.conf.",
		"Add this machine's address to the server's list: allow-recursion in BIND, access-control in unbound, acl in CoreDNS.",
	},
	fault.CauseDNSTimeout:              {"Check that the name server runs and that port 53 is open from here, UDP and TCP.", "Name at least two servers in /etc/resolv.conf."},
	fault.CauseDNSUnreachable:          {"Start the name server, or correct its address in /etc/resolv.conf.", "If that names 127.0.0.53, see whether systemd-resolved runs: systemctl status systemd-resolved; inside a container that address is never right."},
	fault.CauseDNSNoResolver:           {"Give this machine a nameserver line in /etc/resolv.conf."},
	fault.CauseConnectionRefused:       {"If it runs on another machine or in a container, have it listen on 0.0.0.0 or [::], and not on 127.0.0.1 alone."},
	fault.CauseConnectTimeout:          {"Open the port from here to the server in every firewall, security group and network policy between them.", "Check that the address still belongs to the server: dig {host}"},
	fault.CauseKernelConnectTimeout:    {"Find where the packets are dropped, and open the way, or correct the address.", "Check that the address still belongs to the server: dig {host}"},
	fault.CauseTLSCertificateExpired:   {"Renew the certificate and have the server read it again: {cert}", "If the leaf is valid, replace the expired intermediate in the same file."},
	fault.CauseTLSCertificateWrongName: {"Ask for a name that the certificate has: {names}", "Give the server a certificate for {host}, in its subjectAltName: {cert}"},
	fault.CauseTLSCertificateUnknownAuthority: {
		"If the chain has one certificate only, give the server the full chain (fullchain.pem, not cert.pem): {cert}",
		"If a private authority issued it, name that one's certificate: whygate diagnose {url} --ca FILE; every other client must trust it as well.",
	},
	fault.CauseTLSCertificateSelfSigned: {
		"Give the server a certificate that clients trust: {cert}",
		"If it is self-signed on purpose, save it and name it: whygate diagnose {url} --ca FILE; every other client must trust it as well.",
		"If a real certificate was expected, the server showed its default one: it has none for {host}.",
	},
	fault.CauseTLSCertificateUntrusted:      {"Have the certificate issued anew for servers: extendedKeyUsage = serverAuth, a signature with SHA-256 or better, no CA flag on the leaf: {cert}"},
	fault.CauseTLSCertificateRevoked:        {"Have a new certificate issued with a new key, and have the server read it: {cert}"},
	fault.CauseTLSNameUnknown:               {"Check how {host} is spelt in the URL.", "Give the server a certificate and a site for {host}: {cert}"},
	fault.CauseTLSNoSharedCipher:            {"Enable an ECDHE suite with AES-GCM or ChaCha20 on the server, and a certificate of RSA or ECDSA P-256.", "Check that the server has a certificate for {host}: one without it answers the same alert: {cert}"},
	fault.CauseTLSVersionMismatch:           {"Enable TLS 1.2 or 1.3 on the server: ssl_protocols in nginx, SSLProtocol in Apache, jdk.tls.disabledAlgorithms in Java."},
	fault.CauseTLSClientCertificateRequired: {"Show a certificate from an authority that the server accepts: whygate diagnose {url} --cert client.pem --key client-key.pem", "If no client certificates were meant, turn them off there: ssl_verify_client in nginx, SSLVerifyClient in Apache."},
	fault.CauseTLSHandshakeClosed:           {"See whether a load balancer stands there that has no healthy target: many close at once then.", "Read the server's log at that second."},
	fault.CausePlainToTLSPort:               {"Ask for it with https: {https}", "If plain HTTP was meant, ask the server's plain port."},
	fault.CauseTLSToPlainPort:               {"Ask for it with http: {http}", "If TLS was meant, ask the server's TLS port (often 443 or 8443), or enable TLS on this one: {cert}"},
	fault.CauseTLSClientCertificateRefused:  {"Show a certificate that is in date, has clientAuth as its usage and comes from an authority that the server accepts: --cert FILE --key FILE"},
	fault.CauseTLSALPN:                      {"Enable HTTP/1.1 on the server beside HTTP/2."},
	fault.CauseHTTP2OnHTTP1Port:             {"Enable HTTP/1.1 on that port: it speaks HTTP/2 alone."},
	fault.CauseWrongService:                 {"Correct the port in the URL: what answers there is no HTTP server."},
}

// certificateOf is where a product is told which certificate it shows; of another one nothing is said.
var certificateOf = map[string]string{
	"whygate": "listen[].tls.cert in its configuration", "nginx": "ssl_certificate /etc/ssl/{host}/fullchain.pem;   # server", "openresty": "ssl_certificate /etc/ssl/{host}/fullchain.pem;   # server",
	"haproxy": "the file behind crt on its bind line", "apache": "SSLCertificateFile in its virtual host", "caddy": "tls CERT KEY in the site's block", "traefik": "tls.certificates in its dynamic configuration",
}

// visitedAdvice says what to do where the URL itself is at fault. What is said for pools and endpoints is left out.
func visitedAdvice(o On) []string {
	lines := visitedTable[o.Cause]
	if lines == nil {
		for _, line := range advice.For("", o.Cause) {
			if !strings.Contains(line, "endpoint") && !strings.Contains(line, "pool") {
				lines = append(lines, line)
			}
		}
	}
	setting := certificateOf[o.Product]
	_, rest, _ := strings.Cut(o.URL.URL, "://")
	names := strings.Join(o.Names[:min(len(o.Names), namesTold)], ", ")
	fill := strings.NewReplacer("{host}", o.URL.Host, "{url}", o.URL.URL, "{https}", "https://"+rest, "{http}", "http://"+rest,
		"{names}", names, "{cert}", strings.ReplaceAll(setting, "{host}", o.URL.Host))
	out := make([]string, 0, len(lines))
	for _, line := range lines {
		if names != "" || !strings.Contains(line, "{names}") {
			if setting == "" {
				if rest, told := strings.CutSuffix(line, ": {cert}"); told {
					line = rest + "."
				}
			}
			out = append(out, fill.Replace(line))
		}
	}
	if len(out) == 0 {
		return []string{"Read the server's own log at that second: it has the reason."}
	}
	return out
}

// namesTold is how many names of a certificate are told.
const namesTold = 3
