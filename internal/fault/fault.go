package fault

// Fault is the verdict on an attempt.
type Fault struct {
	Type  Type
	Cause Cause
	Stage Stage
}

// StatusClientLeft is what logs show when the client left before it was answered. It is never sent.
const StatusClientLeft = 499

// Is reports whether there is a fault at all. An upstream's own 5xx is none of the gateway's, but has a cause.
func (f Fault) Is() bool { return f.Cause != CauseNone }

// Status gives the status code to answer with: the cause's where it has one of its own, otherwise the type's. It is 0
// where nothing is to be answered: no fault, or an upstream's own status that is passed on (CauseUpstreamStatus).
func (f Fault) Status() int {
	if f.Cause == CauseNone || int(f.Cause) >= Causes {
		return f.Type.Status()
	}
	if status := f.Cause.Entry().Status; status != 0 {
		return status
	}
	return f.Type.Status()
}

// Family gives the cause's family.
func (f Fault) Family() Family {
	if f.Cause == CauseNone {
		return FamilyNone
	}
	return f.Cause.Entry().Family
}

// Title gives the cause's title, empty if there is no fault.
func (f Fault) Title() string {
	if f.Cause == CauseNone {
		return ""
	}
	return f.Cause.Entry().Title
}

// Advice gives the first of the cause's advice, as one line; empty if there is no fault.
func (f Fault) Advice() string {
	if f.Cause == CauseNone {
		return ""
	}
	return f.Cause.Entry().Advice[0]
}

// ByUpstream reports whether the fault counts against the endpoint. The client's faults, the gateway's own, its limits
// and its refusals do not.
func (f Fault) ByUpstream() bool {
	if f.Cause == CauseNone || f.Cause == CauseUpstreamStatus || f.Stage <= Select {
		return false
	}
	switch f.Type {
	case TypeNone, TypeHTTPRequestError, TypeHTTPRequestDenied, TypeDestinationIPProhibited, TypeDestinationNotFound, TypeDestinationUnavailable,
		TypeConnectionLimitReached, TypeProxyInternalResponse, TypeProxyInternalError, TypeProxyConfigurationError, TypeProxyLoopDetected:
		return false
	}
	return true
}
