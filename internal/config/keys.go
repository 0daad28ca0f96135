package config

import (
	"strings"
	"time"
)

// key describes one key of the file, and everything that is known about it.
type key struct {
	path     string   // pools.NAME.timeouts.connect; a list's items are listen[].address
	kind     *kind    // how its value is written
	def      string   // the default, as one would write it; empty if there is none
	min, max int64    // the range in the kind's unit; for a list or a mapping of names, of its length
	zero     string   // what 0 means, for a kind whose 0 lies outside the range; empty if it is refused
	choices  []string // words that are allowed; for other kinds than choice, besides the kind's own values
	aka      []string // what other proxies call it, for the hint at an unknown key
	word     string   // the child that a word alone stands for, where a section is expected
	required bool
	unless   string // the key beside it that makes a required one superfluous; empty if none does
	example  string // a value, where there is no default to show
	doc      string

	name     string // the last part of path
	children []*key
}

const day = 24 * time.Hour

// keys is the whole configuration, in the order of the reference. This file is a table and longer than most.
var keys = []key{
	{path: "version", kind: number, required: true, min: 1, max: 1, example: "1", doc: `
The version of this format. It is 1. A later version may change defaults and meanings; a file keeps the ones that it was
written for.`},
	{path: "include", kind: list(pattern), max: 64, example: "[conf.d/*.yaml]", aka: []string{"includes", "import", "include_files", "conf_d"}, doc: `
More files, which hold routes and pools: paths, or patterns for the names in one directory (*, ?, [a-z]; names that begin with a dot are left
out), from the directory of this file. Their routes come behind those of this file, in the order of the patterns and, of one pattern, of the names;
a route for all the rest belongs in the last of them. Pools have one name in all files. Paths in an included file start at its own
directory. It includes none itself. There may be 256, with 1 MiB together, and a reload reads them anew.`},
	{path: "name", kind: text, def: "whygate", min: 1, max: 64, aka: []string{"server_name", "id"}, doc: `
The name of this gateway in the Via and Proxy-Status headers. Give each of several gateways in a row its own:
they tell themselves apart by a number of the process in Via's comment, which is not always passed on.`},
	{path: "zone", kind: text, max: 64, example: "eu-west-1a", aka: []string{"locality", "region", "az", "availability_zone"}, doc: `
Where this gateway is, in the words of pools.NAME.endpoints[].zone. One file for the gateways of several zones takes it from the environment: zone: ${ZONE}.`},

	{path: "listen", kind: sections, required: true, min: 1, max: 64, aka: []string{"listeners", "bind", "entrypoints", "servers", "ports"}, doc: `
What clients connect to.`},
	{path: "listen[].address", kind: address, required: true, example: ":8080", aka: []string{"bind", "port", "addr", "host"}, doc: `
Where to listen: host:port, :port for every address of the machine (0.0.0.0:port for those of IPv4), unix:/path for a socket in the file system, systemd: for
the sockets that systemd passes to the service, or systemd:NAME for the one with that FileDescriptorName.`},
	{path: "listen[].tls", kind: section, word: "issue", aka: []string{"ssl", "https"}, doc: `
Speak TLS on this listener. Without it the listener speaks plain HTTP. One word alone is its issue: tls: auto.`},
	{path: "listen[].tls.cert", kind: file, example: "/etc/whygate/cert.pem", aka: []string{"certificate", "ssl_certificate", "crt", "chain", "cert_file"}, doc: `
A PEM file with the certificate first and the intermediate ones after it. It is read again when it changes. A relative path
starts at the directory of this file.`},
	{path: "listen[].tls.key", kind: file, example: "/etc/whygate/key.pem", aka: []string{"private_key", "ssl_certificate_key", "key_file"}, doc: `
A PEM file with the certificate's private key. It is read again when it changes.`},
	{path: "listen[].tls.certificates", kind: sections, max: 1000, aka: []string{"certs", "pairs"}, doc: `
More certificates, each with its key. A client is shown the one that has the name it asks for (SNI), be it by a wildcard; of several the
first that it can use, so that an RSA one may stand beside an ECDSA one. Who asks for no name, or for one that none has, is shown the
first of all.`},
	{path: "listen[].tls.certificates[].cert", kind: file, required: true, example: "/etc/whygate/shop.pem", aka: []string{"certificate", "crt", "chain"}, doc: `
As listen[].tls.cert.`},
	{path: "listen[].tls.certificates[].key", kind: file, required: true, example: "/etc/whygate/shop-key.pem", aka: []string{"private_key"}, doc: `
As listen[].tls.key.`},
	{path: "listen[].tls.issue", kind: choice, choices: []string{IssueAuto, IssueInternal}, example: IssueAuto, aka: []string{"acme", "auto", "letsencrypt", "certresolver"}, doc: `
auto obtains certificates for the hosts of the routes from an authority, by ACME, and renews them (acme, docs/certificates.md). internal
signs them here, for development, by an authority that is made in the state directory and that whygate trust gives to whoever shall trust it.
Certificates from files may stand beside either: they come first where they have the name.`},
	{path: "listen[].tls.client_ca", kind: file, example: "/etc/whygate/clients-ca.pem", aka: []string{"ssl_client_certificate", "ca", "ca_file", "client_ca_file", "verify_client_ca"}, doc: `
A PEM file with the authorities whose client certificates are accepted (mTLS). It is read again when it changes. The subject of the
client's certificate goes to the upstream as X-Client-Cert-Subject, in the form of RFC 4514 (CN=alice,O=Example), or where there is none
its first other name (URI:spiffe://..., DNS:..., email:...). Nobody can write that header itself: what comes with a request is dropped,
from trusted_proxies too. Client-Cert and Client-Cert-Chain (RFC 9440) are passed on from trusted_proxies alone.`},
	{path: "listen[].tls.client_auth", kind: choice, def: ClientRequired, choices: []string{ClientRequired, ClientOptional}, aka: []string{"verify_client", "ssl_verify_client", "client_authentication", "mode"}, doc: `
Whether a client without a certificate is turned away in the handshake (required), or served without that header (optional). A
certificate that does not verify is turned away in either case. It needs client_ca.`},
	{path: "listen[].tls.ticket_keys", kind: file, example: "/etc/whygate/ticket-keys", aka: []string{"ssl_session_ticket_key", "tls_ticket_keys", "session_ticket_keys", "session_ticket_key", "session_tickets"}, doc: `
A file with the keys of session tickets, so that a client resumes its session at any gateway that has the same file, and after a
restart. Each line is a key, 32 random bytes in base64 (openssl rand -base64 32), 8 lines at most; the first is for new tickets, all are for
those that come. Others than its owner and group must not be able to read it. It is read again when it changes. Without it each process makes
keys of its own, and new ones each day.`},
	{path: "listen[].tls.min_version", kind: choice, def: TLS12, choices: []string{TLS12, TLS13}, aka: []string{"minimum_version", "ssl_protocols", "protocols", "tls_min_version"}, doc: `
The oldest version of TLS that is spoken. With 1.2 the cipher suites are those of Mozilla's intermediate set that have forward secrecy
and authenticate what they encrypt (ECDHE with AES-GCM or ChaCha20), which every client of the last ten years knows.`},
	{path: "listen[].tls.h2", kind: boolean, def: "true", aka: []string{"http2", "alpn", "h2_enabled"}, doc: `
Offer HTTP/2 to clients, beside HTTP/1.1, in the TLS handshake (ALPN). A client chooses.`},
	{path: "listen[].h2c", kind: boolean, def: "false", aka: []string{"http2_cleartext", "prior_knowledge"}, doc: `
Speak HTTP/2 in clear with clients that begin with it (prior knowledge), as gRPC clients and other proxies do, beside HTTP/1.1
on the same port. It concerns listeners without tls.`},
	{path: "listen[].h3", kind: choice, def: Off, choices: []string{On, Off}, aka: []string{"http3", "quic", "http_3", "h3_enabled"}, doc: `
Speak HTTP/3 too, on the UDP port of the same address and number (docs/http3.md). Answers over TLS tell clients of it (Alt-Svc) while that
port is open. It concerns listeners with tls; firewalls must let UDP through.`},
	{path: "listen[].proxy_protocol", kind: choice, def: Off, choices: []string{On, Off}, aka: []string{"accept_proxy", "accept-proxy", "proxy", "send_proxy"}, doc: `
Whether each connection begins with a header of the PROXY protocol, version 1 or 2, in which the load balancer in front says who the client
is. It is taken from trusted_proxies (and over a unix socket) alone; a connection of anybody else, or without a header, is closed. That it is
turned on takes effect with the next start.`},

	{path: "acme", kind: section, aka: []string{"letsencrypt", "certificates", "autocert", "cert_issuer"}, doc: `
How certificates are obtained for the listeners with tls: auto (RFC 8555; docs/certificates.md). They are for the hosts of the routes, and
for no name that no route is for. They are renewed when the authority says (RFC 9773), or when a third of their time is left. With tls: auto
you agree to the authority's terms of service.`},
	{path: "acme.email", kind: emailAddress, example: "admin@example.com", aka: []string{"contact", "account", "mail"}, doc: `
Whom the authority writes to.`},
	{path: "acme.directory", kind: webURL, def: DefaultDirectory, aka: []string{"server", "caserver", "acme_ca", "url", "endpoint"}, doc: `
The authority. To try things out take Let's Encrypt's staging one, https://acme-staging-v02.api.letsencrypt.org/directory, whose limits are
generous and whose certificates no browser trusts.`},
	{path: "acme.ca", kind: file, example: "/etc/whygate/acme-ca.pem", aka: []string{"ca_file", "acme_ca_root", "trusted_roots", "cacertificates"}, doc: `
A PEM file with the authorities to trust for the directory in place of the system's, for an authority of your own.`},
	{path: "acme.names", kind: list(hostPattern), max: 1000, example: "[shop.example.com]", aka: []string{"domains", "hosts", "domain"}, doc: `
More names, for routes without a host. A route must be for each. *.example.com needs dns-01.`},
	{path: "acme.challenge", kind: choice, def: ChallengeTLS, choices: []string{ChallengeTLS, ChallengeHTTP, ChallengeDNS}, aka: []string{"challenges", "challenge_type"}, doc: `
How the authority sees that a name leads here: by a handshake on port 443 (tls-alpn-01), a request in clear on port 80 (http-01), or a
record in the zone (dns-01), which alone can prove wildcards and works behind a CDN.`},
	{path: "acme.dns", kind: section, aka: []string{"dns_provider", "dnschallenge"}, doc: `
How the record for dns-01 comes into the zone.`},
	{path: "acme.dns.command", kind: list(argument), max: 32, example: "[/usr/local/bin/zone-record, --zone, example.com]", aka: []string{"exec", "hook", "script"}, doc: `
A program and its arguments, without a shell. Three more are added: present or cleanup, the record's name such as
_acme-challenge.shop.example.com, and the text of its TXT record. It ends with 0 when every name server of the zone answers with the record,
and has two minutes; three seconds for cleanup once the order has ended. Two records of one name may be wanted at a time. What it leaves
running ends with it.`},
	{path: "acme.on_demand", kind: section, aka: []string{"on_demand_tls", "ondemand"}, doc: `
Obtain certificates for names in the moment that a client asks for them, for those that customers point here. Somebody must decide which:
ask, suffixes, or both. At most ten new names are ordered in a minute, and a handshake waits eight seconds at most; the order goes on behind.
A name that no client has asked for in 30 days leaves.`},
	{path: "acme.on_demand.ask", kind: webURL, example: "http://127.0.0.1:3000/may-have-certificate", aka: []string{"url", "endpoint"}, doc: `
A URL that is asked with ?domain=NAME before anything else is done, and again before a certificate is renewed. 200 is yes, every other answer
no; it has three seconds. A no holds for a minute, and makes a name leave.`},
	{path: "acme.on_demand.suffixes", kind: list(serverName), max: 1000, example: "[customers.example.com]", aka: []string{"domains", "allow", "allowed_domains"}, doc: `
The names that may: these and those below them. Without ask any client may have names made up below them ordered.`},
	{path: "acme.storage", kind: vault, example: "/var/lib/whygate/acme", aka: []string{"dir", "path", "cache", "cache_dir"}, doc: `
A directory to keep certificates, keys and the account in, that nobody else may read. Without it it is acme in the directory that systemd
gives the service (StateDirectory=), or else in ~/.local/state/whygate. What another program made of the same layout (certmagic's) is taken
over. Or postgres://user@host/database: gateways that share it make one order for a name, and each answers for the challenges of all. Keys
are in the table whygate.certificates as they are: the database is to be guarded as the directory would be.`},

	{path: "admin", kind: address, def: DefaultAdmin, choices: []string{"off"}, aka: []string{"metrics", "api", "admin_address", "status"}, doc: `
The address of the console, the metrics, the health endpoints and the incidents, for the people who run the gateway. It asks for no
password unless console.password_file names one, so keep it on loopback or on a unix:/path, or write off. On loopback every user of this machine can read it: incidents
name clients, hosts, paths and upstreams, as an access log does that is not for everybody's eyes, and a reload can be asked for. Where
not every user may know that, write unix:/run/whygate/admin.sock: with the usual umask only the gateway's own user and root may open
the socket, and the directory's permissions hold for it as well (curl --unix-socket /run/whygate/admin.sock http://localhost/incidents).`},
	{path: "proxy_status", kind: choice, def: ProxyStatusSafe, choices: []string{ProxyStatusOff, ProxyStatusSafe, ProxyStatusFull}, doc: `
How much the Proxy-Status header (RFC 9209) tells clients: nothing (off), the error type without addresses (safe), or the
next hop and the details as well (full), which is for gateways that only your own people can reach.`},
	{path: "error_pages", kind: choice, def: ErrorPagesFull, choices: []string{ErrorPagesFull, ErrorPagesPlain}, aka: []string{"error_page", "errors"}, doc: `
The body of an answer that the gateway makes itself: a page with the incident's id, the time and what a visitor can do
(full), or title, heading and one sentence (plain). Neither shows an internal address.`},
	{path: "access_log", kind: section, word: "to", aka: []string{"log", "accesslog", "logs", "logging"}, doc: `
The access log: one JSON object per request (docs/access-log.md). One word alone is where it goes: access_log: off.`},
	{path: "access_log.to", kind: file, def: LogStdout, choices: []string{LogStdout, LogStderr, LogOff}, aka: []string{"path", "file", "output", "destination"}, doc: `
Where the access log goes: stdout, stderr, off, or a file's path. A file is opened again on SIGHUP, so that it can be moved away.`},
	{path: "access_log.sample", kind: number, def: "1", min: 1, max: 1_000_000, aka: []string{"sampling", "rate", "every"}, doc: `
Of the requests that nothing is wrong with, one in so many is logged, and its line says so (sample). Which ones follows from the request id, so that
gateways in a row keep the same. A request with a fault, one that a retry saved and one with a 5xx has a line always. Counters count all.`},
	{
		path: "access_log.without", kind: list(choice), max: 16, choices: []string{"host", "target", "client", "request_id", "trace_id", "user_agent", "referer", "route", "attempts"}, example: "[user_agent, referer]",
		aka: []string{"exclude", "drop", "delete", "omit"}, doc: `
Keys that are left out of the lines of requests that nothing is wrong with. The lines of all others are whole.`,
	},
	{path: "access_log.mask", kind: list(choice), max: 4, choices: []string{"client", "query", "user_agent"}, example: "[client, query]", aka: []string{"anonymize", "redact", "hide", "ip_mask"}, doc: `
What is made unrecognizable in every line: the end of the client's address (client: 203.0.113.0 for an IPv4 address, the first 48 bits of an IPv6 one), the
values in the query of the target and the referer (query: /search?q=***), the user agent except for its first word (user_agent).`},

	{path: "incidents", kind: section, doc: `
Where incidents are kept, and for how long: what failed, with the evidence of every attempt (docs/console.md).`},
	{path: "incidents.store", kind: storePlace, choices: []string{"memory"}, example: "sqlite:/var/lib/whygate/incidents.db", aka: []string{"database", "db", "storage", "path", "file"}, doc: `
A file (sqlite:PATH), a PostgreSQL that several gateways share (postgres://user@host/database), or memory, which ends with the process.
Without it whygate run keeps a file incidents.db in the directory that systemd gives the service (StateDirectory=), or else in
~/.local/state/whygate. A password for PostgreSQL belongs into a variable, postgres://user:${PASSWORD}@host/database, or into libpq's
password file (PGPASSFILE). Traffic never waits for the store: what it cannot take is counted.`},
	{path: "incidents.keep", kind: section, aka: []string{"retention"}, doc: `
What is deleted, the oldest first. Counts are kept longer: for each minute a week, for each half an hour a year.`},
	{path: "incidents.keep.for", kind: duration, def: "720h", min: int64(time.Hour), max: int64(3650 * day), zero: "always", aka: []string{"age", "max_age", "days"}, doc: `
How long an incident is kept with its evidence.`},
	{path: "incidents.keep.size", kind: size, def: "512MiB", min: 1 << 20, max: 1 << 50, zero: "no limit", aka: []string{"max_size", "bytes"}, doc: `
How much all of them may take. Of a group that has many in a minute twenty are kept whole, and after them fewer and fewer: counts stay exact.`},

	{path: "console", kind: section, aka: []string{"dashboard", "ui"}, doc: `
The pages on the admin address that show incidents (docs/console.md).`},
	{path: "console.hosts", kind: list(serverName), max: 64, example: "[gateway.internal]", aka: []string{"host", "names", "allowed_hosts"}, doc: `
The names by which the admin address may be asked, beside localhost and every IP address. Any other name is refused with 421, since a page
of the web could have its own name resolve to this address.`},
	{path: "console.password_file", kind: file, example: "/etc/whygate/console-password", aka: []string{"password", "auth", "secret"}, doc: `
A file whose first line is the password that the console, the incidents and every change ask for (HTTP Basic, any user name, which is noted
with what was changed). Health and metrics ask for none. On an address that others reach, what needs a password is refused until there is one, or
console.tls.client_ca.`},
	{path: "console.tls", kind: section, aka: []string{"ssl", "https"}, doc: `
Speak TLS on the admin address. It takes effect with the next start; its files are read again when they change.`},
	{path: "console.tls.cert", kind: file, example: "/etc/whygate/console.pem", aka: []string{"certificate", "crt", "cert_file"}, doc: `
A PEM file with the certificate first and the intermediate ones after it. The commands that ask the gateway (whygate reload, drain, incidents ...) take the one
in the file for its, whatever names are in it.`},
	{path: "console.tls.key", kind: file, example: "/etc/whygate/console-key.pem", aka: []string{"private_key", "key_file"}, doc: `
A PEM file with the certificate's private key.`},
	{path: "console.tls.client_ca", kind: file, example: "/etc/whygate/operators-ca.pem", aka: []string{"ca", "ca_file", "client_ca_file"}, doc: `
A PEM file with the authorities whose client certificates are accepted in place of the password; where there is no console.password_file they are asked for. The
name in it is noted with what was changed. Health and metrics ask for none.`},

	{path: "notify", kind: sections, max: 16, aka: []string{"alerts", "alert", "notifications", "webhooks"}, doc: `
Whom to tell when something new fails: a group of incidents that there was not, one that came back after it was resolved, a pool in which no
endpoint is left. What comes within five seconds is told together; what does not arrive is told again, four times in all (docs/console.md).`},
	{path: "notify[].webhook", kind: webURL, example: "https://hooks.example.com/services/x", aka: []string{"url", "slack", "hook"}, doc: `
A URL that is sent a POST. It is often a secret: write it as ${WEBHOOK}, from the environment.`},
	{path: "notify[].command", kind: list(argument), max: 32, example: "[/usr/local/bin/page-somebody, --team, web]", aka: []string{"exec", "run", "script"}, doc: `
A program and its arguments, without a shell. It is given the JSON on its standard input, and ten seconds.`},
	{path: "notify[].format", kind: choice, def: "json", choices: []string{"json", "slack", "pagerduty"}, aka: []string{"type", "template"}, doc: `
What a webhook takes: all of it (json), a text (slack, and Mattermost), or an event for each (pagerduty, its Events API, version 2).`},
	{path: "notify[].key_file", kind: file, example: "/etc/whygate/pagerduty-key", aka: []string{"key", "routing_key", "token"}, doc: `
A file whose first line is PagerDuty's routing key.`},
	{path: "notify[].every", kind: duration, def: "1m", min: int64(time.Second), max: int64(day), aka: []string{"interval", "rate"}, doc: `
How often to tell at most. What comes meanwhile is told together.`},

	{path: "otlp", kind: section, aka: []string{"opentelemetry", "otel", "tracing", "telemetry"}, doc: `
An OpenTelemetry collector that is told of incidents and exchanges, by OTLP over HTTP (docs/access-log.md). Traffic never waits for it: what it cannot
take is counted.`},
	{path: "otlp.endpoint", kind: webURL, example: "http://127.0.0.1:4318", aka: []string{"url", "address", "collector"}, doc: `
The collector's URL. /v1/logs and /v1/traces are added to it. Without it nothing is sent.`},
	{path: "otlp.headers", kind: fields, max: 32, example: "{Authorization: Bearer ${TOKEN}}", aka: []string{"header"}, doc: `
Sent along with each request, often a secret: take it from the environment.`},
	{path: "otlp.logs", kind: boolean, def: "true", aka: []string{"incidents", "log"}, doc: `
Send each incident as a log record.`},
	{path: "otlp.traces", kind: boolean, def: "true", aka: []string{"spans", "trace"}, doc: `
Send exchanges as spans: every one with a fault or a 5xx, one in otlp.sample of the others, and those whose traceparent says that their trace is sampled, up
to a hundred a second.`},
	{path: "otlp.sample", kind: number, def: "1000", min: 1, max: 1_000_000_000, zero: "none", aka: []string{"sampling", "rate", "ratio"}, doc: `
Of the exchanges that nothing is wrong with, one in so many has a span. Which ones follows from the trace id, or from the request id where there is none,
so that gateways in a row take the same.`},

	{path: "resolver", kind: section, aka: []string{"dns", "resolvers"}, doc: `
How the names of endpoints become addresses.`},
	{path: "resolver.servers", kind: list(server), max: 8, example: "[10.0.0.53, 10.0.1.53:5353]", aka: []string{"nameservers", "addresses", "server"}, doc: `
The name servers to ask, as addresses with an optional port (53 by default). Without them the system's resolver and hosts
file are used.`},
	{path: "resolver.timeout", kind: duration, def: "5s", min: int64(10 * time.Millisecond), max: int64(time.Minute), doc: `
How long a name may take to resolve, over all servers and attempts.`},

	{path: "trusted_proxies", kind: list(prefix), max: 1000, example: "[10.0.0.0/8, 192.168.1.1]", aka: []string{"set_real_ip_from", "trusted_ips", "trust"}, doc: `
The addresses and networks of proxies in front of this one. From them the Forwarded and X-Forwarded-* headers are kept and
continued; from anybody else they are dropped and written anew, since a client can claim what it likes. So is every other header
whose name begins with X-Forwarded, and so are its relatives: True-Client-IP, CF-Connecting-IP, X-Client-IP, X-Original-URL,
X-Rewrite-URL, Front-End-Https and the like. Behind a CDN that sets them, name its addresses here.`},

	{path: "limits", kind: section, doc: `
What clients may take. Each limit has a fault that tells when it was reached.`},
	{path: "limits.connections", kind: number, def: "20000", min: 1, max: 10_000_000, aka: []string{"max_connections", "maxconn", "worker_connections"}, doc: `
The number of client connections at a time, over all listeners. One that is idle takes a few kilobytes. A client beyond this many is
answered 503 with Retry-After at once and closed; over TLS it is closed without an answer, since a handshake is what there is no room for.`},
	{path: "limits.request_head", kind: size, def: "32KiB", min: 1 << 10, max: 1 << 20, aka: []string{"large_client_header_buffers", "max_header_size", "header_size", "max_header_bytes"}, doc: `
The size of a request's start line and headers. A larger head is answered 431, or 414 if the target alone is too long.`},
	{path: "limits.head_time", kind: duration, def: "10s", min: int64(100 * time.Millisecond), max: int64(10 * time.Minute), aka: []string{"client_header_timeout", "header_timeout", "read_header_timeout", "request_timeout"}, doc: `
How long a client may take to send a request head, from its first byte to its last. It ends clients that send a byte now
and then to keep connections busy; they are answered 408.`},
	{path: "limits.request_body", kind: size, def: "1GiB", min: 1, max: 1 << 50, zero: "no limit", aka: []string{"client_max_body_size", "max_body_size", "body_size", "max_request_body"}, doc: `
The size of a request body; a larger one is answered 413. Bodies are streamed and never held, so this protects the
upstreams, not the gateway: the default lets every usual upload pass and ends one that never stops.`},
	{path: "limits.idle", kind: duration, def: "75s", min: int64(time.Second), max: int64(day), aka: []string{"keepalive_timeout", "idle_timeout", "keep_alive", "keepalive"}, doc: `
How long a client connection may be silent: between two requests it is then closed, and inside a request body, or while the
client does not read its answer, the request is given up. The default is above the 60 s after which common load balancers
drop an idle connection, so that they close first and never meet a connection that is just going away.`},

	{path: "routes", unless: "include", kind: sections, required: true, min: 1, max: 10_000, aka: []string{"route", "rules", "locations", "location", "paths", "frontends", "ingress"}, doc: `
What goes where. The first route in file order that matches takes the request; one that none matches is answered 404.`},
	{path: "routes[].name", kind: routeName, example: "checkout", aka: []string{"id", "label", "title"}, doc: `
What the route is called in the access log, in incidents and in the metric whygate_route_requests_total. Without it, it is called by what
it matches, and has no metric of its own. Several routes may have one name.`},
	{path: "routes[].host", kind: hostPattern, example: "shop.example.com", aka: []string{"hosts", "server_name", "domain", "hostname"}, doc: `
The host that the client asked for, without port and without regard to case, or *.example.com for every name below
example.com. Without it the route matches any host.`},
	{path: "routes[].path", kind: pathPattern, example: "/api/*", aka: []string{"paths", "location", "prefix", "path_prefix", "match", "uri", "url"}, doc: `
The path: /a is exactly that, /a/* is /a/ and everything below, and ~ begins a regular expression (RE2) that fits a part of the path unless ^ and
$ bind it: "~^/user/([0-9]+)$", "~(?i)\\.(jpg|png)$". It is compared as the client sent it, without decoding except for letters, digits
and -._~, but dot segments are resolved first, so that /a/../admin is matched as /admin. One with doubled or encoded slashes, such as
//admin or /admin%2fx, is answered 404 where another route would be for it without them. Without it the route matches any path.`},
	{path: "routes[].method", kind: list(method), max: 32, example: "[GET, HEAD]", aka: []string{"methods", "verb", "verbs"}, doc: `
A method or a list of them. GET does not include HEAD. Without it the route matches any method.`},
	{path: "routes[].header", kind: conditions, max: 16, example: `{X-Beta: "1", Cookie: "~(^|; )group=b(;|$)"}`, aka: []string{"headers_match", "header_regexp", "when_header"}, doc: `
What headers of the request must be like, all of them. Of a header that comes in several lines, one line has to fit.`},
	{path: "routes[].query", kind: conditions, max: 16, example: `{debug: "*"}`, aka: []string{"query_params", "params", "args"}, doc: `
What parameters of the query must be like, all of them, after decoding.`},
	{path: "routes[].scheme", kind: choice, choices: []string{"http", "https"}, example: "http", aka: []string{"protocol", "tls_only", "entrypoint"}, doc: `
How the client came: in clear or over TLS. Behind a trusted proxy it is what X-Forwarded-Proto says. Without it the route matches both.`},
	{path: "routes[].port", kind: list(portKind), max: 64, example: "[80]", aka: []string{"ports", "listen_port", "server_port"}, doc: `
The port that the client came to, of this gateway's listeners. Without it the route matches any port.`},
	{path: "routes[].rate", kind: section, aka: []string{"rate_limit", "limit_req", "ratelimit", "throttle"}, doc: `
How often the route may be asked. What is above is answered 429 with Retry-After, and no endpoint is asked.`},
	{path: "routes[].rate.per", kind: rateKey, def: RateClient, aka: []string{"key", "by", "source"}, doc: `
Who has the rate: each client by its address, as the trusted proxies in front tell it; each value of a header, such as an API key; or
the route as a whole. Some thirty thousand clients are remembered, and who has been quiet for longest is forgotten first.`},
	{path: "routes[].rate.limit", kind: frequency, required: true, example: "10/s", aka: []string{"rate", "requests", "average", "burst"}, doc: `
How many requests in a second, a minute or an hour. They may come at once; then there is room for one after another.`},
	{path: "routes[].maintenance", kind: choice, def: Off, choices: []string{On, Off}, aka: []string{"disabled", "down"}, doc: `
Answer what the route matches with 503 and Retry-After, as a page that says so, and ask no endpoint. On a running gateway the same is
done for a pool by whygate maintenance.`},
	{path: "routes[].compress", kind: choice, def: Off, choices: []string{On, Off}, aka: []string{"gzip", "encode", "compression", "brotli", "zstd"}, doc: `
Compress what the route's pool answers with zstd or gzip, for clients that take it (Accept-Encoding): text, JSON, XML, scripts and the like, of
1 KiB or more. What is compressed already, has Cache-Control: no-transform, a range or a digest, and event streams are passed on as they are. An
ETag is made weak. Do not compress pages that show a secret beside what the client sent: their size tells of it (BREACH).`},
	{path: "routes[].priority", kind: number, def: "1", min: 0, max: 3, zero: "first", aka: []string{"weight", "importance"}, doc: `
Who comes first where requests have to wait for an endpoint of the pool: 0 before 1 before 2 before 3. Where the queue is full, those
with a higher number are turned away first.`},
	{path: "routes[].allow", kind: list(prefix), max: 1000, example: "[10.0.0.0/8, 192.168.1.1]", aka: []string{"whitelist", "allowlist", "ip_allow", "source_range", "require"}, doc: `
Who may ask, by address; everybody else is answered 403. Behind a trusted proxy it is the address that it names. Of all networks in allow and
deny that have the address, the smallest decides.`},
	{path: "routes[].deny", kind: list(prefix), max: 1000, example: "[192.0.2.0/24]", aka: []string{"blacklist", "blocklist", "denylist", "ip_deny", "block"}, doc: `
Who may not ask. Without allow everybody else may.`},
	{path: "routes[].auth", kind: section, aka: []string{"basic_auth", "basicauth", "auth_basic", "authentication"}, doc: `
Ask for a name and a password (HTTP Basic, RFC 7617). Over plain HTTP others on the way can read them.`},
	{path: "routes[].auth.users", kind: file, required: true, example: "/etc/whygate/users", aka: []string{"file", "users_file", "htpasswd", "auth_basic_user_file", "user_file"}, doc: `
A file of users and hashes as htpasswd writes it: htpasswd -B -c users ann. It may have bcrypt, Apache's MD5 ($apr1$) and {SHA}. It is read
with the configuration.`},
	{path: "routes[].auth.realm", kind: oneLine, def: "Restricted", aka: []string{"name", "title"}, doc: `
What browsers show beside the question.`},
	{path: "routes[].redirect", kind: section, aka: []string{"return", "redir", "redirects", "redirect_to"}, doc: `
Send the client elsewhere. Variables are $scheme, $host (the name that was asked for, without a port), $authority (with it), $path, $query
(without its question mark), $search (with it, or nothing), $uri ($path and $search), $client (its address), $port (the one that the client
connected to), $rest (what the star of the route's path stands for), and $1 to $9 and $name for what the groups of its regular expression took. $$ is a dollar sign.`},
	{path: "routes[].redirect.to", kind: target, required: true, example: "https://$host$uri", aka: []string{"url", "location", "target", "uri"}, doc: `
Where to. A path stays on the host that was asked for, whatever the variables hold.`},
	{path: "routes[].redirect.status", kind: number, def: "302", min: 301, max: 308, aka: []string{"code", "permanent"}, doc: `
301 and 308 are kept by browsers for good, 302, 303 and 307 are not. 307 and 308 keep the method.`},
	{path: "routes[].respond", kind: section, aka: []string{"direct_response", "static_response", "reply", "return_status"}, doc: `
Answer with this, whatever was asked.`},
	{path: "routes[].respond.status", kind: number, required: true, min: 200, max: 599, example: "200", aka: []string{"code"}, doc: `
The status code: 200, 404, 410, 503.`},
	{path: "routes[].respond.body", kind: answerBody, example: `"User-agent: *\\nDisallow: /\\n"`, aka: []string{"text", "content", "message"}, doc: `
The body. Without it there is none.`},
	{path: "routes[].respond.type", kind: oneLine, def: "text/plain; charset=utf-8", aka: []string{"content_type", "media_type", "default_type"}, doc: `
The body's Content-Type.`},
	{path: "routes[].files", kind: section, aka: []string{"file_server", "static", "static_files", "try_files", "root", "alias"}, doc: `
Answer with files of a directory: GET and HEAD, with ranges, ETag and conditions. A path's strip is taken off first. No name leads out of the
root, whatever it is written like.`},
	{path: "routes[].files.root", kind: file, required: true, example: "/var/www/shop", aka: []string{"dir", "directory", "path", "document_root"}, doc: `
The directory. It may be a symbolic link, which is followed for each request, so that a release can be put in place by it.`},
	{path: "routes[].files.index", kind: list(fileName), max: 16, example: "[index.html]", aka: []string{"indexes", "index_names", "directory_index"}, doc: `
What a directory is answered with: the first that is there. Without it, it is index.html. Directories are never listed.`},
	{path: "routes[].files.missing", kind: missing, def: MissingNotFound, choices: []string{MissingNotFound, MissingNext}, example: "/index.html", aka: []string{"fallback", "not_found", "try", "spa"}, doc: `
What becomes of a path that leads to no file: 404, the next route that matches (next), or a file below the root, such as /index.html for an
application that runs in the browser.`},
	{path: "routes[].files.links", kind: choice, def: LinksInside, choices: []string{LinksInside, LinksFollow}, aka: []string{"symlinks", "follow_symlinks", "disable_symlinks"}, doc: `
Whether a symbolic link may lead out of the root (follow), or is taken for no file then (inside).`},
	{path: "routes[].files.hidden", kind: boolean, def: "false", aka: []string{"dotfiles", "hide"}, doc: `
Whether names that begin with a dot are served, as .git and .env do. .well-known always is.`},
	{path: "routes[].files.scripts", kind: list(cgiSplit), max: 16, example: "[.php]", aka: []string{"script", "programs", "deny_files"}, doc: `
What the names of programs end with. They are never sent as they are: with missing: next a request for one goes on to the next route, and so does one
for a directory whose index is one, as index.php, which a route of fastcgi then runs.`},
	{path: "routes[].fastcgi", kind: section, aka: []string{"fastcgi_pass", "php_fastcgi", "php", "fcgi"}, doc: `
Answer by an application that speaks FastCGI, such as php-fpm. It is given the parameters of CGI/1.1 (RFC 3875) and those that PHP expects; the
route's set_request, timeouts and errors hold. Before it stands a route of files with missing: next, for what is no script. A request body whose length the
client does not say may have 1 MiB.`},
	{path: "routes[].fastcgi.address", kind: cgiAddress, required: true, example: "unix:/run/php/php8.2-fpm.sock", aka: []string{"pass", "socket", "url", "server", "upstream"}, doc: `
Where it listens: fastcgi://host:port, host:port, or unix:/path.`},
	{path: "routes[].fastcgi.root", kind: cgiRoot, required: true, example: "/var/www/shop", aka: []string{"document_root", "script_root", "dir"}, doc: `
The directory of the scripts as the application sees it, which may be in another container.`},
	{path: "routes[].fastcgi.index", kind: fileName, def: "index.php", aka: []string{"fastcgi_index", "script"}, doc: `
The script for a path that ends with a slash.`},
	{path: "routes[].fastcgi.split", kind: cgiSplit, def: ".php", aka: []string{"split_path_info", "fastcgi_split_path_info", "extension"}, doc: `
What a script's name ends with. What follows it in a path is PATH_INFO. A path without it that does not end with a slash is answered 404.`},
	{path: "routes[].fastcgi.params", kind: fields, max: 100, example: "{APP_ENV: production}", aka: []string{"param", "fastcgi_param", "env", "variables"}, doc: `
Further parameters, in place of ours.`},
	{path: "routes[].pool", kind: poolName, example: "web", aka: []string{"upstream", "backend", "service", "proxy_pass", "target", "to", "cluster"}, doc: `
The pool that answers what the route matches. A route has a pool, or a redirect, respond, files or fastcgi.`},
	{path: "routes[].strip", kind: stripPrefix, example: "/api", aka: []string{"strip_prefix", "rewrite", "strip_path", "trim"}, doc: `
A prefix that is taken off the path before the request is sent on: with /api the upstream sees /users for /api/users, and /
for /api. It has to be a prefix of the route's path.`},
	{path: "routes[].rewrite", kind: rewritten, example: "/index.php?q=$path", aka: []string{"replace_path", "uri_rewrite", "regex_rewrite", "set_path", "rewrite_path"}, doc: `
The path to ask the pool for, with the variables of redirect. A query in it stands before the client's; a question mark at its end leaves the
client's out. The headers X-Forwarded-* do not change.`},
	{path: "routes[].set_request", kind: fields, max: 100, example: `{X-From: edge, Cookie: ""}`, aka: []string{"headers", "request_headers", "proxy_set_header", "header", "set_headers", "add_headers", "set_header"}, doc: `
Headers to set in the request that is sent on, in place of what the client sent. An empty value removes the header. A value
of the form file:/path is read from that file, without its last line break, which keeps secrets out of this one.`},
	{path: "routes[].set_response", kind: fields, max: 100, example: `{Server: "", X-Frame-Options: DENY}`, aka: []string{"response_headers", "add_header", "headers_out"}, doc: `
Headers to set in the upstream's response before the client gets it, in the same way.`},

	{path: "routes[].make_request", kind: fields, max: 100, example: "{X-Real-IP: $client}", aka: []string{"dynamic_request_headers", "request_header_templates"}, doc: `
Headers to set in the request that is sent on, made of the request's parts: with the variables of redirect, and $port, the port that the client
came to.`},
	{path: "routes[].make_response", kind: fields, max: 100, example: "{X-Served: $scheme-$host}", aka: []string{"dynamic_response_headers", "response_header_templates"}, doc: `
Headers to set in the response before the client gets it, made in the same way.`},
	{path: "routes[].timeouts", kind: section, aka: []string{"timeout"}, doc: `
Time-outs of this route in the place of its pool's. Connections of a route with others than the response time are its own.`},
	{path: "routes[].timeouts.connect", kind: duration, min: int64(time.Millisecond), max: int64(5 * time.Minute), example: "1s", aka: []string{"dial", "connect_timeout", "proxy_connect_timeout"}, doc: `
In the place of pools.NAME.timeouts.connect.`},
	{path: "routes[].timeouts.write", kind: duration, min: int64(time.Millisecond), max: int64(day), zero: "off", example: "30s", aka: []string{"send", "proxy_send_timeout", "write_timeout"}, doc: `
In the place of pools.NAME.timeouts.write.`},
	{path: "routes[].timeouts.head", kind: duration, min: int64(time.Millisecond), max: int64(day), zero: "off", example: "5m", aka: []string{"first_byte", "response_header", "header", "ttfb"}, doc: `
In the place of pools.NAME.timeouts.head.`},
	{path: "routes[].timeouts.read", kind: duration, min: int64(time.Millisecond), max: int64(day), zero: "off", example: "5m", aka: []string{"proxy_read_timeout", "read_timeout", "body"}, doc: `
In the place of pools.NAME.timeouts.read.`},
	{path: "routes[].timeouts.response", kind: duration, min: int64(time.Millisecond), max: int64(7 * day), zero: "off", example: "10s", aka: []string{"total", "request", "deadline", "overall"}, doc: `
In the place of pools.NAME.timeouts.response.`},
	{path: "routes[].errors", kind: sections, max: 32, aka: []string{"error_page", "error_pages", "handle_errors", "errorfile", "custom_errors"}, doc: `
Pages of one's own in the place of the gateway's. The first that has the status is taken. Proxy-Status and the incident stay what they are.`},
	{path: "routes[].errors[].status", kind: list(statusRange), required: true, min: 1, max: 32, example: "[404, 5xx]", aka: []string{"code", "codes", "statuses"}, doc: `
For which status codes.`},
	{path: "routes[].errors[].file", kind: file, required: true, example: "/etc/whygate/errors/50x.html", aka: []string{"page", "path", "body"}, doc: `
A file of 1 MiB at most, which is read with the configuration. Its name's ending decides the Content-Type.`},
	{path: "routes[].errors[].upstream", kind: boolean, def: "false", aka: []string{"intercept", "proxy_intercept_errors"}, doc: `
Whether the page also stands in for what endpoints answer with such a status.`},

	{path: "pools", kind: named, min: 1, max: 10_000, aka: []string{"upstreams", "backends", "clusters", "services", "upstream", "backend", "pool"}, doc: `
Who answers: each pool is a name and the endpoints that are equal to each other.`},
	{path: "pools.NAME.endpoints", kind: list(endpoint), required: true, unless: "resolve", min: 1, max: 256, example: "[http://10.0.0.1:8080, http://10.0.0.2:8080]", aka: []string{"servers", "server", "targets", "upstreams", "hosts", "addresses", "urls", "url", "endpoint", "backends", "nodes"}, doc: `
Where requests are sent: http://host:port, https://host:port, h2c://host:port for HTTP/2 without TLS, or unix:/path. The port is
443 for https and 80 for the others where it is left out. A name may have several addresses; it is resolved again as its records expire, and one that does not resolve never stops the
start.`},
	{path: "pools.NAME.endpoints[].url", kind: endpoint, required: true, example: "http://10.0.0.1:8080", aka: []string{"address", "server", "target", "host"}, doc: `
Where the endpoint is, where it is written as a mapping: {url: http://10.0.0.1:8080, weight: 2}.`},
	{path: "pools.NAME.endpoints[].weight", kind: number, def: "1", min: 1, max: 1000, aka: []string{"w", "share"}, doc: `
Its share of the requests against the others' weights.`},
	{path: "pools.NAME.endpoints[].backup", kind: boolean, def: "false", aka: []string{"standby", "spare"}, doc: `
Whether it is asked only while no other endpoint is in order.`},
	{path: "pools.NAME.endpoints[].zone", kind: text, max: 64, example: "eu-west-1a", aka: []string{"locality", "region", "az", "availability_zone", "rack"}, doc: `
Where it is, in a word of your own. Endpoints of the gateway's zone are asked first: all requests stay there while 71 % of the zone's weight is in
order; then they stay in proportion (1.4 times what is in order), and the rest goes to the other zones.`},
	{path: "pools.NAME.resolve", kind: section, aka: []string{"dns", "discovery", "dynamic", "service_discovery", "server_template", "resolvers"}, doc: `
Follow names in the DNS: each address of an endpoint's name becomes an endpoint of its own, with its own health and its own share, and comes and
goes with the name's answers. One that left gets no new request, and its idle connections are closed; what it is at work on ends. A look-up that
fails changes nothing: the last endpoints stay, and the log, the metrics and /endpoints say since when and why. The start, and a reload with new
names, waits for the first answer, resolver.timeout at most. Without this section a name is one endpoint, however many addresses it has, which is better where a name server gives a part of them at a time.`},
	{path: "pools.NAME.resolve.every", kind: refreshTime, def: "ttl", choices: []string{"ttl"}, min: int64(100 * time.Millisecond), max: int64(day), aka: []string{"interval", "refresh", "ttl", "valid"}, doc: `
How often the names are asked for. With ttl it is when the answer ends, as its records say: a second later at least and an hour at most; ten
seconds where no name server says it, as for a name of the hosts file.`},
	{path: "pools.NAME.resolve.srv", kind: srvName, example: "_http._tcp.example.internal", aka: []string{"service", "record", "name"}, doc: `
The name of records of type SRV (RFC 2782), which take the place of endpoints: each is an endpoint with its port and its weight. Those of the
lowest priority are asked first, and the others are their backups, in order. The endpoints are http://, or https:// where the name begins with
_https; protocol: h2 makes HTTP/2 of the former. A target that has several addresses is one endpoint.`},
	{path: "pools.NAME.balance", kind: choice, def: RoundRobin, choices: []string{RoundRobin, LeastRequests, ByLatency, ByHash}, aka: []string{"policy", "lb", "lb_policy", "load_balancing", "algorithm", "strategy"}, doc: `
How an endpoint is chosen: each in turn (round-robin); the one with the fewest requests in flight (least-requests), which
is better when some requests take much longer than others; the one with the fewest requests in flight times how much slower it
answers than the others do requests of the same kind (latency), which takes traffic from one that has become slow or fails fast; or
by a key (hash). An endpoint that just failed is tried last for a few seconds, and one that is new or back gets a tenth of its share
at first and all of it after ten seconds.`},
	{path: "pools.NAME.hash", kind: hashKey, def: "ip", aka: []string{"hash_on", "hash_key", "consistent_hash"}, doc: `
What requests are spread by where balance is hash: the client's address, the path, or the value of a header or a cookie. Requests with
the same value go to the same endpoint while it is there and has no more than a quarter above its share in flight. When an endpoint
comes or goes, only the requests move that have to.`},
	{path: "pools.NAME.sticky", kind: section, aka: []string{"affinity", "session_affinity", "persistence"}, doc: `
Keep each client at the endpoint that answered it first, by a cookie of ours. A client whose endpoint is not in order goes to
another, and stays there. Sessions that are kept in a store that all endpoints share need no such thing.`},
	{path: "pools.NAME.sticky.cookie", kind: text, max: 64, example: "route", aka: []string{"name", "cookie_name"}, doc: `
The name of the cookie. Its value says nothing about the endpoint's address. It ends with the browser's session.`},
	{path: "pools.NAME.check", kind: section, aka: []string{"health_check", "healthcheck", "health", "checks"}, doc: `
Ask each endpoint regularly whether it is well, on a connection of its own, and give requests to those that are. Without it an
endpoint is judged by its own traffic alone. A check that only times out does not count while the endpoint's own requests are
answered: it is overloaded, and the others would be next.`},
	{path: "pools.NAME.check.path", kind: checkPath, def: "/", example: "/healthz", aka: []string{"uri", "url", "target"}, doc: `
What is asked for, with GET. For gRPC it is a slash and the name of the service that is asked about: /shop.Cart; a slash alone is the server as a
whole.`},
	{path: "pools.NAME.check.every", kind: duration, def: "5s", min: int64(100 * time.Millisecond), max: int64(day), aka: []string{"interval", "inter", "period"}, doc: `
The time between two checks of an endpoint, less or more by a fifth at random; a second at most while something is wrong.`},
	{path: "pools.NAME.check.timeout", kind: duration, def: "2s", min: int64(10 * time.Millisecond), max: int64(5 * time.Minute), doc: `
How long a check may take in all.`},
	{path: "pools.NAME.check.status", kind: list(statusRange), max: 32, example: "[200, 204, 3xx]", aka: []string{"expect", "expected_status", "codes"}, doc: `
The status codes that are good. Without it they are those from 200 to 399.`},
	{path: "pools.NAME.check.fall", kind: number, def: "3", min: 1, max: 100, aka: []string{"unhealthy_threshold", "fails", "failures"}, doc: `
How many checks in a row must fail for an endpoint to be taken out.`},
	{path: "pools.NAME.check.rise", kind: number, def: "2", min: 1, max: 100, aka: []string{"healthy_threshold", "passes", "successes"}, doc: `
How many checks in a row must pass for it to be put back.`},
	{path: "pools.NAME.check.type", kind: choice, def: CheckHTTP, choices: []string{CheckHTTP, CheckTCP, CheckGRPC}, aka: []string{"kind", "mode", "protocol"}, doc: `
A request and its answer (http), a connection with its TLS handshake (tcp), or a call of gRPC's health service, which must answer SERVING (grpc,
grpc.health.v1.Health/Check). The last needs HTTP/2: https:// or h2c:// endpoints, or protocol: h2.`},
	{path: "pools.NAME.check.host", kind: serverName, example: "app.internal", aka: []string{"host_header"}, doc: `
The Host header of the check. Without it, it is the pool's host where that is a name, and else the endpoint's own.`},
	{path: "pools.NAME.eject", kind: choice, def: On, choices: []string{On, Off}, aka: []string{"outlier_detection", "passive_health", "max_fails"}, doc: `
Whether an endpoint is put out for what its own traffic meets: three connections in a row that fail, or half of ten requests or more
within ten seconds that fail or are answered 500 or above, and three times the share of the others. What fails everywhere puts
nobody out, and never is more than half of a pool out for this. It is tried again by one request after five seconds, and after ever
longer up to eighty.`},
	{path: "pools.NAME.protocol", kind: choice, def: ProtocolAuto, choices: []string{ProtocolAuto, ProtocolHTTP1, ProtocolHTTP2}, aka: []string{"http_version", "proxy_http_version", "version", "alpn"}, doc: `
Which version of HTTP the endpoints are spoken to in. auto lets an https endpoint choose in the TLS handshake (ALPN) and speaks HTTP/1.1 to one
in clear. h1 is HTTP/1.1 and nothing else. h2 is HTTP/2 and nothing else, also without TLS, where it is the same as writing h2c://. A request
that asks for another protocol, as a WebSocket does, goes to an https endpoint over HTTP/1.1 under auto, and cannot reach one that is
spoken to in HTTP/2 alone.`},
	{path: "pools.NAME.proxy_protocol", kind: choice, def: Off, choices: []string{Off, ProxyV1, ProxyV2}, aka: []string{"send_proxy", "send-proxy", "send-proxy-v2", "proxy"}, doc: `
Begin each connection with a header of the PROXY protocol, by which the endpoint learns the client's address and port, and those it came to.
The client is who connected here, or whom listen[].proxy_protocol told of. The endpoint must expect it (accept-proxy in HAProxy, listen ...
proxy_protocol in nginx). Each request has a connection of its own then, so that none is ever another client's, and HTTP/2 is not spoken.
Checks say that they speak for themselves.`},
	{path: "pools.NAME.host", kind: hostLiteral, def: HostClient, choices: []string{HostClient, HostEndpoint}, aka: []string{"host_header", "preserve_host", "pass_host_header"}, doc: `
The Host header that upstreams get: what the client sent (client), the endpoint's own host (endpoint), which virtual hosts and
most services on the internet need, or a literal name.`},

	{path: "pools.NAME.tls", kind: section, aka: []string{"ssl", "transport"}, doc: `
How to speak TLS to https endpoints. Server names are sent and certificates verified unless this says otherwise.`},
	{path: "pools.NAME.tls.ca", kind: file, example: "/etc/whygate/ca.pem", aka: []string{"ca_file", "cacert", "root_ca", "trusted_certificate", "cafile"}, doc: `
A PEM file with the authorities to trust in place of the system's, for upstreams with certificates of your own.`},
	{path: "pools.NAME.tls.crl", kind: file, example: "/etc/whygate/ca.crl", aka: []string{"crl_file", "crl-file", "revocation_list", "proxy_ssl_crl"}, doc: `
A file of certificate revocation lists, PEM or DER. Who shows a certificate that one of them names gets no request. The file is
read again when it changes, and kept connections are given up then; a list that is out of date still counts. An OCSP response
that an upstream staples is heeded with a list or without.`},
	{path: "pools.NAME.tls.server_name", kind: serverName, example: "app.internal", aka: []string{"sni", "servername", "proxy_ssl_name"}, doc: `
The name to send (SNI) and to verify the certificate against. By default it is the endpoint's host.`},
	{path: "pools.NAME.tls.cert", kind: file, example: "/etc/whygate/client.pem", aka: []string{"certificate", "client_cert"}, doc: `
A PEM file with the client certificate to show to upstreams that ask for one.`},
	{path: "pools.NAME.tls.key", kind: file, example: "/etc/whygate/client-key.pem", aka: []string{"private_key", "client_key"}, doc: `
A PEM file with the client certificate's private key.`},
	{path: "pools.NAME.tls.verify", kind: boolean, def: "true", aka: []string{"insecure_skip_verify", "tls_insecure_skip_verify", "insecure", "proxy_ssl_verify"}, doc: `
Whether the upstream's certificate is verified. With false anybody on the path can read and change what passes; ca is nearly
always the better answer.`},

	{path: "pools.NAME.timeouts", kind: section, aka: []string{"timeout"}, doc: `
The timers of one attempt. Each has its own fault, so an answer 504 always names the key that made it.`},
	{path: "pools.NAME.timeouts.connect", kind: duration, def: "3s", min: int64(time.Millisecond), max: int64(5 * time.Minute), aka: []string{"dial", "connect_timeout", "proxy_connect_timeout"}, doc: `
How long opening a connection may take, over all addresses of the endpoint. The default leaves room for one lost packet, which is sent again
after a second.`},
	{path: "pools.NAME.timeouts.tls", kind: duration, def: "5s", min: int64(time.Millisecond), max: int64(5 * time.Minute), aka: []string{"handshake", "tls_handshake"}, doc: `
How long the TLS handshake may take.`},
	{path: "pools.NAME.timeouts.write", kind: duration, def: "30s", min: int64(time.Millisecond), max: int64(day), zero: "off", aka: []string{"send", "proxy_send_timeout", "write_timeout"}, doc: `
How long the upstream may take nothing of the request that is sent to it. It starts anew whenever the upstream has taken something:
one that reads slowly goes on, one that stopped reading has stalled.`},
	{path: "pools.NAME.timeouts.head", kind: duration, def: "60s", min: int64(time.Millisecond), max: int64(day), zero: "off", aka: []string{"first_byte", "response_header", "response_header_timeout", "header", "ttfb"}, doc: `
How long the upstream may think: from the last byte of the request to the last byte of the response head, so that a head
that drips in byte by byte ends as well.`},
	{path: "pools.NAME.timeouts.read", kind: duration, def: "60s", min: int64(time.Millisecond), max: int64(day), zero: "off", aka: []string{"proxy_read_timeout", "read_timeout", "body"}, doc: `
How long the upstream may be silent inside a response body. Event streams that are quiet for longer need a larger value, or 0.`},
	{path: "pools.NAME.timeouts.response", kind: duration, def: "0", min: int64(time.Millisecond), max: int64(7 * day), zero: "off", aka: []string{"total", "request", "deadline", "overall"}, doc: `
How long a request may take in all, over all its attempts, to the end of the response body. It is off by default, since it cuts downloads
and streams.`},
	{path: "pools.NAME.timeouts.idle", kind: idleTime, def: "auto", choices: []string{"auto"}, min: int64(time.Millisecond), max: int64(day), zero: "no connection is used twice", aka: []string{"keepalive", "keepalive_timeout", "keep_alive", "idle_timeout"}, doc: `
How long an idle connection to the upstream is kept for the next request. A request sent on a connection that the upstream is just
closing is the most common cause of a 502 now and then. With auto it is a minute, or less where the endpoint closes earlier: what
its Keep-Alive header says, or what it showed three times, less a second or so. With a duration it is that, so keep it below the
upstream's own limit. With either, connections of an endpoint that closes after each answer without saying so are not kept.`},

	{path: "pools.NAME.overload", kind: section, aka: []string{"adaptive_concurrency", "load_shedding", "concurrency_limit"}, doc: `
Keep the endpoints from more work than they can do in time. A server that is given three times what it can do soon answers nobody in time,
since it goes on working for clients that have left. Here the number of requests at each endpoint is bounded, what has no room waits for a
moment, and the rest is answered 503 with Retry-After at once. What was measured is in the answer's Proxy-Status and in the incident.`},
	{path: "pools.NAME.overload.adaptive", kind: choice, def: On, choices: []string{On, Off}, aka: []string{"enabled", "learn", "auto"}, doc: `
Whether the bound is learned: it sinks when answers take longer than delay allows and the bound was reached, and rises again when they do
not. What a request takes by itself is learned for each route, method and first path segment. Small pools of one slow worker need
limits.requests instead, and routes where short and very long requests are of one kind, such as long polling, a pool of their own.`},
	{path: "pools.NAME.overload.delay", kind: duration, def: "100ms", min: int64(time.Millisecond), max: int64(time.Minute), aka: []string{"target", "target_delay", "latency"}, doc: `
How much an endpoint may add to what a request takes by itself, in a queue of its own; half of what the request takes, if that is more.
It is also how long a request waits in the gateway for room, once there was an overload.`},
	{path: "pools.NAME.overload.queue", kind: number, def: "16384", min: 1, max: 16384, zero: "none waits", aka: []string{"max_queue", "queue_size", "maxqueue"}, doc: `
How many requests may wait. The oldest comes first in a burst; in an overload that lasts it is the newest, which can still be served in
time. A client that left meanwhile costs the endpoint nothing.`},

	{path: "pools.NAME.limits", kind: section, doc: `
What the pool may take.`},
	{path: "pools.NAME.limits.connections", kind: number, def: "0", min: 1, max: 1_000_000, zero: "no limit", aka: []string{"max_conns", "maxconn", "max_connections"}, doc: `
The number of connections to each endpoint at a time. A request that finds all endpoints full is answered 503.`},
	{path: "pools.NAME.limits.requests", kind: number, def: "0", min: 1, max: 1_000_000, zero: "no such limit", aka: []string{"max_requests", "concurrency", "max_concurrency", "max_pending_requests"}, doc: `
The number of requests at each endpoint at a time whose answer has not begun. What is above waits in the pool's queue (overload). A
number that you know is better than one that is learned: set it to twice what the server really works on at once. For a server that
takes one request of a second or more at a time, write 2.`},
	{path: "pools.NAME.limits.response_head", kind: size, def: "64KiB", min: 1 << 10, max: 16 << 20, aka: []string{"proxy_buffer_size", "max_response_header", "response_header", "buffer_size"}, doc: `
The size of a response's status line and headers. Proxies with 4 KiB here answer 502 as soon as an application sets a few large
cookies, hence the generous default; memory is only taken for heads that need it.`},

	{path: "pools.NAME.retry", kind: section, aka: []string{"retries", "proxy_next_upstream"}, doc: `
When a request is sent again. It never is if the upstream may have acted on it and its method is not idempotent, nor once the
client has got a part of an answer.`},
	{path: "pools.NAME.retry.attempts", kind: number, def: "2", min: 1, max: 5, aka: []string{"retries", "tries", "count", "max", "num_retries"}, doc: `
The number of attempts in all, the first included. 1 turns retries off.`},
	{path: "pools.NAME.retry.on", kind: list(statusRange), max: 32, example: "[502, 503]", aka: []string{"statuses", "codes", "retry_on", "status"}, doc: `
Status codes after which a request is sent again to another endpoint, as far as nothing of the answer has gone to the client. One that is
not idempotent, such as a POST, is only after 503 and 429, by which an endpoint says that it did not handle the request: do not list
them for applications that answer so when they have done half of it. An answer with Retry-After is passed on.`},
	{path: "pools.NAME.retry.budget", kind: percent, def: "20%", min: 0, max: 100, aka: []string{"ratio", "retry_budget"}, doc: `
How many of the pool's requests may be retried, over about ten seconds, so that retries do not bury an upstream that is
already struggling. A few retries are always allowed.`},
	{path: "pools.NAME.retry.replay_body", kind: size, def: "64KiB", min: 1, max: 16 << 20, zero: "requests with a body are not replayed", aka: []string{"buffer", "body_buffer", "buffer_size"}, doc: `
How much of a request body is kept to be sent again. A longer body is streamed without a copy and then not replayed.`},

	{path: "pools.NAME.hedge", kind: hedgeTime, def: Off, choices: []string{Off, On}, min: int64(time.Millisecond), max: int64(5 * time.Minute), aka: []string{"hedging", "hedge_policy", "hedge_on_per_try_timeout", "speculative_retry"}, doc: `
Send a request that takes long to a second endpoint as well, and take the answer that comes first. The other is given up, which is no failure of
its endpoint. With on, long is what 95 of 100 such requests take, as the pool shows it, 10ms at least; a duration is that. Only GET, HEAD and
OPTIONS are, for both endpoints may act on the request; within retry.budget, to another endpoint that is in order and has room, and not while
the pool is overloaded. What comes first with a status of 500 or above, or of retry.on, is not taken as long as the other may do better. It
helps against an endpoint that stalls now and then, and costs some 5 % more requests.`},
}

// root is the file itself: the sections, with every other key below its parent.
var root = tree(keys)

// tree links the rows to their parents. A row comes after its parent's.
func tree(rows []key) *key {
	top := &key{kind: section}
	byPath := map[string]*key{"": top}
	for i := range rows {
		k := &rows[i]
		k.doc = strings.TrimSpace(k.doc)
		k.name = k.path[strings.LastIndexByte(k.path, '.')+1:]
		above := strings.TrimSuffix(k.path, k.name)
		above = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(above, "."), "[]"), ".NAME")
		p := byPath[above]
		p.children = append(p.children, k)
		byPath[k.path] = k
	}
	return top
}

// child finds the key of that name in a section, nil if there is none.
func (k *key) child(name string) *key {
	for _, c := range k.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// parent cuts the last part off a path such as routes[2].host or pools.api: routes[2], pools.
func parent(path string) string {
	if strings.HasSuffix(path, "]") {
		return path[:strings.LastIndexByte(path, '[')]
	}
	return path[:max(strings.LastIndexByte(path, '.'), 0)]
}
