// Package config turns a YAML file into a Config: an immutable value with every default filled in, or a list of
// everything that is wrong with the file, each with line, column, the line itself and what to write instead.
//
// One table (keys, in keys.go) describes each key once: its kind, default, range and a paragraph of documentation. The
// decoder, the defaults, the reference (Reference) and the editors' schema (Schema) are all made from it.
//
// It knows no other package of the gateway except openfile and yamltree, which read what somebody else wrote, and it opens no
// file but the configuration and the secrets that it names: whether a certificate loads or a name resolves is for others to find out, who report it at Config.Position.
package config

import (
	"net/netip"
	"time"
)

// Config is a configuration that passed every check. Nothing changes it after Parse returned it.
type Config struct {
	File string // the path it came from, empty for one made from flags

	Version        int            `key:"version"`
	Include        []string       `key:"include"` // as it is written; what the files have is in Routes and Pools
	Name           string         `key:"name"`
	Zone           string         `key:"zone"` // where the gateway is, as endpoints say it; empty: nobody said
	Listen         []Listen       `key:"listen"`
	ACME           ACME           `key:"acme"`
	Admin          Address        `key:"admin"` // the zero Address if it is off
	ProxyStatus    string         `key:"proxy_status"`
	ErrorPages     string         `key:"error_pages"`
	AccessLog      AccessLog      `key:"access_log"`
	Incidents      Incidents      `key:"incidents"`
	Console        Console        `key:"console"`
	Notify         []Notify       `key:"notify"`
	OTLP           OTLP           `key:"otlp"`
	Resolver       Resolver       `key:"resolver"`
	TrustedProxies []netip.Prefix `key:"trusted_proxies"`
	Limits         Limits         `key:"limits"`
	Routes         []Route        `key:"routes"` // in file order: the first match wins
	Pools          []Pool         `key:"pools"`  // in file order

	positions map[string]position
	sources   []source
	written   map[string]expansion // values that have a part from the environment, by their path
}

// The values of proxy_status.
const (
	ProxyStatusOff  = "off"  // no Proxy-Status field
	ProxyStatusSafe = "safe" // without addresses and details
	ProxyStatusFull = "full" // with them
)

// The values of error_pages.
const (
	ErrorPagesFull  = "full"  // with the incident id, the time and what a visitor can do
	ErrorPagesPlain = "plain" // the bare page
)

// AccessLog is where the access log goes, and what is in it.
type AccessLog struct {
	To      string   `key:"to"`      // LogStdout, LogStderr, LogOff or a file's path
	Sample  int      `key:"sample"`  // of good requests one in so many
	Without []string `key:"without"` // keys that the lines of good requests lack
	Mask    []string `key:"mask"`    // what no line shows as it is
}

// OTLP is an OpenTelemetry collector.
type OTLP struct {
	Endpoint string  `key:"endpoint"` // a URL; empty: none
	Headers  []Field `key:"headers"`
	Logs     bool    `key:"logs"`
	Traces   bool    `key:"traces"`
	Sample   int     `key:"sample"` // of good exchanges one in so many; 0: none
}

// The values of access_log.to that are not a file's path.
const (
	LogStdout = "stdout"
	LogStderr = "stderr"
	LogOff    = "off"
)

// The values of pools.NAME.balance.
const (
	RoundRobin    = "round-robin"
	LeastRequests = "least-requests"
	ByLatency     = "latency"
	ByHash        = "hash"
)

// The values of pools.NAME.protocol.
const (
	ProtocolAuto  = "auto" // over TLS what both sides agree on
	ProtocolHTTP1 = "h1"
	ProtocolHTTP2 = "h2"
)

// The values of pools.NAME.proxy_protocol beside Off.
const (
	ProxyV1 = "v1"
	ProxyV2 = "v2"
)

// HashKey is what an endpoint is chosen by where balance is hash.
type HashKey struct {
	By   string // HashIP, HashPath, HashHeader or HashCookie
	Name string // of the header or the cookie
}

// The kinds of HashKey.
const (
	HashIP     = "ip"
	HashPath   = "path"
	HashHeader = "header"
	HashCookie = "cookie"
)

// String is the key as the configuration spells it.
func (h HashKey) String() string {
	if h.Name == "" {
		return h.By
	}
	return h.By + ":" + h.Name
}

// The values of keys that are on or off.
const (
	On  = "on"
	Off = "off"
)

// Sticky keeps a client at the endpoint that answered it first.
type Sticky struct {
	Cookie string `key:"cookie"` // the name of our cookie; empty: off
}

// The values of pools.NAME.check.type.
const (
	CheckHTTP = "http"
	CheckTCP  = "tcp"
	CheckGRPC = "grpc"
)

// Check asks endpoints whether they are well.
type Check struct {
	On      bool          // the section is there
	Path    string        `key:"path"` // with its query; for CheckGRPC a slash and the service
	Every   time.Duration `key:"every"`
	Timeout time.Duration `key:"timeout"`
	Status  []StatusRange `key:"status"` // empty: 200 to 399
	Fall    int           `key:"fall"`
	Rise    int           `key:"rise"`
	Type    string        `key:"type"`
	Host    string        `key:"host"` // empty: the endpoint's own
}

// StatusRange is a range of status codes, both ends in it.
type StatusRange struct{ From, To int }

// The values of pools.NAME.host that are not a literal host.
const (
	HostClient   = "client"   // what the client sent
	HostEndpoint = "endpoint" // the endpoint's own host and port
)

// Address is something to listen on.
type Address struct {
	Network string // "tcp", "unix", or "systemd" for a socket that systemd passes
	Address string // host:port, the socket's path, or the systemd socket's name (empty: every socket without another taker)
}

// String is the address as the configuration spells it.
func (a Address) String() string {
	switch a.Network {
	case "":
		return "off"
	case "tcp":
		return a.Address
	}
	return a.Network + ":" + a.Address
}

// Listen is one listener.
type Listen struct {
	Address Address   `key:"address"`
	TLS     ListenTLS `key:"tls"`
	H2C     bool      `key:"h2c"` // HTTP/2 in clear, by prior knowledge
	H3      string    `key:"h3"`  // On or Off: HTTP/3 on the UDP port of the same number

	ProxyProtocol string `key:"proxy_protocol"` // On or Off: connections begin with a header of the PROXY protocol
}

// Resolver says how names become addresses.
type Resolver struct {
	Servers []string      `key:"servers"` // host:port; empty: the system's resolver
	Timeout time.Duration `key:"timeout"`
}

// Incidents says where incidents are kept.
type Incidents struct {
	Store string `key:"store"` // "memory", sqlite:PATH with an absolute path, or a postgres:// URL; empty: a file in the state directory
	Keep  Keep   `key:"keep"`
}

// Keep says what is kept of what is in the store.
type Keep struct {
	For  time.Duration `key:"for"`  // 0: always
	Size int64         `key:"size"` // octets; 0: no limit
}

// Notify is whom to tell when something new fails: either Webhook or Command is set.
type Notify struct {
	Webhook string        `key:"webhook"`
	Command []string      `key:"command"`
	Format  string        `key:"format"`   // json, slack or pagerduty
	KeyFile string        `key:"key_file"` // path; for pagerduty
	Every   time.Duration `key:"every"`
}

// Console is who may look at the pages on the admin address.
type Console struct {
	Hosts        []string `key:"hosts"`         // names, in lower case
	PasswordFile string   `key:"password_file"` // path; empty: no password

	TLS ConsoleTLS `key:"tls"`
}

// ConsoleTLS is TLS on the admin address.
type ConsoleTLS struct {
	Cert     string `key:"cert"` // path; empty: no TLS
	Key      string `key:"key"`
	ClientCA string `key:"client_ca"` // path; empty: no client certificates
}

// Limits bound what clients may take. Sizes are in octets.
type Limits struct {
	Connections int64         `key:"connections"`
	RequestHead int64         `key:"request_head"`
	HeadTime    time.Duration `key:"head_time"`
	RequestBody int64         `key:"request_body"` // 0: no limit
	Idle        time.Duration `key:"idle"`
}

// Route sends what it matches to a pool.
type Route struct {
	Name         string         `key:"name"`   // in logs and metrics; empty: made of what it matches
	Host         string         `key:"host"`   // lower case; exact, or *.example.com; empty: any
	Path         string         `key:"path"`   // exact, /a/*, or ~ and a regular expression; empty: any
	Methods      []string       `key:"method"` // empty: any
	Header       []Field        `key:"header"` // what headers must be like; empty: anything
	Query        []Field        `key:"query"`  // what parameters of the query must be like; empty: anything
	Scheme       string         `key:"scheme"` // http or https; empty: either
	Ports        []int64        `key:"port"`   // that clients came to; empty: any
	Rate         Rate           `key:"rate"`
	Maintenance  string         `key:"maintenance"` // On or Off
	Compress     string         `key:"compress"`    // On or Off
	Priority     int            `key:"priority"`    // in the pool's queue, 0 first
	Allow        []netip.Prefix `key:"allow"`
	Deny         []netip.Prefix `key:"deny"`
	Auth         Auth           `key:"auth"`
	Redirect     Redirect       `key:"redirect"`
	Respond      Respond        `key:"respond"`
	Files        Files          `key:"files"`
	FastCGI      FastCGI        `key:"fastcgi"`
	Pool         string         `key:"pool"`    // the name of a pool that exists; empty where the gateway answers itself
	Strip        string         `key:"strip"`   // a prefix taken off the path, without a slash at its end; empty: none
	Rewrite      string         `key:"rewrite"` // the path to ask for, with variables; empty: the client's
	SetRequest   []Field        `key:"set_request"`
	SetResponse  []Field        `key:"set_response"`
	MakeRequest  []Field        `key:"make_request"` // with variables
	MakeResponse []Field        `key:"make_response"`
	Timeouts     RouteTimeouts  `key:"timeouts"`
	Errors       []ErrorPage    `key:"errors"`
}

// Files is a directory to serve from.
type Files struct {
	Root    string   `key:"root"`    // an absolute path; empty: none
	Index   []string `key:"index"`   // of directories
	Missing string   `key:"missing"` // MissingNotFound, MissingNext, or the path of a file below Root
	Links   string   `key:"links"`   // LinksInside or LinksFollow
	Hidden  bool     `key:"hidden"`  // names that begin with a dot are served
	Scripts []string `key:"scripts"` // what the names of programs end with, which are not served
}

// FastCGI is an application that speaks FastCGI.
type FastCGI struct {
	Address Address `key:"address"` // the zero Address: none
	Root    string  `key:"root"`    // the scripts' directory, as the application sees it
	Index   string  `key:"index"`
	Split   string  `key:"split"`
	Params  []Field `key:"params"`
}

// The values of routes[].files.missing that are not a path, and of routes[].files.links.
const (
	MissingNotFound = "404"
	MissingNext     = "next"
	LinksInside     = "inside"
	LinksFollow     = "follow"
)

// ErrorPage is a page of one's own.
type ErrorPage struct {
	Status   []StatusRange `key:"status"`
	File     string        `key:"file"`
	Upstream bool          `key:"upstream"` // also for what endpoints answer
}

// PoolsOwn as a time-out of a route is the pool's.
const PoolsOwn time.Duration = -1

// RouteTimeouts are time-outs of a route in the place of its pool's.
type RouteTimeouts struct {
	Connect  time.Duration `key:"connect"`
	Write    time.Duration `key:"write"`
	Head     time.Duration `key:"head"`
	Read     time.Duration `key:"read"`
	Response time.Duration `key:"response"`
}

// poolsTimeouts are those of a route that sets none.
var poolsTimeouts = RouteTimeouts{PoolsOwn, PoolsOwn, PoolsOwn, PoolsOwn, PoolsOwn}

// Auth asks for a name and a password.
type Auth struct {
	Users string `key:"users"` // path of a file as htpasswd writes it; empty: nobody is asked
	Realm string `key:"realm"`
}

// Redirect sends clients elsewhere.
type Redirect struct {
	To     string `key:"to"` // with variables; empty: no redirect
	Status int    `key:"status"`
}

// Respond is an answer that is always the same.
type Respond struct {
	Status int    `key:"status"` // 0: none
	Body   string `key:"body"`
	Type   string `key:"type"`
}

// Rate bounds how often a route is asked. The zero Limit is no bound.
type Rate struct {
	Per   RateKey   `key:"per"`
	Limit Frequency `key:"limit"`
}

// Frequency is a number of requests in a time.
type Frequency struct {
	Requests int64
	In       time.Duration // a second, a minute or an hour
}

// RateKey is what has a rate of its own.
type RateKey struct {
	By   string // RateClient, RateRoute or RateHeader
	Name string // of the header
}

// The kinds of RateKey.
const (
	RateClient = "client"
	RateRoute  = "route"
	RateHeader = "header"
)

// Field is a field to set. An empty Value removes the field.
type Field struct {
	Name, Value string
}

// Pool is a set of endpoints that answer the same.
type Pool struct {
	Name      string
	Endpoints []Endpoint `key:"endpoints"`
	Resolve   Resolve    `key:"resolve"`
	Balance   string     `key:"balance"`
	Protocol  string     `key:"protocol"`
	Hash      HashKey    `key:"hash"`

	ProxyProtocol string `key:"proxy_protocol"` // Off, ProxyV1 or ProxyV2

	Sticky   Sticky      `key:"sticky"`
	Check    Check       `key:"check"`
	Eject    string      `key:"eject"` // On or Off
	Host     string      `key:"host"`  // HostClient, HostEndpoint or a literal host
	TLS      UpstreamTLS `key:"tls"`
	Timeouts Timeouts    `key:"timeouts"`
	Overload Overload    `key:"overload"`
	Limits   PoolLimits  `key:"limits"`
	Retry    Retry       `key:"retry"`

	Hedge time.Duration `key:"hedge"` // after how long a request is sent a second time beside the first; 0 for never, or HedgeLearned
}

// HedgeLearned as a pool's hedge is what 95 of 100 requests take.
const HedgeLearned time.Duration = -1

// Endpoint is one place that answers requests, and its part in the pool.
type Endpoint struct {
	Place  `key:"url"`
	Weight int  `key:"weight"` // its share against the others'
	Backup bool `key:"backup"` // it is asked only while no other can be

	Zone string `key:"zone"` // where it is; empty: nobody said

	Tier int // among backups: a higher one is asked later. Only what names are found to stand for has one above 0
}

// Place is where an endpoint is.
type Place struct {
	Scheme string // "http", "https", "h2c" or "unix"
	Host   string // a name in lower case or an address without brackets; empty for unix
	Port   uint16 // 0 for unix
	Path   string // the socket's path, for unix

	At string // the one of the name's addresses that is meant, as it was found; empty is whichever
}

// EveryTTL as resolve.every is as often as the records say.
const EveryTTL time.Duration = 0

// Resolve says that names are followed: what they stand for are the pool's endpoints.
type Resolve struct {
	On    bool          // the section is there
	Every time.Duration `key:"every"` // or EveryTTL
	SRV   string        `key:"srv"`   // the name of SRV records; empty: the endpoints' names
}

// UpstreamTLS is how the gateway speaks TLS to a pool's https endpoints.
type UpstreamTLS struct {
	CA         string `key:"ca"`          // path of a PEM file; empty: the system's authorities
	CRL        string `key:"crl"`         // path of a file of revocation lists; empty: none
	ServerName string `key:"server_name"` // empty: the endpoint's host
	Cert       string `key:"cert"`        // path of a PEM file; empty: no client certificate
	Key        string `key:"key"`
	Verify     bool   `key:"verify"`
}

// IdleAuto as timeouts.idle is what the endpoint shows or says that it keeps, at most IdleMost.
const (
	IdleAuto time.Duration = -1
	IdleMost               = time.Minute
)

// Timeouts are the timers of one attempt. 0 is off, except for Idle, where it means that no connection is used twice.
type Timeouts struct {
	Connect  time.Duration `key:"connect"`
	TLS      time.Duration `key:"tls"`
	Write    time.Duration `key:"write"`
	Head     time.Duration `key:"head"`
	Read     time.Duration `key:"read"`
	Response time.Duration `key:"response"`
	Idle     time.Duration `key:"idle"`
}

// Overload says how endpoints are kept from more work than they can do in time.
type Overload struct {
	Adaptive string        `key:"adaptive"` // On or Off
	Delay    time.Duration `key:"delay"`    // what an endpoint may add to what a request takes
	Queue    int64         `key:"queue"`    // requests that may wait; 0: none
}

// PoolLimits bound what one pool may take.
type PoolLimits struct {
	Connections  int64 `key:"connections"`   // to each endpoint; 0: no limit
	Requests     int64 `key:"requests"`      // awaited of each endpoint; 0: no limit of this kind
	ResponseHead int64 `key:"response_head"` // octets
}

// Retry says how often a request may be sent again.
type Retry struct {
	Attempts   int           `key:"attempts"`    // in total, the first included
	On         []StatusRange `key:"on"`          // after these answers too
	Budget     int           `key:"budget"`      // retries, in percent of the pool's requests
	ReplayBody int64         `key:"replay_body"` // octets of a request body kept for a retry
}

// Pool finds a pool by name, nil if there is none.
func (c *Config) Pool(name string) *Pool {
	for i := range c.Pools {
		if c.Pools[i].Name == name {
			return &c.Pools[i]
		}
	}
	return nil
}

// Position is where the file gives the value at path, such as pools.api.tls.ca or routes[2].host. A path that the file
// leaves out has the position of the nearest section around it; line and column are 0 if there is no file.
func (c *Config) Position(path string) (file string, line, column int) {
	p := c.positions[path]
	for p.line == 0 && path != "" {
		path = parent(path)
		p = c.positions[path]
	}
	if s, own := sourceOf(c.sources, p.line); own > 0 {
		return s.name, own, p.column
	}
	return c.File, 0, 0
}
