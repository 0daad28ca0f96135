package fault

// Stage is how far an exchange had come. The order of the constants is the order in which they happen.
type Stage uint8

const (
	Receive   Stage = iota // reading the client's request
	Select                 // choosing a route, a pool and an endpoint
	Resolve                // asking for the endpoint's addresses
	Dial                   // opening the transport connection
	TLS                    // shaking hands
	Write                  // writing the request
	FirstByte              // awaiting the first byte of the response
	Head                   // reading the response head
	Body                   // reading the response body
	Done                   // both messages ended where they said
)

// Stages is the number of stages, for arrays indexed by Stage.
const Stages = int(Done) + 1

var stageNames = [Stages]string{"receive", "select", "resolve", "dial", "tls", "write", "first_byte", "head", "body", "done"}

// String gives the stage's name as logs and JSON spell it.
func (s Stage) String() string {
	if int(s) < len(stageNames) {
		return stageNames[s]
	}
	return "unknown"
}

// MarshalText makes JSON show the stage's name.
func (s Stage) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
