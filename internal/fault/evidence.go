package fault

import (
	"syscall"
	"time"

	"github.com/whygate/whygate/internal/httpmsg"
)

// Evidence is what was observed of one attempt to have a request answered. It is a plain value: whoever sees something
// writes it down where it happens, and Classify judges it afterwards. On the happy path no pointer in it is set.
type Evidence struct {
	Stage  Stage
	End    End           // how it ended, as it was observed
	By     Party         // who ended it; nobody writes over End to say so
	Reused bool          // the connection had carried an exchange before
	Nth    uint32        // which exchange on that connection, from 1; 0 where no connection was had
	Idle   time.Duration // how long the connection had been idle before this use
	Spent  [Stages]time.Duration
	Sent   int64 // octets of this request given to the kernel
	Got    int64 // octets of this response taken from the kernel

	Errno    syscall.Errno // what the kernel said, 0 if nothing
	Timer    Timer         // which timer of ours fired, TimerNone if none
	After    time.Duration // that timer's value
	Alert    uint8         // the TLS alert's number (End is Alert)
	Rule     Rule          // the protocol rule that was broken, or the limit that was passed
	Offset   int64         // where in the message, in octets from its first, the rule was broken
	Limit    int64         // the limit that was passed or reached, in the unit of its rule (octets or a count)
	Size     int64         // what was found against Limit
	Status   int           // the status code received from the upstream, 0 before its head was read
	Declared int64         // the response's Content-Length, -1 where it has none
	Body     int64         // octets of the response body received, without its framing
	Upload   bool          // the request body was not sent to its end

	Version     httpmsg.Version // the version spoken with the upstream, VersionNone where no connection was had
	Stream      uint32          // the stream's identifier on a connection of HTTP/2, 0 where there is none
	Code        ErrorCode       // why the peer ended the stream or the connection (End is StreamReset or GoAway)
	Unprocessed bool            // the peer has not acted on the request, by its own word (RFC 9113, section 8.7), though it was sent

	Told Cause // what somebody who knows said outright (a log line, an operator), where an exchange alone cannot show it

	Hedge bool // it was sent beside an attempt that took long

	ClientCert ClientCert // whether the peer asked for a client certificate in this handshake, and got one

	Endpoint string       // the endpoint as configured, e.g. http://app.internal:8080
	Addr     string       // the address used or last tried, e.g. 10.0.0.7:8080; empty before Dial
	Field    string       // the name of the field that Rule is about
	Sample   []byte       // first octets of a malformed response, at most SampleMax; set only on failure
	DNS      *DNS         // what the name server said; set only when Resolve failed
	Cert     *Certificate // what was wrong with the peer's certificate; set only when TLS failed for it
	Tried    []Address    // each address's failure, when more than one was dialed
	Detail   string       // one line from the layer that saw it, where the rest does not say it all
}

// SampleMax is the largest Sample kept, in octets.
const SampleMax = 4 << 10

// Timer is one of the gateway's own timers, named as its configuration key, or as the request's field that sets it.
type Timer uint8

const (
	TimerNone     Timer = iota
	TimerResolve        // resolver.timeout
	TimerConnect        // timeouts.connect
	TimerTLS            // timeouts.tls
	TimerWrite          // timeouts.write
	TimerHead           // timeouts.head
	TimerRead           // timeouts.read
	TimerResponse       // timeouts.response
	TimerRequest        // limits.head_time, the client's request head
	TimerIdle           // limits.idle, the client's silence inside a request
	TimerGRPC           // grpc-timeout, the deadline that a client of gRPC sets
)

var timerNames = [...]string{"", "resolver.timeout", "timeouts.connect", "timeouts.tls", "timeouts.write", "timeouts.head", "timeouts.read", "timeouts.response", "limits.head_time", "limits.idle", "grpc-timeout"}

// String gives the configuration key that sets the timer, empty for TimerNone.
func (t Timer) String() string {
	if int(t) < len(timerNames) {
		return timerNames[t]
	}
	return ""
}

// MarshalText makes JSON show the configuration key.
func (t Timer) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// DNS is what our own query learned after a name did not resolve.
type DNS struct {
	Name     string // the name asked for
	Server   string // the server asked, host:port
	Answered bool   // a server answered at all; RCode and EDE mean nothing otherwise
	RCode    uint16 // the response code, RFC 6895 section 2.3
	EDE      int32  // the extended DNS error's INFO-CODE (RFC 8914), -1 where there is none
	EDEText  string // its EXTRA-TEXT
}

// Certificate is what was wrong with the peer's certificate.
type Certificate struct {
	Problem   CertProblem
	Wanted    string // the name that was verified
	Chain     []CertificateInfo
	Authority string // the issuer that is not known, for UnknownAuthority
}

// CertProblem is why a certificate did not verify.
type CertProblem uint8

const (
	CertOther CertProblem = iota
	CertExpired
	CertNotYetValid
	CertWrongName
	CertUnknownAuthority
	CertSelfSigned
	CertRevoked
	CertBadUsage
)

var certProblemNames = [...]string{"other", "expired", "not_yet_valid", "wrong_name", "unknown_authority", "self_signed", "revoked", "bad_usage"}

// String gives the problem's name as logs and JSON spell it.
func (p CertProblem) String() string {
	if int(p) < len(certProblemNames) {
		return certProblemNames[p]
	}
	return certProblemNames[CertOther]
}

// MarshalText makes JSON show the problem's name.
func (p CertProblem) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// ClientCert is what became of a peer's wish for a client certificate.
type ClientCert uint8

const (
	ClientCertUnasked ClientCert = iota
	ClientCertMissing            // asked for, and there was none to show that the peer would take
	ClientCertShown              // asked for, and shown
)

var clientCertNames = [...]string{"", "missing", "shown"}

// String gives the name as JSON spells it, empty if none was asked for.
func (c ClientCert) String() string {
	if int(c) < len(clientCertNames) {
		return clientCertNames[c]
	}
	return ""
}

// CertificateInfo is one certificate of the chain as the peer sent it.
type CertificateInfo struct {
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	Names     []string  `json:"names,omitempty"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
}

// Address is the failure of one address of a name.
type Address struct {
	Addr  string
	End   End
	Errno syscall.Errno
	Spent time.Duration
}

// SafeToRetry reports whether the upstream cannot have acted on the request: no octet of it was given to the kernel, or the
// upstream says so itself.
func (e *Evidence) SafeToRetry() bool { return e.Unprocessed || e.Sent == 0 && e.Stage <= Write }
