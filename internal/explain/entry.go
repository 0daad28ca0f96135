package explain

import (
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/phrase"
)

// Entry is what one line says. Its slices point into the line and are good only until the next one is read; whoever keeps
// an entry copies them.
type Entry struct {
	Kind   Kind
	By     By
	Time   time.Time // zero where the line has none
	Zoned  bool      // the line names the zone of its time; otherwise it was read as local time
	Status int       // what the client was answered, 0 where the line does not say or nothing was

	Upstream []byte // who was asked: host:port, a socket's path, or the name of a group where the line has no more
	Client   []byte // the client's address, without its port where that can be told
	Method   []byte
	Host     []byte
	Path     []byte        // the request's target, with its query
	ID       []byte        // what other lines of the same exchange carry as well (request id, trace id, ray id)
	Process  uint64        // the process that wrote the line, 0 where it does not say
	Conn     uint64        // the connection's number in that process's log, 0 where it has none
	Took     time.Duration // the whole exchange, -1 where the line does not say
	Attempts int           // how many attempts the line tells of, 0 where it does not say

	// Evidence is that of the last attempt, as much as the line gives: Classify judges it. Where a line says outright what
	// went wrong and no observation does (a worker was killed), Evidence.Told has it.
	Evidence fault.Evidence
	// Candidates are the causes that the line may stand for, where it cannot tell, the likeliest first; empty where it can.
	Candidates []fault.Cause

	// Bare says that the verdict rests on the status alone: another line of the exchange says more, where there is one.
	Bare bool
	// Again says that an earlier line of the same process and connection, if there is one, has told of this attempt already.
	Again bool

	Marker Marker // what the line marks in time, beside what it says of an exchange
	Said   []byte // the part of the line to show as an example: its message

	module  string         // of nginx, where it is not proxy: fastcgi, uwsgi, scgi or grpc, whose directives have that name before them
	unruled bool           // it is at error level, and no rule knows its wording
	read    *phrase.Phrase // the words that the verdict rests on, nil where a format's grammar says it
}

// reset makes the entry ready for another line.
func (e *Entry) reset() { *e = Entry{Took: -1, Candidates: e.Candidates[:0]} }

// Fault is the verdict on the entry's evidence: the zero Fault where it tells of none.
func (e *Entry) Fault() fault.Fault {
	if e.Kind != KindFault && e.Kind != KindClient {
		return fault.Fault{}
	}
	return fault.Classify(&e.Evidence)
}

// Kind is what a line says of its exchange.
type Kind uint8

const (
	KindUnknown Kind = iota // no format knows the line
	KindOK                  // an exchange that ended well, as far as the line tells
	KindFault               // an attempt or an exchange failed, or an application or a system says why one will
	KindClient              // the client's doing: it left (499), or its request was at fault
	KindNoise               // about no exchange, or nothing that failed: notices, warnings, what runs as it should
)

var kindNames = [...]string{"unknown", "ok", "fault", "client", "noise"}

// String gives the kind's name as JSON spells it.
func (k Kind) String() string { return kindNames[k] }

// By is who made the answer, or the failure.
type By uint8

const (
	ByUnknown By = iota
	ByOrigin     // the application: its own status passed through, or its own log
	ByGateway    // the proxy that wrote the log
	ByHop        // another proxy between the two
	ByClient
)

var byNames = [...]string{"", "origin", "gateway", "hop", "client"}

// String gives the name as JSON spells it, empty for ByUnknown.
func (b By) String() string { return byNames[b] }

// Marker is an event in time that faults may begin or end at.
type Marker uint8

const (
	MarkerNone Marker = iota
	MarkerStart
	MarkerStop
	MarkerReload
)

var markerNames = [...]string{"", "start", "stop", "reload"}

// String gives the marker's name, empty for MarkerNone.
func (m Marker) String() string { return markerNames[m] }

// Role is who writes a log.
type Role uint8

const (
	RoleProxy       Role = iota // a gateway, proxy, balancer or CDN
	RoleApplication             // the application server behind it
	RoleSystem                  // the kernel or the service manager of the machine
)

// Format is one shape of line.
type Format struct {
	Name    string // as --format and the JSON have it, e.g. nginx-error
	Title   string // as people call it, e.g. nginx error log
	Product string // whose it is, for advice in its own syntax: nginx, haproxy, envoy, apache, caddy, traefik, alb, ...
	Role    Role
	Gives   string // which evidence its lines have, one sentence
	Lacks   string // what they cannot tell, one sentence
	Better  string // what to configure so that they can, ready to paste; empty where nothing helps

	// Parse reads one line, without its end and without what carried it (syslog, journald, docker, kubectl), into an entry
	// that was reset. It reports false, and may leave anything in the entry, where the line is not of this format. It is
	// strict: what it takes, no other format should. It never panics, and it allocates nothing for a line of KindOK.
	Parse func(e *Entry, line []byte) bool

	// What its lines begin with, or have in them: a line of which nothing of this is so is not offered to Parse. Where all is
	// empty, every line is.
	begins string   // the first octet, 0 for any digit but a date's
	dated  dates    // the date at the beginning
	common bool     // [22/Nov/2026, somewhere
	marks  []string // one of these words somewhere; of JSON, a key of the object itself

	// wordy says that its lines were read by their words, or by the meaning of their keys: less sure than a grammar.
	wordy bool

	// quick, where a format has it, knows a boring line at a glance: KindOK or KindClient for a line that is surely of this
	// format and of which there is nothing more to say than that, KindUnknown for one that Parse has to read.
	quick func(line []byte) Kind
}
