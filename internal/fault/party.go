package fault

// Party is who ended an exchange with an endpoint. The zero value is the endpoint, or what stands before it: its side is the one
// that is observed.
type Party uint8

// The parties.
const (
	PartyUpstream Party = iota
	PartyClient         // the client left, or its request broke
	PartyGateway        // the gateway, which drains
	Parties       = int(iota)
)

var partyNames = [Parties]string{"upstream", "client", "gateway"}

// String is the party's name, as JSON has it.
func (p Party) String() string {
	if int(p) >= Parties {
		return "unknown"
	}
	return partyNames[p]
}
