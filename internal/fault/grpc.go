package fault

// GRPCStatus is a status code of gRPC.
type GRPCStatus uint8

// The codes that a fault of the gateway has, with gRPC's numbers.
const (
	GRPCCancelled         GRPCStatus = 1
	GRPCDeadlineExceeded  GRPCStatus = 4
	GRPCPermissionDenied  GRPCStatus = 7
	GRPCResourceExhausted GRPCStatus = 8
	GRPCUnimplemented     GRPCStatus = 12
	GRPCInternal          GRPCStatus = 13
	GRPCUnavailable       GRPCStatus = 14
)

// GRPCStatus is what a client of gRPC is told of the fault. A client repeats a call for UNAVAILABLE, so that stands only where another
// try may go better: who answers nonsense is INTERNAL.
func (f Fault) GRPCStatus() GRPCStatus {
	switch f.Status() {
	case StatusClientLeft:
		return GRPCCancelled
	case 403:
		return GRPCPermissionDenied
	case 404, 405, 501:
		return GRPCUnimplemented
	case 408, 504:
		if f.Type == TypeConnectionTimeout || f.Type == TypeDNSTimeout { // the call was never sent, and its deadline is not over
			return GRPCUnavailable
		}
		return GRPCDeadlineExceeded
	case 413, 414, 429, 431:
		return GRPCResourceExhausted
	case 503:
		return GRPCUnavailable
	case 502:
		switch f.Type {
		case TypeDNSError, TypeDestinationIPUnroutable, TypeConnectionRefused, TypeConnectionTerminated, TypeHTTPResponseIncomplete:
			return GRPCUnavailable
		}
		if f.Cause == CauseHTTP2StreamReset {
			return GRPCUnavailable
		}
	}
	return GRPCInternal
}
