package proxy

import (
	"testing"
	"time"
)

func TestGRPCTimeout(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1H": time.Hour, "2M": 2 * time.Minute, "3S": 3 * time.Second, "40m": 40 * time.Millisecond, "5u": 5 * time.Microsecond, "6n": 6,
		"0S": 0, "99999999H": 100_000 * time.Hour, "99999999n": 99_999_999,
		"": -1, "1": -1, "S": -1, "123456789S": -1, "-1S": -1, "1s": -1, "1 S": -1, "1.5S": -1,
	} {
		if d, ok := grpcTimeout([]byte(text)); ok != (want >= 0) || ok && d != want {
			t.Errorf("%q: %v, %t", text, d, ok)
		}
	}
}

func TestGRPCContent(t *testing.T) {
	for text, want := range map[string]bool{
		"application/grpc": true, "application/grpc+proto": true, "Application/gRPC; x": true, "application/grpc-web": false, "application/grpc-web+proto": false,
		"application/json": false, "": false, "application/grpcs": false,
	} {
		if got := grpcContent([]byte(text)); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}
