package fault

// End is how a stage stopped.
type End uint8

const (
	Completed     End = iota // it did not stop: the stage was passed
	Closed                   // the peer sent FIN (or close_notify)
	Reset                    // the peer sent RST: ECONNRESET, or EPIPE on a write
	Timeout                  // one of our timers fired (Evidence.Timer), or the kernel's did (Evidence.Errno is ETIMEDOUT)
	Refused                  // ECONNREFUSED; on a unix socket also ENOENT, EACCES and EAGAIN (Evidence.Errno tells which)
	Unreachable              // EHOSTUNREACH, ENETUNREACH, and EACCES or EPERM on TCP: no route, or a firewall's ICMP answer
	Exhausted                // our own ports, descriptors or memory ran out: EADDRNOTAVAIL, EMFILE, ENFILE, ENOBUFS, ENOMEM
	Failed                   // another errno of the operating system
	NoAddress                // the name did not give an address (Evidence.DNS)
	Alert                    // the peer sent a fatal TLS alert (Evidence.Alert)
	Untrusted                // the peer's certificate did not verify (Evidence.Cert)
	Malformed                // the peer broke a protocol rule (Evidence.Rule, Offset)
	TooLarge                 // the peer's message was larger than our limit (Evidence.Rule, Limit, Size)
	Limit                    // a limit of ours was reached before the peer was asked (connections, queue, budget)
	Unavailable              // nobody to ask: no endpoint, or each one is out of service
	NoRoute                  // no rule of ours matches the request
	Denied                   // policy of ours forbids it (method, address)
	Loop                     // the request had already passed here
	Misconfigured            // our configuration makes it impossible
	Canceled                 // the client left
	Bug                      // we are at fault: a panic, a broken invariant
	StreamReset              // the peer ended the stream alone by RST_STREAM (Evidence.Stream, Code)
	GoAway                   // the peer ended the connection by GOAWAY (Evidence.Code, Detail), or does not take the stream because of it
)

// Ends is the number of ends, for tables indexed by End.
const Ends = int(GoAway) + 1

var endNames = [Ends]string{
	"completed", "closed", "reset", "timeout", "refused", "unreachable", "exhausted", "failed", "no_address", "alert", "untrusted",
	"malformed", "too_large", "limit", "unavailable", "no_route", "denied", "loop", "misconfigured", "canceled", "bug", "stream_reset", "go_away",
}

// String gives the end's name as logs and JSON spell it.
func (e End) String() string {
	if int(e) < len(endNames) {
		return endNames[e]
	}
	return "unknown"
}

// MarshalText makes JSON show the end's name.
func (e End) MarshalText() ([]byte, error) { return []byte(e.String()), nil }
