package main

// The names of the proxies, which are those of their programs and packages.
const (
	whygate = "whygate"
	nginx   = "nginx"
	haproxy = "haproxy"
	base    = "base" // another build of Whygate, to compare with
	calm    = "calm" // the same Whygate, built so that it keeps no incident
)

// baseLimit is what a request may cost of what it costs that build.
const baseLimit = 1.02

// What the origin answers, and how much of it.
const (
	smallPath = "/small"
	smallSize = 100
	postPath  = "/post"
	filePath  = "/ten.html"
	fileSize  = 10 << 10
	phpPath   = "/small.php"
	postSize  = 10 << 10
	largePath = "/large"
	largeSize = 256 << 20
)

// idleConnections is the number of clients in the idle cases.
const idleConnections = 5000

// load is how a case is driven.
type load uint8

const (
	requests   load = iota // wrk sends as many requests as it can; the unit is one request
	transfers              // one connection fetches a large body again and again; the unit is 1 GiB
	idle                   // many connections do nothing; there is no unit, memory is read
	handshakes             // TLS connections with one request each, one after another; the unit is one connection
)

// benchCase is one line of the table of ratios.
type benchCase struct {
	name        string
	title       string
	load        load
	connections int
	path        string
	requestBody int   // octets of a POST; 0 is a GET
	answer      int64 // octets of the answer's body
	accessLog   bool
	tls         bool
	static      bool               // the proxy answers by a file of its own
	php         bool               // the proxy speaks FastCGI to php-fpm
	streams     int                // HTTP/2, with so many requests at a time on each connection; 0 is HTTP/1.1
	resumed     bool               // the session of the connection before is resumed
	cores       int                // how many the proxy may use; 0 is one
	limitKiB    float64            // what an idle connection may cost Whygate
	side        int                // requests a second beside the load, which fail, and so leave an incident each; not in calm
	limitP99    float64            // the ratio of the 99th percentiles to reach with calm
	limits      map[string]float64 // the ratio to reach, by peer; a peer without one is not run
}

// cases is the table: CPU per request of Whygate divided by that of the peer must not be above the limit.
func cases() []benchCase {
	return []benchCase{
		{
			name: "get-64", title: "GET, 100-byte body, 64 keep-alive connections, no access log",
			connections: 64, path: smallPath, answer: smallSize,
			limits: map[string]float64{nginx: 0.95, haproxy: 0.85},
		},
		{
			name: "get-512", title: "the same, 512 connections",
			connections: 512, path: smallPath, answer: smallSize,
			limits: map[string]float64{nginx: 0.95, haproxy: 0.85},
		},
		{
			name: "get-2000", title: "the same, 2,000 connections",
			connections: 2000, path: smallPath, answer: smallSize,
			limits: map[string]float64{nginx: 0.95, haproxy: 0.85},
		},
		{
			// The load takes its share of one of the cores. That is the same for all, and what the scheduler costs is seen.
			name: "get-64-2-cores", title: "64 connections, the proxy on two cores, load and origin on one of them",
			connections: 64, path: smallPath, answer: smallSize, cores: 2,
			limits: map[string]float64{nginx: 1.0},
		},
		{
			name: "get-64-log", title: "64 connections with access log on both (nginx buffer=64k)",
			connections: 64, path: smallPath, answer: smallSize, accessLog: true,
			limits: map[string]float64{nginx: 1.0},
		},
		{
			name: "post", title: "POST 1 KiB, answer 10 KiB",
			connections: 64, path: postPath, requestBody: 1 << 10, answer: postSize,
			limits: map[string]float64{nginx: 1.0, haproxy: 1.0},
		},
		{
			name: "static", title: "GET of a file of 10 KiB, which the proxy sends itself", static: true,
			connections: 64, path: filePath, answer: fileSize,
			limits: map[string]float64{nginx: 1.1},
		},
		{
			name: "fastcgi", title: "GET of a script of php-fpm's, 16 connections", php: true,
			connections: 16, path: phpPath, answer: smallSize,
			limits: map[string]float64{nginx: 1.0},
		},
		{
			name: "tls", title: "GET over TLS 1.3, ECDSA P-256, keep-alive",
			connections: 64, path: smallPath, answer: smallSize, tls: true,
			limits: map[string]float64{nginx: 1.0, haproxy: 1.1},
		},
		{
			name: "tls-full", title: "TLS 1.3 handshake with one request, ECDSA P-256", load: handshakes,
			connections: 1, path: smallPath, answer: smallSize, tls: true,
			limits: map[string]float64{nginx: 1.2, haproxy: 1.2},
		},
		{
			name: "tls-resumed", title: "the same, resumed", load: handshakes, resumed: true,
			connections: 1, path: smallPath, answer: smallSize, tls: true,
			limits: map[string]float64{nginx: 1.2, haproxy: 1.2},
		},
		{
			name: "h2-16x16", title: "HTTP/2 over TLS 1.3, 16 connections with 16 requests at a time",
			connections: 16, streams: 16, path: smallPath, answer: smallSize, tls: true,
			limits: map[string]float64{nginx: 0.65, haproxy: 0.95},
		},
		{
			name: "h2-1x100", title: "the same, 1 connection with 100",
			connections: 1, streams: 100, path: smallPath, answer: smallSize, tls: true,
			limits: map[string]float64{nginx: 0.65, haproxy: 0.87},
		},
		{
			name: "h2-64x32", title: "the same, 64 connections with 32",
			connections: 64, streams: 32, path: smallPath, answer: smallSize, tls: true,
			limits: map[string]float64{nginx: 0.70, haproxy: 0.85},
		},
		{
			name: "h2-1x1", title: "the same, 1 connection with 1",
			connections: 1, streams: 1, path: smallPath, answer: smallSize, tls: true,
			limits: map[string]float64{nginx: 0.95, haproxy: 0.90},
		},
		{
			name: "large", title: "one 256 MiB body, CPU per GiB", load: transfers,
			connections: 1, path: largePath, answer: largeSize,
			limits: map[string]float64{nginx: 0.8, haproxy: 1.0},
		},
		{
			// Of each a request reaches the gateway and an endpoint; one of them finds nobody there, is told of in an incident, and kept in SQLite.
			name: "incidents", title: "64 connections, beside 5,000 requests a second that leave an incident; calm: a build that keeps none",
			connections: 64, path: smallPath, answer: smallSize, side: 5000, limitP99: 1.05,
			limits: map[string]float64{calm: 1.02},
		},
		{
			// The limit is absolute; the peers are run to be shown beside it.
			name: "idle", title: "5,000 idle keep-alive connections, resident memory of one", load: idle,
			connections: idleConnections, path: smallPath, answer: smallSize, limitKiB: 1.5,
			limits: map[string]float64{nginx: 0, haproxy: 0},
		},
		{
			name: "idle-tls", title: "the same over TLS 1.3", load: idle, tls: true,
			connections: idleConnections, path: smallPath, answer: smallSize, limitKiB: 11,
			limits: map[string]float64{nginx: 0, haproxy: 0},
		},
	}
}

func caseNames() []string {
	var names []string
	for _, c := range cases() {
		names = append(names, c.name)
	}
	return names
}

// proxies names what runs in the case: Whygate first, then the peers that it is compared with.
func (c benchCase) proxies(peers []string) []string {
	names := []string{whygate}
	for _, p := range peers {
		if _, ok := c.limits[p]; ok || p == base {
			names = append(names, p)
		}
	}
	if c.side > 0 {
		names = append(names, calm)
	}
	return names
}

// unit is what CPU time is divided by, and how the quotient is printed.
type unit struct {
	name   string
	symbol string  // of the unit of time
	us     float64 // microseconds in it
}

var (
	perRequest = unit{name: "request", symbol: "µs", us: 1}
	perGiB     = unit{name: "GiB", symbol: "ms", us: 1000}

	perConnection = unit{name: "connection", symbol: "µs", us: 1}
)

func (c benchCase) unit() unit {
	switch c.load {
	case transfers:
		return perGiB
	case handshakes:
		return perConnection
	}
	return perRequest
}
