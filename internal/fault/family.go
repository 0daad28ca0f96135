package fault

// Family is the kind of trouble that a cause belongs to. The first six are those that people know from every article
// about status code 502.
type Family uint8

const (
	FamilyNone             Family = iota
	FamilyOverload                // too much work for what there is
	FamilyNetwork                 // DNS, packets, routes
	FamilyMisconfiguration        // TLS, ports, protocols, timers that do not fit each other
	FamilyMaintenance             // deploys, drains, endpoints out of service
	FamilyApplication             // errors and crashes of the application
	FamilySecurity                // firewalls and filters
	FamilyClient                  // the client's request, or its leaving
	FamilyGateway                 // the gateway's own fault

	// Families is the number of families with FamilyNone, for tables indexed by Family.
	Families = int(iota)
)

var familyNames = [Families]string{"none", "overload", "network", "misconfiguration", "maintenance", "application", "security", "client", "gateway"}

var familyTitles = [Families]string{
	"No fault", "Overload", "Network", "Misconfiguration", "Maintenance", "Application", "Security", "Client", "Gateway",
}

// String gives the family's name as logs and JSON spell it.
func (f Family) String() string {
	if int(f) < Families {
		return familyNames[f]
	}
	return familyNames[FamilyNone]
}

// Title gives the family's name as a heading.
func (f Family) Title() string {
	if int(f) < Families {
		return familyTitles[f]
	}
	return familyTitles[FamilyNone]
}

// MarshalText makes JSON show the family's name.
func (f Family) MarshalText() ([]byte, error) { return []byte(f.String()), nil }
