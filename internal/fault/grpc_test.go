package fault

import "testing"

func TestGRPCStatus(t *testing.T) {
	for _, c := range []struct {
		e    Evidence
		want GRPCStatus
	}{
		{Evidence{Stage: Dial, End: Refused}, GRPCUnavailable},
		{Evidence{Stage: FirstByte, End: Closed}, GRPCUnavailable},
		{Evidence{Stage: Select, End: Unavailable}, GRPCUnavailable},
		{Evidence{Stage: Select, End: Limit}, GRPCUnavailable},
		{over2(FirstByte, StreamReset, CodeRefusedStream), GRPCUnavailable},
		{over2(FirstByte, StreamReset, CodeInternalError), GRPCUnavailable},
		{over2(FirstByte, GoAway, CodeNoError), GRPCUnavailable},
		{Evidence{Stage: FirstByte, End: Timeout, Timer: TimerHead}, GRPCDeadlineExceeded},
		{Evidence{Stage: FirstByte, End: Timeout, Timer: TimerGRPC}, GRPCDeadlineExceeded},
		{Evidence{Stage: Dial, End: Timeout, Timer: TimerGRPC}, GRPCDeadlineExceeded},
		{Evidence{Stage: Dial, End: Timeout, Timer: TimerConnect}, GRPCUnavailable},
		{Evidence{Stage: Resolve, End: Timeout, Timer: TimerResolve}, GRPCUnavailable},
		{Evidence{Stage: TLS, End: Timeout, Timer: TimerTLS}, GRPCUnavailable},
		{Evidence{Stage: Select, End: NoRoute}, GRPCUnimplemented},
		{Evidence{Stage: Receive, End: TooLarge, Rule: RuleBodySize}, GRPCResourceExhausted},
		{malformed(RuleNotHTTP, "SSH-2.0\r\n"), GRPCInternal},
		{Evidence{Stage: TLS, End: Untrusted, Cert: &Certificate{Problem: CertExpired}}, GRPCInternal},
		{Evidence{Stage: Receive, End: Bug}, GRPCInternal},
		{Evidence{Stage: Receive, End: Canceled}, GRPCCancelled},
	} {
		if f := Classify(&c.e); f.GRPCStatus() != c.want {
			t.Errorf("%v (%d) is %d, want %d", f.Cause, f.Status(), f.GRPCStatus(), c.want)
		}
	}
}
